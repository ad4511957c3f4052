"""Sums of releases keep the intervals that their windows had: noise is in them, and is told."""

import random
from collections.abc import Callable

import msgspec
import pytest
from tests.query.query_fakes import NOW_S, Desk, FakeCatalogue, definition
from tests.query.released_fakes import (
    GAUSSIAN,
    HOUR,
    LAPLACE,
    Law,
    Window,
    add_lists,
    add_releases,
    add_series,
    add_values,
    running_total,
)

from blackhole.config import Config, Duration
from blackhole.query.language import Query
from blackhole.query.run import QueryService
from blackhole.store.upkeep.retention import Retention

DAY = 86400
TODAY = NOW_S // DAY * DAY
DAYS = 10
OPERATIONS = "content.operations"
STARTS = [TODAY * 10**9 + n * HOUR for n in range(-24 * DAYS, 0)]
GAUGE = definition(
    "session.length",
    "gauge",
    privacy="highly_sensitive",
    category="business",
    privacy_unit={"name": "user", "keys": ["user.id"]},
    bounds=[0, 100],
)


def counter(asked: Desk, law: Law) -> None:
    chance = random.Random(4)
    windows = [Window(start, law, [7.0 + law.draw(chance) for _ in range(3)]) for start in STARTS]
    add_series(asked, OPERATIONS, "counter", ["upload", "download", "share"])
    add_releases(asked, OPERATIONS, windows)
    add_values(asked, windows)


def gaussian(asked: Desk) -> None:
    counter(asked, Law(GAUSSIAN, 31.5))


def laplace(asked: Desk) -> None:
    counter(asked, Law(LAPLACE, 20.0))


def running(asked: Desk) -> None:
    """Totals that a restart begins anew, in the middle of a day."""
    chance, law = random.Random(5), Law(GAUSSIAN, 4.0)
    first = 24 * DAYS // 2 + 5
    windows = []
    for name, part in (("f", STARTS[:first]), ("g", STARTS[first:])):
        columns = [running_total(chance, law, [3.0] * len(part)) for _ in range(2)]
        windows += [
            Window(start, law, [column[step] for column in columns], None, name, step)
            for step, start in enumerate(part)
        ]
    add_series(asked, OPERATIONS, "counter", ["upload", "download"])
    add_releases(asked, OPERATIONS, windows)
    add_values(asked, windows)


def told(runner: QueryService, metric: str, aggregation: str, group_by: list[str]) -> list[object]:
    begin, until = TODAY - DAYS * DAY, TODAY
    answer = runner.query(
        Query(
            metric,
            start_time=begin,
            end_time=until,
            aggregation=aggregation,
            interval="1d",
            group_by=group_by,
        )
    )
    return [
        (
            one.attributes,
            point.timestamp,
            *(pytest.approx(v) for v in (point.value, point.lower, point.upper)),
        )
        for one in answer.series
        for point in one.points
    ]


def sum_up(asked: Desk, catalogue: FakeCatalogue) -> None:
    config = msgspec.structs.replace(Config(), retention_period=Duration(30 * DAY))
    Retention(asked.database, catalogue, config).apply()
    with asked.database.reader() as reader:
        days = reader.rows("SELECT count(DISTINCT time_bucket) FROM metric_aggregates").rows[0][0]
    assert days == DAYS - 7  # the policy of business metrics


@pytest.mark.parametrize("store", [gaussian, laplace, running])
def test_values_and_intervals_of_days_are_the_same_when_they_are_summed_up(
    asked: Desk, store: Callable[[Desk], None]
) -> None:
    store(asked)
    questions = [(a, g) for a in ("sum", "avg", "rate", "count") for g in ([], ["type"])]
    before = [told(asked.runner, OPERATIONS, *question) for question in questions]
    assert len(before[0]) == DAYS

    sum_up(asked, FakeCatalogue())

    assert [told(asked.runner, OPERATIONS, *question) for question in questions] == before


def test_means_of_released_gauges_too(asked: Desk) -> None:
    catalogue = FakeCatalogue([GAUGE])
    runner = QueryService(asked.database, catalogue, windows=Config(), now=lambda: NOW_S)
    chance, law = random.Random(6), Law(GAUSSIAN, 20.0)
    windows = [
        Window(start, law, [[400 * 37.5 + law.draw(chance), 400 + law.draw(chance)]], law.scale)
        for start in STARTS
    ]
    add_series(asked, GAUGE.name, "gauge", ["upload"])
    add_releases(asked, GAUGE.name, windows)
    add_lists(asked, windows, None)
    before = told(runner, GAUGE.name, "avg", [])
    assert len(before) == DAYS

    sum_up(asked, catalogue)

    assert told(runner, GAUGE.name, "avg", []) == before
