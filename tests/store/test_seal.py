"""Sealed rows answer as the rows did: value by value, and for the streams that go on after a restart."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.store.store_fakes import SECOND, Histogram, Point, batch, series, stream

from blackhole.model.series import MetricType
from blackhole.store.database import Database
from blackhole.store.upkeep.seal import BLOCK_NS, FEW, MARGIN_NS, OF_A_SERIES, Sealer, SliceSizes, block_of
from blackhole.store.writer import insert

NOW = block_of(1_750_000_000 * SECOND) + 3600 * SECOND
KINDS = (MetricType.COUNTER, MetricType.GAUGE, MetricType.UPDOWNCOUNTER)
ALL = {
    "points": "SELECT * FROM points ORDER BY series, stream, time, value",
    "histograms": "SELECT * EXCLUDE (cumulative_count, cumulative_sum, cumulative_bounds, cumulative_buckets)"
    " FROM histogram_points ORDER BY series, stream, time, count",
    "metrics": "SELECT * EXCLUDE id FROM metrics ORDER BY ALL",
}


@pytest.fixture
def database(tmp_path: Path) -> Any:
    database = Database.open(tmp_path / "a.duckdb", clock=lambda: NOW)
    yield database
    database.close()


def store(database: Database, points: list[Point], histograms: list[Histogram] | None = None) -> None:
    given = batch(points, histograms or [])
    with database.write() as connection:
        insert(connection, given.rows, (), (), created_us=1)


def declare(database: Database, kinds: list[MetricType]) -> None:
    given = batch(
        series=[series(n, f"m.{n % 3}", kind) for n, kind in enumerate(kinds, 1)],
        streams=[stream(n, n) for n in range(1, len(kinds) + 1)],
    )
    with database.write() as connection:
        insert(connection, given.rows, given.series, given.streams, created_us=1)


def sealer(database: Database, **more: Any) -> Sealer:
    return Sealer(database, pause=0, **more)


def answers(database: Database) -> dict[str, list[Any]]:
    with database.reader() as reader:
        found = {name: reader.rows(sql).rows for name, sql in ALL.items()}
        ids = reader.rows("SELECT count(id), count(DISTINCT id) FROM metrics").rows[0]
    assert ids[0] == ids[1]
    return found


def count(database: Database, table: str) -> int:
    with database.reader() as reader:
        return int(reader.rows(f"SELECT count(*) FROM {table}").rows[0][0])


def times(chance: random.Random, length: int) -> list[int]:
    """Regular, with jitter, with gaps, or anywhere; of the last three blocks."""
    first = NOW - 3 * BLOCK_NS + chance.randrange(BLOCK_NS)
    step = chance.choice([1, 10**6, SECOND, 15 * SECOND, 61 * SECOND + 7])
    shape = chance.randrange(4)
    if shape == 3:
        return sorted(first + chance.randrange(2 * BLOCK_NS) for _ in range(length))
    found, at = [], first
    for _ in range(length):
        found.append(at + (chance.randrange(1 + step // 10) if shape == 1 else 0))
        at += step * (chance.randrange(1, 30) if shape == 2 else 1)
    return found


def values(chance: random.Random, length: int) -> list[float]:
    shape = chance.randrange(6)
    walk = 0.0
    found = []
    for _ in range(length):
        walk += chance.choice([-1, 1]) * chance.random()
        found.append(
            (
                float(chance.randrange(1000)),
                round(walk, 2),
                chance.random() * 10 ** chance.randrange(-300, 300),
                chance.choice([0.0, -1.5, 1e300, float("inf"), 2.0**60, 0.1]),
                round(1e9 + walk, chance.randrange(7)),
                float(2**53 - 1 - chance.randrange(3)),
            )[shape]
            + 0.0  # -0 becomes 0
        )
    return found


def points_of(chance: random.Random, number: int, kind: MetricType) -> list[Point]:
    moments = times(chance, chance.randrange(1, 60))
    told = values(chance, len(moments))
    how = chance.randrange(3)
    if kind is MetricType.COUNTER and how:
        return _running(chance, number, moments, told)
    same = kind is MetricType.UPDOWNCOUNTER and how
    return [
        Point(number, at, value, stream=number, cumulative=value if same else None)
        for at, value in zip(moments, told, strict=True)
    ]


def _running(chance: random.Random, number: int, moments: list[int], told: list[float]) -> list[Point]:
    """A counter as sent, now and then from 0 again; its first value counts in full or is the baseline."""
    found: list[Point] = []
    reached = 0.0
    for at, value in zip(moments, told, strict=True):
        before, reached = reached, reached + abs(value)
        if chance.random() < 0.02:
            before, reached = 0.0, abs(value)
        found.append(Point(number, at, reached - before, stream=number, cumulative=reached))
    if chance.random() < 0.5:
        found[0] = Point(number, found[0].time_ns, 0.0, stream=number, cumulative=found[0].cumulative)
    return found


def histograms_of(chance: random.Random, number: int) -> list[Histogram]:
    found, state, sent = [], 0, chance.random() < 0.8
    for at in times(chance, chance.randrange(1, 30)):
        bounds = chance.choice([(), (1.0, 2.0), (1.0, 2.0), (5.0,)])
        buckets = tuple(chance.randrange(5) for _ in range(len(bounds) + 1)) if chance.random() < 0.9 else ()
        state += sum(buckets)
        least, total = chance.choice([(None, 1.5), (0.25, None), (0.5, 3.0)])
        cumulative = (state, float(state), bounds, buckets) if sent else None
        found.append(
            Histogram(
                number,
                at,
                sum(buckets),
                total,
                bounds,
                buckets,
                least,
                9.0,
                stream=number,
                cumulative=cumulative,
            )
        )
    return found


@pytest.mark.parametrize("seed", range(12))
def test_nothing_is_different_when_rows_are_sealed(database: Database, seed: int) -> None:
    chance = random.Random(seed)
    kinds = [chance.choice(KINDS) for _ in range(12)] + [MetricType.HISTOGRAM] * 4
    declare(database, kinds)
    keys = [stream(n, 0).key for n in range(1, len(kinds) + 1)]
    for _ in range(3):  # what comes later gets chunks that overlap
        points = [p for n, kind in enumerate(kinds[:12], 1) for p in points_of(chance, n, kind)]
        histograms = [h for n in range(13, 17) for h in histograms_of(chance, n)]
        store(database, points, histograms)
        wanted = [(p.stream, p.time_ns + chance.choice([0, 0, 1, SECOND])) for p in points]
        wanted += [(h.stream, h.time_ns + chance.choice([0, 1])) for h in histograms]
        before = answers(database), database.recall(keys), database.find(wanted)
        slices = SliceSizes(chance.choice([1, 50, 10**6]), chance.choice([1, 10**6]))
        assert sealer(database, slices=slices).apply()
        _assert_same(answers(database), before[0])
        assert database.recall(keys) == before[1]
        assert database.find(wanted) == before[2]


def _assert_same(found: dict[str, list[Any]], expected: dict[str, list[Any]]) -> None:
    for name, rows in expected.items():
        assert len(found[name]) == len(rows)
        assert [pair for pair in zip(found[name], rows, strict=True) if repr(pair[0]) != repr(pair[1])] == []


def test_only_closed_blocks_are_sealed_while_rows_are_few(database: Database) -> None:
    declare(database, [MetricType.GAUGE])
    closed = block_of(NOW - MARGIN_NS)
    store(database, [Point(1, closed + step, 1.0, stream=1) for step in (-2, -1, 0, 1)])
    assert sealer(database).apply() == 2
    with database.reader() as reader:
        rest = reader.rows("SELECT epoch_ns(time) FROM recent_points ORDER BY 1").rows
    assert rest == [(closed,), (closed + 1,)]


def test_after_a_restart_the_open_block_is_sealed_where_it_makes_chunks_of_some_length(
    database: Database,
) -> None:
    declare(database, [MetricType.GAUGE] * 2)
    points = [Point(1, NOW - n * SECOND, 1.0, stream=1) for n in range(1, FEW + 1)]
    store(database, points + [Point(2, NOW - n * SECOND, 1.0, stream=2) for n in range(1, FEW)])
    before = answers(database)
    started = sealer(database)
    assert started.apply() == FEW
    assert count(database, "recent_points") == FEW - 1
    assert answers(database) == before
    store(database, [Point(1, NOW + n, 1.0, stream=1) for n in range(FEW)])
    assert started.apply() == 0


def test_a_day_that_is_found_at_once_is_one_chunk_a_series(database: Database) -> None:
    declare(database, [MetricType.GAUGE])
    store(database, [Point(1, NOW - n * 60 * SECOND, float(n), stream=1) for n in range(1, 1441)])
    before = answers(database)
    assert sealer(database).apply() == 1440
    assert count(database, "chunks") == 1
    assert answers(database) == before


def test_of_more_than_a_day_each_day_is_a_chunk(database: Database) -> None:
    declare(database, [MetricType.GAUGE])
    store(database, [Point(1, NOW - n * 1200 * SECOND, float(n), stream=1) for n in range(1, 180)])
    assert sealer(database).apply() == 179
    with database.reader() as reader:
        days = reader.rows(
            "SELECT DISTINCT date_trunc('day', start), date_trunc('day', last) FROM chunks"
        ).rows
    assert len(days) == count(database, "chunks") == 3
    assert all(first == last for first, last in days)


def test_values_of_windows_stay_rows(database: Database) -> None:
    declare(database, [MetricType.COUNTER])
    store(database, [Point(1, 5, 1.0), Point(1, 5, 2.0)])
    assert sealer(database).apply() == 0
    assert count(database, "recent_points") == 2


def test_rows_of_a_commit_that_may_come_again_stay(database: Database) -> None:
    declare(database, [MetricType.GAUGE])
    store(database, [Point(1, 5, 1.0, stream=1)])
    assert sealer(database, doubtful=lambda: True).apply() == 0
    with database.write() as connection:
        connection.execute("UPDATE recent_points SET created_at = make_timestamp($1)", [NOW // 1000])
    assert sealer(database).apply() == 0


def test_a_regular_series_costs_no_times(database: Database) -> None:
    declare(database, [MetricType.GAUGE])
    start = NOW - 2 * BLOCK_NS
    store(database, [Point(1, start + n * SECOND, n / 4, stream=1) for n in range(600)])
    sealer(database).apply()
    with database.reader() as reader:
        rows = reader.rows("SELECT count, step, offsets, scale, short_steps[2] FROM chunks").rows
    assert rows == [(600, SECOND, None, 2, 25)]


@pytest.mark.parametrize(
    ("up", "down", "column"),
    [
        (100, -27, "short_steps"),  # seven bits
        (100, -28, "tiny_steps"),
        (127, -128, "tiny_steps"),
        (128, -1, "short_steps"),
        (127, -129, "short_steps"),
        (40_000, -1, "steps"),
        (2**40, -1, "long_steps"),
    ],
)
def test_steps_are_in_the_column_that_they_fit(database: Database, up: int, down: int, column: str) -> None:
    declare(database, [MetricType.GAUGE])
    start = NOW - 2 * BLOCK_NS
    walk = enumerate((5, 5 + up, 5 + up + down))
    store(database, [Point(1, start + n * SECOND, float(level), stream=1) for n, level in walk])
    before = answers(database)
    sealer(database).apply()
    with database.reader() as reader:
        found = {
            name: reader.rows(f"SELECT {name} FROM chunks").rows[0][0]
            for name in ("tiny_steps", "short_steps", "steps", "long_steps")
        }
    assert {name: steps for name, steps in found.items() if steps is not None} == {column: [0, up, down]}
    assert answers(database) == before


def _spikes(chance: random.Random, usual: int, furthest: int, *, down: bool) -> Iterator[int]:
    """Steps that are small but for a few."""
    while True:
        if chance.random() < 0.01:
            yield chance.choice([-1, 1] if down else [1]) * chance.randint(usual, furthest)
        else:
            yield chance.randint(-usual if down else 0, usual)


@pytest.mark.parametrize("kind", [MetricType.GAUGE, MetricType.COUNTER, MetricType.UPDOWNCOUNTER])
@pytest.mark.parametrize(("usual", "furthest"), [(3, 9000), (100, 30_000), (120, 400), (300, 32_767)])
@pytest.mark.parametrize("down", [False, True])
def test_a_few_steps_far_from_the_others_do_not_widen_them_and_come_back(
    database: Database, kind: MetricType, usual: int, furthest: int, *, down: bool
) -> None:
    declare(database, [kind])
    steps = _spikes(
        random.Random(usual + furthest), usual, furthest, down=down and kind is not MetricType.COUNTER
    )
    reached, points = 0, []
    for n in range(2000):
        step = next(steps)
        reached += step
        level = reached / 100
        points.append(
            Point(1, NOW - 2 * BLOCK_NS + n * SECOND, level, stream=1)
            if kind is MetricType.GAUGE
            else Point(1, NOW - 2 * BLOCK_NS + n * SECOND, level, stream=1, cumulative=level)
            if kind is MetricType.UPDOWNCOUNTER
            else Point(1, NOW - 2 * BLOCK_NS + n * SECOND, float(step), stream=1, cumulative=float(reached))
        )
    store(database, points)
    keys = [stream(1, 0).key]
    before = answers(database), database.recall(keys)
    sealer(database).apply()
    _assert_same(answers(database), before[0])
    assert database.recall(keys) == before[1]
    with database.reader() as reader:
        widths = reader.rows(
            "SELECT len(far), list_max(near) - list_min(near) FROM"
            " (SELECT far, coalesce(tiny_steps::SMALLINT[], short_steps) AS near FROM chunks)"
        ).rows
    assert all(0 < far < 64 and width < 4 * (2 * usual + far) for far, width in widths)


def test_a_chunk_says_what_its_points_come_to_in_each_hour(database: Database) -> None:
    declare(database, [MetricType.GAUGE])
    start = block_of(NOW) - 12 * BLOCK_NS
    hours = [0.5, 0.5, 1, 4, 4.9]
    store(
        database,
        [
            Point(1, start + round(n * 3600) * SECOND, value / 10, stream=1)
            for value, n in enumerate(hours, 1)
        ],
    )
    sealer(database).apply()
    with database.reader() as reader:
        rows = reader.rows("SELECT samples, totals FROM chunks ORDER BY start").rows
    assert rows == [([2, 1, 0, 0, 2], [0.3, 0.3, 0.0, 0.0, 0.9])]


def test_long_blocks_become_several_chunks(database: Database) -> None:
    declare(database, [MetricType.COUNTER])
    with database.write() as connection:
        connection.execute(
            "INSERT INTO recent_points SELECT 1, 1, make_timestamp_ns($1 + i * 1000), 1, i + 1,"
            " make_timestamp(1) FROM range(20000) t(i)",
            [NOW - 2 * BLOCK_NS],
        )
    before = answers(database)
    sealer(database).apply()
    assert count(database, "chunks") == 3
    assert answers(database) == before


def test_the_room_of_rows_that_are_sealed_is_free_although_rows_of_windows_stay(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(database, [MetricType.GAUGE])
    monkeypatch.setattr("blackhole.store.upkeep.seal.SPARSE_ROWS", 100_000)
    with database.write() as connection:
        connection.execute(
            "INSERT INTO recent_points SELECT 1, CASE WHEN i % 100 > 0 THEN 1 ELSE 0 END,"
            " make_timestamp_ns($1 + i * 1000), i, NULL, make_timestamp(1) FROM range(300000) t(i)",
            [NOW - 2 * BLOCK_NS],
        )
    before = answers(database)
    assert sealer(database, slices=SliceSizes(10**6, 1)).apply() == 297_000
    assert answers(database) == before
    database.checkpoint()
    with database.reader() as reader:
        groups = reader.rows(
            "SELECT count(DISTINCT row_group_id) FROM pragma_storage_info('recent_points')"
        ).rows
        order = reader.rows("SELECT epoch_ns(time) FROM recent_points ORDER BY rowid").rows
    assert groups == [(1,)]
    assert order == sorted(order)


@pytest.mark.parametrize("seed", range(4))
def test_a_block_that_is_sealed_in_parts_answers_as_before(
    database: Database, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr("blackhole.store.upkeep.seal.OF_A_SERIES", dict.fromkeys(OF_A_SERIES, 9))
    chance = random.Random(seed)
    declare(database, [MetricType.COUNTER, MetricType.GAUGE, MetricType.HISTOGRAM])
    keys = [stream(n, 0).key for n in (1, 2, 3)]
    moments = [NOW - 2 * BLOCK_NS + n * 61 * SECOND + chance.randrange(SECOND) for n in range(50)]
    points = _running(chance, 1, moments, values(chance, 50)) + points_of(chance, 2, MetricType.GAUGE)
    store(database, points, histograms_of(chance, 3))
    before = answers(database), database.recall(keys)
    assert sealer(database).apply()
    assert count(database, "chunks") > 2
    _assert_same(answers(database), before[0])
    assert database.recall(keys) == before[1]


@pytest.mark.parametrize(("series_count", "rows"), [(40, 100), (1, 4_000)], ids=["many series", "one long"])
def test_histograms_of_many_buckets_are_sealed_in_little_memory(
    tmp_path: Path, series_count: int, rows: int
) -> None:
    database = Database.open(tmp_path / "a.duckdb", clock=lambda: NOW, memory_limit=64 * 2**20)
    declare(database, [MetricType.HISTOGRAM] * series_count)
    with database.write() as connection:
        connection.execute(
            """
            INSERT INTO recent_histogram_points
            SELECT n, n, make_timestamp_ns($1 + i * $2), 160, 1.5, NULL, NULL, range(159)::DOUBLE[],
                list_transform(range(160), lambda b: ((b * b + i) % 977)::UBIGINT),
                (i + 1) * 160, (i + 1) * 1.5, range(159)::DOUBLE[],
                list_transform(range(160), lambda b: ((b * b + i) % 1931)::UBIGINT), make_timestamp(1)
            FROM range(1, $3 + 1) AS s(n), range($4) AS t(i)
            """,
            [NOW - 12 * BLOCK_NS, 11 * BLOCK_NS // rows, series_count, rows],
        )
    try:
        assert sealer(database).apply() == series_count * rows
        assert count(database, "recent_histogram_points") == 0
        assert count(database, "histogram_points") == series_count * rows
    finally:
        database.close()
