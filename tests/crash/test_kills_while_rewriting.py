"""Killed at any point of a rewriting, the old file is there, whole, or the new one."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.crash.rewriting import POINTS, RENAMED

from blackhole.store.database import Database

ROOT = Path(__file__).resolve().parents[2]
GONE, KEPT = 3000, 5000


def fill(directory: Path) -> None:
    database = Database.open(directory / "analytics.duckdb")
    with database.write() as connection:
        connection.execute(
            "INSERT INTO series SELECT i, ['gone', 'kept'][i], 'gauge', '', '{}', 0, NULL, now()::TIMESTAMP"
            " FROM range(1, 3) AS t(i)"
        )
        for number, rows in ((1, GONE), (2, KEPT)):
            connection.execute(
                "INSERT INTO recent_points SELECT ?, 0, make_timestamp_ns(i * 1000), i + 0.5, NULL,"
                " now()::TIMESTAMP FROM range(?) AS t(i)",
                [number, rows],
            )
    database.close()


def rewrite(directory: Path, point: str) -> int:
    command = [sys.executable, "-m", "tests.crash.rewriting", str(directory), point]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode in {0, -signal.SIGKILL}, done.stderr
    return done.returncode


def held(directory: Path) -> list[tuple[int, int, float]]:
    database = Database.open(directory / "analytics.duckdb")
    with database.reader() as reader:
        rows = reader.rows("SELECT series, count(*), sum(value) FROM points GROUP BY 1 ORDER BY 1").rows
    database.close()
    return [(number, count, total) for number, count, total in rows]


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_any_point_one_of_the_two_files_is_there_whole(tmp_path: Path, point: str) -> None:
    fill(tmp_path)
    assert rewrite(tmp_path, point) == -signal.SIGKILL
    both = [(1, GONE, GONE * GONE / 2), (2, KEPT, KEPT * KEPT / 2)]
    renamed = list(POINTS).index(point) >= RENAMED
    assert held(tmp_path) == (both[1:] if renamed else both)
    # Nothing of the attempt is left, and the next one succeeds.
    assert sorted(path.name for path in tmp_path.iterdir()) == ["analytics.duckdb", "analytics.duckdb.key"]
    assert rewrite(tmp_path, "none") == 0
    assert held(tmp_path) == both[1:]
