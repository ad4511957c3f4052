"""Turns answers into a verdict that they keep the rules common to all, or BrokenError."""

import json
from dataclasses import dataclass

from blackhole.conformance.check import BrokenError
from blackhole.conformance.grpc import Reply
from blackhole.conformance.http import JSON, HttpAnswer
from blackhole.conformance.status import status_message
from blackhole.conformance.wire import MalformedError, fields, octets

RETRYABLE = frozenset({429, 502, 503, 504})
RETRYABLE_CODES = frozenset(
    {"CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS"}
)
REJECTED = {"metrics": "rejectedDataPoints", "traces": "rejectedSpans", "logs": "rejectedLogRecords"}
_LONGEST_QUOTE = 60
_OK = 200
_CLIENT_ERRORS = range(400, 500)


@dataclass(frozen=True, slots=True)
class Taken:
    """A success. `partial`: whether partial_success is there at all."""

    partial: bool = False
    rejected: int = 0
    message: str = ""

    @property
    def words(self) -> str:
        if self.rejected:
            return f"OK, {self.rejected} rejected: {quote(self.message) or 'without a word'}"
        return f"OK, with a remark: {quote(self.message)}" if self.message else "OK"


def taken(answer: HttpAnswer, signal: str, kind: str, *, sent: int = 1) -> Taken:
    """The success that this answer is. Raises BrokenError."""
    if answer.status != _OK:
        raise BrokenError(f"{_said(answer)} instead of 200")
    found = _from_json(answer.body, signal) if kind == JSON else _from_protobuf(answer.body)
    return _plausible(found, sent)


def accepted(reply: Reply, *, sent: int = 1) -> Taken:
    """The success that this reply is. Raises BrokenError."""
    if reply.code != "OK":
        raise BrokenError(f"{reply.code} ({quote(reply.message)}) instead of OK")
    return _plausible(_from_protobuf(reply.body), sent)


def refused(answer: HttpAnswer, *statuses: int) -> str:
    """What was answered, when its status is one of these (none: any 4xx). Raises BrokenError."""
    if answer.status not in (statuses or _CLIENT_ERRORS):
        wanted = " or ".join(str(status) for status in statuses) or "4xx"
        raise BrokenError(f"{_said(answer)} instead of {wanted}")
    return str(answer.status)


def explained(answer: HttpAnswer, kind: str) -> str:
    """The message of the google.rpc.Status that the body is, in the encoding `kind`. Raises BrokenError."""
    same_type(answer, kind)
    if kind == JSON:
        document = _object(answer.body, "a google.rpc.Status")
        message, code = document.get("message", ""), document.get("code", 0)
        if not isinstance(message, str) or not isinstance(code, int | str):
            raise BrokenError(f"{answer.status} with a body that is no google.rpc.Status")
        return message
    try:
        return status_message(answer.body)
    except (MalformedError, UnicodeDecodeError, TypeError):
        raise BrokenError(f"{answer.status} with a body that is no google.rpc.Status") from None


def quote(message: str) -> str:
    plain = " ".join(message.split())
    return plain if len(plain) <= _LONGEST_QUOTE else plain[: _LONGEST_QUOTE - 1] + "…"


def _said(answer: HttpAnswer) -> str:
    kind = answer.media_type
    if kind.startswith(("text/plain", "application/json")) and answer.body:
        return f"{answer.status} ({quote(answer.body.decode(errors='replace'))})"
    return str(answer.status)


def same_type(answer: HttpAnswer, kind: str) -> None:
    """Raises BrokenError unless the answer is of the type of the request, `kind`."""
    if answer.media_type != kind:
        raise BrokenError(f"{answer.status} with Content-Type {answer.media_type or 'missing'}, not {kind}")


def _plausible(found: Taken, sent: int) -> Taken:
    if not 0 <= found.rejected <= sent:
        raise BrokenError(f"{found.rejected} of {sent} records are said to be rejected")
    return found


def _from_protobuf(body: bytes) -> Taken:
    found = Taken()
    try:
        for field in fields(body):
            if field.number == 1:
                found = _partial(octets(field.value))
    except (MalformedError, UnicodeDecodeError, TypeError):
        raise BrokenError("OK with a body that is no Export…ServiceResponse") from None
    return found


def _partial(body: bytes) -> Taken:
    rejected, message = 0, ""
    for field in fields(body):
        if field.number == 1 and isinstance(field.value, int):
            rejected = field.value - 2**64 if field.value >= 2**63 else field.value
        elif field.number == 2:  # noqa: PLR2004
            message = octets(field.value).decode()
    return Taken(True, rejected, message)


def _from_json(body: bytes, signal: str) -> Taken:
    partial = _object(body, "an Export…ServiceResponse").get("partialSuccess")
    if partial is None:
        return Taken()
    if not isinstance(partial, dict):
        raise BrokenError("OK with a partialSuccess that is no object")
    try:
        return Taken(True, int(partial.get(REJECTED[signal]) or 0), str(partial.get("errorMessage") or ""))
    except (TypeError, ValueError):
        raise BrokenError(f"OK with a {REJECTED[signal]} that is no number") from None


def _object(body: bytes, what: str) -> dict[str, object]:
    try:
        document = json.loads(body)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise BrokenError(
            f"a body that is not {what} in JSON: {quote(body.decode(errors='replace')) or 'empty'}"
        )
    return document
