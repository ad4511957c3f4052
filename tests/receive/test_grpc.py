"""OTLP over gRPC, from outside, with grpcio's client."""

import gc
import logging
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2  # type: ignore[import-untyped]
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from tests.receive.calls import (
    METRICS,
    Caller,
    details,
)
from tests.receive.conftest import LIMIT, Receivers, Start, eventually

from blackhole._core import GrpcServer
from blackhole.config import Size
from blackhole.errors import OverloadedError, TooLargeError, UndecodableError
from blackhole.model.signals import Encoding, Payload, Signal, Verdict
from blackhole.receive.admission import Gate
from blackhole.receive.grpc import PATHS
from blackhole.receive.refusals import refusals


@pytest.mark.parametrize(("path", "signal"), PATHS.items())
def test_the_three_services_take_raw_bytes(receivers: Receivers, path: str, signal: Signal) -> None:
    with Caller(receivers) as caller:
        assert caller.call(b"\x00 any bytes", path) == b""
    assert receivers.intake.payloads == [Payload(signal, Encoding.PROTOBUF, b"\x00 any bytes")]


def test_an_empty_request_succeeds(receivers: Receivers) -> None:
    with Caller(receivers) as caller:
        assert caller.call(b"") == b""
    assert receivers.intake.payloads[0].body == b""


def test_partial_success_is_ok_with_count_and_reason(receivers: Receivers) -> None:
    receivers.intake.verdict = Verdict(7, "x.y is not in the catalogue")
    with Caller(receivers) as caller:
        got = ExportMetricsServiceResponse.FromString(caller.call(b"body"))
    assert got.partial_success.rejected_data_points == 7
    assert got.partial_success.error_message == "x.y is not in the catalogue"


@pytest.mark.parametrize("path", ["/x.Y/Export", METRICS.replace("Export", "Import"), METRICS + "/"])
def test_other_methods_are_unimplemented(receivers: Receivers, path: str) -> None:
    with Caller(receivers) as caller:
        assert caller.error(path=path).code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UndecodableError("not a request"), grpc.StatusCode.INVALID_ARGUMENT),
        (TooLargeError("not a request"), grpc.StatusCode.RESOURCE_EXHAUSTED),
    ],
)
def test_a_permanent_error_has_a_status_without_retry_info(
    receivers: Receivers, error: Exception, code: grpc.StatusCode
) -> None:
    receivers.intake.error = error
    with Caller(receivers) as caller:
        got = caller.error(b"\xff")
    assert (got.code(), got.details()) == (code, "not a request")
    assert details(got).code == code.value[0]
    assert not details(got).details


def test_overload_is_unavailable_with_retry_info(receivers: Receivers) -> None:
    receivers.intake.error = OverloadedError("busy", retry_after=1.25)
    with Caller(receivers) as caller:
        got = caller.error()
    assert (got.code(), got.details()) == (grpc.StatusCode.UNAVAILABLE, "busy")
    info = error_details_pb2.RetryInfo()
    assert details(got).details[0].Unpack(info)
    assert info.retry_delay.ToTimedelta().total_seconds() == 1.25


@pytest.mark.parametrize("bug", [ValueError("content"), MemoryError(), KeyError("content"), Exception()])
def test_a_bug_is_unavailable_and_never_unknown(receivers: Receivers, bug: Exception) -> None:
    receivers.intake.error = bug
    with Caller(receivers) as caller:
        got = caller.error()
    assert got.code() is grpc.StatusCode.UNAVAILABLE
    assert details(got).details
    assert "content" not in got.details()
    assert receivers.grpc.failures == {"unavailable": 1}


def test_a_message_at_the_limit_passes_and_one_byte_more_is_exhausted(receivers: Receivers) -> None:
    with Caller(receivers) as caller:
        assert caller.call(bytes(LIMIT)) == b""
        for compression in (grpc.Compression.NoCompression, grpc.Compression.Gzip):
            got = caller.error(bytes(LIMIT + 1), compression=compression)
            assert got.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert b"RetryInfo" not in dict(got.trailing_metadata()).get("grpc-status-details-bin", b"")
        assert caller.call(b"") == b""
    assert len(receivers.intake.payloads) == 2


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_compressed_messages_arrive_inflated(receivers: Receivers, compression: grpc.Compression) -> None:
    with Caller(receivers) as caller:
        caller.call(b"body" * 1000, compression=compression)
    assert receivers.intake.payloads[0].body == b"body" * 1000


def test_failed_requests_leave_nothing_in_memory(receivers: Receivers) -> None:
    """Fails when an error keeps the body alive through its traceback, until a full collection."""

    async def refuse(payload: Payload) -> Verdict:
        assert payload.body
        raise UndecodableError("no")

    receivers.intake.accept = refuse  # type: ignore[method-assign]
    gc.collect()
    gc.disable()
    try:
        with Caller(receivers) as caller:
            for _ in range(5):
                caller.error(b"to be forgotten")
                assert receivers.request(b"to be forgotten").status == 400
        eventually(
            lambda: (
                b"to be forgotten" not in [one.body for one in gc.get_objects() if isinstance(one, Payload)]
            )
        )
    finally:
        gc.enable()


def test_with_a_token_file_the_token_is_needed(start: Start, token: str) -> None:
    receivers = start(token_file=token)
    with Caller(receivers) as caller:
        for given in (None, "Bearer wrong", "Basic s3cret", "s3cret"):
            got = caller.error(metadata=given and [("authorization", given)])
            assert got.code() is grpc.StatusCode.UNAUTHENTICATED
        assert not receivers.intake.payloads
        assert caller.call(metadata=[("authorization", "Bearer s3cret")]) == b""


def test_tls_is_spoken_when_it_is_set(start: Start, certificate: tuple[str, str]) -> None:
    cert, key = certificate
    receivers = start(tls_cert=cert, tls_key=key)
    with open(cert, "rb") as file:  # noqa: PTH123
        trusting = grpc.ssl_channel_credentials(file.read())
    with Caller(receivers, trusting) as caller:
        assert caller.call(b"x") == b""
    with Caller(receivers) as caller:
        assert caller.error().code() is grpc.StatusCode.UNAVAILABLE


def test_many_at_once_wait_and_the_rest_is_told_to_come_back(start: Start) -> None:
    receivers = start(gate=Gate(requests=3, volume=10**7, patience=0.2))
    callers = [Caller(receivers) for _ in range(20)]
    with receivers.intake.held():
        sent = [caller.future(b"x") for caller in callers]
        eventually(lambda: sum(future.done() for future in sent) == 17)
    codes = [future.code() for future in sent]
    assert codes.count(grpc.StatusCode.OK) == 3
    assert codes.count(grpc.StatusCode.UNAVAILABLE) == 17
    assert all(details(future).details for future in sent if future.code() is not grpc.StatusCode.OK)
    assert receivers.intake.most_at_once == 3
    for caller in callers:
        caller.__exit__()


@pytest.mark.parametrize("at_once", [2, 16])
def test_a_busy_connection_waits_instead_of_being_refused(start: Start, at_once: int) -> None:
    receivers = start(max_concurrency=at_once)
    with Caller(receivers) as caller:
        with receivers.intake.held():
            sent = [caller.future(b"x") for _ in range(300)]
            eventually(lambda: receivers.intake.under_way == at_once)
        assert [future.result() for future in sent] == [b""] * 300
    assert receivers.intake.most_at_once == at_once


def test_a_sender_that_leaves_does_not_stop_the_intake(
    receivers: Receivers, caplog: pytest.LogCaptureFixture
) -> None:
    with Caller(receivers) as caller, receivers.intake.held():
        sent = caller.future(b"ab", timeout=0.2)
        eventually(lambda: receivers.intake.under_way == 1)
        eventually(sent.done)
        assert sent.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    eventually(lambda: receivers.intake.finished == 1)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_stopping_lets_requests_finish_and_takes_no_more(receivers: Receivers) -> None:
    with ThreadPoolExecutor(2) as pool, Caller(receivers) as caller, Caller(receivers) as late:
        with receivers.intake.held():
            sent = caller.future(b"x")
            eventually(lambda: receivers.intake.under_way == 1)
            stopping = pool.submit(receivers.stop, 5.0)
            time.sleep(0.3)
            assert late.error().code() is grpc.StatusCode.UNAVAILABLE
        assert sent.result() == b""
        stopping.result()


def test_what_does_not_finish_in_time_may_be_sent_again(receivers: Receivers) -> None:
    with ThreadPoolExecutor(2) as pool, Caller(receivers) as caller:
        with receivers.intake.held():
            sent = caller.future(b"x")
            eventually(lambda: receivers.intake.under_way == 1)
            stopping = pool.submit(receivers.stop, 0.2)
            assert sent.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
        stopping.result()


def test_both_receivers_can_share_one_gate(start: Start) -> None:
    receivers = start(gate=Gate(requests=1, volume=10**6, patience=0.05))
    with Caller(receivers) as caller:
        with receivers.intake.held():
            sent = caller.future(b"x")
            eventually(lambda: receivers.intake.under_way == 1)
            assert receivers.request(b"x").status == 503
        assert sent.result() == b""


def test_a_large_message_asks_for_the_room_that_it_needs(start: Start) -> None:
    """Fails when room is made for the largest message there may be."""
    gate = Gate(requests=4, volume=10**6, patience=0.1)
    receivers = start(max_request_size=Size(2**20), gate=gate)
    with ThreadPoolExecutor(1) as pool, Caller(receivers) as caller:
        with receivers.intake.held():
            first = pool.submit(caller.call, bytes(400_000))
            eventually(lambda: receivers.intake.under_way == 1)
            sent = caller.future(bytes(400_000))
            eventually(lambda: receivers.intake.under_way == 2)
            assert caller.future(bytes(400_000)).code() is grpc.StatusCode.UNAVAILABLE
        assert (first.result(), sent.result()) == (b"", b"")
    eventually(lambda: (gate.requests, gate.volume) == (0, 0))


def test_metadata_beyond_the_limit_is_refused(receivers: Receivers) -> None:
    with Caller(receivers) as caller:
        assert caller.call(metadata=[("x", "y" * 1000)]) == b""
        assert caller.error(metadata=[("x", "y" * 40_000)]).code() is not grpc.StatusCode.OK
        assert caller.call() == b""
    assert len(receivers.intake.payloads) == 2


def test_a_server_that_cannot_serve_says_that_it_has_stopped(tmp_path: Path) -> None:
    """Else a stop would wait for it without end."""
    no_socket = os.open(tmp_path / "file", os.O_CREAT | os.O_RDWR)
    told: dict[str, tuple[int, str, bytes]] = {
        name: (failed.code, failed.message, b"") for name, failed in refusals(LIMIT).items()
    }
    server = GrpcServer(
        [no_socket],
        methods=list(PATHS),
        token=None,
        certificate=None,
        most_bytes=LIMIT,
        most_calls=1,
        wrong_port="",
        patience=1.0,
        failures=told,
    )
    eventually(lambda: server.take().stopped)
