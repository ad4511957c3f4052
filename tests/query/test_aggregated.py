"""What old points became answers as they did, where a bucket holds all of it; elsewhere a note says so."""

import re
from pathlib import Path
from typing import Any

import pytest
from tests.query.query_fakes import NOW_S, Desk, desk
from tests.query.test_sealed import approximately, points
from tests.store.store_fakes import SECOND, Histogram, Point, batch, series

from blackhole.query.language import Answer, Query
from blackhole.records import MetricType, PrivacyLevel
from blackhole.store.aggregate import Strategy, aggregate

HOUR, DAY = 3600, 86400
FIRST = NOW_S // DAY * DAY - 4 * DAY
NUMBERS, INCREMENTS, INTERVALS = "process.cpu.usage", "node.requests.total", "node.request.duration"


def filled(directory: Path) -> Desk:
    """Four days of two series a metric, every ten minutes; one of them pauses on the second day."""
    place = desk(directory)
    moments = range(FIRST, NOW_S, 600)
    values = [
        (n, at, float(at // 600 * (7 + n) % 101))
        for at in moments
        for n in (1, 2)
        if n == 1 or at % DAY < DAY / 2
    ]
    place.store(
        batch(
            [Point(number + kind, at * SECOND, value) for number, at, value in values for kind in (0, 10)],
            [
                Histogram(number + 20, at * SECOND, int(value), value * 1.5, (1.0,), (0, int(value)))
                for number, at, value in values
            ],
            series=[
                series(n + kind, name, shape, attributes=f'{{"host":"h{n}"}}')
                for n in (1, 2)
                for kind, name, shape in (
                    (0, NUMBERS, MetricType.GAUGE),
                    (10, INCREMENTS, MetricType.COUNTER),
                    (20, INTERVALS, MetricType.HISTOGRAM),
                )
            ],
        )
    )
    return place


def retain(place: Desk, strategy: Strategy, days: int = 2) -> None:
    """As retention does with the first days."""
    span = FIRST * SECOND, (FIRST + days * DAY) * SECOND
    with place.database.write() as connection:
        aggregate(connection, [1, 2, 11, 12, 21, 22], span=span, width=strategy.width_ns, now_us=1)
        for table in ("recent_points", "recent_histogram_points"):
            connection.execute(f"DELETE FROM {table} WHERE time < make_timestamp_ns({span[1]})")


def ask(place: Desk, metric: str, **more: Any) -> Answer:
    return place.runner.query(Query(metric=metric, **{"start_time": FIRST, "end_time": NOW_S, **more}))


QUESTIONS = [
    *((NUMBERS, aggregation, {}) for aggregation in ("avg", "sum", "count", "min", "max")),
    *((INCREMENTS, aggregation, {}) for aggregation in ("rate", "sum", "avg", "max")),
    *((INTERVALS, aggregation, {}) for aggregation in ("rate", "sum", "avg", "count")),
    (NUMBERS, "avg", {"group_by": ["host"]}),
    (NUMBERS, "sum", {"filters": {"host": "h2"}}),
    (NUMBERS, "avg", {"extremes": True}),
]


@pytest.mark.parametrize(("metric", "aggregation", "more"), QUESTIONS, ids=str)
@pytest.mark.parametrize(
    ("strategy", "interval", "timezone"),
    [
        (Strategy.DAILY, "1d", None),
        (Strategy.DAILY, "3d", None),
        (Strategy.HOURLY, "1h", None),
        (Strategy.HOURLY, "1d", "Europe/Berlin"),
    ],
)
def test_sums_answer_as_the_points_did(  # noqa: PLR0917
    tmp_path: Path,
    metric: str,
    aggregation: str,
    more: dict[str, object],
    strategy: Strategy,
    interval: str,
    timezone: str | None,
) -> None:
    place = filled(tmp_path)
    asked = {**more, "interval": interval, "timezone": timezone}
    before = ask(place, metric, aggregation=aggregation, **asked)
    retain(place, strategy)
    after = ask(place, metric, aggregation=aggregation, **asked)
    if metric == INTERVALS:  # of those not the intervals are counted, but the observations
        assert _values(after) == approximately(_values(before))
    else:
        assert points(after) == approximately(points(before))
    assert _extremes(after) == _extremes(before)
    assert any("come from sums by" in note for note in after.notes)
    assert not any("absent" in note for note in after.notes)
    place.database.close()


def _values(answer: Answer) -> list[tuple[object, str, int | None, float | None]]:
    return [(attributes, at, None, value) for attributes, at, _, value in points(answer)]


def _extremes(answer: Answer) -> list[object]:
    return [(point.min, point.max) for one in answer.series for point in one.points]


def test_an_interval_that_nobody_named_is_as_long_as_the_sums(tmp_path: Path) -> None:
    place = filled(tmp_path)
    assert ask(place, NUMBERS).interval == "1h"
    retain(place, Strategy.DAILY)
    answer = ask(place, NUMBERS)
    assert (answer.interval, len(answer.series[0].points)) == ("1d", 5)
    assert ask(place, NUMBERS, aggregation="p95").interval == "1h"
    place.database.close()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"interval": "1h"}, r"sums by 1d \(UTC\) that no bucket holds as a whole are absent"),
        ({"interval": "1d", "timezone": "Asia/Kolkata"}, "as a whole are absent"),
        ({"interval": "1d", "start_time": FIRST + 1}, "as a whole are absent"),
        ({"aggregation": "p95"}, "only sums by 1d are left, without p95"),
        ({"aggregation": "last"}, "only sums by 1d are left, without last"),
    ],
    ids=str,
)
def test_what_sums_cannot_say_is_absent_and_told(tmp_path: Path, more: dict[str, object], words: str) -> None:
    place = filled(tmp_path)
    before = points(ask(place, NUMBERS, **more))
    retain(place, Strategy.DAILY)
    after = ask(place, NUMBERS, **more)
    assert any(re.search(words, note) for note in after.notes)
    assert {row[1] for row in points(after)} < {row[1] for row in before}
    place.database.close()


def test_where_only_sums_are_left_they_are_the_answer(tmp_path: Path) -> None:
    place = filled(tmp_path)
    retain(place, Strategy.DAILY, days=5)
    answer = ask(place, INCREMENTS, aggregation="sum", interval="1d")
    assert len(answer.series[0].points) == 4, "the last day is not over within the range"
    assert not any("no data" in note for note in answer.notes)
    place.database.close()


def test_sums_of_sensitive_metrics_show_no_counts(tmp_path: Path) -> None:
    place = filled(tmp_path)
    with place.database.write() as connection:
        connection.execute("UPDATE series SET privacy_level = ?", [int(PrivacyLevel.SENSITIVE)])
    retain(place, Strategy.DAILY)
    answer = ask(place, NUMBERS, aggregation="avg", interval="1d")
    assert {point.sample_count for point in answer.series[0].points} == {None}
    assert len(answer.series[0].points) == 5
    place.database.close()
