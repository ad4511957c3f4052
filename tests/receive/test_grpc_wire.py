"""The gRPC port, byte by byte: what is broken, slow, hostile, or speaks something else."""

import gzip
import random
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import grpc
import psutil
import pytest
from tests.receive.calls import Caller, begin, block, call_by_hand, code_in, frame, header, opening
from tests.receive.conftest import Receivers, Start, eventually

from blackhole.config import Size
from blackhole.receive import grpc as receive_grpc
from blackhole.receive.admission import Gate


def ends(receivers: Receivers, frames: bytes) -> bool:
    """Whether the receiver ends the connection while these come."""
    with socket.create_connection(("127.0.0.1", receivers.grpc_port), timeout=10) as one:
        try:
            one.sendall(opening() + frames)
            while one.recv(65536):
                pass
        except (ConnectionResetError, BrokenPipeError):
            pass
        except TimeoutError:
            return False
        return True


HELLO = bytes.fromhex("16030100050100000100")


def test_a_call_by_hand_is_a_call(receivers: Receivers) -> None:
    assert code_in(call_by_hand(receivers, b"\x00" + (4).to_bytes(4, "big") + b"body")) == 0
    packed = gzip.compress(b"body")
    assert code_in(call_by_hand(receivers, b"\x01" + len(packed).to_bytes(4, "big") + packed)) == 0
    assert [payload.body for payload in receivers.intake.payloads] == [b"body", b"body"]


def test_a_gzip_bomb_is_exhausted_without_being_inflated(start: Start) -> None:
    receivers = start(max_request_size=Size(2**20))
    bomb = gzip.compress(bytes(60 * 2**20))
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
    answer = call_by_hand(receivers, b"\x01" + len(packed).to_bytes(4, "big") + packed)
    assert code_in(answer) == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert not receivers.intake.payloads


def test_a_call_without_a_message_is_refused_for_good(receivers: Receivers) -> None:
    assert code_in(call_by_hand(receivers)) == grpc.StatusCode.INVALID_ARGUMENT.value[0]


def test_an_unknown_compression_is_refused_for_good(
    receivers: Receivers, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = call_by_hand(receivers, b"\x01" + (4).to_bytes(4, "big") + b"body", encoding="zstd")
    assert code_in(answer) == grpc.StatusCode.UNIMPLEMENTED.value[0]
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


def test_http_1_is_told_the_port_that_takes_it_and_named(receivers: Receivers) -> None:
    for line in (b"POST /v1/metrics HTTP/1.1", b"GET / HTTP/1.0"):
        answer = begin(receivers, line + b"\r\nhost: localhost\r\ncontent-length: 4\r\n\r\nbody")
        assert answer.startswith(b"HTTP/1.1 421 ")
        head, _, body = answer.partition(b"\r\n\r\n")
        assert f"content-length: {len(body)}\r\n".encode() in head
        assert f"port {receivers.http_port} ".encode() in body
    eventually(lambda: [(one.kind, one.count) for one in receivers.away.snapshot()] == [("http1", 2)])
    assert receivers.away.snapshot()[0].door == "otlp_grpc"


def test_tls_on_a_plain_port_is_named_and_answered_plainly(receivers: Receivers) -> None:
    assert begin(receivers, HELLO).startswith(b"HTTP/1.1 400 ")
    eventually(lambda: [one.kind for one in receivers.away.snapshot()] == ["tls"])
    sender = receivers.away.snapshot()[0]
    assert (sender.door, sender.place) == ("otlp_grpc", "this machine")
    assert "OTEL_EXPORTER_OTLP_INSECURE=true" in sender.remedy


def test_what_speaks_nothing_known_is_not_named(receivers: Receivers) -> None:
    for junk in (b"\x00\x01\x02", b"SSH-2.0-x\r\n", b"\n", b"POST\n"):
        assert begin(receivers, junk) == b""
    with Caller(receivers) as caller:
        assert caller.call(b"x") == b""
    assert receivers.away.snapshot() == []


def test_calls_without_the_token_are_counted_and_named(start: Start, token: str) -> None:
    receivers = start(token_file=token)
    with Caller(receivers) as caller:
        for _ in range(3):
            caller.error()
    eventually(lambda: receivers.grpc.failures == {"unauthenticated": 3})
    assert [(one.kind, one.count) for one in receivers.away.snapshot()] == [("token", 3)]


def test_a_sender_that_leaves_while_it_waits_gives_its_place_back(start: Start) -> None:
    gate = Gate(requests=1, volume=10**6, patience=5)
    receivers = start(gate=gate)
    with Caller(receivers) as caller, Caller(receivers) as other:
        with receivers.intake.held():
            sent = caller.future(b"x")
            eventually(lambda: receivers.intake.under_way == 1)
            with socket.create_connection(("127.0.0.1", receivers.grpc_port), timeout=5) as leaving:
                leaving.sendall(opening() + frame(0, 0, 1, b"\x00" + (10**4).to_bytes(4, "big")))
                eventually(lambda: len(gate._entering) == 1)
            eventually(lambda: len(gate._entering) == 0)
        assert sent.result() == b""
        assert other.call(b"x") == b""
    assert [payload.body for payload in receivers.intake.payloads] == [b"x", b"x"]


def test_a_sender_that_leaves_while_it_is_read_gives_its_place_back(start: Start) -> None:
    receivers = start(gate=Gate(requests=1, volume=10**6))
    with socket.create_connection(("127.0.0.1", receivers.grpc_port), timeout=5) as leaving:
        leaving.sendall(opening() + frame(0, 0, 1, b"\x00" + (10**4).to_bytes(4, "big")))
        eventually(lambda: receivers.grpc.gate.requests == 1)
    eventually(lambda: (receivers.grpc.gate.requests, receivers.grpc.gate.volume) == (0, 0))


def test_resets_in_quick_succession_end_the_connection(receivers: Receivers) -> None:
    """A flood of streams that are opened and reset at once (CVE-2023-44487)."""
    reset = (8).to_bytes(4, "big")
    flood = b"".join(
        frame(1, 4, stream, block()) + frame(3, 0, stream, reset) for stream in range(3, 4003, 2)
    )
    assert ends(receivers, flood)
    with Caller(receivers) as caller:
        assert caller.call(b"x") == b""
    assert receivers.grpc.gate.requests == 0


def test_headers_without_end_end_the_connection(receivers: Receivers) -> None:
    """A flood of CONTINUATION frames (CVE-2024-27316)."""
    assert ends(receivers, frame(1, 0, 3, block()) + frame(9, 0, 3, header("x", "y" * 100) * 100) * 200)
    with Caller(receivers) as caller:
        assert caller.call(b"x") == b""


def test_beyond_the_limit_the_connection_that_is_idle_longest_gives_its_place(receivers: Receivers) -> None:
    place = ("127.0.0.1", receivers.grpc_port)
    with Caller(receivers) as oldest, ExitStack() as stack:
        assert oldest.call(b"x") == b""
        many = [stack.enter_context(socket.create_connection(place, timeout=5)) for _ in range(255)]
        for one in many:
            one.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b""))
            assert one.recv(9)
        assert oldest.call(b"x") == b""
        with Caller(receivers) as late:
            assert late.call(b"x") == b""
            while many[0].recv(65536):
                pass
            many[1].sendall(frame(6, 0, 0, b"12345678"))
            assert b"12345678" in many[1].recv(65536)
            assert oldest.call(b"x") == b""
