"""Checks of what a receiver answers when all is well, or when it takes a part: HTTP."""

from blackhole.conformance import rules, samples
from blackhole.conformance.answers import same_type, taken
from blackhole.conformance.check import BrokenError, NotSeenError, RuleLevel, Transport, check
from blackhole.conformance.http import JSON, PROTOBUF, HttpClient, HttpRequest
from blackhole.conformance.samples import SIGNALS

_UNSET = "leave partial_success out when nothing was rejected and there is nothing to say"


@check(
    "protobuf {}",
    Transport.HTTP,
    RuleLevel.REQUIRED,
    rule=rules.HTTP_RESPONSE,
    remedy="answer 200 and an Export…ServiceResponse in protobuf",
    over=SIGNALS,
)
async def takes_protobuf(http: HttpClient, signal: str) -> str:
    request = HttpRequest(f"/v1/{signal}", samples.REQUESTS[signal]())
    with http.giving_up_on(request, f"protobuf {signal}"):
        return taken(await http.send(request), signal, PROTOBUF).words


@check(
    "JSON {}",
    Transport.HTTP,
    RuleLevel.RECOMMENDED,
    rule=rules.HTTP_CONNECTION,
    remedy="take JSON on the same port and path, and answer 200 and an Export…ServiceResponse in JSON",
    over=SIGNALS,
)
async def takes_json(http: HttpClient, signal: str) -> str:
    request = HttpRequest(f"/v1/{signal}", samples.json_body(signal), JSON)
    with http.giving_up_on(request, f"JSON {signal}"):
        return taken(await http.send(request), signal, JSON).words


@check(
    "Content-Type of the answer to {}",
    Transport.HTTP,
    RuleLevel.REQUIRED,
    rule=rules.HTTP_RESPONSE,
    remedy="answer with the Content-Type of the request",
    over=("protobuf", "JSON"),
)
async def content_type(http: HttpClient, encoding: str) -> str:
    kind, body = (JSON, samples.json_body("metrics")) if encoding == "JSON" else (PROTOBUF, samples.metrics())
    answer = await http.send(HttpRequest("/v1/metrics", body, kind))
    same_type(answer, kind)
    return kind


@check(
    "empty protobuf request for {}",
    Transport.HTTP,
    RuleLevel.RECOMMENDED,
    rule=rules.HTTP_SUCCESS,
    remedy="an empty body is a request without telemetry: answer 200",
    over=SIGNALS,
)
async def takes_empty_protobuf(http: HttpClient, signal: str) -> str:
    return taken(await http.send(HttpRequest(f"/v1/{signal}")), signal, PROTOBUF, sent=0).words


@check(
    "empty JSON request for {}",
    Transport.HTTP,
    RuleLevel.RECOMMENDED,
    rule=rules.HTTP_SUCCESS,
    remedy="{} is a request without telemetry: answer 200",
    over=SIGNALS,
)
async def takes_empty_json(http: HttpClient, signal: str) -> str:
    return taken(await http.send(HttpRequest(f"/v1/{signal}", b"{}", JSON)), signal, JSON, sent=0).words


@check(
    "envelopes without telemetry",
    Transport.HTTP,
    RuleLevel.RECOMMENDED,
    rule=rules.ENVELOPES,
    remedy="a resource or scope that holds nothing may be ignored, but is no error",
)
async def takes_empty_envelopes(http: HttpClient) -> str:
    answer = await http.send(HttpRequest("/v1/metrics", b"\x0a\x00"))
    taken(answer, "metrics", PROTOBUF, sent=0)
    body = b'{"resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {}, "spans": []}]}]}'
    return taken(await http.send(HttpRequest("/v1/traces", body, JSON)), "traces", JSON, sent=0).words


@check(
    "partial_success unset on success, protobuf",
    Transport.HTTP,
    RuleLevel.REQUIRED,
    rule=rules.HTTP_SUCCESS,
    remedy=_UNSET,
)
async def unset_in_protobuf(http: HttpClient) -> str:
    return await _unset(http, PROTOBUF, samples.metrics(), b"")


@check(
    "partial_success unset on success, JSON",
    Transport.HTTP,
    RuleLevel.REQUIRED,
    rule=rules.HTTP_SUCCESS,
    remedy=_UNSET,
)
async def unset_in_json(http: HttpClient) -> str:
    return await _unset(http, JSON, samples.json_body("metrics"), b"{}")


async def _unset(http: HttpClient, kind: str, full: bytes, empty: bytes) -> str:
    """A full request first; if the receiver does not want that metric, an empty one."""
    for body in (full, empty):
        answer = await http.send(HttpRequest("/v1/metrics", body, kind))
        found = taken(answer, "metrics", kind)
        if not found.rejected:
            break
    if found.partial and not found.rejected and not found.message:
        raise BrokenError("partial_success is set, and says nothing")
    return f"OK, {len(answer.body)} bytes"


@check(
    "a rejection says how many and why",
    Transport.HTTP,
    RuleLevel.RECOMMENDED,
    rule=rules.HTTP_PARTIAL,
    remedy="fill error_message: what was rejected, why, and what would mend it",
)
async def rejections_are_explained(http: HttpClient) -> str:
    unusable = samples.total(temporality=0)
    answer = await http.send(HttpRequest("/v1/metrics", samples.metrics(samples.gauge(), unusable)))
    found = taken(answer, "metrics", PROTOBUF, sent=2)
    if not found.rejected:
        raise NotSeenError("a sum without temporality was taken without a word")
    if not found.message:
        raise BrokenError(f"{found.rejected} rejected, and no error_message")
    return found.words


@check(
    "a rejection in JSON",
    Transport.HTTP,
    RuleLevel.REQUIRED,
    rule=rules.HTTP_PARTIAL,
    remedy="partialSuccess in lowerCamelCase, with the same counts as in protobuf",
)
async def rejections_in_json(http: HttpClient) -> str:
    points = [{"name": samples.SUM, "unit": "s", "sum": {"dataPoints": [samples.json_point()]}}]
    answer = await http.send(HttpRequest("/v1/metrics", samples.json_body("metrics", *points), JSON))
    in_json = taken(answer, "metrics", JSON)
    answer = await http.send(HttpRequest("/v1/metrics", samples.metrics(samples.total(temporality=0))))
    in_protobuf = taken(answer, "metrics", PROTOBUF)
    if in_json.rejected != in_protobuf.rejected:
        raise BrokenError(f"{in_protobuf.rejected} rejected in protobuf, {in_json.rejected} in JSON")
    if not in_json.rejected:
        raise NotSeenError("a sum without temporality was taken without a word")
    return in_json.words
