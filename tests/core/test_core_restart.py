"""Streams of every kind against plain models, through restarts that know only what was stored."""

import math
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
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
)
from tests.core.test_core_delta import SECOND, STARTS, TIMES

from blackhole import _core

BOUNDS = [2.0, 4.0]


class Service:
    """A table whose rows are stored, and which is begun anew from those rows alone."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.streams: dict[bytes, int] = {}
        self.restart()

    def restart(self) -> None:
        self.table = table()

    def send(self, *metrics: Metric) -> list[dict[str, Any]]:
        outcome = apply(self.table, request(*metrics), Script(treat=self._treat))
        assert outcome.rejected == 0
        rows = [*points(outcome), *histograms(outcome)]
        self.rows += rows
        return rows

    def _treat(self, new: _core.NewSeries) -> _core.Treatment:
        known = new.key in self.streams
        number = self.streams.setdefault(new.key, len(self.streams) + 1)
        return _core.Treatment.open(number, number, self._recall(number) if known else None)

    def _recall(self, stream: int) -> _core.Recall:
        rows = sorted((r for r in self.rows if r["stream"] == stream), key=lambda row: -int(row["time"]))
        if not rows:
            return _core.Recall(0)
        last, earlier = rows[0], [row["time"] for row in rows[1:9]]
        if "value" in last:
            return _core.Recall(last["time"], earlier_ns=earlier, value=last["cumulative"])
        return _core.Recall(
            last["time"],
            earlier_ns=earlier,
            count=last["cumulative_count"],
            total=last["cumulative_sum"],
            bounds=last["cumulative_bounds"],
            buckets=last["cumulative_buckets"],
        )


def explicit(*data: tuple[int, int, Sequence[int]], temporality: int = CUMULATIVE) -> Metric:
    """(time, start, buckets); the sum is ten times the count."""
    metric = Metric(name="latency", unit="ms")
    metric.histogram.aggregation_temporality = temporality  # type: ignore[assignment]
    for time, start, buckets in data:
        metric.histogram.data_points.add(
            time_unix_nano=time,
            start_time_unix_nano=start,
            bucket_counts=buckets,
            explicit_bounds=BOUNDS,
            count=sum(buckets),
            sum=10.0 * sum(buckets),
            min=1,
            max=9,
        )
    return metric


class Histograms:
    """Cumulative histograms, as CONTRACT.md describes them; one stream for each start time."""

    def __init__(self) -> None:
        self.known: dict[int, tuple[int, list[int]]] = {}

    def add(self, start: int, time: int, buckets: list[int]) -> list[list[int]]:
        last, earlier = self.known.get(start, (-1, [0, 0, 0]))
        if time <= last:
            return []
        self.known[start] = (time, buckets)
        if last < 0 and not NOW <= start < time:
            return [[0, 0, 0]]
        increments = [now - then for now, then in zip(buckets, earlier, strict=True)]
        return [increments if min(increments) >= 0 else buckets]


step = st.tuples(
    st.sampled_from(STARTS),
    TIMES,
    st.lists(st.integers(0, 4), min_size=3, max_size=3),
    st.booleans(),
)


@some
@given(st.lists(step, max_size=12))
def test_cumulative_histograms_follow_the_model(steps: list[tuple[int, int, list[int], bool]]) -> None:
    service, model = Service(), Histograms()
    for start, time, buckets, restart in steps:
        if restart:
            service.restart()
        rows = service.send(explicit((time, start, buckets)))
        assert [row["buckets"] for row in rows] == model.add(start, time, buckets)
        assert [row["sum"] for row in rows] == [10.0 * row["count"] for row in rows]
        assert all(row["count"] == sum(row["buckets"]) for row in rows)


def exponential(
    time: int, scale: int, values: Sequence[float], *, start: int = NOW, temporality: int = CUMULATIVE
) -> Metric:
    """What an SDK makes of `values`, whose magnitudes lie strictly inside their buckets."""
    metric = Metric(name="e")
    metric.exponential_histogram.aggregation_temporality = temporality  # type: ignore[assignment]
    data = metric.exponential_histogram.data_points.add(
        time_unix_nano=time, start_time_unix_nano=start, scale=scale, count=len(values), sum=math.fsum(values)
    )
    data.zero_count = sum(value == 0 for value in values)
    _fill(data.positive, [math.floor(math.log2(v) * 2**scale) for v in values if v > 0])
    _fill(data.negative, [math.floor(math.log2(-v) * 2**scale) for v in values if v < 0])
    return metric


def _fill(side: ExponentialHistogramDataPoint.Buckets, indexes: Sequence[int]) -> None:
    if indexes:
        side.offset = min(indexes)
        side.bucket_counts.extend(indexes.count(i) for i in range(min(indexes), max(indexes) + 1))


FINEST = 4
magnitudes = st.integers(-90, 90).map(lambda index: 2.0 ** ((index + 0.5) / 2**FINEST))
observed = st.one_of(st.just(0.0), magnitudes, magnitudes.map(lambda value: -value))
intervals = st.tuples(st.lists(observed, max_size=6), st.integers(0, 2), st.booleans())


def counted_right(row: dict[str, Any], values: Sequence[float]) -> bool:
    """Whether as many values lie at or below each bound as the buckets say."""
    below = [sum(value <= bound for value in values) for bound in row["bounds"]]
    return [*below, len(values)] == list(accumulate(row["buckets"])) and row["count"] == len(values)


@some
@given(st.lists(intervals, min_size=1, max_size=8))
def test_cumulative_exponential_histograms_follow_what_was_observed(
    steps: list[tuple[list[float], int, bool]],
) -> None:
    service, scale = Service(), FINEST
    so_far: list[float] = []
    for number, (values, coarser, restart) in enumerate(steps):
        if restart:
            service.restart()
        scale, so_far = scale - coarser, so_far + values
        [row] = service.send(exponential(NOW + 1 + number, scale, so_far))
        assert counted_right(row, values)
        assert math.isclose(row["sum"], math.fsum(values), abs_tol=1e-6)


@some
@given(st.lists(intervals, min_size=1, max_size=8))
def test_delta_exponential_histograms_are_what_was_observed(
    steps: list[tuple[list[float], int, bool]],
) -> None:
    service = Service()
    for number, (values, coarser, restart) in enumerate(steps):
        if restart:
            service.restart()
        sent = exponential(NOW + number, FINEST - coarser, values, temporality=DELTA)
        [row] = service.send(sent)
        assert counted_right(row, values)
        assert service.send(sent) == []


def test_an_exponential_histogram_that_began_again_counts_from_its_new_start() -> None:
    service = Service()
    service.send(exponential(NOW, 2, [1.1, 1.1, 5.0]))
    service.restart()
    [row] = service.send(exponential(NOW + 1, 2, [1.1]))
    assert row["count"] == 1


@pytest.mark.parametrize("restart", [False, True])
def test_a_zero_threshold_that_grows_moves_counts_and_loses_none(restart: bool) -> None:
    service = Service()
    service.send(exponential(NOW, 0, [1.5, 3.0, 6.0]))
    if restart:
        service.restart()
    wider = exponential(NOW + 1, 0, [6.0, 7.0])
    data = wider.exponential_histogram.data_points[0]
    data.zero_threshold, data.zero_count, data.count = 4.0, 3, 5
    [row] = service.send(wider)
    assert (row["count"], row["bounds"], row["buckets"]) == (2, [4.0, 8.0], [1, 1, 0])


@pytest.mark.parametrize("kind", [counter, gauge, level, explicit])
def test_points_sent_again_after_a_restart_add_nothing(kind: Any) -> None:
    """A client that was cut off sends its last requests again."""
    times = range(NOW, NOW + 8)
    if kind is explicit:
        sent = [explicit((time, 0, [1, 0, 1]), temporality=DELTA) for time in times]
    elif kind is gauge:
        sent = [gauge(point(2, time)) for time in times]
    else:
        sent = [kind(point(2, time), temporality=DELTA) for time in times]
    service = Service()
    assert len([row for metric in sent for row in service.send(metric)]) == 8
    service.restart()
    assert [row for metric in sent for row in service.send(metric)] == []


@some
@given(st.permutations(range(6)), st.lists(st.integers(-5, 5), min_size=6, max_size=6), st.integers(0, 6))
def test_changes_of_a_level_add_up_in_any_order(order: list[int], changes: list[int], cut: int) -> None:
    service = Service()
    for number, index in enumerate(order):
        if number == cut:
            service.restart()
        service.send(level(point(changes[index], NOW + 100 * index), temporality=DELTA))
    newest = max(service.rows, key=lambda row: int(row["time"]))
    assert newest["value"] == sum(changes)


def writers() -> st.SearchStrategy[list[tuple[int, list[int]]]]:
    """(start time, increments of each point) of processes that send the same series side by side."""
    return st.lists(
        st.tuples(st.sampled_from(STARTS[2:]), st.lists(st.integers(0, 9), min_size=1, max_size=5)),
        min_size=1,
        max_size=2,
        unique_by=lambda writer: writer[0],
    )


@some
@given(writers(), st.randoms(use_true_random=False), st.booleans())
def test_writers_of_one_series_add_up(
    sent: list[tuple[int, list[int]]], chance: Any, restarting: bool
) -> None:
    ready = [
        [(start, start + (2 + i) * SECOND, v) for i, v in enumerate(accumulate(steps))]
        for start, steps in sent
    ]
    service = Service()
    while any(ready):
        start, time, value = chance.choice([writer for writer in ready if writer]).pop(0)
        if restarting:
            service.restart()
        service.send(counter(point(value, time, start)))
    assert sum(row["value"] for row in service.rows) == sum(sum(steps) for _, steps in sent)


def test_a_known_stream_without_points_begins_with_a_baseline() -> None:
    """Its first values were counted, and deleted since."""
    service = Service()
    service.send(counter(point(5, NOW, NOW)))
    service.rows.clear()
    service.restart()
    [first, second] = service.send(counter(point(9, NOW + 1, NOW), point(11, NOW + 2, NOW)))
    assert (first["value"], second["value"]) == (0.0, 2.0)


def silent() -> Iterator[Metric]:
    """A point of every kind that says that there is no value."""
    yield gauge(point(1, NOW))
    yield counter(point(1, NOW))
    yield level(point(1, NOW))
    yield explicit((NOW, NOW, [1, 0, 0]))
    yield exponential(NOW, 0, [1.5])
    summary = Metric(name="s")
    summary.summary.data_points.add(time_unix_nano=NOW, count=1, sum=2.0)
    yield summary


@pytest.mark.parametrize("metric", list(silent()), ids=lambda metric: str(metric.WhichOneof("data")))
def test_a_point_without_a_recorded_value_is_accepted_and_leaves_no_trace(metric: Metric) -> None:
    service, recorded = Service(), Metric()
    recorded.CopyFrom(metric)
    data = getattr(metric, str(metric.WhichOneof("data"))).data_points[0]
    data.flags, data.time_unix_nano = 1, NOW - 1
    data.attributes.extend(attributes({}))
    assert service.send(metric) == []
    assert len(service.send(recorded)) == 1


def test_the_range_of_an_interval_is_kept_where_it_is_known() -> None:
    whole = [
        (row["min"], row["max"]) for row in Service().send(explicit((NOW, 0, [1, 0, 0]), temporality=DELTA))
    ]
    service = Service()
    service.send(explicit((NOW, NOW, [1, 0, 0])))
    later = [(row["min"], row["max"]) for row in service.send(explicit((NOW + 1, NOW, [2, 0, 0])))]
    assert (whole, later) == ([(1, 9)], [(None, None)])


def test_bounds_rise_also_where_doubles_cannot_tell_buckets_apart() -> None:
    [row] = Service().send(exponential(NOW, 20, [1.0000005, 1.00002], temporality=DELTA))
    assert all(low < high for low, high in pairwise(row["bounds"]))
