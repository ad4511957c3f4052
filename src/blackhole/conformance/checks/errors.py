"""Checks of refusals: the status, and a google.rpc.Status in the encoding of the request."""

from blackhole.conformance import rules, samples
from blackhole.conformance.answers import explained, quote, refused, taken
from blackhole.conformance.check import BrokenError, NotSeenError, RuleLevel, Transport, check
from blackhole.conformance.http import JSON, PROTOBUF, HttpClient, HttpRequest
from blackhole.conformance.samples import SIGNALS

GARBAGE = b"\xff\xff\xff\xff\x00garbage"


@check(
    "undecodable protobuf {}",
    Transport.HTTP,
    RuleLevel.REQUIRED,
    rule=rules.BAD_DATA,
    remedy="answer 400",
    over=SIGNALS,
)
async def garbage(http: HttpClient, signal: str) -> str:
    return refused(await http.send(HttpRequest(f"/v1/{signal}", GARBAGE)), 400)


@check(
    "undecodable JSON {}",
    Transport.HTTP,
    RuleLevel.REQUIRED,
    rule=rules.BAD_DATA,
    remedy="answer 400",
    over=SIGNALS,
)
async def garbage_json(http: HttpClient, signal: str) -> str:
    return refused(await http.send(HttpRequest(f"/v1/{signal}", b'{"resource', JSON)), 400)


@check(
    "bytes that are no text, as JSON",
    Transport.HTTP,
    RuleLevel.REQUIRED,
    rule=rules.BAD_DATA,
    remedy="answer 400, and do not quote what was sent",
)
async def no_text(http: HttpClient) -> str:
    return refused(await http.send(HttpRequest("/v1/metrics", GARBAGE, JSON)), 400)


@check(
    "400 carries a Status in {}",
    Transport.HTTP,
    RuleLevel.REQUIRED,
    rule=rules.HTTP_FAILURES,
    remedy="the body is a google.rpc.Status in the encoding, and with the Content-Type, of the request",
    over=("protobuf", "JSON"),
)
async def status_in_kind(http: HttpClient, encoding: str) -> str:
    kind, body = (JSON, b'{"resource') if encoding == "JSON" else (PROTOBUF, GARBAGE)
    answer = await http.send(HttpRequest("/v1/metrics", body, kind))
    refused(answer)
    return f"{answer.status}: {quote(explained(answer, kind)) or 'no message'}"


@check(
    "a Status says what is wrong",
    Transport.HTTP,
    RuleLevel.RECOMMENDED,
    rule=rules.HTTP_FAILURES,
    remedy="fill Status.message for the developer of the sender",
)
async def status_message(http: HttpClient) -> str:
    answer = await http.send(HttpRequest("/v1/traces", GARBAGE))
    refused(answer)
    message = explained(answer, PROTOBUF)
    if not message:
        raise BrokenError(f"{answer.status} with an empty Status.message")
    return quote(message)


@check(
    "other encoding than the Content-Type says",
    Transport.HTTP,
    RuleLevel.REQUIRED,
    rule=rules.BAD_DATA,
    remedy="believe the Content-Type; what it does not fit is 400",
)
async def wrong_encoding(http: HttpClient) -> str:
    refused(await http.send(HttpRequest("/v1/metrics", samples.metrics(), JSON)), 400)
    return refused(await http.send(HttpRequest("/v1/metrics", samples.json_body("metrics"))), 400)


@check(
    "parameters of {}",
    Transport.HTTP,
    RuleLevel.REQUIRED,
    rule=rules.SEMANTICS_TYPE,
    remedy="compare type and subtype without case, and leave parameters alone",
    over=("application/json; charset=utf-8", "application/x-protobuf;v=1", "APPLICATION/JSON"),
)
async def parameters(http: HttpClient, kind: str) -> str:
    bare = kind.partition(";")[0].lower()
    body = samples.json_body("logs") if bare == JSON else samples.logs()
    return taken(await http.send(HttpRequest("/v1/logs", body, kind)), "logs", bare).words


@check(
    "415 for other types",
    Transport.HTTP,
    RuleLevel.RECOMMENDED,
    rule=rules.SEMANTICS_415,
    remedy="answer 415 to what is neither application/x-protobuf nor application/json",
)
async def other_types(http: HttpClient) -> str:
    return refused(await http.send(HttpRequest("/v1/metrics", b"hello", "text/plain")), 415)


@check(
    "no Content-Type",
    Transport.HTTP,
    RuleLevel.RECOMMENDED,
    rule=rules.SEMANTICS_415,
    remedy="do not guess: answer 415 (or 400)",
)
async def no_type(http: HttpClient) -> str:
    return refused(await http.send(HttpRequest("/v1/metrics", samples.metrics(), "")), 400, 415)


@check(
    "404 for other paths",
    Transport.HTTP,
    RuleLevel.RECOMMENDED,
    rule=rules.SEMANTICS_404,
    remedy="serve only the paths of the signals",
)
async def other_paths(http: HttpClient) -> str:
    return refused(await http.send(HttpRequest("/v1/nothing-of-the-kind", samples.metrics())), 404)


@check(
    "405 for {}, with Allow",
    Transport.HTTP,
    RuleLevel.RECOMMENDED,
    rule=rules.SEMANTICS_405,
    remedy="answer 405 and the header `Allow: POST`",
    over=("GET", "PUT", "DELETE"),
)
async def other_methods(http: HttpClient, method: str) -> str:
    answer = await http.send(HttpRequest("/v1/metrics", method=method))
    refused(answer, 405)
    if "POST" not in answer.headers.get("allow", ""):
        raise BrokenError("405 without Allow: POST")
    return f"405, Allow: {answer.headers['allow']}"


@check(
    "{} carries a Status too",
    Transport.HTTP,
    RuleLevel.RECOMMENDED,
    rule=rules.HTTP_FAILURES,
    remedy="all 4xx and 5xx have a google.rpc.Status as body, in the encoding of the request",
    over=("404", "405", "415"),
)
async def every_status(http: HttpClient, status: str) -> str:
    request = {
        "404": HttpRequest("/v1/nothing-of-the-kind", samples.json_body("metrics"), JSON),
        "405": HttpRequest("/v1/metrics", samples.json_body("metrics"), JSON, method="PUT"),
        "415": HttpRequest(
            "/v1/metrics", samples.json_body("metrics"), JSON, headers={"Content-Encoding": "x"}
        ),
    }[status]
    answer = await http.send(request)
    refused(answer)
    return f"{answer.status}: {quote(explained(answer, JSON)) or 'no message'}"


@check(
    "401 without the token",
    Transport.HTTP,
    RuleLevel.RECOMMENDED,
    rule=rules.SEMANTICS_401,
    remedy="answer 401 with WWW-Authenticate",
)
async def without_token(http: HttpClient) -> str:
    if not http.token:
        raise NotSeenError("no token was given")
    for given in ("", "Bearer not-the-token"):
        answer = await http.send(
            HttpRequest("/v1/metrics", samples.metrics(), headers={"Authorization": given})
        )
        refused(answer, 401)
        if "www-authenticate" not in answer.headers:
            raise BrokenError("401 without WWW-Authenticate")
    return f"401, {answer.headers['www-authenticate']}"
