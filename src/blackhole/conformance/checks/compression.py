"""Checks of compressed bodies: good ones, broken ones, and small ones that are large inside."""

import gzip
import zlib
from functools import cache

from blackhole.conformance import rules, samples
from blackhole.conformance.answers import RETRYABLE, explained, refused, taken
from blackhole.conformance.check import BrokenError, RuleLevel, Transport, check
from blackhole.conformance.http import JSON, PROTOBUF, HttpAnswer, HttpClient, HttpRequest
from blackhole.conformance.wire import LENGTH, varint

BOMB_BYTES = 80 * 2**20
_FIRST_ERROR = 400


def _gzipped(body: bytes, coding: str = "gzip") -> HttpRequest:
    return HttpRequest("/v1/metrics", body, headers={"Content-Encoding": coding})


@cache
def bomb() -> bytes:
    """A legal message that is one unknown field: 80 MiB of zeros, in 80 KB of gzip."""
    engine = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = engine.compress(varint(1000 << 3 | LENGTH) + varint(BOMB_BYTES))
    piece = bytes(2**20)
    for _ in range(BOMB_BYTES // len(piece)):
        packed += engine.compress(piece)
    return packed + engine.flush()


@check(
    "gzip, {}",
    Transport.HTTP,
    RuleLevel.REQUIRED,
    rule=rules.COMPRESSION,
    remedy="inflate bodies with Content-Encoding: gzip",
    over=("protobuf", "JSON"),
)
async def good(http: HttpClient, encoding: str) -> str:
    kind = JSON if encoding == "JSON" else PROTOBUF
    body = gzip.compress(samples.json_body("metrics") if kind == JSON else samples.metrics())
    request = HttpRequest("/v1/metrics", body, kind, headers={"Content-Encoding": "gzip"})
    return taken(await http.send(request), "metrics", kind).words


@check(
    "Content-Encoding: {}",
    Transport.HTTP,
    RuleLevel.RECOMMENDED,
    rule=rules.SEMANTICS_CODING,
    remedy="names of codings have no case, and identity is none",
    over=("GZIP", "identity"),
)
async def names_of_codings(http: HttpClient, coding: str) -> str:
    body = samples.metrics()
    packed = gzip.compress(body) if coding == "GZIP" else body
    return taken(await http.send(_gzipped(packed, coding)), "metrics", PROTOBUF).words


@check(
    "gzip of two members",
    Transport.HTTP,
    RuleLevel.RECOMMENDED,
    rule=rules.GZIP_MEMBERS,
    remedy="a gzip file is a series of members: read them all",
)
async def two_members(http: HttpClient) -> str:
    body = samples.metrics()
    packed = gzip.compress(body[:40]) + gzip.compress(body[40:])
    return taken(await http.send(_gzipped(packed)), "metrics", PROTOBUF).words


@check(
    "gzip that {} is refused",
    Transport.HTTP,
    RuleLevel.REQUIRED,
    rule=rules.BAD_DATA,
    remedy="answer 400: what cannot be inflated cannot be decoded",
    over=("is none", "ends early", "is damaged"),
)
async def broken(http: HttpClient, how: str) -> str:
    packed = gzip.compress(samples.metrics())
    middle = len(packed) // 2
    body = {
        "is none": samples.metrics(),
        "ends early": packed[:middle],
        "is damaged": packed[:middle] + bytes(byte ^ 0xFF for byte in packed[middle:]),
    }[how]
    return refused(await http.send(_gzipped(body)), 400)


@check(
    "an unknown Content-Encoding is refused",
    Transport.HTTP,
    RuleLevel.RECOMMENDED,
    rule=rules.SEMANTICS_CODING,
    remedy="never read a body as if it were not encoded: answer 415 (or 400)",
)
async def unknown_coding(http: HttpClient) -> str:
    return refused(await http.send(_gzipped(samples.metrics(), "x-unheard-of")), 400, 415)


@check(
    "the answer is encoded only as asked",
    Transport.HTTP,
    RuleLevel.REQUIRED,
    rule=rules.HTTP_RESPONSE,
    remedy="gzip an answer only for Accept-Encoding: gzip, and then say Content-Encoding: gzip",
)
async def encoded_answers(http: HttpClient) -> str:
    body = samples.json_body("metrics")
    plain = await http.send(HttpRequest("/v1/metrics", body, JSON))
    if plain.headers.get("content-encoding", "identity") != "identity":
        raise BrokenError(f"{plain.headers['content-encoding']} without being asked")
    accepting = {"Accept-Encoding": "gzip"}
    answer = await http.send(HttpRequest("/v1/metrics", body, JSON, headers=accepting))
    packed = answer.headers.get("content-encoding", "identity")
    if packed == "gzip":
        answer = HttpAnswer(answer.status, answer.headers, _inflate(answer.body))
    return f"{taken(answer, 'metrics', JSON).words}, {packed}"


def _inflate(body: bytes) -> bytes:
    try:
        return zlib.decompressobj(31).decompress(body, 2**20)
    except zlib.error:
        raise BrokenError("an answer that says gzip and is none") from None


@check(
    "the size is limited after decompression",
    Transport.HTTP,
    RuleLevel.REQUIRED,
    rule=rules.HTTP_REQUEST,
    remedy="stop inflating at the limit: 80 KB of gzip can be 80 MiB of body",
)
async def bounded(http: HttpClient) -> str:
    answer = await http.send(_gzipped(bomb()))
    if answer.status < _FIRST_ERROR:
        raise BrokenError(f"{answer.status}: it took {BOMB_BYTES >> 20} MiB from {len(bomb()) >> 10} KB")
    if answer.status in RETRYABLE:
        raise BrokenError(f"{answer.status}: senders would repeat it")
    taken(await http.send(HttpRequest("/v1/metrics", samples.metrics())), "metrics", PROTOBUF)
    return str(answer.status)


@check(
    "413 over the limit, with a Status",
    Transport.HTTP,
    RuleLevel.RECOMMENDED,
    rule=rules.HTTP_REQUEST,
    remedy="answer 413 and a google.rpc.Status that names the limit",
)
async def too_large(http: HttpClient) -> str:
    answer = await http.send(_gzipped(bomb()))
    return f"{refused(answer, 413)}: {explained(answer, PROTOBUF)}"
