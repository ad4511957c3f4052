"""What was stored in another unit is read as if it had been stored in that of the catalogue."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from tests.query.query_fakes import NOW_S, WINDOWS, FakeCatalogue, definition
from tests.store.store_fakes import SECOND, Histogram, Interval, Point, batch, series, stream

from blackhole.config import Config, Duration
from blackhole.model.series import MetricType, PrivacyLevel
from blackhole.query.language import Answer, Query
from blackhole.query.run import QueryService
from blackhole.store.database import Database
from blackhole.store.upkeep.retention import Retention
from blackhole.store.upkeep.seal import Sealer
from blackhole.store.writer import insert

DAY = 24 * 3600
TODAY = NOW_S // DAY * DAY
FIRST = TODAY - 3 * DAY
STEP = 60
METRICS = {
    "a.time": (MetricType.COUNTER, "counter"),
    "a.level": (MetricType.UPDOWNCOUNTER, "updowncounter"),
    "a.gauge": (MetricType.GAUGE, "gauge"),
    "a.duration": (MetricType.HISTOGRAM, "histogram"),
}
ASKED = {
    "a.time": ("rate", "sum", "avg", "max", "count"),
    "a.level": ("avg", "min", "max", "last"),
    "a.gauge": ("avg", "min", "max", "last", "p95", "sum"),
    "a.duration": ("rate", "sum_rate", "avg", "sum", "count", "min", "max", "p50", "p95"),
}
# Stored in the entry's unit, and a thousand times as much in another.
UNITS = {"s": 1.0, "ms": 1000.0}


def store(database: Database, unit: str) -> None:
    many = UNITS[unit]
    rows, streams, points, histograms, intervals = [], [], [], [], []
    for number, (name, (kind, _)) in enumerate(METRICS.items(), start=1):
        rows.append(series(number, name, kind, unit=unit, level=PrivacyLevel.INTERNAL))
        streams.append(stream(number, number, delta=kind is not MetricType.UPDOWNCOUNTER))
        for place, at in enumerate(range(FIRST, NOW_S, STEP)):
            value = (place % 50) * many
            if kind is MetricType.HISTOGRAM:
                counts, bounds = (1, place % 7, 2), (0.5 * many, 2 * many)
                histograms.append(
                    Histogram(number, at * SECOND, sum(counts), value, bounds, counts, stream=number)
                )
            else:
                points.append(Point(number, at * SECOND, value, number))
        if kind in {MetricType.COUNTER, MetricType.HISTOGRAM}:
            intervals.append(Interval(number, number, FIRST * SECOND, (FIRST - STEP) * SECOND, 0.0, 0.0))
    given = batch(points, histograms, series=rows, streams=streams, intervals=intervals)
    with database.write() as connection:
        insert(connection, given.rows, given.series, given.streams, created_us=FIRST * 10**6)


def sum_up(database: Database, entries: FakeCatalogue) -> None:
    with database.write() as connection:
        connection.execute(
            "INSERT INTO retention_policies (metric_pattern, retention_days, aggregation_strategy)"
            " SELECT unnest($1), 1, 'hourly_aggregation'",
            [list(METRICS)],
        )
    config = msgspec.structs.replace(Config(), retention_period=Duration(30 * DAY))
    Retention(database, entries, config).apply()


def answers(directory: Path, unit: str, state: str) -> Iterator[tuple[str, Answer]]:
    entries = FakeCatalogue([definition(name, word, unit="s") for name, (_, word) in METRICS.items()])
    database = Database.open(directory / f"{unit}.duckdb", clock=lambda: NOW_S * SECOND)
    try:
        store(database, unit)
        if state != "recent":
            assert Sealer(database, busy=lambda: False, pause=0).apply()
        if state == "rolled up":
            sum_up(database, entries)
        runner = QueryService(database, entries, windows=WINDOWS, now=lambda: NOW_S)
        for metric, aggregations in ASKED.items():
            for aggregation in aggregations:
                for interval in ("5m", "1h", "1d"):
                    asked = {"metric": metric, "aggregation": aggregation, "interval": interval}
                    times = {"start_time": TODAY - 2 * DAY, "end_time": NOW_S}
                    query = msgspec.convert(asked | times, Query)
                    yield f"{aggregation} of {metric} by {interval}", runner.query(query)
    finally:
        database.close()


def told(answer: Answer) -> list[object]:
    return [
        [
            (point.timestamp, pytest.approx(point.value, rel=1e-9, abs=1e-9), point.sample_count)
            for point in one.points
        ]
        for one in answer.series
    ]


@pytest.mark.parametrize("state", ["recent", "sealed", "rolled up"])
def test_what_was_stored_in_another_unit_is_answered_in_the_catalogue_s(state: str, tmp_path: Path) -> None:
    expected = dict(answers(tmp_path, "s", state))
    for question, found in answers(tmp_path, "ms", state):
        assert found.unit == expected[question].unit, question
        assert told(found) == told(expected[question]), question
        assert all(one.points for one in found.series), question
        assert (state == "rolled up") or found.series, question
