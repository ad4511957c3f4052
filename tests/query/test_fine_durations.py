"""Durations that the service measures itself have percentiles within 5 %, recent, sealed and in PromQL."""

import math
import random
from collections.abc import Sequence

import pytest
from tests.core.test_core_signals import distill, row, span, spans
from tests.query.query_fakes import NOW, NOW_S, Desk
from tests.query.test_sealed import settle
from tests.store.store_fakes import SECOND, Histogram, batch, series, stream

from blackhole.model.series import MetricType, PrivacyLevel
from blackhole.query.language import Overall, Query
from blackhole.store.upkeep.seal import Sealer

NAME = "traces.span.metrics.duration"
SHARES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
HOUR = 3600


def measured(milliseconds: Sequence[float], at: int, number: int = 1) -> Histogram:
    """What the core makes of spans of one request."""
    outcome, script = distill(spans(*map(span, milliseconds)))
    told = row(outcome, script, NAME)
    bounds, buckets = tuple(told["bounds"]), tuple(told["buckets"])
    return Histogram(
        number, at, told["count"], told["sum"], bounds, buckets, told["min"], told["max"], stream=number
    )


def store(asked: Desk, *rows: Histogram) -> None:
    numbers = sorted({histogram.series for histogram in rows})
    asked.store(
        batch(
            histograms=rows,
            series=[
                series(
                    number,
                    NAME,
                    MetricType.HISTOGRAM,
                    unit="ms",
                    level=PrivacyLevel.INTERNAL,
                    attributes=f'{{"service.name":"s{number}"}}',
                )
                for number in numbers
            ],
            streams=[stream(number, number) for number in numbers],
        )
    )


def percentile(asked: Desk, aggregation: str) -> float:
    start = NOW_S - 6 * HOUR
    answer = asked.runner.query(Query(NAME, start_time=start, aggregation=aggregation, interval="1h"))
    (found,) = answer.series
    assert isinstance(found.overall, Overall)
    assert found.overall.over is not True
    assert found.overall.value is not None
    return found.overall.value


def truth(values: Sequence[float], share: float) -> float:
    return sorted(values)[max(math.ceil(share * len(values)) - 1, 0)]


def within(values: Sequence[float], share: float) -> object:
    return pytest.approx(truth(values, share), rel=0.05)


@pytest.mark.parametrize(
    "calls",
    [
        [200.0 + 0.05 * n for n in range(100)],
        [330.0] * 50,
        [0.0013] * 7,
        [1000.001] * 20,
        [15_000.0] * 19 + [7_200_000.0],
        [40_000_000.0, 41_000_000.0],
    ],
)
def test_percentiles_of_spans_are_within_5_percent(asked: Desk, calls: list[float]) -> None:
    store(asked, measured(calls, NOW - 60 * SECOND))
    for aggregation, share in SHARES.items():
        assert percentile(asked, aggregation) == within(calls, share)


def test_they_stay_so_where_buckets_differ_from_row_to_row_and_when_they_are_sealed(asked: Desk) -> None:
    chance = random.Random(3)
    calls: list[float] = []
    rows = []
    for number in (1, 2):
        for at in range(NOW - 5 * HOUR * SECOND, NOW - 60 * SECOND, 300 * SECOND):
            some = [chance.lognormvariate(4, 2) for _ in range(chance.randrange(1, 12))]
            calls += some
            rows.append(measured(some, at, number))
    store(asked, *rows)
    before = {aggregation: percentile(asked, aggregation) for aggregation in SHARES}
    settle(asked)
    assert Sealer(asked.database, pause=0).apply()
    with asked.database.reader() as reader:
        ((chunks, widths),) = reader.rows(
            "SELECT count(*), count(DISTINCT (series, bounds)) FROM histogram_chunks"
        ).rows
    assert chunks < len(rows) / 4
    assert widths == 2
    for aggregation, share in SHARES.items():
        assert percentile(asked, aggregation) == pytest.approx(before[aggregation])
        assert percentile(asked, aggregation) == within(calls, share)


def test_what_was_counted_in_coarser_buckets_before_adds_up_with_them(asked: Desk) -> None:
    coarse = Histogram(1, NOW - 7200 * SECOND, 10, 0.0, (100.0, 200.0, 400.0), (0, 0, 10, 0), stream=1)
    store(asked, coarse, measured([210.0] * 90, NOW - 60 * SECOND))
    assert 200 <= percentile(asked, "p50") <= 210 * 1.05
    settle(asked)
    before = percentile(asked, "p99")
    assert Sealer(asked.database, pause=0).apply()
    assert percentile(asked, "p99") == pytest.approx(before)


@pytest.mark.parametrize("sealed", [False, True])
def test_promql_adds_up_series_that_met_different_buckets(asked: Desk, sealed: bool) -> None:
    rows = []
    for place, at in enumerate(range(NOW - 4 * HOUR * SECOND, NOW - 3 * HOUR * SECOND, 60 * SECOND)):
        rows += [measured([100.5 + place % 3] * 9, at, 1), measured([5000.0, 203.0], at, 2)]
    store(asked, *rows)
    if sealed:
        settle(asked)
        assert Sealer(asked.database, pause=0).apply()
    buckets = "traces_span_metrics_duration_milliseconds_bucket"
    at = (NOW_S - 3 * HOUR) * 1000
    calls = [100.5, 101.5, 102.5] * 3 + [203.0, 5000.0]
    for share in (0.5, 0.99):
        question = f"histogram_quantile({share}, sum by (le) (rate({buckets}[30m])))"
        assert value(asked, question, at) == within(calls, share)
    # A bound that is asked for is there whether or not anything was counted beside it.
    below = value(asked, f'sum(increase({buckets}{{le="200"}}[30m]))', at)
    assert below == pytest.approx(9 / 11 * value(asked, f'sum(increase({buckets}{{le="+Inf"}}[30m]))', at))


def value(asked: Desk, question: str, at: int) -> float:
    ((_, ((_, found),)),) = asked.runner.promql.instant(question, at).series
    return found
