"""Killed at any point of a compaction, every row is there once, also those that came meanwhile."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.crash.compacting import ADDED, POINTS
from tests.crash.test_kills_while_rewriting import GONE, KEPT, ROOT, fill, held


def compact(directory: Path, point: str) -> int:
    command = [sys.executable, "-m", "tests.crash.compacting", str(directory), point]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode in {0, -signal.SIGKILL}, done.stderr
    return done.returncode


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_any_point_every_row_is_there_once(tmp_path: Path, point: str) -> None:
    fill(tmp_path)
    one = (1, GONE, GONE * GONE / 2)
    assert compact(tmp_path, point) == -signal.SIGKILL
    assert held(tmp_path) == [one, (2, KEPT + ADDED, (KEPT * KEPT + ADDED * ADDED) / 2)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["analytics.duckdb", "analytics.duckdb.key"]
    assert compact(tmp_path, "none") == 0
    assert held(tmp_path) == [one, (2, KEPT + 2 * ADDED, (KEPT * KEPT + 2 * ADDED * ADDED) / 2)]
