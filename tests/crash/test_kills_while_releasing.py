"""Killed at any step of a release: no window twice, no refund, nothing raw on the disk, a whole chain."""

import signal
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.crash.releasing import KNOWN_TO_THE_HEAD, POINTS, USER, VALUE
from tests.e2e.service import stored

from blackhole.model.ledger import LedgerKind, LedgerRow
from blackhole.privacy.chain import check
from blackhole.store.database import Database

ROOT = Path(__file__).parents[2]
GROUPS = 3


def run(directory: Path, hour: int, point: str) -> int:
    command = [sys.executable, "-m", "tests.crash.releasing", str(directory), str(hour), point]
    done = subprocess.run(command, cwd=ROOT, timeout=60, check=False, capture_output=True, text=True)
    assert done.returncode in {0, -signal.SIGKILL}, done.stderr
    return done.returncode


def rows(directory: Path) -> list[LedgerRow]:
    database = Database.open(directory / "analytics.duckdb", read_only=True)
    try:
        return database.ledger_rows()
    finally:
        database.close()


def values(directory: Path) -> list[tuple[Any, ...]]:
    """(window's start, number of values) of what is stored."""
    return stored(directory, "SELECT epoch_ns(timestamp), count(*) FROM metrics GROUP BY 1 ORDER BY 1")


def assert_nothing_raw(directory: Path) -> None:
    whole = int(VALUE)
    marks = [USER.encode(), str(whole).encode(), struct.pack("<d", VALUE), struct.pack("<q", whole)]
    for file in directory.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert not [mark for mark in marks if mark in content], file.name


@pytest.mark.parametrize("point", POINTS)
def test_a_release_that_is_killed_is_made_once_or_never_and_charged_if_it_may_have_been(
    tmp_path: Path, point: str
) -> None:
    assert run(tmp_path, 1, point) == -signal.SIGKILL
    assert_nothing_raw(tmp_path)
    assert run(tmp_path, 3, "") == 0
    assert_nothing_raw(tmp_path)

    ledger = rows(tmp_path)
    check(ledger)
    released = [row.window for row in ledger if row.kind is LedgerKind.RELEASE]
    assert len(released) == len(set(released))
    assert not [row for row in ledger if row.kind is LedgerKind.SPENT]
    lost = stored(tmp_path, "SELECT epoch_ns(window_start) FROM releases WHERE lost")
    assert len(lost) == (point in KNOWN_TO_THE_HEAD)
    kept = stored(tmp_path, "SELECT epoch_ns(window_start) FROM releases WHERE NOT lost ORDER BY 1")
    assert values(tmp_path) == [(start, GROUPS) for (start,) in kept]
    paid = {row.window.start_ns for row in ledger if row.window is not None and row.cost_rho > 0}
    assert paid == {start for (start,) in lost + kept}


def test_runs_that_are_not_killed_release_window_after_window(tmp_path: Path) -> None:
    for hour in (1, 5, 9):
        assert run(tmp_path, hour, "") == 0
    assert len(values(tmp_path)) == 6
    assert all(count == GROUPS for _, count in values(tmp_path))
    check(rows(tmp_path))
