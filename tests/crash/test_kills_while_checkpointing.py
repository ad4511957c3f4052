"""Killed again and again within checkpoints, the file opens each time with all that was committed, once.

`BLACKHOLE_KILLS=200` runs as many kills (20 without it). Without the copies of blocks
(`store/file/checkpoint_undo.py`) one in some 300 leaves a file that cannot be opened.
"""

import os
import random
import signal
from pathlib import Path

import pytest
from tests.crash.checkpointing import ROWS
from tests.crash.killing import run

from blackhole.store.database import Database
from blackhole.store.file import checkpoint_undo as spare
from blackhole.store.file import files

KILLS = int(os.environ.get("BLACKHOLE_KILLS", "20"))
WAITS_S = 0.25


def killed(directory: Path, first: int, seconds: float) -> int:
    """The last turn that was committed for sure."""
    code, turns = run("checkpointing", str(directory), str(first), kill_after=seconds)
    assert code == -signal.SIGKILL
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
        within += files.beside(path, spare.SUFFIX).exists()
        last, rows, times = stored(path)
        assert safe <= last <= safe + 1
        turns = last + 1
        assert rows == times == turns * ROWS
    assert within > 0  # else this tries nothing
