"""Questions get the same answers from rows, from chunks, from hours, and from any mixture of them."""

import random
from pathlib import Path

import pytest
from tests.query.query_fakes import NOW, NOW_S, Desk, desk
from tests.store.store_fakes import SECOND, Histogram, Point, batch, series, stream

from blackhole.model.series import MetricType, SeriesRow
from blackhole.query.language import Answer, Query
from blackhole.store.upkeep.seal import Sealer

HOUR = 3600
DAY = 24 * HOUR
METRICS = {
    "process.cpu.usage": MetricType.GAUGE,
    "node.requests.total": MetricType.COUNTER,
    "node.request.duration": MetricType.HISTOGRAM,
}
INTERVALS = ("1m", "5m", "50m", "1h", "2h", "1d")
PLAIN = ("avg", "max", "min", "sum", "count", "last")


def fill(place: Desk, chance: random.Random) -> None:
    """Two days of some series a metric, at any pace, some of it late."""
    for name, kind in METRICS.items():
        known = [row.id for row in place.database.series() if row.metric == name]
        rows = [] if known else [_series(name, n) for n in range(4)]
        ids = known or [row.id for row in rows]
        points, histograms = [], []
        for number in ids:
            moments = _moments(chance)
            if kind is MetricType.HISTOGRAM:
                histograms += [_histogram(chance, number, at) for at in moments]
            else:
                digits = chance.choice([0, 2, 15])
                spike = chance.choice([1, 1, 50])
                told = [
                    round(chance.uniform(0, 100) * (spike if chance.random() < 0.02 else 1), digits)
                    for _ in moments
                ]
                points += [Point(number, at, v, stream=number) for at, v in zip(moments, told, strict=True)]
        place.store(batch(points, histograms, series=rows, streams=[stream(row.id, row.id) for row in rows]))
        place.commits += 1


def _series(name: str, n: int) -> SeriesRow:
    number = 10 * (1 + list(METRICS).index(name)) + n
    return series(number, name, METRICS[name], attributes=f'{{"host":"h{n % 2}"}}')


def _moments(chance: random.Random) -> list[int]:
    step = chance.choice([60, 61, 300, 3600]) * SECOND
    first = NOW - 2 * DAY * SECOND + chance.randrange(DAY * SECOND)
    return [first + n * step + chance.choice([0, 0, 1]) for n in range(chance.randrange(1, 400))]


def _histogram(chance: random.Random, number: int, at: int) -> Histogram:
    buckets = tuple(chance.randrange(4) for _ in range(3))
    count = sum(buckets)
    return Histogram(number, at, count, count * 1.5, (1.0, 2.0), buckets, stream=number)


def questions(chance: random.Random) -> list[Query]:
    asked = []
    for _ in range(25):
        name = chance.choice(list(METRICS))
        more = {
            MetricType.GAUGE: ("p50", "p99"),
            MetricType.COUNTER: ("p50", "p90"),
            MetricType.HISTOGRAM: ("p50", "p95"),
        }[METRICS[name]]
        start = NOW_S - chance.randrange(HOUR, 2 * DAY)
        if chance.random() < 0.3:
            start = start // DAY * DAY
        asked.append(
            Query(
                metric=name,
                start_time=start,
                end_time=min(start + chance.choice([HOUR, 7 * HOUR, DAY, 2 * DAY]), NOW_S),
                aggregation=chance.choice([*PLAIN, *more]),
                interval=chance.choice(INTERVALS),
                filters=chance.choice([{}, {"host": "h1"}]),
                group_by=chance.choice([[], ["host"]]),
                timezone=chance.choice([None, "Europe/Berlin", "Asia/Kolkata"]),
            )
        )
    return asked


def points(answer: Answer) -> list[tuple[object, str, int | None, float | None]]:
    return [
        (one.attributes, point.timestamp, point.sample_count, point.value)
        for one in answer.series
        for point in one.points
    ]


def approximately(rows: list[tuple[object, str, int | None, float | None]]) -> list[object]:
    """Sums in another order differ in their last digits."""
    return [(*row, pytest.approx(value, rel=1e-9, abs=1e-9)) for *row, value in rows]


def settle(place: Desk) -> None:
    """As if all of it had been committed long ago."""
    with place.database.write() as connection:
        for table in ("recent_points", "recent_histogram_points"):
            connection.execute(f"UPDATE {table} SET created_at = make_timestamp(1)")


@pytest.mark.parametrize("seed", range(4))
def test_answers_are_the_same_before_and_after_sealing(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    place = desk(tmp_path)
    sealer = Sealer(place.database, pause=0)
    for _ in range(3):
        fill(place, chance)
        settle(place)
        asked = questions(chance)
        before = [place.runner.query(query) for query in asked]
        assert sealer.apply()
        for query, expected in zip(asked, before, strict=True):
            assert points(place.runner.query(query)) == approximately(points(expected)), query
    place.database.close()


def test_a_metric_is_listed_with_what_is_sealed(tmp_path: Path) -> None:
    place = desk(tmp_path)
    fill(place, random.Random(1))
    before = place.runner.metrics()
    settle(place)
    assert Sealer(place.database, pause=0).apply()
    assert place.runner.metrics() == before
    place.database.close()


def test_a_day_of_histograms_in_chunks_is_read_within_the_memory_of_a_question(tmp_path: Path) -> None:
    place = desk(tmp_path)
    with place.database.write() as connection:
        connection.execute(
            "INSERT INTO series SELECT i, 'node.request.duration', 'histogram', 'ms', '{}', 0, NULL,"
            " make_timestamp(1) FROM range(1, 5) t(i)"
        )
        connection.execute(
            "INSERT INTO recent_histogram_points"
            " SELECT 1 + i % 4, 1 + i % 4, make_timestamp_ns($1 + i // 4 * $2),"
            " 30, 4.5, NULL, NULL, [x::DOUBLE FOR x IN range(20)], [(i * 7 + x) % 5 FOR x IN range(21)],"
            " NULL, NULL, NULL, NULL, make_timestamp(1) FROM range(23040) t(i)",
            [NOW - DAY * SECOND, 15 * SECOND],
        )
    sql = "SELECT count(*), sum(list_sum(buckets)), sum(buckets[21]) FROM histogram_points"
    before = place.runner.sql(sql).rows
    assert Sealer(place.database, pause=0).apply() == 23040
    assert place.runner.sql(sql).rows == before
    place.database.close()


def test_percentiles_of_many_sealed_histograms_do_not_run_out_of_memory(tmp_path: Path) -> None:
    """A day is one chunk, of which each point is a small part: none of them may bring the whole along."""
    place = desk(tmp_path)
    bounds = tuple(float(n) for n in range(15))
    first = (NOW_S // DAY - 3) * DAY
    moments = [(first + minute * 60) * SECOND for minute in range(3 * 24 * 60)]
    rows = [Histogram(1, at, 16, 120.0, bounds, (1,) * 16, stream=1) for at in moments]
    known = series(1, "node.request.duration", MetricType.HISTOGRAM)
    place.store(batch((), rows, series=[known], streams=[stream(1, 1)]))
    settle(place)
    assert Sealer(place.database, pause=0).apply()
    answer = place.runner.query(
        Query("node.request.duration", first, NOW_S, aggregation="p50", interval="1d")
    )
    assert [point.value for point in answer.series[0].points] == [pytest.approx(7.0)] * 3
    place.database.close()


def test_the_row_before_a_range_may_have_had_other_bounds(tmp_path: Path) -> None:
    place = desk(tmp_path)
    first = (NOW_S // DAY - 1) * DAY
    rows = [
        Histogram(1, (first + n * 60) * SECOND, 60, 60.0, (2.0 if n % 40 == 30 else 1.0,), (60, 0), stream=1)
        for n in range(180)
    ]
    known = series(1, "node.request.duration", MetricType.HISTOGRAM)
    place.store(batch((), rows, series=[known], streams=[stream(1, 1)]))
    settle(place)
    assert Sealer(place.database, pause=0).apply()
    start = first + 150 * 60 + 30
    asked = Query("node.request.duration", start, start + 600, aggregation="rate", interval="2m")
    (answer,) = place.runner.query(asked).series
    assert [point.value for point in answer.points] == [pytest.approx(1.0)] * 6
    place.database.close()


@pytest.mark.parametrize("state", ["recent", "sealed"])
@pytest.mark.parametrize("kind", [MetricType.COUNTER, MetricType.HISTOGRAM])
def test_a_rate_is_held_in_a_range_that_begins_after_the_last_export(
    tmp_path: Path, state: str, kind: MetricType
) -> None:
    """As of the last forty seconds of who exports each minute, beside who does so each second."""
    place = desk(tmp_path)
    rows = [series(n, "node.requests.total", kind, unit="1", attributes=f'{{"n":"{n}"}}') for n in (1, 2)]
    sent = [(1, at, 600) for at in range(NOW_S - 3650, NOW_S - 109, 60)] + [(1, NOW_S - 50, 120)]
    sent += [(2, at, 1) for at in range(NOW_S - 3600, NOW_S + 1)]
    if kind is MetricType.COUNTER:
        given = batch([Point(n, at * SECOND, grew, stream=n) for n, at, grew in sent], series=rows)
    else:
        some = [Histogram(n, at * SECOND, grew, 1.0, (1.0,), (grew, 0), stream=n) for n, at, grew in sent]
        given = batch(histograms=some, series=rows)
    place.store(given)
    if state == "sealed":
        with place.database.write() as connection:
            # The quick one has rows that are not sealed yet, as after a start.
            for table in ("recent_points", "recent_histogram_points"):
                connection.execute(f"UPDATE {table} SET created_at = make_timestamp(1) WHERE series = 1")
        assert Sealer(place.database, busy=lambda: False, pause=0).apply()
        with place.database.write() as connection:
            for table in ("chunks", "histogram_chunks"):
                connection.execute(f"UPDATE {table} SET created_at = last")
    answer = place.runner.query(
        Query(
            "node.requests.total", start_time=NOW_S - 40, end_time=NOW_S, aggregation="rate", interval="10s"
        )
    )
    assert [point.value for point in answer.series[0].points] == pytest.approx(
        [3.0] * len(answer.series[0].points)
    )
    assert len(answer.series[0].points) >= 4
    place.database.close()


def test_sums_of_hours_answer_also_where_the_range_ends_within_an_hour(tmp_path: Path) -> None:
    """Else each chunk of a month would be unpacked, whenever somebody asks until now."""
    place = desk(tmp_path)
    end = NOW_S // 3600 * 3600
    sent = [Point(1, at * SECOND, 60.0, stream=1) for at in range(end - 24 * 3600, end - 3600, 60)]
    place.store(batch(sent, series=[series(1, "node.requests.total", MetricType.COUNTER, unit="1")]))
    with place.database.write() as connection:
        connection.execute("UPDATE recent_points SET created_at = make_timestamp(1)")
    assert Sealer(place.database, pause=0).apply()
    with place.database.write() as connection:
        connection.execute("UPDATE chunks SET grown = list_transform(grown, lambda one: 3 * one)")
    answer = place.runner.query(
        Query(
            "node.requests.total",
            start_time=end - 12 * 3600,
            end_time=end + 1234,
            aggregation="rate",
            interval="1h",
        )
    )
    values = [point.value for point in answer.series[0].points][1:-1]
    assert len(values) >= 8
    assert values == pytest.approx([3.0] * len(values))
    place.database.close()
