"""Chunks know over what time their points were counted, and hours what grew in them."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.store import rates
from tests.store.store_fakes import SECOND, Histogram, Interval, Point, batch, series, stream

from blackhole.model.series import MetricType
from blackhole.store.database import Database
from blackhole.store.upkeep.seal import BLOCK_NS, Sealer, block_of
from blackhole.store.writer import insert

HOUR = 3600 * SECOND
MINUTE = 60 * SECOND
START = block_of(1_750_000_000 * SECOND)
KINDS = {1: MetricType.COUNTER, 2: MetricType.COUNTER, 3: MetricType.GAUGE, 4: MetricType.HISTOGRAM}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database.open(tmp_path / "a.duckdb", clock=lambda: START + 10 * BLOCK_NS)
    given = batch(
        series=[series(n, f"m.{n}", kind) for n, kind in KINDS.items()],
        streams=[stream(n, n) for n in KINDS],
    )
    with database.write() as connection:
        insert(connection, given.rows, given.series, given.streams, created_us=1)
    yield database
    database.close()


def seal(
    database: Database,
    points: list[Point],
    intervals: list[Interval] | None = None,
    histograms: list[Histogram] | None = None,
) -> None:
    given = batch(points, histograms or [], intervals=intervals or [])
    with database.write() as connection:
        insert(connection, given.rows, (), (), created_us=2)
    Sealer(database, pause=0).apply()


def rows(database: Database, sql: str) -> list[Any]:
    with database.reader() as reader:
        return reader.rows(sql).rows


def ends(database: Database, table: str = "chunks") -> list[Any]:
    """When chunks begin, when their streams were before, and their periods, in seconds after the start."""
    found = rows(
        database, f"SELECT epoch_ns(start), epoch_ns(since), period FROM {table} ORDER BY stream, start"
    )
    return [
        (
            (start - START) / SECOND,
            None if since is None else (since - START) / SECOND,
            period and period / SECOND,
        )
        for start, since, period in found
    ]


def counted(number: int, times: list[int], step: float = 1.0) -> list[Point]:
    return [
        Point(number, START + time, step if place else 0.0, stream=number, cumulative=step * place)
        for place, time in enumerate(times)
    ]


def observed(times: list[int]) -> list[Histogram]:
    return [Histogram(4, START + time, 1, 2.0, (1.0,), (0, 1), stream=4) for time in times]


def test_an_increment_counts_in_the_hours_in_which_it_grew(database: Database) -> None:
    seal(database, counted(1, [59 * MINUTE, 61 * MINUTE, 63 * MINUTE], 6.0))
    assert rows(database, "SELECT totals, grown FROM chunks") == [([0.0, 12.0], [3.0, 9.0])]
    seal(database, [Point(1, START + 121 * MINUTE, 8.0, 1, 20.0)])
    seal(database, [Point(1, START + 181 * MINUTE, 6.0, 1, 26.0)])
    told = rows(database, "SELECT totals, grown FROM chunks ORDER BY start")
    assert [totals for totals, _ in told[1:]] == [[8.0], [6.0]]
    assert [grown for _, grown in told[1:]] == [
        pytest.approx([8 * 57 / 58, 8 / 58]),
        pytest.approx([6 * 59 / 60, 6 / 60]),
    ]


def test_an_interval_says_since_when_an_increment_grew(database: Database) -> None:
    def said(since: int, at: int) -> Interval:
        return Interval(2, 2, START + at, START + since, 6.0)

    points = [Point(2, START + at, 6.0, stream=2) for at in (65 * MINUTE, 70 * MINUTE, 200 * MINUTE)]
    seal(
        database,
        points,
        [said(55 * MINUTE, 65 * MINUTE), said(58 * MINUTE, 70 * MINUTE), said(70 * MINUTE, 200 * MINUTE)],
    )
    (chunk,) = rows(database, "SELECT totals, grown, since FROM chunks")
    assert chunk == ([12.0, 0.0, 6.0], [3.0 + 1.0, 3.0 + 5.0, 0.0, 0.0], None)
    assert rows(database, "SELECT count(*) FROM intervals") == [(3,)]


def test_a_level_has_no_hours_of_growth(database: Database) -> None:
    seal(database, [Point(3, START + n * MINUTE, 1.5, stream=3) for n in range(80)])
    assert rows(database, "SELECT grown FROM chunks") == [(None,)]


@pytest.mark.parametrize("number", [1, 3])
def test_a_chunk_goes_on_from_the_row_before(database: Database, number: int) -> None:
    def points(*times: int) -> list[Point]:
        return [Point(number, START + time, 1.0, stream=number) for time in times]

    seal(database, points(0, 60 * SECOND))
    seal(database, points(90 * SECOND))
    seal(database, points(150 * SECOND), [Interval(number, number, START + 150 * SECOND, START, 1.0)])
    seal(database, points(30 * SECOND, 100 * SECOND))  # late, into what is there, and after a chunk
    assert [(start, since) for start, since, _ in ends(database)] == [
        (0, None),
        (30, 0),
        (90, 60),
        (150, None),
    ]


def test_of_long_blocks_each_chunk_goes_on_from_the_one_before(database: Database) -> None:
    seal(database, counted(1, [n * SECOND // 4 for n in range(20_000)]))
    assert ends(database) == [(0, None, 0.25), (2048, 2047.75, 0.25), (4096, 4095.75, 0.25)]


def test_histograms_go_on_from_the_row_before_whatever_its_bounds(database: Database) -> None:
    first = observed([0, 10 * SECOND])
    other = [Histogram(4, START + 20 * SECOND, 1, 2.0, (5.0,), (0, 1), stream=4)]
    seal(database, [], [], first + other)
    seal(database, [], [], observed([40 * SECOND]))
    told = [Interval(4, 4, START + 90 * SECOND, START, 1.0, 2.0, period_ns=7 * SECOND)]
    seal(database, [], told, observed([90 * SECOND]))
    assert ends(database, "histogram_chunks") == [(0, None, 10), (20, 10, 10), (40, 20, 10), (90, None, 7)]


def test_a_chunk_knows_the_period_of_its_last_nine_distances(database: Database) -> None:
    slow = [n * 100 * SECOND for n in range(12)]
    seal(database, counted(1, [*slow, *(slow[-1] + n * SECOND for n in range(1, 6))]))
    assert ends(database)[0][2] == 1.0  # five of nine
    seal(database, counted(2, slow))
    seal(database, counted(2, [slow[-1] + n * 10 * SECOND for n in range(1, 5)]))
    assert [period for _, _, period in ends(database)[1:]] == [100.0, 100.0]  # four of nine are quicker
    seal(database, [Point(3, START, 1.0, stream=3)])
    assert ends(database)[-1] == (0, None, None)


def test_the_period_of_increments_as_sent_is_how_long_they_were_counted(database: Database) -> None:
    times = [n * MINUTE for n in range(1, 12)]
    points = [Point(2, START + time, 1.0, stream=2) for time in times]
    seal(database, points, [Interval(2, 2, START + t, START + t - 10 * SECOND, 1.0) for t in times])
    assert ends(database) == [(60, None, 10.0)]


def test_what_the_core_told_of_the_period_counts(database: Database) -> None:
    points = counted(1, [0, 60 * SECOND, 7 * HOUR])
    told = Interval(1, 1, START + 7 * HOUR, START + 60 * SECOND, 1.0, estimated=True, period_ns=61 * SECOND)
    seal(database, points, [told])
    assert ends(database)[-1][2] == 61.0


def test_what_an_older_version_counted_over_hours_stands_beside_the_hours(database: Database) -> None:
    seal(database, counted(1, [0, 10 * MINUTE, 20 * MINUTE, 200 * MINUTE, 210 * MINUTE]))
    told = rows(
        database, "SELECT series, stream, epoch_ns(time), epoch_ns(since), value, estimated FROM intervals"
    )
    assert told == [(1, 1, START + 200 * MINUTE, START + 20 * MINUTE, 1.0, True)]
    grown = [grew for (hours,) in rows(database, "SELECT grown FROM chunks ORDER BY start") for grew in hours]
    assert sum(grown) == 3.0
    assert rates.differences(database) == []


@pytest.mark.parametrize("seed", range(6))
def test_hours_and_intervals_hold_what_points_say(database: Database, seed: int) -> None:
    chance = random.Random(seed)
    reached = dict.fromkeys((1, 2), 0.0)
    at = dict.fromkeys((1, 2), START)
    for _ in range(4):
        points: list[Point] = []
        intervals: list[Interval] = []
        for number in (1, 2):
            step = chance.choice([SECOND, 17 * SECOND, 7 * MINUTE, 50 * MINUTE])
            for _ in range(chance.randrange(1, 60)):
                before, at[number] = (
                    at[number],
                    at[number] + step + chance.choice([0, 0, 1, chance.randrange(step)]),
                )
                value = chance.choice([0.0, 1.0, chance.random(), 1e12 * chance.random()])
                reached[number] += value
                cumulative = reached[number] if number == 1 else None
                points.append(Point(number, at[number], value, stream=number, cumulative=cumulative))
                if chance.random() < 0.1:
                    since = chance.choice(
                        [before, before - step // 3, at[number] - 2 * HOUR, at[number] - HOUR, at[number]]
                    )
                    intervals.append(Interval(number, number, at[number], since, value))
        database._clock = lambda: max(at.values()) + 2 * BLOCK_NS
        seal(database, points, intervals)
        assert rates.differences(database) == []
    assert rates.from_points(database)
