"""A start by a clock that leapt: nothing goes, and everybody who is asked says why."""

import json
import subprocess
import time
from contextlib import closing
from pathlib import Path

import duckdb
import pytest
from tests.e2e.service import BLACKHOLE, Service, counter, request, stored

from blackhole.runtime.clock import kernel_synchronised

_TABLES = ("recent_points", "recent_histogram_points", "chunks", "histogram_chunks")


def shift(database: Path, days: int) -> None:
    """Every point is so many days older: for the next start the clock is that far ahead."""
    with closing(duckdb.connect(str(database))) as connection:
        for table in _TABLES:
            columns = ("time",) if table.startswith("recent") else ("start", "last")
            moved = ", ".join(f"{name} = {name} - INTERVAL {days} DAY" for name in columns)
            connection.execute(f"UPDATE {table} SET {moved}")


def said(data_dir: Path, *what: str) -> str:
    command = [str(BLACKHOLE), *what, "--data-dir", str(data_dir)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout


@pytest.mark.skipif(kernel_synchronised(), reason="the kernel gives its word for the clock of this machine")
def test_a_start_31_days_ahead_deletes_nothing_and_says_so(tmp_path: Path) -> None:
    data, database = tmp_path / "data", tmp_path / "data" / "analytics.duckdb"
    with Service(data) as service:
        service.call(request(counter("identity.requests.total", 5, start=time.time_ns(), delta=True)))
        service.stop()
    shift(database, 31)
    with Service(data) as service:
        time.sleep(2)  # what is deleted at a start is deleted by then
        (note,) = [note for note in json.loads(said(data, "status", "--json"))["notes"] if "clock" in note]
        assert "at a start it was 31 days after the newest row" in note
        assert note in said(data, "status")
        assert note in said(data, "doctor")
        service.stop()
    assert note in said(data, "status")
    sql = "SELECT sum(value) FROM metrics WHERE metric_name = 'identity.requests.total'"
    assert stored(data, sql) == [(5.0,)]
