"""Calls of gRPC: with grpcio's client, and frame by frame."""

import socket
from typing import Any, Self

import grpc
import pytest
from google.rpc import status_pb2  # type: ignore[import-untyped]
from tests.receive.conftest import Receivers

from blackhole.model.signals import Signal
from blackhole.receive.grpc import PATHS

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
        while STATUS not in got:
            piece = one.recv(65536)
            assert piece, "the connection was closed without an answer"
            got += piece
        return got


# What of HPACK's Huffman code a status needs (RFC 7541, appendix B).
HUFFMAN = {"-": "010110", "a": "00011", "c": "00100", "g": "100110", "p": "101011", "r": "101100"}
HUFFMAN |= {"s": "01000", "t": "01001", "u": "101101", "0": "00000", "1": "00001", "2": "00010"}
HUFFMAN |= {str(digit): f"{0b011001 + digit - 3:06b}" for digit in range(3, 10)}


def huffman(text: str) -> bytes:
    bits = "".join(HUFFMAN[letter] for letter in text)
    bits += "1" * (-len(bits) % 8)
    return bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))


STATUS = huffman("grpc-status")


def code_in(answer: bytes) -> int:
    _, _, rest = answer.partition(STATUS)
    value = rest[1 : 1 + (rest[0] & 0x7F)]
    return next(code for code in range(17) if huffman(str(code)) == value)


def block() -> bytes:
    fields = {":method": "POST", ":scheme": "http", ":path": METRICS, ":authority": "localhost"}
    fields |= {"content-type": "application/grpc", "te": "trailers"}
    return b"".join(header(name, value) for name, value in fields.items())


def opening() -> bytes:
    """A connection with one call, of which no message has come."""
    return b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"") + frame(1, 4, 1, block())


def begin(receivers: Receivers, data: bytes) -> bytes:
    """What comes back for a connection that begins so, until it is closed."""
    with socket.create_connection(("127.0.0.1", receivers.grpc_port), timeout=5) as one:
        one.sendall(data)
        got = b""
        while piece := one.recv(65536):
            got += piece
        return got
