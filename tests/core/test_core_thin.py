"""Thinning against a plain model: sums stay what they were, nothing crosses from stream to stream."""

from collections import defaultdict
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric
from tests.core.support import Script, read, some

from blackhole import _core

START = 1_700_000_000 * 10**9
STEP = 10**6


@dataclass(frozen=True)
class Row:
    stream: int
    time: int
    value: float
    cumulative: float | None


def columns(*requests: ExportMetricsServiceRequest) -> _core.Columns:
    table = _core.SeriesTable(max_series=1000, created_ns=0, started_ns=0)
    resolver, decoder = Script(), _core.Decoder(bytes(16))
    outcomes = []
    for request in requests:
        batch = decoder.metrics(request.SerializeToString(), "protobuf")
        outcomes.append(
            table.apply(batch, resolver, now_ns=START, oldest_ns=0, newest_ns=START + 10**12).columns
        )
    return outcomes[0].merge(outcomes[1:])


def rows(found: _core.Columns) -> list[Row]:
    return [
        Row(row["stream"], row["time"], row["value"], row["cumulative"]) for row in read(found.point_stream())
    ]


def export(kind: str, values: list[tuple[int, int]]) -> ExportMetricsServiceRequest:
    """(stream, value) one after the other in time."""
    request = ExportMetricsServiceRequest()
    metric = Metric(name=kind)
    if kind == "gauge":
        points = metric.gauge.data_points
    else:
        metric.sum.is_monotonic = kind != "level"
        temporality = AggregationTemporality
        delta = kind == "delta"
        metric.sum.aggregation_temporality = (
            temporality.AGGREGATION_TEMPORALITY_DELTA
            if delta
            else temporality.AGGREGATION_TEMPORALITY_CUMULATIVE
        )
        points = metric.sum.data_points
    for number, (stream, value) in enumerate(values):
        point = points.add(start_time_unix_nano=START, time_unix_nano=START + (number + 1) * STEP)
        point.as_int = value
        point.attributes.add(key="stream").value.int_value = stream
    request.resource_metrics.add().scope_metrics.add().metrics.append(metric)
    return request


def by_stream(found: list[Row]) -> dict[int, list[Row]]:
    streams = defaultdict(list)
    for row in found:
        streams[row.stream].append(row)
    return streams


VALUES = st.lists(st.tuples(st.integers(1, 4), st.integers(0, 10**6)), min_size=1, max_size=80)
FACTORS = st.sampled_from((2, 4, 16, 64))


@some
@given(VALUES, FACTORS)
def test_increments_add_up_to_the_same_in_every_stream(values: list[tuple[int, int]], factor: int) -> None:
    given_rows = columns(export("counter", values))
    plain, thin = by_stream(rows(given_rows)), by_stream(rows(given_rows.thin(factor)))
    assert plain.keys() == thin.keys()
    for stream, all_rows in plain.items():
        kept = thin[stream]
        assert sum(row.value for row in kept) == sum(row.value for row in all_rows)
        # A first value that adds nothing stays by itself.
        assert len(kept) <= -(-len(all_rows) // factor) + 1
        assert (kept[-1].time, kept[-1].cumulative) == (all_rows[-1].time, all_rows[-1].cumulative)


@some
@given(VALUES, FACTORS, st.sampled_from(("gauge", "level")))
def test_levels_keep_the_last_of_each_run(values: list[tuple[int, int]], factor: int, kind: str) -> None:
    given_rows = columns(export(kind, values))
    plain, thin = by_stream(rows(given_rows)), by_stream(rows(given_rows.thin(factor)))
    for stream, all_rows in plain.items():
        runs = [all_rows[i : i + factor] for i in range(0, len(all_rows), factor)]
        assert thin[stream] == [run[-1] for run in runs]


@some
@given(VALUES, FACTORS)
def test_deltas_stay_since_their_times_tell_a_repeated_one(
    values: list[tuple[int, int]], factor: int
) -> None:
    given_rows = columns(export("delta", values))
    assert rows(given_rows.thin(factor)) == rows(given_rows)


def test_rows_of_several_requests_are_thinned_together() -> None:
    first, second = export("counter", [(1, 10)]), export("counter", [(2, 5), (1, 30)])
    thin = by_stream(rows(columns(first, second).thin(4)))
    assert sorted(sum(row.value for row in kept) for kept in thin.values()) == [5, 30]
    assert [len(kept) for kept in thin.values()] == [1, 1]
