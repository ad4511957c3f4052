"""Puts identities into every place that OTLP has room for, in requests of all three signals."""

import time
from collections.abc import Iterator
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import Exemplar, Metric
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from tests.canary.identities import Canaries

DELTA, CUMULATIVE = 1, 2
SECOND = 10**9
# The keys under which the catalogue keeps a value whatever it says; only the scrubber stands before it.
KEPT = ("kept", "op.name")
OPEN = ("app.count", "app.level", "app.heat", "app.time")
GUARDED = tuple(
    f"app.{level}.{kind}" for level in ("shared", "secret") for kind in ("count", "level", "heat", "time")
)
_UNIT_KEYS = ("user.id", "peer.id")
_DROPPED = ("client.address", "enduser.id", "host.name", "process.command_line", "server.address", "url.full")

Pairs = Any


def text(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))


def soil(pairs: Pairs, canaries: Canaries, place: str) -> None:
    """Attributes that are dropped: in keys and values of every type."""
    pairs.add(key=canaries.any(f"{place} key")).value.bool_value = True
    pairs.add(key=canaries.name(f"{place} key")).value.int_value = 1
    for key in _DROPPED:
        pairs.append(text(key, canaries.any(f"{place} {key}")))
    pairs.append(text("user.name", canaries.name(f"{place} user.name")))
    pairs.add(key="raw").value.bytes_value = canaries.any(f"{place} bytes").encode()
    pairs.add(key="many").value.array_value.values.add(string_value=canaries.name(f"{place} array"))
    nested = pairs.add(key="nested").value.kvlist_value.values.add(key=canaries.name(f"{place} nested key"))
    nested.value.array_value.values.add().kvlist_value.values.append(
        text("x", canaries.any(f"{place} nested"))
    )
    kept = pairs.add(key=KEPT[1]).value.kvlist_value.values
    kept.append(text("x", canaries.name(f"{place} kept key, nested")))


def resource(canaries: Canaries, place: str, service: str) -> Resource:
    made = Resource(attributes=[text("service.name", service)], dropped_attributes_count=1)
    made.attributes.append(text("service.instance.id", canaries.any(f"{place} service.instance.id")))
    soil(made.attributes, canaries, f"{place} resource")
    return made


def scope(canaries: Canaries, place: str) -> InstrumentationScope:
    made = InstrumentationScope(
        name=canaries.name(f"{place} scope name"), version=canaries.any(f"{place} scope version")
    )
    soil(made.attributes, canaries, f"{place} scope")
    return made


def _points(metric: Metric) -> tuple[Any, bool]:
    """The metric's points, and whether they are histograms."""
    kind = metric.name.rpartition(".")[2]
    if kind == "heat":
        return metric.gauge.data_points, False
    if kind == "time":
        metric.histogram.aggregation_temporality = DELTA  # type: ignore[assignment]
        return metric.histogram.data_points, True
    metric.sum.aggregation_temporality = DELTA  # type: ignore[assignment]
    metric.sum.is_monotonic = kind != "level"
    return metric.sum.data_points, False


def _point(metric: Metric, canaries: Canaries, place: str, kept: str) -> None:
    points, is_histogram = _points(metric)
    point = points.add(time_unix_nano=time.time_ns())
    if is_histogram:
        point.count, point.sum = 3, 33.0
        point.explicit_bounds.extend([10.0, 100.0])
        point.bucket_counts.extend([1, 2, 0])
    else:
        point.as_double = 1.0
    point.attributes.append(text(KEPT[0], kept))
    for key in _UNIT_KEYS:
        point.attributes.append(text(key, canaries.any(f"{place} {key}")))
    soil(point.attributes, canaries, place)
    point.exemplars.append(_exemplar(canaries, place))


def _exemplar(canaries: Canaries, place: str) -> Exemplar:
    made = Exemplar(
        time_unix_nano=time.time_ns(),
        as_double=1.5,
        trace_id=canaries.identifier(16, f"{place} exemplar"),
        span_id=canaries.identifier(8, f"{place} exemplar"),
    )
    soil(made.filtered_attributes, canaries, f"{place} exemplar")
    return made


def metrics(canaries: Canaries) -> ExportMetricsServiceRequest:
    """Open and guarded metrics of every type, and some that are refused."""
    message = ExportMetricsServiceRequest()
    for service in ("node", *canaries.every("service.name")):
        group = message.resource_metrics.add(
            resource=resource(canaries, "metrics", service),
            schema_url=canaries.any("schema URL of a resource"),
        )
        inner = group.scope_metrics.add(
            scope=scope(canaries, "metrics"), schema_url=canaries.any("schema URL of a scope")
        )
        for name in OPEN if service != "node" else (*OPEN, *GUARDED, "app.secret.events"):
            metric = inner.metrics.add(name=name, description=canaries.name(f"description of {name}"))
            for kept in canaries.every(f"kept key of {name}") if service == "node" else ["plain"]:
                _point(metric, canaries, name, kept)
    inner = message.resource_metrics[0].scope_metrics[0]
    for metric in _odd(canaries):
        _point(inner.metrics.add(name=metric.name, unit=metric.unit), canaries, "an odd metric", "one")
        inner.metrics[-1].metadata.append(text("m", canaries.any("metadata of a metric")))
    return message


def _odd(canaries: Canaries) -> Iterator[Metric]:
    """Names and units that hold an identity, refused or not."""
    for name in canaries.every("the name of a refused metric"):
        yield Metric(name=f"app.{name}.count")
    for prefix in ("app.named", "app.shared.named"):
        for name in canaries.every(f"a name of the pattern {prefix}.*"):
            yield Metric(name=f"{prefix}.{name}.count")
    for name in ("app.count", "app.shared.count", "app.secret.count"):
        for unit in canaries.every(f"the unit of {name}")[:16]:
            yield Metric(name=name, unit=unit)


def traces(canaries: Canaries) -> ExportTraceServiceRequest:
    """Spans of servers and clients that meet, with everything that a span can hold."""
    message = ExportTraceServiceRequest()
    for service in ("node", "other", *canaries.every("service.name of spans")):
        group = message.resource_spans.add(
            resource=resource(canaries, "traces", service), schema_url=canaries.any("schema URL of traces")
        )
        inner = group.scope_spans.add(scope=scope(canaries, "traces"), schema_url=canaries.any("schema URL"))
        for method in canaries.every("rpc.method") if service == "node" else ["Get"]:
            call, trace = canaries.identifier(8, "span id"), canaries.identifier(16, "trace id")
            inner.spans.append(_span(canaries, method, trace, call, Span.SPAN_KIND_CLIENT))
            inner.spans.append(_span(canaries, method, trace, call, Span.SPAN_KIND_SERVER))
            inner.spans[-1].parent_span_id = call
            inner.spans[-1].span_id = canaries.identifier(8, "span id of a server")
    return message


def _span(canaries: Canaries, method: str, trace: bytes, span: bytes, kind: Any) -> Span:
    made = Span(name=canaries.name("the name of a span"), trace_id=trace, span_id=span, kind=kind)
    made.start_time_unix_nano, made.end_time_unix_nano = time.time_ns() - SECOND, time.time_ns()
    made.trace_state = f"vendor={canaries.name('trace state')}"
    for key in ("rpc.method", "rpc.service", "http.route", "messaging.system", "db.system.name"):
        made.attributes.append(text(key, method))
    soil(made.attributes, canaries, "a span")
    made.status.code, made.status.message = 2, canaries.name("a status message")  # type: ignore[assignment]
    event = made.events.add(name=canaries.name("the name of an event"))
    soil(event.attributes, canaries, "an event")
    link = made.links.add(
        trace_id=canaries.identifier(16, "a link"), span_id=canaries.identifier(8, "a link")
    )
    link.trace_state = canaries.name("trace state of a link")
    soil(link.attributes, canaries, "a link")
    return made


def logs(canaries: Canaries) -> ExportLogsServiceRequest:
    """Records with bodies of every type, and everything else that a record can hold."""
    message = ExportLogsServiceRequest()
    for service in ("node", *canaries.every("service.name of logs")):
        group = message.resource_logs.add(
            resource=resource(canaries, "logs", service), schema_url=canaries.any("schema URL of logs")
        )
        inner = group.scope_logs.add(scope=scope(canaries, "logs"), schema_url=canaries.any("schema URL"))
        for body in canaries.every("a log body") if service == "node" else ["started"]:
            inner.log_records.append(_record(canaries, AnyValue(string_value=f"peer {body} came")))
        for event in canaries.every("an event name") if service == "node" else ():
            inner.log_records.append(_record(canaries, AnyValue(string_value="went"), event))
        inner.log_records.append(
            _record(canaries, AnyValue(bytes_value=canaries.any("bytes of a body").encode()))
        )
        nested = AnyValue()
        soil(nested.kvlist_value.values, canaries, "a structured body")
        inner.log_records.append(_record(canaries, nested))
    return message


def _record(canaries: Canaries, body: AnyValue, event: str = "") -> LogRecord:
    made = LogRecord(time_unix_nano=time.time_ns(), observed_time_unix_nano=time.time_ns(), body=body)
    made.severity_number, made.severity_text = 9, canaries.name("severity text")  # type: ignore[assignment]
    made.event_name = event
    made.trace_id = canaries.identifier(16, "a log record")
    made.span_id = canaries.identifier(8, "a log record")
    soil(made.attributes, canaries, "a log record")
    return made
