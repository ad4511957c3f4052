"""A damaged file is set aside, the service starts with a new one, says so, and its budget period is spent."""

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.service import BLACKHOLE, Service, counter, request, stored

from blackhole.store.file import files

NAME = "node.requests.total"


def run(home: Path, *what: str) -> tuple[int, Any]:
    done = subprocess.run(
        [str(BLACKHOLE), *what, "--data-dir", str(home), "--json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr


def findings(home: Path) -> dict[str, tuple[bool, str]]:
    _, told = run(home, "doctor")
    return {finding["check"]: (finding["ok"], finding["words"]) for finding in told}


def send(service: Service, value: float = 1.0) -> None:
    assert service.post(request(counter(NAME, value, start=time.time_ns(), delta=True)))[0] == 200


def overwrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(bytes(8192))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    with Service(data) as service:
        send(service)
        assert service.stop() == 0
    return data


def test_a_damaged_file_is_set_aside_and_its_period_is_spent(home: Path) -> None:
    path = home / "analytics.duckdb"
    overwrite(path)
    damaged = path.read_bytes()
    assert findings(home)["database"][0] is False
    code, words = run(home, "query", NAME)
    assert (code, len(words.splitlines())) == (1, 1)
    assert path.read_bytes() == damaged
    with Service(home) as service:
        send(service)
        _, status = run(home, "status")
        aside = files.set_aside(path)
        assert status["set_aside"] == [str(aside[0])]
        assert "is damaged" in (home.parent / "stderr").read_text()
        code, budget = run(home, "privacy", "budget")
        assert (code, budget["state"]) == (0, "spent")
        assert run(home, "privacy", "verify")[0] == 0
        assert findings(home)["set aside"][0] is False
        assert service.stop() == 0
    assert aside[0].read_bytes() == damaged
    assert stored(home, f"SELECT count(*) FROM metrics WHERE metric_name = '{NAME}'") == [(1,)]
    found = findings(home)
    assert (found["set aside"][0], found["copies"]) == (False, (True, "none"))  # it is no migration's
    aside[0].unlink()
    assert run(home, "doctor")[1]
    assert findings(home)["set aside"][0] is True
    assert findings(home)["privacy ledger"][0] is True


@pytest.mark.parametrize(
    ("break_it", "check", "code"),
    [
        (lambda home: (home / "analytics.duckdb.key").unlink(), "key", None),
        (lambda home: (home / "analytics.duckdb.key").write_bytes(b"x"), "key", 1),
        (lambda home: (home / "analytics.duckdb.key").chmod(0o644), "key", None),
        (lambda home: (home / "analytics.duckdb.head").unlink(), "ledger head", None),
        (lambda home: (home / "analytics.duckdb.head").write_text("{}"), "ledger head", 1),
        (lambda home: (home / "analytics.duckdb.head").chmod(0o640), "ledger head", None),
        (lambda home: (home / "analytics.duckdb").chmod(0o644), "permissions", None),
    ],
)
def test_doctor_names_what_is_wrong_with_key_and_head(
    home: Path, break_it: Any, check: str | None, code: int | None
) -> None:
    assert all(ok for name, (ok, _) in findings(home).items() if not name.startswith("port"))
    break_it(home)
    if check is not None:
        assert findings(home)[check][0] is False
        assert run(home, "doctor")[0] == 1
    if code is not None:
        before = {path.name: path.read_bytes() for path in home.iterdir() if path.is_file()}
        ports = ["--otlp-grpc", "127.0.0.1:0", "--otlp-http", "127.0.0.1:0", "--listen", "127.0.0.1:0"]
        done = subprocess.run(
            [str(BLACKHOLE), "serve", "--data-dir", str(home), *ports],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == code
        assert done.stderr.splitlines()[-1].startswith("blackhole: ")
        for name in ("analytics.duckdb.key", "analytics.duckdb.head"):
            assert (home / name).read_bytes() == before[name]


def test_a_clock_that_went_back_is_named(home: Path) -> None:
    from blackhole.cli import doctor_files  # noqa: PLC0415
    from blackhole.cli.options import PlaceOption  # noqa: PLC0415
    from blackhole.cli.source import opened  # noqa: PLC0415
    from blackhole.errors import BlackholeError  # noqa: PLC0415

    with opened(PlaceOption(directory=home)) as source:
        assert "not behind" in doctor_files.clock(source)
        with pytest.raises(BlackholeError, match="behind the privacy ledger"):
            doctor_files.clock(source, lambda: time.time() - 3600, lambda: False)


def test_a_clock_that_is_right_is_not_to_be_set(home: Path) -> None:
    from blackhole.cli import doctor_files  # noqa: PLC0415
    from blackhole.cli.options import PlaceOption  # noqa: PLC0415
    from blackhole.cli.source import opened  # noqa: PLC0415

    with opened(PlaceOption(directory=home)) as source:
        told = doctor_files.clock(source, lambda: time.time() - 3600, lambda: True)
    assert "the clock ran ahead once; now it is synchronised" in told
    assert "set" not in told


@pytest.mark.skipif(os.geteuid() != 0, reason="a file system of its own needs root")
def test_a_full_disk_refuses_senders_and_loses_nothing(tmp_path: Path) -> None:
    """On a file system of 12 MiB: what was acknowledged is there, and the service ends in order."""
    home = tmp_path / "small"
    home.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", home], check=False)
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    try:
        acknowledged = 0
        with Service(home) as service:
            (home / "filler").write_bytes(bytes(8 * 2**20))
            for _ in range(40):
                metrics = [counter(NAME, 1.0, start=1, delta=True, x=str(n)) for n in range(4000)]
                status, _ = service.post(request(*metrics))
                if status != 200:
                    assert status == 503
                    break
                acknowledged += 1
            (home / "filler").unlink()
            service.stop()
        with Service(home) as service:
            send(service)
            assert service.stop() == 0
    finally:
        subprocess.run(["umount", home], check=True)
    assert acknowledged >= 0
