"""What is forgotten is in no byte of the data directory, while the service runs and after."""

import contextlib
import json
import os
import subprocess
import threading
import time
from pathlib import Path

import pytest
from tests.e2e.service import BLACKHOLE, Service, counter, request, stored

NAME = "identity.requests.total"
OTHER = "node.requests.total"
MARK = "qzXcanary-method"
# No number of anything else has these bytes.
VALUE = 1234567.890123457

CATALOGUE = f"""
metrics:
  - name: {NAME}
    category: infrastructure
    description: Requests that were answered
    type: counter
    unit: "{{request}}"
    privacy: internal
    purpose: How busy the service is, for a test
    review_after: 2099-01-01
    keep: [method]
    same_events_ok: a test
  - name: {OTHER}
    category: infrastructure
    description: Requests that were answered
    type: counter
    unit: "{{request}}"
    privacy: internal
    purpose: How busy the service is, for a test
    review_after: 2099-01-01
    keep: [method]
    same_events_ok: a test
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    data.mkdir()
    (data / "catalogue.yaml").write_text(CATALOGUE)
    return data


def forget(home: Path, *what: str, code: int = 0) -> dict[str, object]:
    done = subprocess.run(
        [str(BLACKHOLE), "forget", "--data-dir", str(home), "--json", "--yes", *what],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == code, done.stderr
    answer: dict[str, object] = json.loads(done.stdout) if done.stdout else {"error": done.stderr}
    return answer


def send(service: Service, value: float, start: int, name: str = NAME, method: str = MARK) -> None:
    assert service.post(request(counter(name, value, start=start, method=method)))[0] == 200


def bytes_of(home: Path) -> bytes:
    return b"".join(path.read_bytes() for path in home.rglob("analytics.duckdb*") if path.is_file())


def test_a_forgotten_metric_is_gone_from_every_byte_and_comes_back_from_a_baseline(home: Path) -> None:
    start = time.time_ns()
    with Service(home) as service:
        start = time.time_ns()
        send(service, VALUE, start)
        send(service, 5.0, start, OTHER, "get")
        answer = forget(home, "--metric", NAME)
        assert answer["series"] == 1
        assert answer["rows"]["recent_points"] == 1  # type: ignore[index]
        assert answer["proof"]["marks"] > 0  # type: ignore[index]
        # The running total that it continues with tells nothing of what was before.
        send(service, VALUE + 3, start)
        send(service, VALUE + 10, start)
        send(service, 9.0, start, OTHER, "get")
        assert service.stop() == 0
    with Service(home) as service:
        send(service, VALUE + 11, start)
        assert service.stop() == 0
    rows = stored(home, f"SELECT value FROM metrics WHERE metric_name = '{NAME}' ORDER BY timestamp")
    assert [value for (value,) in rows] == pytest.approx([0, 7, 1])
    rows = stored(home, f"SELECT value FROM metrics WHERE metric_name = '{OTHER}' ORDER BY timestamp")
    assert [value for (value,) in rows] == [5, 4]
    orphans = "SELECT count(*) FROM points WHERE series NOT IN (SELECT id FROM series)"
    assert stored(home, orphans) == [(0,)]
    streams = "SELECT count(*) FROM streams WHERE series NOT IN (SELECT id FROM series)"
    assert stored(home, streams) == [(0,)]


def test_no_byte_of_what_was_forgotten_is_left_in_the_data_directory(home: Path) -> None:
    with Service(home) as service:
        start = time.time_ns()
        send(service, VALUE, start)
        send(service, 5.0, start, OTHER, "get")
        service.query(NAME)
        assert service.stop() == 0
    assert MARK.encode() in bytes_of(home)
    forget(home, "--where", f"method={MARK}")
    forget(home, "--metric", NAME)
    left = bytes_of(home)
    assert MARK.encode() not in left
    assert NAME.encode() not in left
    assert OTHER.encode() in left


def test_a_stopped_service_that_forgot_counts_nothing_again(home: Path) -> None:
    with Service(home) as service:
        start = time.time_ns()
        send(service, 1000.0, start)
        assert service.stop() == 0
    forget(home, "--all")
    with Service(home) as service:
        send(service, 1001.0, start)
        send(service, 1003.0, start)
        assert service.stop() == 0
    rows = stored(home, f"SELECT value FROM metrics WHERE metric_name = '{NAME}' ORDER BY timestamp")
    assert rows == [(0,), (2,)]


def test_everything_sent_meanwhile_is_stored_once_and_known_by_its_series(home: Path) -> None:
    """Senders go on while the file is rewritten again and again; nothing of the other metric is lost."""
    sent = [0]
    done = threading.Event()

    with Service(home) as service:
        start = time.time_ns()

        def go_on() -> None:
            while not done.is_set():
                sent[0] += 1
                send(service, float(sent[0]), start, OTHER, "get")
                send(service, float(sent[0]), start)

        sender = threading.Thread(target=go_on)
        sender.start()
        for what in (["--metric", NAME], ["--where", f"method={MARK}"], ["--metric", "identity.*"]) * 3:
            forget(home, *what)
        done.set()
        sender.join()
        assert service.stop() == 0
    assert stored(home, f"SELECT sum(value) FROM metrics WHERE metric_name = '{OTHER}'") == [(sent[0],)]
    for table in ("points", "streams"):
        orphans = f"SELECT count(*) FROM {table} WHERE series NOT IN (SELECT id FROM series)"
        assert stored(home, orphans) == [(0,)]
    doubles = "SELECT count(*) FROM series GROUP BY metric, attributes HAVING count(*) > 1"
    assert stored(home, doubles) == []


def test_the_ledger_its_receipts_and_its_head_stay(home: Path) -> None:
    with Service(home) as service:
        send(service, 1.0, time.time_ns())
        assert service.stop() == 0
    ledger = stored(home, "FROM privacy_ledger ORDER BY sequence")
    head = (home / "analytics.duckdb.head").read_bytes()
    forget(home, "--all")
    assert stored(home, "FROM privacy_ledger ORDER BY sequence") == ledger
    assert ledger
    assert (home / "analytics.duckdb.head").read_bytes() == head
    verified = subprocess.run([str(BLACKHOLE), "privacy", "verify", "--data-dir", str(home)], check=False)
    assert verified.returncode == 0


@pytest.mark.parametrize(
    "what", [[], ["--all", "--metric", NAME], ["--where", "novalue"], ["--metric", "*"]], ids=str
)
def test_what_says_nothing_or_too_much_is_refused(home: Path, what: list[str]) -> None:
    with Service(home) as service:
        send(service, 1.0, time.time_ns())
        assert "\n" not in str(forget(home, *what, code=2)["error"]).strip()
        assert service.stop() == 0
    assert stored(home, f"SELECT count(*) FROM metrics WHERE metric_name = '{NAME}'") == [(1,)]
    assert "\n" not in str(forget(home, *what, code=2)["error"]).strip()


def test_on_a_terminal_it_counts_and_asks_before_it_erases(home: Path) -> None:
    with Service(home) as service:
        send(service, VALUE, time.time_ns())
        assert "nothing was erased" in answered(home, b"n\n")
        assert len(service.query(NAME)["series"]) == 1
        said = answered(home, b"y\n")
        assert "would erase: 1 series" in said
        assert "1 of recent_points" in said
        assert "erased:  1 series" in said


def answered(home: Path, answer: bytes) -> str:
    """What `forget` says on a terminal where this is typed."""
    mine, its = os.openpty()
    child = subprocess.Popen(
        [str(BLACKHOLE), "forget", "--data-dir", str(home), "--metric", NAME],
        stdin=its,
        stdout=its,
        stderr=its,
    )
    os.close(its)
    os.write(mine, answer)
    said = b""
    with contextlib.suppress(OSError):  # the terminal's other end is closed
        while piece := os.read(mine, 4096):
            said += piece
    assert child.wait(60) in {0, 1}
    os.close(mine)
    return said.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("what", [("--all",), ("--metric", NAME), ("--where", "a=b")])
def test_where_nobody_can_be_asked_nothing_is_erased_without_a_word(
    home: Path, what: tuple[str, ...]
) -> None:
    with Service(home) as service:
        send(service, VALUE, time.time_ns())
        done = subprocess.run(
            [str(BLACKHOLE), "forget", "--data-dir", str(home), *what],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert (done.returncode, done.stdout) == (2, "")
        assert "add --yes" in done.stderr
        assert len(service.query(NAME)["series"]) == 1


def test_a_dry_run_counts_and_leaves_every_byte(home: Path) -> None:
    with Service(home) as service:
        send(service, VALUE, time.time_ns())
        running = forget(home, "--metric", NAME, "--dry-run")
        assert service.stop() == 0
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    stopped = forget(home, "--metric", NAME, "--dry-run")
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == before
    assert running["dry_run"] is stopped["dry_run"] is True
    assert running["rows"] == stopped["rows"]
    erased = forget(home, "--metric", NAME)
    assert (erased["rows"], erased["dry_run"]) == (stopped["rows"], False)
