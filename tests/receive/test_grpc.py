"""OTLP over gRPC, from outside, with grpcio's client."""

import gc
import gzip
import logging
import random
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import grpc
import psutil
import pytest
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from tests.receive.conftest import LIMIT, Receivers, Start, eventually

from blackhole.config import Size
from blackhole.errors import OverloadedError, TooLargeError, UndecodableError
from blackhole.receive import grpc as receive_grpc
from blackhole.receive.admission import Gate
from blackhole.receive.grpc import PATHS
from blackhole.records import Encoding, Payload, Signal, Verdict

METRICS = next(path for path, signal in PATHS.items() if signal is Signal.METRICS)


class Caller:
    """Raw calls on a connection of its own."""

    def __init__(self, receivers: Receivers, credentials: Any = None) -> None:
        place = f"127.0.0.1:{receivers.grpc_port}"
        options = [("grpc.use_local_subchannel_pool", 1)]
        if credentials is None:
            self._channel = grpc.insecure_channel(place, options=options)
        else:
            self._channel = grpc.secure_channel(place, credentials, options=options)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()

    def call(self, body: bytes = b"", path: str = METRICS, **more: Any) -> bytes:
        answer: bytes = self._channel.unary_unary(path)(body, timeout=10, **more)
        return answer

    def future(self, body: bytes = b"", timeout: float = 10) -> Any:
        return self._channel.unary_unary(METRICS).future(body, timeout=timeout)

    def error(self, body: bytes = b"", path: str = METRICS, **more: Any) -> Any:
        with pytest.raises(grpc.RpcError) as caught:
            self.call(body, path, **more)
        return caught.value


def details(error: Any) -> status_pb2.Status:
    """The `google.rpc.Status` in the trailers."""
    metadata = dict(error.trailing_metadata())
    return status_pb2.Status.FromString(metadata["grpc-status-details-bin"])


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


def frame(kind: int, flags: int, stream: int, body: bytes) -> bytes:
    return len(body).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + body


def header(name: str, value: str) -> bytes:
    return bytes([0, len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


def call_by_hand(receivers: Receivers, *messages: bytes, encoding: str = "gzip", end: bool = True) -> bytes:
    """A call written as HTTP/2 frames; returns what came back until the stream's trailers."""
    fields = {":method": "POST", ":scheme": "http", ":path": METRICS, ":authority": "localhost"}
    fields |= {"content-type": "application/grpc", "te": "trailers", "grpc-encoding": encoding}
    block = b"".join(header(name, value) for name, value in fields.items())
    data = [frame(0, 0, 1, message) for message in messages]
    if end:
        data.append(frame(0, 1, 1, b""))
    with socket.create_connection(("127.0.0.1", receivers.grpc_port), timeout=5) as one:
        one.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"") + frame(1, 4, 1, block))
        one.sendall(b"".join(data))
        got = b""
        while b"grpc-status" not in got:
            got += one.recv(65536)
        return got


def code_in(answer: bytes) -> int:
    _, _, rest = answer.partition(b"grpc-status")
    return int(rest[1 : 1 + rest[0]])


def test_a_call_by_hand_is_a_call(receivers: Receivers) -> None:
    assert code_in(call_by_hand(receivers, b"\x00" + (4).to_bytes(4, "big") + b"body")) == 0
    packed = gzip.compress(b"body")
    assert code_in(call_by_hand(receivers, b"\x01" + len(packed).to_bytes(4, "big") + packed)) == 0
    assert [payload.body for payload in receivers.intake.payloads] == [b"body", b"body"]


def test_a_gzip_bomb_is_exhausted_without_being_inflated(start: Start) -> None:
    receivers = start(max_request_size=Size(2**20))
    bomb = gzip.compress(bytes(200 * 2**20))
    message = b"\x01" + len(bomb).to_bytes(4, "big") + bomb
    pieces = [message[at : at + 16000] for at in range(0, len(message), 16000)]
    before = psutil.Process().memory_info().rss
    assert code_in(call_by_hand(receivers, *pieces)) == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
    assert psutil.Process().memory_info().rss - before < 64 * 2**20
    with Caller(receivers) as caller:
        assert caller.call(b"") == b""


@pytest.mark.parametrize(
    "packed",
    [b"body", gzip.compress(b"body")[:-1], gzip.compress(b"body") + b"x"],
    ids=["not", "cut", "more"],
)
def test_broken_compression_is_refused(receivers: Receivers, packed: bytes) -> None:
    assert code_in(call_by_hand(receivers, b"\x01" + len(packed).to_bytes(4, "big") + packed)) != 0
    assert not receivers.intake.payloads


def test_a_call_without_a_message_is_refused_for_good(receivers: Receivers) -> None:
    assert code_in(call_by_hand(receivers)) == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]


def test_an_unknown_compression_is_refused_for_good(
    receivers: Receivers, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = call_by_hand(receivers, b"\x01" + (4).to_bytes(4, "big") + b"body", encoding="zstd")
    assert code_in(answer) in {grpc.StatusCode.UNIMPLEMENTED.value[0], grpc.StatusCode.INTERNAL.value[0]}
    assert not receivers.intake.payloads
    assert not capfd.readouterr().err


def test_random_bytes_never_stop_it(receivers: Receivers, capfd: pytest.CaptureFixture[str]) -> None:
    chance = random.Random(3)
    for turn in range(40):
        junk = chance.randbytes(chance.randrange(1, 2000))
        preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" if turn % 2 else b""
        with socket.create_connection(("127.0.0.1", receivers.grpc_port), timeout=5) as one:
            one.sendall(preface + junk)
    with Caller(receivers) as caller:
        assert caller.call(b"") == b""
    assert not capfd.readouterr().err


def test_a_slow_message_is_told_to_come_back(monkeypatch: pytest.MonkeyPatch, start: Start) -> None:
    monkeypatch.setattr(receive_grpc, "READ_SECONDS", 0.1)
    gate = Gate(requests=4, volume=10**6)
    receivers = start(gate=gate)
    answer = call_by_hand(receivers, b"\x00" + (1000).to_bytes(4, "big") + b"part", end=False)
    assert code_in(answer) == grpc.StatusCode.UNAVAILABLE.value[0]
    assert (gate.requests, gate.volume) == (0, 0)


def test_a_stalled_sender_does_not_keep_the_others_out(monkeypatch: pytest.MonkeyPatch, start: Start) -> None:
    monkeypatch.setattr(receive_grpc, "SLOW_SECONDS", 0.05)
    receivers = start(max_request_size=Size(2**20), gate=Gate(requests=4, volume=3 * 2**19))
    with ThreadPoolExecutor(1) as pool, Caller(receivers) as caller:
        cut = b"\x00" + (1000).to_bytes(4, "big") + b"part"
        stalled = pool.submit(call_by_hand, receivers, cut, end=False)
        eventually(lambda: receivers.grpc.gate.requests == 1)
        assert caller.call(b"x") == b""
        receivers.stop(0.1)
        assert code_in(stalled.result()) in {1, 14}


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


def test_overload_is_answered_before_the_message_is_sent(start: Start) -> None:
    receivers = start(gate=Gate(requests=1, volume=10**6, patience=0.05))
    with Caller(receivers) as caller:
        with receivers.intake.held():
            sent = caller.future(b"x")
            eventually(lambda: receivers.intake.under_way == 1)
            assert code_in(call_by_hand(receivers, end=False)) == grpc.StatusCode.UNAVAILABLE.value[0]
        assert sent.result() == b""


def test_a_missing_token_is_answered_before_the_message_is_sent(start: Start, token: str) -> None:
    receivers = start(token_file=token)
    answer = call_by_hand(receivers, end=False)
    assert code_in(answer) == grpc.StatusCode.UNAUTHENTICATED.value[0]


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
