"""A bad item among good ones costs that item, and a word says so: over both protocols, in both encodings."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from tests.core.otlp_json import to_json
from tests.e2e.service import EXPORT_METRICS, Service, counter

GOOD = 1000
# Stands for a text that is no UTF-8 until the request is written; such a text cannot be put into a message.
MARK = "Qx1Qx1"
BROKEN = b"\xff\xfe\x80\xc0\xf5a"
PLACES = {
    "metrics": (EXPORT_METRICS, ExportMetricsServiceResponse, "rejected_data_points"),
    "traces": (
        "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        ExportTraceServiceResponse,
        "rejected_spans",
    ),
    "logs": (
        "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
        ExportLogsServiceResponse,
        "rejected_log_records",
    ),
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    data = tmp_path_factory.mktemp("one-bad-item") / "data"
    (data.parent / "c.yaml").write_text("analytics: {keep_spans: 1h, keep_logs: 1h}")
    with Service(data, ("--config", str(data.parent / "c.yaml"))) as running:
        yield running


def metrics(spoil: Callable[[ExportMetricsServiceRequest], object]) -> ExportMetricsServiceRequest:
    now = time.time_ns()
    message = ExportMetricsServiceRequest()
    scope = message.resource_metrics.add().scope_metrics.add()
    scope.metrics.append(counter("node.requests.total", 1, start=now - 10**9, delta=True))
    (points := scope.metrics[0].sum.data_points)[0].time_unix_nano = now
    for place in range(GOOD - 1):
        points.append(points[0])
        points[-1].time_unix_nano = now + place + 1
    spoil(message)
    return message


def spoilt_point(message: ExportMetricsServiceRequest) -> None:
    points = message.resource_metrics[0].scope_metrics[0].metrics[0].sum.data_points
    points.append(points[0])
    points[-1].attributes.add(key="colour").value.string_value = MARK


def spoilt_key(message: ExportMetricsServiceRequest) -> None:
    points = message.resource_metrics[0].scope_metrics[0].metrics[0].sum.data_points
    points.append(points[0])
    points[-1].attributes.add(key=MARK).value.string_value = "x"


def spoilt_metric(field: str) -> Callable[[ExportMetricsServiceRequest], None]:
    def spoil(message: ExportMetricsServiceRequest) -> None:
        good = message.resource_metrics[0].scope_metrics[0].metrics
        bad = counter("node.errors.total", 1, start=time.time_ns() - 10**9, delta=True)
        setattr(bad, field, MARK)
        good.append(bad)

    return spoil


def spoilt_resource(message: ExportMetricsServiceRequest) -> None:
    resource = message.resource_metrics.add()
    resource.resource.attributes.add(key="host").value.string_value = MARK
    resource.scope_metrics.add().metrics.append(
        counter("node.errors.total", 1, start=time.time_ns() - 10**9, delta=True)
    )


def spans(key: str, value: str, *, resource: bool = False) -> ExportTraceServiceRequest:
    message = ExportTraceServiceRequest()
    now = time.time_ns()
    good = message.resource_spans.add().scope_spans.add()
    for place in range(GOOD):
        good.spans.add(
            trace_id=place.to_bytes(16),
            span_id=place.to_bytes(8),
            start_time_unix_nano=now,
            end_time_unix_nano=now,
        )
    one = message.resource_spans.add()
    holder = one.resource if resource else one.scope_spans.add().spans.add(end_time_unix_nano=now)
    if resource:
        one.scope_spans.add().spans.add(end_time_unix_nano=now)
    holder.attributes.add(key=key).value.string_value = value
    return message


def logs(where: str) -> ExportLogsServiceRequest:
    message = ExportLogsServiceRequest()
    records = message.resource_logs.add().scope_logs.add().log_records
    for _ in range(GOOD):
        records.add(time_unix_nano=time.time_ns()).body.string_value = "fine"
    bad = records.add(time_unix_nano=time.time_ns())
    if where == "body":
        bad.body.string_value = MARK
    elif where == "event":
        bad.event_name = MARK
    else:
        bad.attributes.add(key=where).value.string_value = MARK
    return message


@dataclass(frozen=True)
class Case:
    signal: str
    make: Callable[[], Message]


CASES = {
    "attribute of a point": Case("metrics", lambda: metrics(spoilt_point)),
    "key of a point": Case("metrics", lambda: metrics(spoilt_key)),
    "name of a metric": Case("metrics", lambda: metrics(spoilt_metric("name"))),
    "unit of a metric": Case("metrics", lambda: metrics(spoilt_metric("unit"))),
    "description of a metric": Case("metrics", lambda: metrics(spoilt_metric("description"))),
    "attribute of a resource": Case("metrics", lambda: metrics(spoilt_resource)),
    "kept attribute of a span": Case("traces", lambda: spans("http.route", MARK)),
    "other attribute of a span": Case("traces", lambda: spans("colour", MARK)),
    "service of spans": Case("traces", lambda: spans("service.name", MARK, resource=True)),
    "body of a log record": Case("logs", lambda: logs("body")),
    "event of a log record": Case("logs", lambda: logs("event")),
    "attribute of a log record": Case("logs", lambda: logs("event.name")),
}


def answer(service: Service, signal: str, message: Message, how: str) -> tuple[int, str]:
    """How many were rejected, and the word."""
    response: Any
    method, response, rejected = PLACES[signal]
    if how == "grpc":
        body = message.SerializeToString().replace(MARK.encode(), BROKEN)
        with grpc.insecure_channel(service.ready["otlp_grpc"]) as channel:
            found = response.FromString(channel.unary_unary(method)(body, timeout=30))
    elif how == "http":
        body = message.SerializeToString().replace(MARK.encode(), BROKEN)
        status, text = service.post(body, f"/v1/{signal}")
        assert status == 200, text
        found = response.FromString(text)
    else:
        broken = BROKEN if how == "bytes in JSON" else b"\\ud800x"
        body = json.dumps(to_json(message)).encode().replace(MARK.encode(), broken)
        status, text = service.post(body, f"/v1/{signal}", content_type="application/json")
        assert status == 200, text
        partial = json.loads(text).get("partialSuccess", {})
        name = "".join(part.title() for part in rejected.split("_"))
        return int(partial.get(name[0].lower() + name[1:], 0)), partial.get("errorMessage", "")
    partial = found.partial_success
    return getattr(partial, rejected), partial.error_message


@pytest.mark.parametrize("how", ["grpc", "http", "bytes in JSON", "surrogate in JSON"])
@pytest.mark.parametrize("case", CASES)
def test_a_text_that_is_no_utf_8_costs_its_item_and_no_other(service: Service, case: str, how: str) -> None:
    rejected, words = answer(service, CASES[case].signal, CASES[case].make(), how)
    assert rejected == 1, words
    assert words


def test_a_schema_url_that_is_no_utf_8_costs_nothing(service: Service) -> None:
    def spoil(message: ExportMetricsServiceRequest) -> None:
        message.resource_metrics[0].schema_url = MARK
        message.resource_metrics[0].scope_metrics[0].schema_url = MARK

    for how in ("grpc", "http", "bytes in JSON", "surrogate in JSON"):
        assert answer(service, "metrics", metrics(spoil), how) == (0, "")
