"""Random requests of every kind, as hypothesis strategies."""

from typing import Any

from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    SummaryDataPoint,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

words = st.sampled_from(["", "a", "b", "größe", "x" * 200, "\0", "日本"])
int64 = st.integers(-(2**63), 2**63 - 1)
uint64 = st.integers(0, 2**64 - 1)
counts = st.integers(0, 2**40)
times = st.one_of(st.just(0), st.integers(1, 2**40), uint64)
doubles = st.floats(width=64)


def any_values() -> st.SearchStrategy[AnyValue]:
    leaves = st.one_of(
        st.just(AnyValue()),
        st.builds(AnyValue, string_value=words),
        st.builds(AnyValue, bool_value=st.booleans()),
        st.builds(AnyValue, int_value=int64),
        st.builds(AnyValue, double_value=doubles),
        st.builds(AnyValue, bytes_value=st.binary(max_size=8)),
    )
    return st.recursive(leaves, lambda inner: st.one_of(arrays(inner), maps(inner)), max_leaves=4)


@st.composite
def arrays(draw: st.DrawFn, inner: st.SearchStrategy[AnyValue]) -> AnyValue:
    value = AnyValue()
    value.array_value.SetInParent()
    value.array_value.values.extend(draw(st.lists(inner, max_size=3)))
    return value


@st.composite
def maps(draw: st.DrawFn, inner: st.SearchStrategy[AnyValue]) -> AnyValue:
    value = AnyValue()
    value.kvlist_value.SetInParent()
    value.kvlist_value.values.extend(draw(pairs(inner)))
    return value


def pairs(values: st.SearchStrategy[AnyValue]) -> st.SearchStrategy[list[KeyValue]]:
    pair = st.builds(KeyValue, key=words, value=values)
    return st.lists(pair, max_size=3, unique_by=lambda found: found.key)


attribute_lists = pairs(any_values())


def common() -> dict[str, st.SearchStrategy[Any]]:
    return {
        "attributes": attribute_lists,
        "start_time_unix_nano": times,
        "time_unix_nano": times,
        "flags": st.sampled_from([0, 0, 0, 1, 2]),
    }


numbers = st.one_of(
    st.builds(NumberDataPoint, as_int=int64, **common()),
    st.builds(NumberDataPoint, as_double=doubles, **common()),
    st.builds(NumberDataPoint, **common()),
)


@st.composite
def histogram_points(draw: st.DrawFn) -> HistogramDataPoint:
    bounds = sorted(draw(st.sets(st.floats(-1e6, 1e6), max_size=4)))
    buckets = draw(st.lists(counts, min_size=len(bounds) + 1, max_size=len(bounds) + 1))
    point = draw(st.builds(HistogramDataPoint, sum=doubles, min=doubles, max=doubles, **common()))
    point.explicit_bounds.extend(bounds)
    point.bucket_counts.extend(buckets)
    point.count = draw(st.sampled_from([sum(buckets), sum(buckets) + 1]))
    return point


@st.composite
def exponential_points(draw: st.DrawFn) -> ExponentialHistogramDataPoint:
    point = draw(st.builds(ExponentialHistogramDataPoint, sum=doubles, zero_count=counts, **common()))
    point.scale = draw(st.integers(-11, 21))
    for side in (point.positive, point.negative):
        side.offset = draw(st.one_of(st.integers(-500, 500), st.integers(-(2**31), 2**31 - 1)))
        side.bucket_counts.extend(draw(st.lists(counts, max_size=6)))
    point.count = point.zero_count + sum(point.positive.bucket_counts) + sum(point.negative.bucket_counts)
    return point


summaries = st.builds(SummaryDataPoint, count=counts, sum=doubles, **common())


@st.composite
def metrics(draw: st.DrawFn) -> Metric:
    metric = Metric(name=draw(words), unit=draw(words), description=draw(words))
    kind = draw(st.sampled_from(["gauge", "sum", "histogram", "exponential_histogram", "summary", ""]))
    if not kind:
        return metric
    sent = {
        "histogram": histogram_points(),
        "exponential_histogram": exponential_points(),
        "summary": summaries,
    }.get(kind, numbers)
    data = getattr(metric, kind)
    data.SetInParent()
    data.data_points.extend(draw(st.lists(sent, max_size=3)))
    if hasattr(data, "aggregation_temporality"):
        data.aggregation_temporality = draw(st.integers(0, 2))
    if hasattr(data, "is_monotonic"):
        data.is_monotonic = draw(st.booleans())
    return metric


scopes = st.builds(
    ScopeMetrics,
    scope=st.builds(InstrumentationScope, name=words, version=words, attributes=attribute_lists),
    metrics=st.lists(metrics(), max_size=3),
    schema_url=words,
)
resources = st.builds(
    ResourceMetrics,
    resource=st.builds(Resource, attributes=attribute_lists),
    scope_metrics=st.lists(scopes, max_size=2),
    schema_url=words,
)


def metric_requests() -> st.SearchStrategy[ExportMetricsServiceRequest]:
    return st.builds(ExportMetricsServiceRequest, resource_metrics=st.lists(resources, max_size=2))
