"""A receiver that breaks one rule fails that very check, and no other."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.conformance.faulty import (
    Forward,
    GrpcFault,
    GrpcForward,
    Habits,
    HttpFault,
    answer,
    grpc_server,
    http_server,
    with_body,
    without,
)

from blackhole.conformance import suite
from blackhole.conformance.check import Check, Transport
from blackhole.conformance.grpc import METHODS, Reply
from blackhole.conformance.http import JSON, PROTOBUF, HttpAnswer, HttpRequest
from blackhole.conformance.target import Probe
from blackhole.conformance.wire import nested, number, text

pytestmark = pytest.mark.anyio

Change = Callable[[HttpRequest, HttpAnswer], HttpAnswer]
GrpcChange = Callable[[str, bytes, Reply], Reply]
RETRY = nested(3, text(1, "type.googleapis.com/google.rpc.RetryInfo"))


def changing(change: Change) -> HttpFault:
    async def fault(request: HttpRequest, forward: Forward) -> HttpAnswer | None:
        return change(request, await forward(request))

    return fault


def on(status: int, change: Callable[[HttpAnswer], HttpAnswer]) -> HttpFault:
    return changing(lambda _, found: change(found) if found.status == status else found)


def deaf_to(header: str) -> HttpFault:
    """Does not look at that header of requests."""

    async def fault(request: HttpRequest, forward: Forward) -> HttpAnswer | None:
        kept = {name: value for name, value in request.headers.items() if name != header}
        return await forward(HttpRequest(request.path, request.body, request.kind, request.method, kept))

    return fault


async def literal_types(request: HttpRequest, forward: Forward) -> HttpAnswer | None:
    if request.kind not in {PROTOBUF, JSON, ""} and "/json" in request.kind.lower():
        return answer(415, JSON, b'{"code": 12, "message": "no"}')
    return await forward(request)


async def guesses_types(request: HttpRequest, forward: Forward) -> HttpAnswer | None:
    kind = request.kind or PROTOBUF
    return await forward(HttpRequest(request.path, request.body, kind, request.method, request.headers))


async def takes_bombs(request: HttpRequest, forward: Forward) -> HttpAnswer | None:
    found = await forward(request)
    return answer(200, PROTOBUF, b"") if found.status == 413 else found


def in_text(found: HttpAnswer) -> HttpAnswer:
    return answer(found.status, body=b"bad request", allow=found.headers.get("allow", ""))


def says_set(_request: HttpRequest, found: HttpAnswer) -> HttpAnswer:
    if found.status != 200 or found.body not in {b"", b"{}"}:
        return found
    return with_body(found, b'{"partialSuccess": {}}' if found.media_type == JSON else nested(1))


def camel(found: HttpAnswer) -> HttpAnswer:
    return with_body(found, found.body.replace(b"rejectedDataPoints", b"rejected_data_points"))


def silent(found: HttpAnswer) -> HttpAnswer:
    rejects = found.body and found.media_type == PROTOBUF
    return with_body(found, nested(1, number(1, 1))) if rejects else found


async def only_strings(request: HttpRequest, forward: Forward) -> HttpAnswer | None:
    if request.kind == JSON and b'"asInt": -' in request.body:
        return answer(400, JSON, b'{"message": "a string is expected"}')
    return await forward(request)


async def hates_upper_case(request: HttpRequest, forward: Forward) -> HttpAnswer | None:
    if request.kind == JSON and b"5B8EFFF798038103D269B633813FC60C" in request.body:
        return answer(400, JSON, b'{"message": "no hex"}')
    return await forward(request)


async def hates_nulls(request: HttpRequest, forward: Forward) -> HttpAnswer | None:
    if b'"traceId": null' in request.body:
        return answer(400, JSON, b'{"message": "null"}')
    return await forward(request)


async def takes_any_gzip(request: HttpRequest, forward: Forward) -> HttpAnswer | None:
    found = await forward(request)
    packed = request.headers.get("content-encoding") == "gzip"
    return answer(200, PROTOBUF, b"") if packed and found.status == 400 else found


async def opens_itself(request: HttpRequest, forward: Forward) -> HttpAnswer | None:
    if request.method == "OPTIONS":
        return answer(204, body=b"", access_control_allow_origin="*")
    return await forward(request)


async def is_picky(request: HttpRequest, forward: Forward) -> HttpAnswer | None:
    """Refuses the whole request where a part is bad."""
    found = await forward(request)
    if found.status == 200 and found.body and request.path == "/v1/traces" and request.kind == PROTOBUF:
        return answer(400, PROTOBUF, text(2, "bad id"))
    return found


GZIP = ("is none", "ends early", "is damaged")
ENCODINGS = ("protobuf", "JSON")
SIGNALS = ("metrics", "traces", "logs")
FAULTS: dict[str, tuple[HttpFault, set[str]]] = {
    "partial_success is set on success": (
        changing(says_set),
        {f"partial_success unset on success, {encoding}" for encoding in ENCODINGS},
    ),
    "failures in plain text": (
        on(400, in_text),
        {*(f"400 carries a Status in {encoding}" for encoding in ENCODINGS), "a Status says what is wrong"},
    ),
    "404 in plain text": (on(404, in_text), {"404 carries a Status too"}),
    "405 in plain text": (on(405, in_text), {"405 carries a Status too"}),
    "415 in plain text": (on(415, in_text), {"415 carries a Status too"}),
    "no Allow": (
        on(405, lambda found: without(found, "allow")),
        {f"405 for {method}, with Allow" for method in ("GET", "PUT", "DELETE")},
    ),
    "no Content-Type on success": (
        on(200, lambda found: without(found, "content-type")),
        {f"Content-Type of the answer to {encoding}" for encoding in ENCODINGS},
    ),
    "a Status without a message": (
        on(400, lambda found: with_body(found, b"") if found.media_type == PROTOBUF else found),
        {"a Status says what is wrong"},
    ),
    "an empty body instead of {}": (
        on(200, lambda found: with_body(found, b"") if found.body == b"{}" else found),
        {f"JSON {signal}" for signal in SIGNALS},
    ),
    "rejections in JSON by the original names": (on(200, camel), {"a rejection in JSON"}),
    "rejections without a word": (on(200, silent), {"a rejection says how many and why"}),
    "types compared to the letter": (
        literal_types,
        {"parameters of application/json; charset=utf-8", "parameters of APPLICATION/JSON"},
    ),
    "types are guessed": (guesses_types, {"no Content-Type"}),
    "over the limit is taken": (
        takes_bombs,
        {"the size is limited after decompression", "413 over the limit, with a Status"},
    ),
    "too large is put off": (
        on(413, lambda _: answer(502)),
        {"the size is limited after decompression", "413 over the limit, with a Status"},
    ),
    "bad gzip is taken": (takes_any_gzip, {f"gzip that {how} is refused" for how in GZIP}),
    "integers only as strings": (only_strings, {"64-bit integers as numbers"}),
    "ids only in lower case": (hates_upper_case, {"ids as upper-case hex"}),
    "null is an error": (hates_nulls, {"null is absent"}),
    "one bad span costs all": (is_picky, {"a span with a bad id costs only itself"}),
    "every page may send": (
        opens_itself,
        {"a preflight from a foreign origin", "a preflight from the null origin"},
    ),
    "Origin is not looked at": (deaf_to("origin"), {"a request of a foreign page"}),
    "Host is not looked at": (deaf_to("host"), {"a foreign Host"}),
}


LARGE = {
    "the size is limited after decompression",
    "413 over the limit, with a Status",
    "the size of a message is limited",
    "RESOURCE_EXHAUSTED over the size, without RetryInfo",
}


def chosen(expected: set[str]) -> list[Check]:
    """All that must not fail as well, except those that take a second each."""
    return [check for check in suite.checks() if check.name in expected or check.name not in LARGE]


def failures(findings: list[suite.RuleFinding]) -> dict[str, str]:
    return {f.name: f.seen for f in findings if f.result == "failed"}


@pytest.mark.parametrize("name", FAULTS)
async def test_one_broken_rule_over_http_is_found(service: dict[str, Any], name: str) -> None:
    fault, expected = FAULTS[name]
    async with http_server(fault, service["otlp_http"]) as client:
        found = failures(await suite.run(Probe(http=client), chosen(expected)))
    assert set(found) == expected, found


async def closes_nothing(request: HttpRequest, forward: Forward) -> HttpAnswer | None:
    return await forward(request)


@pytest.mark.parametrize(
    ("habits", "expected"),
    [
        (Habits(), set()),
        (Habits(closes=True), {"keep-alive", "keep-alive after a refusal", "pipelined requests"}),
        (Habits(continues=False), {"Expect: 100-continue"}),
    ],
    ids=["good ones", "closes", "does not continue"],
)
async def test_bad_habits_with_connections_are_found(
    service: dict[str, Any], habits: Habits, expected: set[str]
) -> None:
    async with http_server(closes_nothing, service["otlp_http"], habits) as client:
        found = failures(await suite.run(Probe(http=client), chosen(expected)))
    # When the connection closes under parallel senders, they see it too.
    assert set(found) - {"parallel connections"} == expected, found


def replying(change: GrpcChange) -> GrpcFault:
    async def fault(method: str, body: bytes, forward: GrpcForward) -> Reply:
        return change(method, body, await forward(method, body))

    return fault


def when(code: str, then: Reply) -> GrpcFault:
    return replying(lambda _method, _body, found: then if found.code == code else found)


def set_in_grpc(_method: str, _body: bytes, found: Reply) -> Reply:
    return Reply("OK", body=nested(1)) if found.code == "OK" and not found.body else found


def silent_in_grpc(_method: str, _body: bytes, found: Reply) -> Reply:
    return Reply("OK", body=nested(1, number(1, 1))) if found.body else found


RECORDS = ("metric", "span", "log record")
INVALID = {f"INVALID_ARGUMENT for an undecodable {record}" for record in RECORDS}
REPEATED = {f"an undecodable gRPC {record} is not to be repeated" for record in RECORDS}
TOO_LARGE = "RESOURCE_EXHAUSTED over the size, without RetryInfo"
GRPC_FAULTS: dict[str, tuple[GrpcFault, set[str]]] = {
    "none": (replying(lambda _method, _body, found: found), set()),
    "INTERNAL for what cannot be decoded": (
        when("INVALID_ARGUMENT", Reply("INTERNAL")),
        INVALID | {"no UNKNOWN, no INTERNAL"},
    ),
    "UNAVAILABLE for what cannot be decoded": (
        when("INVALID_ARGUMENT", Reply("UNAVAILABLE")),
        INVALID | REPEATED | {"a retry is asked for with RetryInfo"},
    ),
    "RetryInfo over the size": (
        when("RESOURCE_EXHAUSTED", Reply("RESOURCE_EXHAUSTED", details=RETRY)),
        {"the size of a message is limited", TOO_LARGE},
    ),
    "any size is taken": (
        when("RESOURCE_EXHAUSTED", Reply("OK")),
        {"the size of a message is limited", TOO_LARGE},
    ),
    "NOT_FOUND for unknown methods": (
        when("UNIMPLEMENTED", Reply("NOT_FOUND")),
        {"UNIMPLEMENTED for an unknown method", "UNIMPLEMENTED for an unknown service"},
    ),
    "partial_success is set on success": (replying(set_in_grpc), {"gRPC partial_success unset on success"}),
    "rejections without a word": (replying(silent_in_grpc), {"a gRPC rejection says how many and why"}),
    "no logs": (
        replying(lambda method, _body, found: Reply("UNIMPLEMENTED") if method == METHODS["logs"] else found),
        {"gRPC logs"},
    ),
}


@pytest.mark.parametrize("name", GRPC_FAULTS)
async def test_one_broken_rule_over_grpc_is_found(service: dict[str, Any], name: str) -> None:
    fault, expected = GRPC_FAULTS[name]
    async with grpc_server(fault, service["otlp_grpc"]) as client:
        found = failures(await suite.run(Probe(grpc=client), chosen(expected)))
    assert set(found) == expected, found


def putting_off(times: int) -> tuple[HttpFault, list[int]]:
    left = [times]

    async def fault(request: HttpRequest, forward: Forward) -> HttpAnswer | None:
        if left[0]:
            left[0] -= 1
            return answer(503, retry_after="0")
        return await forward(request)

    return fault, left


async def test_what_was_put_off_comes_again(service: dict[str, Any]) -> None:
    fault, left = putting_off(2)
    two = [check for check in suite.checks() if check.name in {"gauge", "putting off says until when"}]
    async with http_server(fault, service["otlp_http"]) as client:
        findings = await suite.run(Probe(http=client), two)
    assert left == [0]
    assert [(f.result, f.seen) for f in findings] == [("passed", "OK"), ("passed", "2 times, Retry-After: 0")]


async def never(_request: HttpRequest, _forward: Forward) -> HttpAnswer | None:
    await asyncio.Event().wait()
    return None


async def test_a_receiver_that_never_answers_ends_a_check_and_the_suite() -> None:
    four = [check for check in suite.checks() if check.transport is Transport.HTTP][:4]
    async with http_server(never) as client:
        findings = await suite.run(Probe(http=client), four, each=0.1, total=0.25)
    assert [f.result for f in findings] == ["failed"] * 4
    assert findings[0].seen == "no answer within 0.1 s"
    assert findings[3].seen == "not run: the others took too long"
    assert sum(f.seconds for f in findings) < 1.0
