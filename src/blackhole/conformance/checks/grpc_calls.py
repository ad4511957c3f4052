"""Checks of OTLP over gRPC: unary Export of the three services."""

from blackhole.conformance import rules, samples
from blackhole.conformance.answers import RETRYABLE_CODES, accepted, quote
from blackhole.conformance.check import BrokenError, NotSeenError, RuleLevel, Transport, check
from blackhole.conformance.checks.compression import BOMB_BYTES
from blackhole.conformance.checks.errors import GARBAGE
from blackhole.conformance.grpc import METHODS, GrpcClient, Reply
from blackhole.conformance.samples import CUMULATIVE, SIGNALS
from blackhole.conformance.status import retry_info
from blackhole.conformance.wire import LENGTH, fixed64, number, text, varint

CONCURRENT = 8
_METRICS = METHODS["metrics"]


@check(
    "gRPC {}",
    Transport.GRPC,
    RuleLevel.REQUIRED,
    rule=rules.GRPC_SUCCESS,
    remedy="serve Export of the collector's three services",
    over=SIGNALS,
)
async def takes(grpc: GrpcClient, signal: str) -> str:
    with grpc.giving_up_on(signal):
        return accepted(await grpc.call(METHODS[signal], samples.REQUESTS[signal]())).words


@check(
    "empty gRPC request for {}",
    Transport.GRPC,
    RuleLevel.RECOMMENDED,
    rule=rules.GRPC_SUCCESS,
    remedy="an empty message is a request without telemetry: answer OK",
    over=SIGNALS,
)
async def takes_empty(grpc: GrpcClient, signal: str) -> str:
    return accepted(await grpc.call(METHODS[signal], b""), sent=0).words


@check(
    "gRPC partial_success unset on success",
    Transport.GRPC,
    RuleLevel.REQUIRED,
    rule=rules.GRPC_SUCCESS,
    remedy="leave partial_success out when nothing was rejected and there is nothing to say",
)
async def unset(grpc: GrpcClient) -> str:
    for body in (samples.metrics(), b""):
        reply = await grpc.call(_METRICS, body)
        found = accepted(reply)
        if not found.rejected:
            break
    if found.partial and not found.rejected and not found.message:
        raise BrokenError("partial_success is set, and says nothing")
    return f"OK, {len(reply.body)} bytes"


@check(
    "a gRPC rejection says how many and why",
    Transport.GRPC,
    RuleLevel.RECOMMENDED,
    rule=rules.GRPC_PARTIAL,
    remedy="fill error_message: what was rejected, why, and what would mend it",
)
async def rejections_are_explained(grpc: GrpcClient) -> str:
    unusable = samples.total(temporality=0)
    found = accepted(await grpc.call(_METRICS, samples.metrics(samples.gauge(), unusable)), sent=2)
    if not found.rejected:
        raise NotSeenError("a sum without temporality was taken without a word")
    if not found.message:
        raise BrokenError(f"{found.rejected} rejected, and no error_message")
    return found.words


@check(
    "gRPC with gzip",
    Transport.GRPC,
    RuleLevel.REQUIRED,
    rule=rules.COMPRESSION,
    remedy="accept grpc-encoding: gzip",
)
async def with_gzip(grpc: GrpcClient) -> str:
    return accepted(await grpc.call(_METRICS, samples.metrics(), gzip=True)).words


@check(
    "unknown fields over gRPC",
    Transport.GRPC,
    RuleLevel.REQUIRED,
    rule=rules.PROTO3_UNKNOWN,
    remedy="skip fields that are not known",
)
async def unknown_fields(grpc: GrpcClient) -> str:
    unknown = number(1000, 7) + fixed64(1001, 7) + text(1002, "later")
    gauge = samples.gauge(samples.number_point(unknown)) + unknown
    return accepted(await grpc.call(_METRICS, samples.metrics(gauge) + unknown)).words


@check(
    "all kinds of metrics over gRPC",
    Transport.GRPC,
    RuleLevel.REQUIRED,
    rule=rules.GRPC_SUCCESS,
    remedy="take every legal form, or say in partial_success why not",
)
async def all_kinds(grpc: GrpcClient) -> str:
    kinds = (
        samples.gauge(),
        samples.total(temporality=CUMULATIVE),
        samples.full_histogram(),
        samples.exponential(),
        samples.summary(),
    )
    return accepted(await grpc.call(_METRICS, samples.metrics(*kinds)), sent=len(kinds)).words


@check(
    "concurrent calls on one connection",
    Transport.GRPC,
    RuleLevel.RECOMMENDED,
    rule=rules.GRPC_CONCURRENT,
    remedy="serve unary calls side by side; what is too much is UNAVAILABLE",
)
async def concurrent(grpc: GrpcClient) -> str:
    replies = await grpc.call_in_parallel(_METRICS, samples.metrics(), CONCURRENT)
    later = [reply for reply in replies if reply.code == "UNAVAILABLE"]
    for reply in replies:
        if reply not in later:
            accepted(reply)
    return f"{len(replies)} at once, {len(later)} put off"


@check(
    "a second connection",
    Transport.GRPC,
    RuleLevel.REQUIRED,
    rule=rules.GRPC_CONCURRENT,
    remedy="serve several connections side by side",
)
async def second_connection(grpc: GrpcClient) -> str:
    return accepted(await grpc.call_on_new_connection(METHODS["logs"], samples.logs())).words


@check(
    "an undecodable gRPC {} is not to be repeated",
    Transport.GRPC,
    RuleLevel.REQUIRED,
    rule=rules.GRPC_FAILURES,
    remedy="answer INVALID_ARGUMENT",
    over=("metric", "span", "log record"),
)
async def garbage(grpc: GrpcClient, record: str) -> str:
    reply = await grpc.call(_method_of(record), GARBAGE)
    if reply.code in {"OK", *RETRYABLE_CODES}:
        raise BrokenError(reply.code)
    return _said(reply)


@check(
    "INVALID_ARGUMENT for an undecodable {}",
    Transport.GRPC,
    RuleLevel.RECOMMENDED,
    rule=rules.GRPC_FAILURES,
    remedy="answer INVALID_ARGUMENT",
    over=("metric", "span", "log record"),
)
async def invalid_argument(grpc: GrpcClient, record: str) -> str:
    return _is(await grpc.call(_method_of(record), GARBAGE), "INVALID_ARGUMENT")


def _method_of(record: str) -> str:
    return METHODS[{"metric": "metrics", "span": "traces", "log record": "logs"}[record]]


@check(
    "calls go on after a refusal",
    Transport.GRPC,
    RuleLevel.REQUIRED,
    rule=rules.GRPC_FAILURES,
    remedy="a refused call is no reason to close the connection",
)
async def goes_on(grpc: GrpcClient) -> str:
    await grpc.call(_METRICS, GARBAGE)
    return accepted(await grpc.call(_METRICS, samples.metrics())).words


@check(
    "UNIMPLEMENTED for an unknown {}",
    Transport.GRPC,
    RuleLevel.REQUIRED,
    rule=rules.GRPC_CODES,
    remedy="answer UNIMPLEMENTED for what is not served",
    over=("method", "service"),
)
async def unknown_method(grpc: GrpcClient, what: str) -> str:
    known = _METRICS.rpartition("/")[0]
    method = f"{known}/Import" if what == "method" else "/blackhole.conformance.Nothing/Export"
    return _is(await grpc.call(method, samples.metrics()), "UNIMPLEMENTED")


@check(
    "the size of a message is limited",
    Transport.GRPC,
    RuleLevel.REQUIRED,
    rule=rules.GRPC_REQUEST,
    remedy="limit messages after decompression too, with an answer that is not to be repeated",
)
async def bounded(grpc: GrpcClient) -> str:
    reply = await grpc.call(_METRICS, _large(), gzip=True)
    if reply.code == "OK":
        raise BrokenError(f"OK: it took {BOMB_BYTES >> 20} MiB from a few KB of gzip")
    if reply.code in RETRYABLE_CODES or retry_info(reply.details):
        raise BrokenError(f"{_said(reply)}: senders would repeat it")
    accepted(await grpc.call(_METRICS, samples.metrics()))
    return _said(reply)


@check(
    "RESOURCE_EXHAUSTED over the size, without RetryInfo",
    Transport.GRPC,
    RuleLevel.RECOMMENDED,
    rule=rules.GRPC_REQUEST,
    remedy="answer RESOURCE_EXHAUSTED; with RetryInfo senders would repeat what can never fit",
)
async def resource_exhausted(grpc: GrpcClient) -> str:
    reply = await grpc.call(_METRICS, _large(), gzip=True)
    if retry_info(reply.details):
        raise BrokenError(f"{reply.code} with RetryInfo")
    return _is(reply, "RESOURCE_EXHAUSTED")


@check(
    "UNAUTHENTICATED without the token",
    Transport.GRPC,
    RuleLevel.RECOMMENDED,
    rule=rules.GRPC_CODES,
    remedy="answer UNAUTHENTICATED",
)
async def without_token(grpc: GrpcClient) -> str:
    if not grpc.token:
        raise NotSeenError("no token was given")
    for given in ("", "not-the-token"):
        seen = _is(await grpc.call(_METRICS, samples.metrics(), token=given), "UNAUTHENTICATED")
    return seen


def _large() -> bytes:
    """One unknown field of zeros, over any usual limit; gzip makes it small."""
    return varint(1000 << 3 | LENGTH) + varint(BOMB_BYTES) + bytes(BOMB_BYTES)


def _is(reply: Reply, code: str) -> str:
    if reply.code != code:
        raise BrokenError(f"{_said(reply)} instead of {code}")
    return _said(reply)


def _said(reply: Reply) -> str:
    return f"{reply.code}: {quote(reply.message)}" if reply.message else reply.code
