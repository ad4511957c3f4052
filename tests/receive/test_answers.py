"""Every answer is read back with the official protobuf classes."""

import logging
import math
from http import HTTPStatus
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from blackhole import errors
from blackhole.model.signals import Encoding, Signal, Verdict
from blackhole.receive.answers import (
    MOST_MESSAGE,
    Code,
    Failure,
    NotHereError,
    failure,
    retry_after_header,
    status_body,
    success,
)
from blackhole.store.file.damage import DamagedError

RETRYABLE = {429, 502, 503, 504}
RESPONSES: dict[Signal, tuple[Any, str]] = {
    Signal.METRICS: (metrics_service_pb2.ExportMetricsServiceResponse, "rejected_data_points"),
    Signal.TRACES: (trace_service_pb2.ExportTraceServiceResponse, "rejected_spans"),
    Signal.LOGS: (logs_service_pb2.ExportLogsServiceResponse, "rejected_log_records"),
}


def every(kind: type[errors.BlackholeError]) -> list[type[errors.BlackholeError]]:
    return [kind, *(deeper for child in kind.__subclasses__() for deeper in every(child))]


def an(kind: type[BaseException]) -> BaseException:
    if kind is errors.OverloadedError:
        return errors.OverloadedError("busy", retry_after=0.2)
    if issubclass(kind, NotHereError):
        return NotHereError("elsewhere", HTTPStatus(404), Code.NOT_FOUND)
    if issubclass(kind, DamagedError):
        return DamagedError(Path("analytics.duckdb"), duckdb.Error("words"))
    return kind("words")


@pytest.mark.parametrize("signal", Signal)
def test_full_success_is_empty(signal: Signal) -> None:
    assert success(Verdict(), signal, Encoding.PROTOBUF) == b""
    assert success(Verdict(), signal, Encoding.JSON) == b"{}"


@pytest.mark.parametrize("signal", Signal)
@given(rejected=st.integers(0, 2**40), message=st.text(max_size=200))
def test_partial_success_is_what_the_official_classes_read(
    signal: Signal, rejected: int, message: str
) -> None:
    response, field = RESPONSES[signal]
    message = message.encode("utf-8", "replace").decode()
    got = response.FromString(success(Verdict(rejected, message), signal, Encoding.PROTOBUF))
    assert getattr(got.partial_success, field) == rejected
    assert got.partial_success.error_message == message
    assert got.HasField("partial_success") == bool(rejected or message)


@pytest.mark.parametrize(
    ("signal", "field"),
    [
        (Signal.METRICS, "rejectedDataPoints"),
        (Signal.TRACES, "rejectedSpans"),
        (Signal.LOGS, "rejectedLogRecords"),
    ],
)
def test_partial_success_in_json_counts_in_a_string(signal: Signal, field: str) -> None:
    body = success(Verdict(3, "a.b is unknown"), signal, Encoding.JSON)
    assert msgspec.json.decode(body) == {"partialSuccess": {field: "3", "errorMessage": "a.b is unknown"}}


def test_a_warning_rejects_nothing() -> None:
    body = success(Verdict(0, "unit differs"), Signal.METRICS, Encoding.JSON)
    assert msgspec.json.decode(body) == {"partialSuccess": {"errorMessage": "unit differs"}}


@given(seconds=st.floats(0, 3600))
def test_retry_info_says_how_long_to_wait(seconds: float) -> None:
    failed = failure(errors.OverloadedError("busy", retry_after=seconds))
    status = status_pb2.Status.FromString(status_body(failed, Encoding.PROTOBUF))
    assert (status.code, status.message) == (14, "busy")
    info = error_details_pb2.RetryInfo()
    assert status.details[0].Unpack(info)
    assert info.retry_delay.ToNanoseconds() == pytest.approx(seconds * 1e9, abs=1)
    assert int(retry_after_header(failed)) >= seconds
    assert int(retry_after_header(failed)) == max(1, math.ceil(seconds))


def test_status_in_json_holds_retry_info_by_its_type() -> None:
    failed = failure(errors.OverloadedError("busy", retry_after=1.5))
    assert msgspec.json.decode(status_body(failed, Encoding.JSON)) == {
        "code": 14,
        "message": "busy",
        "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1.500s"}],
    }


@pytest.mark.parametrize("wait", [math.nan, math.inf, -1.0, 1e300])
def test_a_senseless_wait_becomes_a_sensible_one(wait: float) -> None:
    failed = failure(errors.OverloadedError("busy", retry_after=wait))
    assert failed.retry_after is not None
    assert 0 < failed.retry_after <= 3600


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        (errors.UndecodableError, 400, Code.INVALID_ARGUMENT),
        (errors.UnauthenticatedError, 401, Code.UNAUTHENTICATED),
        (errors.TooLargeError, 413, Code.RESOURCE_EXHAUSTED),
        (errors.UnsupportedError, 415, Code.UNIMPLEMENTED),
    ],
)
def test_a_permanent_error_tells_the_sender_not_to_retry(
    kind: type[errors.IntakeError], status: int, code: Code
) -> None:
    failed = failure(kind("words"))
    assert (failed.status, failed.code, failed.message) == (status, code, "words")
    body = status_pb2.Status.FromString(status_body(failed, Encoding.PROTOBUF))
    assert not body.details


@pytest.mark.parametrize("kind", every(errors.IntakeError), ids=lambda kind: kind.__name__)
def test_every_intake_error_is_mapped(kind: type[errors.IntakeError]) -> None:
    failed = failure(an(kind))
    assert isinstance(failed.code, Code)
    assert failed.status in RETRYABLE or 400 <= failed.status < 500
    assert (failed.status in RETRYABLE) == (failed.retry_after is not None)


@pytest.mark.parametrize(
    "kind",
    [
        *(kind for kind in every(errors.BlackholeError) if not issubclass(kind, errors.IntakeError)),
        ValueError,
        KeyError,
        MemoryError,
        RecursionError,
        AssertionError,
        TimeoutError,
        OSError,
    ],
    ids=lambda kind: kind.__name__,
)
def test_any_other_error_is_unavailable_and_logged_without_content(
    kind: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    secret = "12D3KooWSecretPeer"  # noqa: S105
    raised = an(kind) if issubclass(kind, errors.BlackholeError) else kind(secret)
    try:
        raise raised  # noqa: TRY301
    except BaseException as error:  # noqa: BLE001
        with caplog.at_level(logging.ERROR):
            failed = failure(error)
    assert (failed.status, failed.code) == (503, Code.UNAVAILABLE)
    assert failed.retry_after
    assert secret not in failed.message + caplog.text
    assert len(caplog.records) == 1
    assert "\n" not in caplog.records[0].getMessage()
    assert kind.__name__ in caplog.text
    assert "test_answers.py:" in caplog.text


def test_long_messages_are_cut() -> None:
    assert len(failure(errors.UndecodableError("x" * 10**6)).message) == MOST_MESSAGE
    assert len(success(Verdict(1, "x" * 10**6), Signal.METRICS, Encoding.PROTOBUF)) < MOST_MESSAGE + 20


@given(message=st.text(max_size=300), code=st.sampled_from(Code))
def test_status_is_what_the_official_class_writes(message: str, code: Code) -> None:
    message = message.encode("utf-8", "replace").decode()
    wait = error_details_pb2.RetryInfo()
    wait.retry_delay.FromNanoseconds(2_500_000_000)
    detail = any_pb2.Any()
    detail.Pack(wait)
    expected = status_pb2.Status(code=code, message=message, details=[detail]).SerializeToString()
    failed = Failure(HTTPStatus(503), code, message, retry_after=2.5)
    assert status_body(failed, Encoding.PROTOBUF) == expected
