"""Increments, levels, resets, late and doubled points, against a plain model."""

import math
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.metrics.v1.metrics_pb2 import ExponentialHistogramDataPoint, Metric
from tests.core.support import (
    CUMULATIVE,
    DELTA,
    NOW,
    Script,
    apply,
    attributes,
    counter,
    gauge,
    histograms,
    level,
    point,
    points,
    request,
    some,
    table,
    values,
)

from blackhole import _core

SECOND = 10**9
OLD = NOW - 100 * SECOND
# Starts, and times of points: nowhere so close that one could be taken for the other.
STARTS = [0, OLD, NOW, NOW + 8 * SECOND]
TIMES = st.integers(0, 10).map(lambda step: NOW + (2 + 4 * step) * SECOND)


@dataclass
class Stream:
    """What is known of one (series, start time)."""

    last: int | None = None
    value: int = 0
    seen: set[int] = field(default_factory=set)


class Model:
    """Cumulative monotonic sums, as CONTRACT.md describes them."""

    def __init__(self) -> None:
        self.streams: dict[tuple[str, int], Stream] = {}

    def add(self, series: str, start: int, time: int, value: int) -> list[float]:
        stream = self.streams.setdefault((series, start), Stream())
        if stream.last is not None and time <= stream.last:
            return []
        first = stream.last is None
        increment = value - stream.value if value >= stream.value else value
        if first:
            increment = value if NOW <= start < time else 0
        stream.last, stream.value = time, value
        return [increment]


sent = st.tuples(
    st.sampled_from(["a", "b"]),
    st.sampled_from(STARTS),
    TIMES,
    st.integers(0, 50),
)


@some
@given(st.lists(st.lists(sent, max_size=6), max_size=6))
def test_cumulative_counters_follow_the_model(requests: list[list[tuple[str, int, int, int]]]) -> None:
    known, script, model = table(), Script(), Model()
    for sequence in requests:
        data = [point(value, time, start, series=series) for series, start, time, value in sequence]
        outcome = apply(known, request(counter(*data)), script)
        expected = [
            row for series, start, time, value in sequence for row in model.add(series, start, time, value)
        ]
        assert values(outcome) == expected
        assert outcome.accepted == len(sequence)


@some
@given(st.lists(sent, min_size=1, max_size=12), st.integers(0, 11))
def test_a_restart_with_recall_changes_nothing(sequence: list[tuple[str, int, int, int]], cut: int) -> None:
    streams: dict[bytes, int] = {}
    states: dict[int, tuple[int, float]] = {}

    def recalled(new: _core.NewSeries) -> _core.Treatment:
        number = streams.setdefault(new.key, len(streams) + 1)
        if number not in states:
            return _core.Treatment.open(number, number)
        time, value = states[number]
        return _core.Treatment.open(number, number, _core.Recall(time, value=value))

    known, model = table(), Model()
    for index, (series, start, time, value) in enumerate(sequence):
        if index == cut:
            known = table()
        outcome = apply(
            known, request(counter(point(value, time, start, series=series))), Script(treat=recalled)
        )
        rows = points(outcome)
        states.update({row["stream"]: (row["time"], row["cumulative"]) for row in rows})
        assert [row["value"] for row in rows] == model.add(series, start, time, value)


def test_the_first_value_is_a_durable_baseline() -> None:
    outcome = apply(table(), request(counter(point(7, NOW, OLD))), Script())
    [row] = points(outcome)
    assert (row["value"], row["cumulative"]) == (0.0, 7.0)


def test_a_value_begun_under_our_eyes_counts_in_full() -> None:
    outcome = apply(table(), request(counter(point(7, NOW + 1, NOW))), Script())
    assert values(outcome) == [7.0]


def test_a_recalled_time_alone_makes_a_baseline() -> None:
    script = Script(treat=lambda _: _core.Treatment.open(1, 1, _core.Recall(NOW)))
    known = table()
    outcome = apply(
        known,
        request(counter(point(7, NOW - 1, OLD), point(8, NOW + 1, OLD), point(9, NOW + 2, OLD))),
        script,
    )
    assert values(outcome) == [0.0, 1.0]


def test_gauges_are_stored_as_sent_once() -> None:
    data = [
        point(1.5, NOW),
        point(1.5, NOW),
        point(2.0, NOW - 5),
        point(2.0, NOW - 5),
        point(math.inf, NOW + 1),
    ]
    outcome = apply(table(), request(gauge(*data, point(math.nan, NOW + 2))), Script())
    assert (outcome.accepted, values(outcome)) == (6, [1.5, 2.0, math.inf])
    assert {row["cumulative"] for row in points(outcome)} == {None}


def test_points_without_a_recorded_value_are_accepted() -> None:
    silent = point(5, NOW)
    silent.flags = 1
    outcome = apply(table(), request(counter(silent)), Script())
    assert (outcome.accepted, outcome.columns.points) == (1, 0)


def test_delta_counters_are_increments() -> None:
    data = [point(3, NOW), point(4, NOW + 1), point(4, NOW + 1), point(-1, NOW + 2), point(math.nan, NOW + 3)]
    outcome = apply(table(), request(counter(*data, temporality=DELTA)), Script())
    assert (outcome.accepted, outcome.rejected, values(outcome)) == (3, 2, [3.0, 4.0])
    assert outcome.refusals == [("jobs", _core.MALFORMED_POINT, 2)]


def test_updowncounters_are_levels() -> None:
    assert values(apply(table(), request(level(point(5, NOW), point(-2, NOW + 1))), Script())) == [5.0, -2.0]
    outcome = apply(table(), request(level(point(5, NOW), point(-2, NOW + 1), temporality=DELTA)), Script())
    assert [(row["value"], row["cumulative"]) for row in points(outcome)] == [(5.0, 5.0), (3.0, 3.0)]
    recalled = Script(treat=lambda _: _core.Treatment.open(1, 1, _core.Recall(OLD, value=10.0)))
    assert values(apply(table(), request(level(point(5, NOW), temporality=DELTA)), recalled)) == [15.0]


def test_time_decides_what_is_taken() -> None:
    known = table()
    sent = [point(1, 0), point(1, NOW - 11), point(1, NOW + 11), point(1, 2**64 - 1)]
    batch = _core.Decoder(bytes(16)).metrics(request(gauge(*sent)).SerializeToString(), "protobuf")
    outcome = known.apply(batch, Script(), now_ns=NOW, oldest_ns=NOW - 10, newest_ns=NOW + 10)
    assert [row["time"] for row in points(outcome)] == [NOW]
    assert sorted(outcome.refusals) == [("heat", _core.TOO_OLD, 1), ("heat", _core.TOO_NEW, 2)]


def histogram(
    *data: tuple[int, int, list[int], float], bounds: list[float], temporality: int = CUMULATIVE
) -> Metric:
    metric = Metric(name="latency", unit="ms")
    metric.histogram.aggregation_temporality = temporality  # type: ignore[assignment]
    for time, start, buckets, total in data:
        metric.histogram.data_points.add(
            time_unix_nano=time,
            start_time_unix_nano=start,
            bucket_counts=buckets,
            explicit_bounds=bounds,
            count=sum(buckets),
            sum=total,
            min=1,
            max=9,
        )
    return metric


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_a_sum_that_is_no_number_costs_neither_counts_nor_what_comes_after(broken: float) -> None:
    known = table()
    data = [(NOW + 1, NOW, [1, 2], 5.0), (NOW + 2, NOW, [4, 2], broken), (NOW + 3, NOW, [4, 3], broken)]
    metric = histogram(*data, (NOW + 4, NOW, [4, 4], 9.0), (NOW + 5, NOW, [5, 4], 11.0), bounds=[1.0])
    metric.histogram.data_points[1].min = metric.histogram.data_points[1].max = broken
    outcome = apply(known, request(metric), Script())
    assert (outcome.accepted, outcome.rejected) == (5, 0)
    assert [(row["count"], row["sum"]) for row in histograms(outcome)] == [
        (3, 5.0),
        (3, None),
        (1, None),
        (1, None),
        (1, 2.0),
    ]


def test_a_summary_goes_on_without_a_sum_that_is_no_number() -> None:
    metric = Metric(name="latency", unit="ms")
    for time, count, total in ((1, 2, math.nan), (2, 5, math.nan), (3, 6, 8.0)):
        metric.summary.data_points.add(
            time_unix_nano=NOW + time, start_time_unix_nano=NOW, count=count, sum=total
        )
    outcome = apply(table(), request(metric), Script())
    assert (outcome.accepted, outcome.rejected) == (3, 0)
    assert [row["count"] for row in histograms(outcome)] == [2, 3, 1]


@pytest.mark.parametrize("counts", [[1, 2, 3, 4], [1, 2, 7]])
def test_a_last_bound_of_infinity_is_that_of_the_last_bucket(counts: list[int]) -> None:
    data = (NOW + 1, NOW, counts, 5.0)
    metric = histogram(data, bounds=[1.0, 2.0, math.inf], temporality=DELTA)
    outcome = apply(table(), request(metric), Script())
    assert (outcome.accepted, outcome.rejected) == (1, 0)
    assert [(row["bounds"], row["buckets"]) for row in histograms(outcome)] == [([1.0, 2.0], [1, 2, 7])]


def brief(row: dict[str, Any]) -> tuple[Any, ...]:
    return (
        row["count"],
        row["sum"],
        row["min"],
        row["buckets"],
        row["cumulative_count"],
        row["cumulative_buckets"],
    )


def test_cumulative_histograms_become_intervals() -> None:
    data = [
        (NOW + 1, NOW, [1, 2], 5.0),
        (NOW + 2, NOW, [4, 2], 8.0),
        (NOW + 2, NOW, [4, 2], 8.0),
        (NOW + 3, NOW, [1, 0], 1.0),
    ]
    outcome = apply(table(), request(histogram(*data, bounds=[2.0])), Script())
    assert outcome.accepted == 4
    assert [brief(row) for row in histograms(outcome)] == [
        (3, 5.0, 1.0, [1, 2], 3, [1, 2]),
        (3, 3.0, None, [3, 0], 6, [4, 2]),
        (1, 1.0, 1.0, [1, 0], 1, [1, 0]),
    ]


def test_a_first_histogram_is_a_baseline() -> None:
    outcome = apply(table(), request(histogram((NOW, OLD, [1, 2], 5.0), bounds=[2.0])), Script())
    assert [brief(row) for row in histograms(outcome)] == [(0, 0.0, None, [0, 0], 3, [1, 2])]


def test_histograms_continue_after_a_restart() -> None:
    recall = _core.Recall(NOW, count=3, total=5.0, bounds=[2.0], buckets=[1, 2])
    script = Script(treat=lambda _: _core.Treatment.open(1, 1, recall))
    outcome = apply(table(), request(histogram((NOW + 1, OLD, [4, 2], 8.0), bounds=[2.0])), script)
    assert [brief(row) for row in histograms(outcome)] == [(3, 3.0, None, [3, 0], 6, [4, 2])]


@pytest.mark.parametrize(
    ("bounds", "buckets", "extra"), [([2.0, 1.0], [0, 0, 0], 0), ([1.0], [1], 0), ([1.0], [1, 1], 1)]
)
def test_histograms_that_contradict_themselves_are_malformed(
    bounds: list[float], buckets: list[int], extra: int
) -> None:
    metric = histogram((NOW, NOW, buckets, 1.0), bounds=bounds)
    metric.histogram.data_points[0].count += extra
    outcome = apply(table(), request(metric), Script())
    assert outcome.refusals == [("latency", _core.MALFORMED_POINT, 1)]


def test_summaries_are_histograms_without_buckets() -> None:
    metric = Metric(name="s")
    for step in (1, 2):
        metric.summary.data_points.add(
            time_unix_nano=NOW + step, start_time_unix_nano=NOW, count=step * 3, sum=step * 4.0
        )
    outcome = apply(table(), request(metric), Script())
    assert [(row["count"], row["sum"], row["bounds"]) for row in histograms(outcome)] == [
        (3, 4.0, []),
        (3, 4.0, []),
    ]


def exponential(*data: ExponentialHistogramDataPoint, temporality: int) -> Metric:
    metric = Metric(name="e")
    metric.exponential_histogram.aggregation_temporality = temporality  # type: ignore[assignment]
    metric.exponential_histogram.data_points.extend(data)
    return metric


def spread(
    time: int, scale: int, offset: int, counts: list[int], zero: int = 0
) -> ExponentialHistogramDataPoint:
    data = ExponentialHistogramDataPoint(
        time_unix_nano=time, start_time_unix_nano=NOW, scale=scale, zero_count=zero
    )
    data.attributes.extend(attributes({"a": "b"}))
    data.positive.offset = offset
    data.positive.bucket_counts.extend(counts)
    data.count = sum(counts) + zero
    return data


def test_exponential_histograms_get_explicit_bounds() -> None:
    outcome = apply(
        table(), request(exponential(spread(NOW, 0, 1, [2, 0, 3], zero=4), temporality=DELTA)), Script()
    )
    [row] = histograms(outcome)
    assert (row["bounds"], row["buckets"]) == ([0.0, 2.0, 4.0, 8.0, 16.0], [4, 0, 2, 0, 3, 0])
    assert (row["count"], row["cumulative_count"]) == (9, None)


def test_cumulative_exponential_histograms_meet_at_the_smaller_scale() -> None:
    data = [spread(NOW + 1, 1, 0, [1, 1]), spread(NOW + 2, 0, 0, [5, 1])]
    outcome = apply(table(), request(exponential(*data, temporality=CUMULATIVE)), Script())
    first, second = histograms(outcome)
    assert first["count"] == 2
    assert (second["count"], second["bounds"], second["buckets"]) == (4, [1.0, 2.0, 4.0], [0, 3, 1, 0])


@some
@given(st.integers(-10, 20), st.integers(-(2**31), 2**31 - 1), st.lists(st.integers(0, 9), max_size=400))
def test_no_exponential_histogram_loses_a_count(scale: int, offset: int, counts: list[int]) -> None:
    outcome = apply(
        table(), request(exponential(spread(NOW, scale, offset, counts), temporality=DELTA)), Script()
    )
    for row in histograms(outcome):
        assert sum(row["buckets"]) == row["count"] == sum(counts)
        assert row["bounds"] == sorted(set(row["bounds"]))
        assert len(row["buckets"]) == len(row["bounds"]) + 1 <= 330
    assert outcome.accepted + outcome.rejected == 1
