"""Checks of how protobuf is read: what newer, older and unusual senders may write."""

import struct

from blackhole.conformance import rules, samples
from blackhole.conformance.answers import refused, taken
from blackhole.conformance.check import RuleLevel, Transport, check
from blackhole.conformance.http import PROTOBUF, HttpClient, HttpRequest
from blackhole.conformance.wire import double, fixed32, fixed64, nested, number, text, varint

_DEPTH = 2000
_UNKNOWN = number(1000, 7) + fixed64(1001, 7) + text(1002, "later") + fixed32(1003, 7)


async def _takes(http: HttpClient, signal: str, body: bytes, *, sent: int = 1) -> str:
    return taken(await http.send(HttpRequest(f"/v1/{signal}", body)), signal, PROTOBUF, sent=sent).words


@check(
    "unknown protobuf fields",
    Transport.HTTP,
    RuleLevel.REQUIRED,
    rule=rules.PROTO3_UNKNOWN,
    remedy="skip fields that are not known, of every wire type and at every depth",
)
async def unknown_fields(http: HttpClient) -> str:
    gauge = samples.gauge(samples.number_point(_UNKNOWN)) + _UNKNOWN
    return await _takes(http, "metrics", _UNKNOWN + samples.metrics(gauge) + _UNKNOWN)


@check(
    "fields in any order",
    Transport.HTTP,
    RuleLevel.REQUIRED,
    rule=rules.PROTO3,
    remedy="do not rely on the order in which fields are written",
)
async def any_order(http: HttpClient) -> str:
    gauge = nested(5, nested(1, samples.number_point())) + text(3, "1") + text(1, samples.GAUGE)
    scope = nested(2, nested(2, gauge), nested(1, text(1, "late")))
    resource = nested(1, nested(1, samples.attribute("service.name", text(1, samples.SERVICE))))
    return await _takes(http, "metrics", nested(1, scope, resource))


@check(
    "packed fields written unpacked",
    Transport.HTTP,
    RuleLevel.REQUIRED,
    rule=rules.PROTO3,
    remedy="read repeated numbers in both forms",
)
async def unpacked(http: HttpClient) -> str:
    counts = fixed64(6, 1) + fixed64(6, 2)
    return await _takes(http, "metrics", samples.metrics(samples.histogram(counts, double(7, 1.0))))


@check(
    "int and double values",
    Transport.HTTP,
    RuleLevel.REQUIRED,
    rule=rules.GAUGE,
    remedy="as_int is a signed fixed64; both kinds of value are legal for one metric",
)
async def both_values(http: HttpClient) -> str:
    points = (samples.number_point(value=fixed64(6, value)) for value in (2**63 - 1, -1, 0))
    special = samples.number_point(value=double(4, float("nan")))
    return await _takes(http, "metrics", samples.metrics(samples.gauge(*points, special)), sent=4)


@check(
    "protobuf that ends early",
    Transport.HTTP,
    RuleLevel.REQUIRED,
    rule=rules.BAD_DATA,
    remedy="answer 400: a length that points beyond the end is no message",
)
async def ends_early(http: HttpClient) -> str:
    return refused(await http.send(HttpRequest("/v1/metrics", samples.metrics()[:-5])), 400)


@check(
    "protobuf with a wrong wire type",
    Transport.HTTP,
    RuleLevel.ADVICE,
    rule=rules.PROTO3,
    remedy="wire types 6 and 7 do not exist: answer 400",
)
async def wrong_wire_type(http: HttpClient) -> str:
    return refused(await http.send(HttpRequest("/v1/logs", samples.logs() + varint(5 << 3 | 7))), 400)


@check(
    "deeply nested values",
    Transport.HTTP,
    RuleLevel.REQUIRED,
    rule=rules.BAD_DATA,
    remedy="limit the depth of AnyValue, and answer 400 (or a partial success) beyond it",
)
async def deep_nesting(http: HttpClient) -> str:
    value = text(1, "deep")
    for _ in range(_DEPTH):
        value = nested(5, nested(1, value))
    body = samples.logs(samples.log(body=value))
    answer = await http.send(HttpRequest("/v1/logs", body))
    if answer.status != 400:  # noqa: PLR2004
        taken(answer, "logs", PROTOBUF)
    still = await _takes(http, "logs", samples.logs())
    return f"{answer.status}, then {still}"


@check(
    "a field given twice",
    Transport.HTTP,
    RuleLevel.RECOMMENDED,
    rule=rules.PROTO3,
    remedy="of a singular number the last counts; it is no error",
)
async def given_twice(http: HttpClient) -> str:
    late = struct.pack("<d", 0.5)
    point = samples.number_point(varint(4 << 3 | 1) + late)
    return await _takes(http, "metrics", samples.metrics(samples.gauge(point)))
