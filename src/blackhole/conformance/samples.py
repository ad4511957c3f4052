"""Small, made-up telemetry as protobuf bytes and as JSON: what a well-behaved sender would send.

The metrics have names of the semantic conventions, so that receivers with a list of metrics know them.
"""

import base64
import json
import time
from collections.abc import Callable
from typing import Any

from blackhole.conformance.wire import (
    double,
    fixed64,
    nested,
    number,
    packed_doubles,
    packed_fixed64,
    text,
    varint,
    zigzag,
)

SIGNALS = ("metrics", "traces", "logs")
SERVICE = "otlp-conformance"
GAUGE, SUM, HISTOGRAM = "process.cpu.utilization", "process.cpu.time", "http.server.request.duration"
CUMULATIVE, DELTA = 2, 1
TRACE_ID = bytes.fromhex("5b8efff798038103d269b633813fc60c")
SPAN_ID = bytes.fromhex("eee19b7ec3c1b174")
SECOND = 10**9
_STARTED = time.time_ns() - SECOND

SampleJson = dict[str, Any]


def attribute(key: str, value: bytes) -> bytes:
    """`value`: the fields of an AnyValue."""
    return text(1, key) + nested(2, value)


def _resource() -> bytes:
    return nested(1, nested(1, attribute("service.name", text(1, SERVICE))))


def _request(items: bytes) -> bytes:
    return nested(1, _resource(), nested(2, nested(1, text(1, SERVICE)), items))


def metrics(*parts: bytes) -> bytes:
    """A request with the given metrics, or with one gauge."""
    return _request(b"".join(nested(2, part) for part in parts or (gauge(),)))


def traces(*spans: bytes) -> bytes:
    return _request(b"".join(nested(2, part) for part in spans or (span(),)))


def logs(*records: bytes) -> bytes:
    return _request(b"".join(nested(2, part) for part in records or (log(),)))


REQUESTS: dict[str, Callable[[], bytes]] = {"metrics": metrics, "traces": traces, "logs": logs}


def number_point(*more: bytes, value: bytes | None = None) -> bytes:
    """Field numbers of NumberDataPoint; `more` comes last."""
    return fixed64(2, _STARTED) + fixed64(3, time.time_ns()) + (value or double(4, 0.25)) + b"".join(more)


def gauge(*points: bytes) -> bytes:
    body = b"".join(nested(1, point) for point in points or (number_point(),))
    return text(1, GAUGE) + text(3, "1") + nested(5, body)


def total(*, temporality: int, monotonic: bool = True, point: bytes | None = None) -> bytes:
    data = nested(1, point or number_point(value=double(4, (time.time_ns() - _STARTED) / SECOND)))
    return text(1, SUM) + text(3, "s") + nested(7, data, number(2, temporality), number(3, int(monotonic)))


def histogram(*fields: bytes, temporality: int = DELTA) -> bytes:
    """One point with count and the given further fields of HistogramDataPoint."""
    times = fixed64(2, _STARTED) + fixed64(3, time.time_ns())
    point = nested(1, times, fixed64(4, 3), *fields)
    return text(1, HISTOGRAM) + text(3, "s") + nested(9, point, number(2, temporality))


def full_histogram() -> bytes:
    return histogram(double(5, 1.5), packed_fixed64(6, 1, 1, 1), packed_doubles(7, 0.1, 1.0), double(11, 0.1))


def exponential(*fields: bytes) -> bytes:
    """One point, with offsets on both sides of zero unless `fields` are given."""
    times = fixed64(2, _STARTED) + fixed64(3, time.time_ns())
    buckets = nested(8, number(1, zigzag(-3)), nested(2, varint(1), varint(1)))
    usual = (number(6, zigzag(4)), fixed64(7, 1), buckets, double(14, 1e-9))
    point = nested(1, times, fixed64(4, 3), double(5, 1.5), *(fields or usual))
    return text(1, HISTOGRAM) + text(3, "s") + nested(10, point, number(2, DELTA))


def summary() -> bytes:
    times = fixed64(2, _STARTED) + fixed64(3, time.time_ns())
    quantile = nested(6, double(1, 0.5), double(2, 0.2))
    point = nested(1, times, fixed64(4, 3), double(5, 1.5), quantile)
    return text(1, HISTOGRAM) + text(3, "s") + nested(11, point)


def span(*more: bytes, trace_id: bytes = TRACE_ID, span_id: bytes = SPAN_ID) -> bytes:
    now = time.time_ns()
    times = fixed64(7, now - SECOND) + fixed64(8, now)
    return nested(1, trace_id) + nested(2, span_id) + text(5, "GET /") + number(6, 2) + times + b"".join(more)


def log(*more: bytes, body: bytes = b"\x0a\x05hello", timed: bool = True) -> bytes:
    when = fixed64(1, time.time_ns()) if timed else b""
    return when + number(2, 9) + nested(5, body) + b"".join(more)


def json_request(signal: str, *items: SampleJson) -> SampleJson:
    """As the functions above, in JSON."""
    group, scope, plural = {
        "metrics": ("resourceMetrics", "scopeMetrics", "metrics"),
        "traces": ("resourceSpans", "scopeSpans", "spans"),
        "logs": ("resourceLogs", "scopeLogs", "logRecords"),
    }[signal]
    usual = {"metrics": json_gauge, "traces": json_span, "logs": json_log}[signal]
    attributes = [{"key": "service.name", "value": {"stringValue": SERVICE}}]
    return {
        group: [
            {
                "resource": {"attributes": attributes},
                scope: [{"scope": {"name": SERVICE}, plural: list(items) or [usual()]}],
            }
        ]
    }


def json_point(**more: Any) -> SampleJson:
    return {"startTimeUnixNano": str(_STARTED), "timeUnixNano": str(time.time_ns()), "asDouble": 0.25, **more}


def json_gauge(**point: Any) -> SampleJson:
    return {"name": GAUGE, "unit": "1", "gauge": {"dataPoints": [json_point(**point)]}}


def json_histogram(**point: Any) -> SampleJson:
    times = {"startTimeUnixNano": str(_STARTED), "timeUnixNano": str(time.time_ns())}
    data = {**times, "count": "2", "sum": 1.5, "bucketCounts": ["1", "1"], "explicitBounds": [1.0], **point}
    return {
        "name": HISTOGRAM,
        "unit": "s",
        "histogram": {"aggregationTemporality": DELTA, "dataPoints": [data]},
    }


def json_span(**more: Any) -> SampleJson:
    now = time.time_ns()
    times = {"startTimeUnixNano": str(now - SECOND), "endTimeUnixNano": str(now)}
    return {
        "traceId": TRACE_ID.hex(),
        "spanId": SPAN_ID.hex(),
        "name": "GET /",
        "kind": 2,
        **times,
        **more,
    }


def json_log(**more: Any) -> SampleJson:
    return {
        "timeUnixNano": str(time.time_ns()),
        "severityNumber": 9,
        "body": {"stringValue": "hello"},
        **more,
    }


def json_body(signal: str, *items: SampleJson) -> bytes:
    return json.dumps(json_request(signal, *items)).encode()


def base64_text(data: bytes) -> str:
    return base64.b64encode(data).decode()
