"""Killed again and again while it seals and commits, nothing is lost or twice; in the end all is sealed."""

import random
import signal
import time
from pathlib import Path

from tests.crash.killing import run
from tests.crash.sealing import BATCH, COMMITTED
from tests.store.store_fakes import SECOND, stream

from blackhole.store.database import Database
from blackhole.store.upkeep.seal import DAY_NS

SERIES = 40
ROWS = 40_000
KILLS = 12


def fill(path: Path) -> None:
    start = (time.time_ns() // DAY_NS - 2) * DAY_NS
    database = Database.open(path)
    with database.write() as connection:
        connection.execute(
            "INSERT INTO series SELECT i, 'a.' || i % 3, ['counter', 'gauge'][i % 2 + 1], '', '{}', 0, NULL,"
            " make_timestamp(1) FROM range($1) t(i)",
            [SERIES],
        )
        streams = [stream(n, n) for n in range(1, SERIES + 1)]
        connection.executemany(
            "INSERT INTO streams (id, key, series, created_at) VALUES (?, ?, ?, make_timestamp(1))",
            [[s.id, s.key, s.id - 1] for s in streams],
        )
        connection.execute(
            "INSERT INTO recent_points SELECT i % $1, i % $1 + 1, make_timestamp_ns($2 + i // $1 * $3),"
            " i % 10, CASE WHEN i % 2 = 0 THEN i // $1 * (i % 10) END, make_timestamp(1) FROM range($4) t(i)",
            [SERIES, start, 60 * SECOND, ROWS],
        )
        connection.execute(
            "INSERT INTO recent_histogram_points SELECT 1, 2, make_timestamp_ns($1 + i * $2), 2, i, NULL,"
            " NULL, [1.0, 2.0], [i % 2, 1, 1 - i % 2], 2 * i, i, [1.0, 2.0], [i, i, i], make_timestamp(1)"
            " FROM range(1000) t(i)",
            [start, 61 * SECOND],
        )
    database.close()


def told(path: Path) -> tuple[object, ...]:
    database = Database.open(path)
    with database.reader() as reader:
        points = reader.rows(
            "SELECT count(*), bit_xor(hash(p)), sum(hash(p)) FROM points AS p WHERE series <> $1", [COMMITTED]
        ).rows
        histograms = reader.rows(
            "SELECT count(*), sum(hash(series, stream, time, count, sum, bounds, buckets))"
            " FROM histogram_points"
        ).rows
    state = database.recall([stream(n, 0).key for n in range(1, SERIES + 1)])
    database.close()
    return points, histograms, state


def committed(path: Path) -> int:
    database = Database.open(path)
    with database.reader() as reader:
        rows = reader.rows("SELECT count(*) FROM points WHERE series = $1", [COMMITTED]).rows
    database.close()
    return int(rows[0][0])


def test_killed_at_any_moment_of_sealing_nothing_is_lost_or_twice(tmp_path: Path) -> None:
    chance = random.Random(7)
    path = tmp_path / "analytics.duckdb"
    fill(path)
    before = told(path)
    safe = 0
    for seconds in [*(chance.uniform(0, 0.6) for _ in range(KILLS)), None]:
        code, said = run("sealing", str(tmp_path), kill_after=seconds)
        rows = sum(said)  # that were committed for sure
        assert code in ({0} if seconds is None else {0, -signal.SIGKILL})
        assert told(path) == before
        stored = committed(path)
        assert safe + rows <= stored <= safe + rows + BATCH
        safe = stored
    database = Database.open(path)
    with database.reader() as reader:
        left = reader.rows(
            "SELECT (SELECT count(*) FROM recent_points WHERE series <> $1), sum(list_sum(samples))"
            " FROM chunks",
            [COMMITTED],
        ).rows
        chunks = reader.rows("SELECT sum(count) FROM chunks").rows
    database.close()
    assert (left, chunks) == ([(0, ROWS)], [(ROWS,)])
