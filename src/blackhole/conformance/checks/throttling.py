"""Checks that judge all answers of the run: what asks for a retry, and how. They come last."""

from collections import Counter

from blackhole.conformance import rules
from blackhole.conformance.answers import RETRYABLE, RETRYABLE_CODES
from blackhole.conformance.check import BrokenError, NotSeenError, RuleLevel, Transport, check
from blackhole.conformance.grpc import GrpcClient
from blackhole.conformance.http import PUT_OFF, HttpClient
from blackhole.conformance.status import retry_info

_FIRST_5XX = 500
_NOT_SERVED = {501, 505}


@check(
    "no failure that makes senders drop data",
    Transport.HTTP,
    RuleLevel.RECOMMENDED,
    rule=rules.RETRYABLE,
    remedy="a failure of the receiver itself is 503: senders drop what was answered 500",
    last=True,
)
async def no_plain_500(http: HttpClient) -> str:
    dropped = Counter(
        answer.status
        for answer in http.seen
        if answer.status >= _FIRST_5XX and answer.status not in RETRYABLE | _NOT_SERVED
    )
    if dropped:
        raise BrokenError(_counted(dropped))
    return f"none in {len(http.seen)} answers"


@check(
    "putting off says until when",
    Transport.HTTP,
    RuleLevel.RECOMMENDED,
    rule=rules.HTTP_THROTTLING,
    remedy="send Retry-After, in seconds, with 429 and 503",
    last=True,
)
async def retry_after(http: HttpClient) -> str:
    put_off = [answer for answer in http.seen if answer.status in PUT_OFF]
    if not put_off:
        raise NotSeenError("nothing was put off")
    silent = Counter(answer.status for answer in put_off if not answer.headers.get("retry-after"))
    if silent:
        raise BrokenError(f"without Retry-After: {_counted(silent)}")
    return f"{len(put_off)} times, Retry-After: {put_off[0].headers['retry-after']}"


@check(
    "no UNKNOWN, no INTERNAL",
    Transport.GRPC,
    RuleLevel.RECOMMENDED,
    rule=rules.GRPC_FAILURES,
    remedy="map every failure: senders drop what was answered UNKNOWN or INTERNAL",
    last=True,
)
async def no_unknown(grpc: GrpcClient) -> str:
    lost = Counter(reply.code for reply in grpc.seen if reply.code in {"UNKNOWN", "INTERNAL"})
    if lost:
        raise BrokenError(_counted(lost))
    return f"none in {len(grpc.seen)} replies"


@check(
    "a retry is asked for with RetryInfo",
    Transport.GRPC,
    RuleLevel.RECOMMENDED,
    rule=rules.GRPC_THROTTLING,
    remedy="add google.rpc.RetryInfo to UNAVAILABLE, in grpc-status-details-bin",
    last=True,
)
async def with_retry_info(grpc: GrpcClient) -> str:
    put_off = [reply for reply in grpc.seen if reply.code in RETRYABLE_CODES]
    if not put_off:
        raise NotSeenError("nothing was put off")
    silent = Counter(reply.code for reply in put_off if not retry_info(reply.details))
    if silent:
        raise BrokenError(f"without RetryInfo: {_counted(silent)}")
    return f"{len(put_off)} times"


def _counted(found: Counter[int] | Counter[str]) -> str:
    return ", ".join(f"{what} ({count} times)" for what, count in found.items())
