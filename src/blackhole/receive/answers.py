"""Turns Verdicts and errors into the bytes, status and code that an OTLP sender understands.

The messages are few and small, so they are written by hand over the protobuf wire format: no protobuf
runtime is loaded. `failure` is the only place where an error becomes an HTTP status and a gRPC code.
"""

import logging
import math
from dataclasses import dataclass
from enum import IntEnum
from http import HTTPStatus

import msgspec

from blackhole.errors import (
    BlackholeError,
    IntakeError,
    OverloadedError,
    TooLargeError,
    UnauthenticatedError,
    UndecodableError,
    UnsupportedError,
)
from blackhole.model.signals import Encoding, Signal, Verdict
from blackhole.runtime.logs import place

MOST_MESSAGE = 1024
RETRY_AFTER_BUG = 5.0
RETRY_INFO = "type.googleapis.com/google.rpc.RetryInfo"

_log = logging.getLogger(__name__)


class Code(IntEnum):
    """Codes of google.rpc that are used here."""

    INVALID_ARGUMENT = 3
    NOT_FOUND = 5
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    UNIMPLEMENTED = 12
    UNAVAILABLE = 14
    UNAUTHENTICATED = 16


@dataclass(frozen=True, slots=True)
class Failure:
    """An answer that is not a success. `retry_after` in seconds, None when a retry does not help."""

    status: HTTPStatus
    code: Code
    message: str
    retry_after: float | None = None
    headers: tuple[tuple[bytes, bytes], ...] = ()


class NotHereError(IntakeError):
    """An HTTP request that is none of OTLP's, or not from where it may come; permanent."""

    def __init__(
        self, message: str, status: HTTPStatus, code: Code, headers: tuple[tuple[bytes, bytes], ...] = ()
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = headers


_PERMANENT = {
    UndecodableError: (HTTPStatus.BAD_REQUEST, Code.INVALID_ARGUMENT, ()),
    TooLargeError: (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, Code.RESOURCE_EXHAUSTED, ()),
    UnsupportedError: (
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        Code.UNIMPLEMENTED,
        (
            (b"accept-encoding", b"gzip, deflate"),
            (b"accept-post", b"application/x-protobuf, application/json"),
        ),
    ),
    UnauthenticatedError: (
        HTTPStatus.UNAUTHORIZED,
        Code.UNAUTHENTICATED,
        ((b"www-authenticate", b'Bearer realm="otlp"'),),
    ),
}


def failure(error: BaseException) -> Failure:
    """What the sender is told about `error`. A bug is UNAVAILABLE: anything else makes senders drop data."""
    if isinstance(error, NotHereError):
        return Failure(error.status, error.code, str(error)[:MOST_MESSAGE], headers=error.headers)
    if isinstance(error, OverloadedError):
        return _unavailable(str(error), error.retry_after)
    for kind, (status, code, headers) in _PERMANENT.items():
        if isinstance(error, kind):
            return Failure(status, code, str(error)[:MOST_MESSAGE], headers=headers)
    _log.error("a request was not taken because of an internal error: %s", _describe(error))
    return _unavailable("internal error, nothing was taken: send again later", RETRY_AFTER_BUG)


def success(verdict: Verdict, signal: Signal, encoding: Encoding) -> bytes:
    """The body of `Export…ServiceResponse`; without partial_success when there is nothing to say."""
    if not verdict.rejected and not verdict.message:
        return b"" if encoding is Encoding.PROTOBUF else b"{}"
    message = verdict.message[:MOST_MESSAGE]
    if encoding is Encoding.PROTOBUF:
        return _nested(1, _number(1, verdict.rejected) + _nested(2, message.encode()))
    partial = {_REJECTED[signal]: str(verdict.rejected)} if verdict.rejected else {}
    if message:
        partial["errorMessage"] = message
    return msgspec.json.encode({"partialSuccess": partial})


def status_body(failed: Failure, encoding: Encoding) -> bytes:
    """The failure as `google.rpc.Status`, with RetryInfo when a retry is welcome."""
    if encoding is Encoding.PROTOBUF:
        details = b"" if failed.retry_after is None else _nested(3, _retry_info(failed.retry_after))
        return _number(1, failed.code) + _nested(2, failed.message.encode()) + details
    plain: dict[str, object] = {"code": int(failed.code), "message": failed.message}
    if failed.retry_after is not None:
        plain["details"] = [{"@type": RETRY_INFO, "retryDelay": f"{failed.retry_after:.3f}s"}]
    return msgspec.json.encode(plain)


def retry_after_header(failed: Failure) -> bytes:
    """Whole seconds, rounded up: coming early would only be refused again."""
    return str(max(1, math.ceil(failed.retry_after or 0))).encode()


_REJECTED = {
    Signal.METRICS: "rejectedDataPoints",
    Signal.TRACES: "rejectedSpans",
    Signal.LOGS: "rejectedLogRecords",
}


def _unavailable(message: str, retry_after: float) -> Failure:
    wait = retry_after if 0 <= retry_after <= 3600 else RETRY_AFTER_BUG  # noqa: PLR2004  (an hour; NaN fails too)
    return Failure(HTTPStatus.SERVICE_UNAVAILABLE, Code.UNAVAILABLE, message[:MOST_MESSAGE], retry_after=wait)


def _describe(error: BaseException) -> str:
    """Kind and place. The text is left out unless it is ours: others quote what they were given."""
    return place(error) + (f": {error}" if isinstance(error, BlackholeError) else "")


def _retry_info(seconds: float) -> bytes:
    whole, nanos = divmod(round(seconds * 1e9), 10**9)
    delay = _number(1, whole) + _number(2, nanos)
    return _nested(1, RETRY_INFO.encode()) + _field(2, _field(1, delay))


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:  # noqa: PLR2004
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value) if value else b""


def _nested(field: int, body: bytes) -> bytes:
    return _field(field, body) if body else b""


def _field(field: int, body: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(body)) + body
