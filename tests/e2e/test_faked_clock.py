"""A running service whose wall clock is set, as far as libfaketime shows it to the process."""

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from tests.e2e.service import BLACKHOLE, Service, counter, request, stored

_LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(_LIBRARY is None, reason="libfaketime is not installed (Debian: faketime)"),
]

DAY = 86400
NAME = "identity.requests.total"
PRIVATE = """
metrics:
  - name: shared.count
    description: An event of the test
    type: counter
    unit: "{request}"
    privacy: sensitive
    purpose: Whether windows follow the clock
    privacy_unit: {name: user, keys: [user.id]}
    bounds: [0, 10]
"""
SUM = "SELECT sum(value) FROM metrics WHERE metric_name = '{}'"

Set = Callable[[float], None]


@pytest.fixture
def set_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Set:
    """Sets the clock of services that start from here on, and of those that run, so many seconds ahead."""
    file = tmp_path / "clock"

    def set_(ahead: float) -> None:
        new = file.with_suffix(".new")
        new.write_text(f"{ahead:+.0f}\n")
        new.replace(file)

    set_(0)
    monkeypatch.setenv("LD_PRELOAD", str(_LIBRARY))
    monkeypatch.setenv("FAKETIME_TIMESTAMP_FILE", str(file))
    monkeypatch.setenv("FAKETIME_NO_CACHE", "1")
    monkeypatch.setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1")
    return set_


def now_ns(ahead: float = 0) -> int:
    return time.time_ns() + round(ahead * 1e9)


def send(service: Service, value: float, *, began: int, ahead: float = 0) -> None:
    service.call(request(counter(NAME, value, start=began, when=now_ns(ahead))))


def notes(service: Service) -> list[str]:
    return [str(note) for note in service.told("status")["notes"]]


def total(service: Service, ahead: float = 0) -> float:
    end = now_ns(ahead) / 1e9
    answer = service.query(
        NAME, aggregation="sum", interval="1d", start_time=end - 40 * DAY, end_time=end + 400 * DAY
    )
    return sum(float(point["value"]) for series in answer["series"] for point in series["points"])


def test_a_start_31_days_ahead_deletes_nothing(tmp_path: Path, set_clock: Set) -> None:
    data = tmp_path / "data"
    with Service(data) as service:
        send(service, 5, began=now_ns())
        service.stop()
    set_clock(31 * DAY)
    with Service(data) as service:
        time.sleep(4)
        assert any("at a start it was 31 days after the newest row" in note for note in notes(service))
        service.stop()
    assert stored(data, SUM.format(NAME)) == [(5.0,)]


@pytest.mark.parametrize("restarts", [False, True])
def test_one_export_three_days_ahead_stops_no_counter(
    tmp_path: Path, set_clock: Set, *, restarts: bool
) -> None:
    data = tmp_path / "data"
    service = Service(data).__enter__()
    began = now_ns()
    send(service, 10, began=began)
    set_clock(3 * DAY)
    send(service, 20, began=began, ahead=3 * DAY)
    set_clock(0)
    if restarts:
        service.stop()
        service = Service(data).__enter__()
    send(service, 35, began=began)
    assert total(service) == 25
    now = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() + 2))
    health: dict[str, Any] = service.told("health")
    assert all(one["last_seen"] <= now for one in health["services"] if one["last_seen"])
    service.stop()
    assert stored(data, SUM.format(NAME)) == [(35.0,)]


def shared(value: float) -> list[Metric]:
    return [
        counter("shared.count", value, start=0, when=0, delta=True, **{"user.id": f"u{number}"})
        for number in range(5)
    ]


def test_private_windows_follow_the_clock_back_and_one_line_says_what_waits(
    tmp_path: Path, set_clock: Set
) -> None:
    data, file, config = tmp_path / "data", tmp_path / "private.yaml", tmp_path / "config.yaml"
    file.write_text(PRIVATE)
    config.write_text(f"analytics: {{sensitive_window: 2s, catalogue: ['{file}']}}\n")
    with Service(data, ("--config", str(config))) as service:
        time.sleep(2.5)
        set_clock(3 * DAY)
        service.call(request(*shared(10)))
        time.sleep(5)
        set_clock(0)
        for _ in range(3):
            service.call(request(*shared(10)))
            time.sleep(2.5)
        (line,) = [note for note in notes(service) if note.startswith("The clock went back")]
        assert "highly sensitive metrics are withheld until the ledger's time" in line
        command = [str(BLACKHOLE), "doctor", "--data-dir", str(data), "--json"]
        said = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False).stdout
        assert line in json.dumps(json.loads(said), ensure_ascii=False)
        assert "set the clock" not in said
        service.stop()
    rows = stored(data, "SELECT timestamp, value FROM metrics WHERE metric_name = 'shared.count'")
    assert sum(value for _, value in rows) == 4 * 50
    assert len({moment for moment, _ in rows}) == len(rows)


def test_a_process_older_than_a_clock_that_was_years_back_does_not_count_in_full(
    tmp_path: Path, set_clock: Set
) -> None:
    data, years = tmp_path / "data", 20 * 365 * DAY
    set_clock(-years)
    with Service(data) as service:
        time.sleep(1)
        set_clock(0)
        began = now_ns(-300 * DAY)
        send(service, 1e9, began=began)
        send(service, 1e9 + 5, began=began)
        service.stop()
    assert stored(data, SUM.format(NAME)) == [(5.0,)]
