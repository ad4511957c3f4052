"""The small writer and reader of protobuf agree with the official package."""

import json

import pytest
from google.protobuf import json_format
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsPartialSuccess,
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from blackhole.conformance import samples, status
from blackhole.conformance.answers import Taken, accepted
from blackhole.conformance.check import BrokenError
from blackhole.conformance.checks import compression
from blackhole.conformance.grpc import Reply
from blackhole.conformance.wire import Field, MalformedError, fields, fixed64, nested, number, text, varint

REQUESTS: dict[str, type[Message]] = {
    "metrics": ExportMetricsServiceRequest,
    "traces": ExportTraceServiceRequest,
    "logs": ExportLogsServiceRequest,
}


def all_known(message: Message) -> bool:
    """No field is one that the schema does not have."""
    size = message.ByteSize()
    message.DiscardUnknownFields()
    return message.ByteSize() == size


@pytest.mark.parametrize("signal", samples.SIGNALS)
def test_samples_are_what_the_schema_says(signal: str) -> None:
    message = REQUESTS[signal].FromString(samples.REQUESTS[signal]())
    assert all_known(message)
    assert samples.SERVICE in str(message)


def test_metrics_of_every_kind_are_what_the_schema_says() -> None:
    kinds = (
        samples.gauge(),
        samples.total(temporality=samples.DELTA),
        samples.full_histogram(),
        samples.exponential(),
        samples.summary(),
    )
    message = ExportMetricsServiceRequest.FromString(samples.metrics(*kinds))
    assert all_known(message)
    metrics = message.resource_metrics[0].scope_metrics[0].metrics
    expected = ["gauge", "sum", "histogram", "exponential_histogram", "summary"]
    assert [metric.WhichOneof("data") for metric in metrics] == expected
    point = metrics[3].exponential_histogram.data_points[0]
    assert (point.scale, point.positive.offset, list(point.positive.bucket_counts)) == (4, -3, [1, 1])


@pytest.mark.parametrize("signal", ["metrics", "logs"])
def test_json_samples_are_what_the_schema_says(signal: str) -> None:
    message = REQUESTS[signal]()
    json_format.Parse(samples.json_body(signal), message)
    assert samples.SERVICE in str(message)


def test_json_spans_have_hex_ids_and_else_follow_the_schema() -> None:
    request = json.loads(samples.json_body("traces"))
    span = request["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    assert bytes.fromhex(span.pop("traceId")) == samples.TRACE_ID
    assert bytes.fromhex(span.pop("spanId")) == samples.SPAN_ID
    json_format.ParseDict(request, ExportTraceServiceRequest())


def test_what_is_over_the_limit_is_small_on_the_wire() -> None:
    assert len(compression.bomb()) < 128 * 1024


@given(st.lists(st.tuples(st.integers(1, 2**28), st.integers(0, 2**64 - 1) | st.binary(max_size=300))))
def test_what_is_written_is_read(written: list[tuple[int, int | bytes]]) -> None:
    body = b"".join(number(n, v) if isinstance(v, int) else nested(n, v) for n, v in written)
    assert fields(body) == [Field(n, v) for n, v in written]


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_called_malformed(body: bytes) -> None:
    try:
        found = fields(body)
    except MalformedError:
        return
    assert all(field.number > 0 for field in found)


@pytest.mark.parametrize("body", [b"\x0a", b"\x0a\x05ab", b"\x09\x00", b"\x0b", b"\x80" * 11, b"\x00\x01"])
def test_broken_bytes_are_called_malformed(body: bytes) -> None:
    with pytest.raises(MalformedError):
        fields(body)


@given(st.integers(-5, 5), st.text(max_size=20))
def test_partial_success_is_read_as_the_schema_means_it(rejected: int, message: str) -> None:
    partial = ExportMetricsPartialSuccess(rejected_data_points=rejected, error_message=message)
    reply = Reply("OK", body=ExportMetricsServiceResponse(partial_success=partial).SerializeToString())
    if 0 <= rejected <= 3:
        assert accepted(reply, sent=3) == Taken(True, rejected, message)
    else:
        with pytest.raises(BrokenError, match="of 3 records"):
            accepted(reply, sent=3)


def test_retry_info_is_found_among_details() -> None:
    other = nested(3, text(1, "type.googleapis.com/google.rpc.BadRequest"))
    assert not status.retry_info(number(1, 14) + other)
    assert status.retry_info(number(1, 14) + other + nested(3, text(1, status.RETRY_INFO.decode())))
    assert not status.retry_info(b"\xff")


def test_varints_are_as_short_as_can_be() -> None:
    assert (varint(127), varint(128), varint(-1)) == (b"\x7f", b"\x80\x01", b"\xff" * 9 + b"\x01")
    assert fixed64(1, -1) == b"\x09" + b"\xff" * 8
