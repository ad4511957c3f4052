"""Averages carry the extremes of their intervals where that is asked for, and tells nothing private."""

import math
from collections import defaultdict
from datetime import datetime

import msgspec
import pytest
from tests.query.query_fakes import NOW_S, Desk
from tests.store.store_fakes import SECOND, Point, batch, series

from blackhole.model.series import MetricType, PrivacyLevel
from blackhole.query.language import Answer, Query


@pytest.mark.parametrize("interval", ["1m", "1h", "1d"])
def test_averages_keep_the_extremes_of_their_intervals_when_asked(asked: Desk, interval: str) -> None:
    values = [(NOW_S - 7 * 3600 + n * 300, [1.0, -2.5, 90.0, math.inf][n % 4]) for n in range(80)]
    asked.store(
        batch(
            [Point(n % 2, at * SECOND, value) for n, (at, value) in enumerate(values)],
            series=[series(n, unit="percent", attributes=f'{{"n":{n}}}') for n in range(2)],
        )
    )

    def answered(*, extremes: bool) -> Answer:
        return asked.runner.query(
            Query("process.cpu.usage", start_time=NOW_S - 86400, interval=interval, extremes=extremes)
        )

    step = {"1m": 60, "1h": 3600, "1d": 86400}[interval]
    expected: dict[int, list[float]] = defaultdict(list)
    for at, value in values:
        expected[at // step * step].append(value)
    found = answered(extremes=True)
    assert {
        round(datetime.fromisoformat(point.timestamp).timestamp()): (point.min, point.max)
        for point in found.series[0].points
    } == {
        bucket: tuple(one if math.isfinite(one) else None for one in (min(among), max(among)))
        for bucket, among in expected.items()
    }
    plain = answered(extremes=False)
    assert [point.value for point in plain.series[0].points] == [p.value for p in found.series[0].points]
    assert b'"min"' not in msgspec.json.encode(plain)
    assert b'"min":' in msgspec.json.encode(found)


@pytest.mark.parametrize(
    ("metric", "kind", "aggregation", "level"),
    [
        ("process.cpu.usage", MetricType.GAUGE, "max", PrivacyLevel.PUBLIC),
        ("node.requests.total", MetricType.COUNTER, "avg", PrivacyLevel.INTERNAL),
        ("p2p.peer.connections", MetricType.UPDOWNCOUNTER, "avg", PrivacyLevel.SENSITIVE),
    ],
)
def test_where_there_are_no_extremes_an_answer_says_so_and_has_none(
    asked: Desk, metric: str, kind: MetricType, aggregation: str, level: PrivacyLevel
) -> None:
    asked.store(
        batch(
            [Point(1, (NOW_S - 120) * SECOND, 3.0)], series=[series(1, metric, kind, unit="1", level=level)]
        )
    )
    question = Query(metric, aggregation=aggregation, interval="2m", extremes=True)
    answer = asked.runner.query(question)
    assert "extremes are of averages of open gauges and updowncounters: none in this answer" in answer.notes
    assert answer.series[0].points != []
    assert b'"min"' not in msgspec.json.encode(answer)
