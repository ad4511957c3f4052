"""Killed again and again within checkpoints, the file opens each time with all that was committed, once.

`BLACKHOLE_KILLS=200` runs as many kills (20 without it). Without the copies of blocks (`store/spare.py`)
one in some 300 leaves a file that cannot be opened.
"""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.crash.checkpointing import ROWS

from blackhole.store import spare
from blackhole.store.database import Database

ROOT = Path(__file__).resolve().parents[2]
KILLS = int(os.environ.get("BLACKHOLE_KILLS", "20"))
WAITS_S = 0.25


def killed(directory: Path, first: int, seconds: float) -> int:
    """The last turn that was committed for sure."""
    command = [sys.executable, "-m", "tests.crash.checkpointing", str(directory), str(first)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        said = process.stdout.read()
    assert process.wait() == -signal.SIGKILL
    turns = (int(line) for line in said.splitlines(keepends=True) if line.endswith("\n"))
    return max(turns, default=first - 1)


def stored(path: Path) -> tuple[int, int, int]:
    """How many turns are there, and how many rows of how many times."""
    database = Database.open(path)
    with database.reader() as reader:
        ((last, rows, times),) = reader.rows(
            "SELECT max(epoch_us(created_at)), count(*), count(DISTINCT time) FROM recent_points"
        ).rows
    database.close()
    return -1 if last is None else int(last), int(rows), int(times)


@pytest.mark.slow
@pytest.mark.timeout(60 + 5 * KILLS)
def test_killed_within_checkpoints_the_file_opens_with_all_that_was_committed(tmp_path: Path) -> None:
    chance = random.Random(8)
    path = tmp_path / "analytics.duckdb"
    turns = within = 0
    for _ in range(KILLS):
        safe = killed(tmp_path, turns, chance.uniform(0, WAITS_S))
        within += path.with_name(path.name + spare.SUFFIX).exists()
        last, rows, times = stored(path)
        assert safe <= last <= safe + 1
        turns = last + 1
        assert rows == times == turns * ROWS
    assert within > 0  # else this tries nothing
