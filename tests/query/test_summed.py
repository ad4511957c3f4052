"""What retention has summed up answers as the points did, where sums can, and says so where they cannot."""

import random
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from tests.query.query_fakes import NOW_S, Desk, FakeCatalogue, desk
from tests.store.store_fakes import SECOND, Histogram, Point, batch, series, stream

from blackhole.config import Config, Duration
from blackhole.model.series import MetricType
from blackhole.query.language import Answer, Query
from blackhole.store.upkeep.retention import Retention
from blackhole.store.upkeep.seal import Sealer

HOUR = 3600
DAY = 24 * HOUR
TODAY = NOW_S // DAY * DAY
DAYS = 12
KEPT = 5
METRICS = {
    "process.cpu.usage": MetricType.GAUGE,
    "node.requests.total": MetricType.COUNTER,
    "node.request.duration": MetricType.HISTOGRAM,
}
NUMBERS = ("avg", "min", "max", "sum", "count")
DISTRIBUTIONS = ("avg", "sum", "count")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Desk]:
    """Twelve days of some series a metric, at hours, some of them missing."""
    place = desk(tmp_path)
    chance = random.Random(3)
    for nth, (name, kind) in enumerate(METRICS.items()):
        rows = [
            series(10 * nth + n + 1, name, kind, attributes=f'{{"host":"h{n % 2}","lane":"{n}"}}')
            for n in range(4)
        ]
        points, histograms = [], []
        for row in rows:
            for at in range(TODAY - DAYS * DAY, NOW_S, 40 * 60):
                if chance.random() < 0.3:
                    continue
                value = round(chance.uniform(-5 if kind is MetricType.GAUGE else 0, 100), 2)
                if kind is MetricType.HISTOGRAM:
                    histograms.append(
                        Histogram(row.id, at * SECOND, 3, value, (1.0, 2.0), (1, 1, 1), stream=row.id)
                    )
                else:
                    points.append(Point(row.id, at * SECOND, value, stream=row.id))
        place.store(batch(points, histograms, series=rows, streams=[stream(row.id, row.id) for row in rows]))
    yield place
    place.database.close()


def sum_up(place: Desk, strategy: str) -> None:
    with place.database.write() as connection:
        connection.execute(
            "INSERT INTO retention_policies (metric_pattern, retention_days, aggregation_strategy)"
            " SELECT unnest($1), $2, $3",
            [list(METRICS), KEPT, strategy],
        )
    config = msgspec.structs.replace(Config(), retention_period=Duration(30 * DAY))
    Retention(place.database, FakeCatalogue(), config).apply()
    with place.database.reader() as reader:
        kept = reader.rows("SELECT epoch_ns(min(time)) FROM points").rows[0][0]
    assert kept == (TODAY - KEPT * DAY) * SECOND


def ask(place: Desk, metric: str, aggregation: str, interval: str | None, **more: object) -> Answer:
    begin = {"start_time": TODAY - DAYS * DAY, "end_time": NOW_S}
    return place.runner.query(
        msgspec.convert(
            {"metric": metric, "aggregation": aggregation, "interval": interval} | begin | more, Query
        )
    )


def told(answer: Answer) -> dict[object, object]:
    """By group and time; sums in another order differ in their last digits."""
    return {
        (tuple(one.attributes.items()), point.timestamp): (
            pytest.approx(point.value, rel=1e-9, abs=1e-9),
            point.min,
            point.max,
        )
        for one in answer.series
        for point in one.points
    }


@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize(
    ("strategy", "interval"),
    [("hourly_aggregation", "1h"), ("hourly_aggregation", "3h"), ("daily_aggregation", "1d")],
)
def test_sums_answer_as_the_points_did(place: Desk, strategy: str, interval: str, *, sealed: bool) -> None:
    questions = [
        (metric, aggregation, group_by, filters)
        for metric, kind in METRICS.items()
        for aggregation in (DISTRIBUTIONS if kind is MetricType.HISTOGRAM else NUMBERS)
        for group_by, filters in (([], {}), (["host"], {}), ([], {"lane": "3"}))
    ]

    def answers() -> list[dict[object, object]]:
        return [
            told(ask(place, metric, aggregation, interval, group_by=group_by, filters=filters))
            for metric, aggregation, group_by, filters in questions
        ]

    before = answers()
    if sealed:
        with place.database.write() as connection:
            for table in ("recent_points", "recent_histogram_points"):
                connection.execute(f"UPDATE {table} SET created_at = make_timestamp(1)")
        assert Sealer(place.database, pause=0).apply()
    sum_up(place, strategy)
    assert answers() == before


def test_a_rate_over_sums_is_that_of_the_points(place: Desk) -> None:
    before = told(ask(place, "node.requests.total", "rate", "1d"))
    sum_up(place, "daily_aggregation")
    after = told(ask(place, "node.requests.total", "rate", "1d"))
    # Sums hold an increment by its time, and points know that a part of it grew the day before.
    assert list(after) == list(before)
    for bucket, value in after.items():
        assert value[0].expected == pytest.approx(before[bucket][0].expected, rel=0.1)  # type: ignore[index]


def test_extremes_are_those_of_the_points(place: Desk) -> None:
    before = told(ask(place, "process.cpu.usage", "avg", "1d", extremes=True))
    sum_up(place, "daily_aggregation")
    assert told(ask(place, "process.cpu.usage", "avg", "1d", extremes=True)) == before


def test_without_an_interval_it_is_as_long_as_what_is_kept(place: Desk) -> None:
    assert ask(place, "process.cpu.usage", "avg", None).interval == "3h"
    sum_up(place, "daily_aggregation")
    answer = ask(place, "process.cpu.usage", "avg", None)
    assert answer.interval == "1d"
    assert len(answer.series[0].points) == DAYS + 1
    assert "are in this answer" in answer.notes[-1]
    assert ask(place, "process.cpu.usage", "p95", None).interval == "3h"


def test_points_that_are_late_are_added_to_the_sums_of_their_day(place: Desk) -> None:
    sum_up(place, "daily_aggregation")
    day = (TODAY - 8 * DAY) * SECOND
    before = told(ask(place, "node.requests.total", "sum", "1d"))
    place.store(batch([Point(11, day + 5, 1000.0, stream=11)]))
    after = told(ask(place, "node.requests.total", "sum", "1d"))
    assert after.keys() == before.keys()
    changed = {key for key, value in after.items() if value != before[key]}
    assert len(changed) == 1


@pytest.mark.parametrize(
    ("aggregation", "interval", "start", "words"),
    [
        ("avg", "1h", 0, "ask with an interval of 1d, in UTC"),
        ("p95", "1d", 0, "have no p95: ask for avg, count, max, min, rate, sum"),
        ("last", "1d", 0, "have no last"),
    ],
)
def test_what_sums_cannot_answer_is_named(
    place: Desk, aggregation: str, interval: str, start: int, words: str
) -> None:
    sum_up(place, "daily_aggregation")
    answer = ask(place, "process.cpu.usage", aggregation, interval, start_time=TODAY - DAYS * DAY + start)
    first = answer.series[0].points[0].timestamp
    assert first.startswith("2025-06-10T00:")
    assert [note for note in answer.notes if words in note and "2025-06-03 to 2025-06-09" in note]


def test_a_day_of_which_the_range_has_a_part_is_not_in_the_answer(place: Desk) -> None:
    sum_up(place, "daily_aggregation")
    begin = TODAY - DAYS * DAY
    answer = ask(
        place, "node.requests.total", "sum", "1d", start_time=begin + 1, end_time=begin + 3 * DAY - 1
    )
    assert [point.timestamp[:10] for point in answer.series[0].points] == ["2025-06-04"]


def test_days_that_begin_elsewhere_are_in_no_day_of_a_time_zone(place: Desk) -> None:
    sum_up(place, "daily_aggregation")
    answer = ask(place, "node.requests.total", "sum", "1d", timezone="Asia/Kolkata")
    assert answer.series[0].points[0].timestamp == "2025-06-09T18:30:00Z"
    assert "in UTC" in answer.notes[-1]


@pytest.mark.parametrize("timezone", ["Europe/Berlin", "America/New_York"])
def test_hours_are_in_the_days_of_a_time_zone(place: Desk, timezone: str) -> None:
    before = told(ask(place, "node.requests.total", "sum", "1d", timezone=timezone))
    sum_up(place, "hourly_aggregation")
    assert told(ask(place, "node.requests.total", "sum", "1d", timezone=timezone)) == before


def test_where_only_sums_are_left_they_are_the_answer(place: Desk) -> None:
    sum_up(place, "daily_aggregation")
    begin = TODAY - DAYS * DAY
    answer = ask(place, "node.requests.total", "sum", "1d", start_time=begin, end_time=begin + 3 * DAY)
    assert len(answer.series[0].points) == 3
    assert not [note for note in answer.notes if "no data" in note]


def test_sums_of_sensitive_metrics_show_no_counts(place: Desk) -> None:
    with place.database.write() as connection:
        connection.execute("UPDATE series SET privacy_level = 2")
    sum_up(place, "daily_aggregation")
    points = ask(place, "process.cpu.usage", "avg", "1d").series[0].points
    assert {point.sample_count for point in points} == {None}
    assert len(points) == DAYS + 1


def test_the_sums_of_one_metric_are_in_no_answer_about_another(place: Desk) -> None:
    sum_up(place, "daily_aggregation")
    answer = place.runner.query(
        Query(metric="node.errors.total", start_time=0, end_time=NOW_S, interval="364d")
    )
    assert answer.series[0].points == []
    assert not [note for note in answer.notes if "sums" in note]
