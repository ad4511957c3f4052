"""Turns one request message into its answer: a unary gRPC call over a connection of its own (RFC 9113).

grpcio is not used: a process that forks while its threads work leaves children that crash or hang in it.
"""

import gzip
import socket
import ssl
import struct
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_HEAD = struct.Struct("!IBI")  # length and type share the first four bytes
_DATA, _HEADERS, _RESET, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
_END_STREAM = _ACK = 0x1
_END_HEADERS, _PADDED = 0x4, 0x8
_FRAME = 16_384
_WINDOW = 65_535
_MOST = 1 << 20
# No dynamic table, no push: what the peer sends needs no state to be read.
_OWN_SETTINGS = struct.pack("!HIHI", 1, 0, 2, 0)
_INITIAL_WINDOW = 4
_OF_STREAM = 1
_STATUS = b"grpc-status"
# CANCELLED, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, ABORTED, OUT_OF_RANGE, UNAVAILABLE, DATA_LOSS
_PASSING = frozenset({1, 4, 8, 10, 11, 14, 15})


class NoAnswerError(Exception):
    """No answer came: nobody listens, the deadline is over, or it is something else that listens."""


class FailedError(Exception):
    """It answered that it did not take it. `passing`: another try may help."""

    def __init__(self, words: str, *, passing: bool) -> None:
        super().__init__(words)
        self.passing = passing


@dataclass(slots=True)
class _UnaryCall:
    """What is known of the stream: how much may still be sent, and what came."""

    connection: socket.socket
    deadline: float
    stream_window: int = _WINDOW
    window: int = _WINDOW
    initial: int = _WINDOW
    answer: bytearray = field(default_factory=bytearray)
    trailers: bytes = b""
    ended: bool = False

    def send(self, data: bytes) -> None:
        self._patient()
        self.connection.sendall(data)

    def read(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            self._patient()
            piece = self.connection.recv(size - len(data))
            if not piece:
                raise NoAnswerError("the connection was closed before the answer")
            data += piece
        return bytes(data)

    def _patient(self) -> None:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self.connection.settimeout(left)


def call(
    host: str,
    port: int,
    path: str,
    message: bytes,
    *,
    deadline: float,
    metadata: Mapping[str, str],
    tls: ssl.SSLContext | None = None,
    compress: bool = False,
) -> bytes:
    """The answer's message. `deadline`: of `time.monotonic`. Raises NoAnswerError, FailedError."""
    try:
        with _connected(host, port, tls, deadline) as connection:
            return _exchange(
                _UnaryCall(connection, deadline),
                _head(
                    f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
                    path,
                    metadata,
                    is_tls=tls is not None,
                    compress=compress,
                ),
                _framed(message, compress=compress),
            )
    except TimeoutError:
        raise NoAnswerError("no answer in time") from None
    except OSError as error:
        raise NoAnswerError(error.strerror or "the connection failed") from None


def _connected(host: str, port: int, tls: ssl.SSLContext | None, deadline: float) -> socket.socket:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    connection = socket.create_connection((host, port), timeout=left)
    if tls is None:
        return connection
    try:
        tls.set_alpn_protocols(["h2"])
        return tls.wrap_socket(connection, server_hostname=host)
    except BaseException:
        connection.close()
        raise


def _exchange(call: _UnaryCall, head: bytes, message: bytes) -> bytes:
    call.send(
        _PREFACE + _frame(_SETTINGS, 0, 0, _OWN_SETTINGS) + _frame(_HEADERS, _END_HEADERS, _OF_STREAM, head)
    )
    at = 0
    while not call.ended:
        size = min(_FRAME, call.window, call.stream_window, len(message) - at)
        if size > 0:
            is_last = at + size == len(message)
            piece = message[at : at + size]
            # Whoever refuses early may close what it did not read; the answer says why.
            with suppress(ConnectionError):
                call.send(_frame(_DATA, _END_STREAM if is_last else 0, _OF_STREAM, piece))
            at += size
            call.window -= size
            call.stream_window -= size
        else:
            _take(call)
    return _message(call)


def _take(call: _UnaryCall) -> None:
    """One frame of the peer."""
    length_and_type, flags, stream = _HEAD.unpack(call.read(_HEAD.size))
    length, kind = length_and_type >> 8, length_and_type & 0xFF
    if length > _FRAME:
        raise NoAnswerError("what listens there does not speak gRPC")
    payload = call.read(length)
    if kind == _SETTINGS and not flags & _ACK:
        _heed(call, payload)
        call.send(_frame(_SETTINGS, _ACK, 0, b""))
    elif kind == _PING and not flags & _ACK:
        call.send(_frame(_PING, _ACK, 0, payload))
    elif kind == _WINDOW_UPDATE:
        (more,) = struct.unpack("!I", payload)
        if stream:
            call.stream_window += more
        else:
            call.window += more
    elif kind == _GOAWAY and int.from_bytes(payload[:4]) & 0x7FFFFFFF < _OF_STREAM:
        raise FailedError("it takes no more calls", passing=True)
    elif stream == _OF_STREAM:
        _take_answer(call, kind, flags, payload)


def _take_answer(call: _UnaryCall, kind: int, flags: int, payload: bytes) -> None:
    if kind == _DATA:
        padding = payload[0] if flags & _PADDED else None
        call.answer += payload if padding is None else payload[1 : len(payload) - padding]
        if len(call.answer) > _MOST:
            raise FailedError("its answer is too large", passing=False)
    elif kind == _HEADERS:
        call.trailers += payload
    call.ended = kind == _RESET or (kind in {_DATA, _HEADERS} and bool(flags & _END_STREAM))


def _heed(call: _UnaryCall, settings: bytes) -> None:
    for at in range(0, len(settings) - 5, 6):
        name, value = struct.unpack_from("!HI", settings, at)
        if name == _INITIAL_WINDOW:
            call.stream_window += value - call.initial
            call.initial = value


def _message(call: _UnaryCall) -> bytes:
    """An answer with a message is a success: a call that fails has trailers only."""
    data = bytes(call.answer)
    if len(data) >= 5 and data[0] == 0 and int.from_bytes(data[1:5]) == len(data) - 5:  # noqa: PLR2004
        return data[5:]
    status = _status(call.trailers)
    words = "an error" if status is None else f"gRPC status {status}"
    raise FailedError(f"it answered {words}", passing=status is None or status in _PASSING)


def _status(trailers: bytes) -> int | None:
    """The status where it is written plainly, as gRPC's own servers do; Huffman's code is not read."""
    _, found, rest = trailers.rpartition(_STATUS)
    digits = rest[1 : 1 + rest[0]] if found and rest else b""
    return int(digits) if digits.isdigit() else None


def _framed(message: bytes, *, compress: bool) -> bytes:
    body = gzip.compress(message) if compress else message
    return bytes([compress]) + len(body).to_bytes(4) + body


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return _HEAD.pack(len(payload) << 8 | kind, flags, stream) + payload


def _head(authority: str, path: str, metadata: Mapping[str, str], *, is_tls: bool, compress: bool) -> bytes:
    pairs = {
        ":method": "POST",
        ":scheme": "https" if is_tls else "http",
        ":path": path,
        ":authority": authority,
        "content-type": "application/grpc",
        "te": "trailers",
        "user-agent": "blackhole-sdk",
        **({"grpc-encoding": "gzip"} if compress else {}),
        **{name.lower(): value for name, value in metadata.items()},
    }
    return b"".join(_literals(pairs))


def _literals(pairs: Mapping[str, str]) -> Iterator[bytes]:
    """Header fields without any compression (RFC 7541, 6.2.2)."""
    for name, value in pairs.items():
        yield b"\x00" + _text(name) + _text(value)


def _text(text: str) -> bytes:
    data = text.encode("latin-1", "replace")
    size, more = len(data), bytearray()
    if size < 127:  # noqa: PLR2004
        return bytes([size]) + data
    size -= 127
    while size >= 128:  # noqa: PLR2004
        more.append(size % 128 + 128)
        size //= 128
    more.append(size)
    return b"\x7f" + bytes(more) + data
