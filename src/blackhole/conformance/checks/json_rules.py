"""Checks of OTLP's JSON: the proto3 mapping, and where OTLP departs from it."""

import json
from typing import Any

from blackhole.conformance import rules, samples
from blackhole.conformance.answers import refused, taken
from blackhole.conformance.check import BrokenError, RuleLevel, Transport, check
from blackhole.conformance.http import JSON, HttpClient, HttpRequest

_UNKNOWN = {"later": {"deep": [1, {"er": None}], "text": "x"}, "laterNumber": 1e300, "laterList": [[]]}
_BAD_REQUEST = 400


async def _send(http: HttpClient, signal: str, *items: dict[str, Any]) -> str:
    answer = await http.send(HttpRequest(f"/v1/{signal}", samples.json_body(signal, *items), JSON))
    return taken(answer, signal, JSON, sent=len(items)).words


@check(
    "ids as {}",
    Transport.HTTP,
    RuleLevel.REQUIRED,
    rule=rules.JSON_ENCODING,
    remedy="traceId and spanId are hex, in any case of letters",
    over=("lower-case hex", "upper-case hex", "mixed-case hex"),
)
async def ids_in_hex(http: HttpClient, form: str) -> str:
    trace, span = samples.TRACE_ID.hex(), samples.SPAN_ID.hex()
    if form.startswith("upper"):
        trace, span = trace.upper(), span.upper()
    elif form.startswith("mixed"):
        trace, span = trace[:16].upper() + trace[16:], span.title()
    link = {"traceId": trace, "spanId": span}
    sent = samples.json_span(traceId=trace, spanId=span, parentSpanId=span, links=[link])
    answer = await http.send(HttpRequest("/v1/traces", samples.json_body("traces", sent), JSON))
    found = taken(answer, "traces", JSON)
    if found.rejected:
        raise BrokenError(found.words)
    return found.words


@check(
    "ids in base64 are no ids",
    Transport.HTTP,
    RuleLevel.RECOMMENDED,
    rule=rules.JSON_ENCODING,
    remedy="read traceId and spanId as hex only; refuse the record, or answer 400",
)
async def ids_in_base64(http: HttpClient) -> str:
    sent = samples.json_span(
        traceId=samples.base64_text(samples.TRACE_ID), spanId=samples.base64_text(samples.SPAN_ID)
    )
    answer = await http.send(HttpRequest("/v1/traces", samples.json_body("traces", sent), JSON))
    if answer.status == _BAD_REQUEST:
        return "400"
    found = taken(answer, "traces", JSON)
    if not found.rejected:
        raise BrokenError("taken without a word")
    return found.words


@check(
    "64-bit integers as {}",
    Transport.HTTP,
    RuleLevel.REQUIRED,
    rule=rules.JSON_ENCODING,
    remedy="accept decimal strings and numbers alike",
    over=("strings", "numbers"),
)
async def integers(http: HttpClient, form: str) -> str:
    point = samples.json_point()
    value: Any = -(2**40)
    times = {key: point[key] for key in ("startTimeUnixNano", "timeUnixNano")}
    if form == "strings":
        value = str(value)
    else:
        times = {key: int(text) for key, text in times.items()}
    count: Any = "2" if form == "strings" else 2
    metric = {"name": samples.GAUGE, "unit": "1", "gauge": {"dataPoints": [{**times, "asInt": value}]}}
    histogram = samples.json_histogram(count=count, bucketCounts=[count, "0" if form == "strings" else 0])
    return await _send(http, "metrics", metric, histogram)


@check(
    "doubles as {}",
    Transport.HTTP,
    RuleLevel.REQUIRED,
    rule=rules.PROTO3_JSON,
    remedy='"NaN", "Infinity", "-Infinity" and numbers in quotes are doubles',
    over=("NaN", "Infinity", "-Infinity", "1.5e-3", "a whole number"),
)
async def doubles(http: HttpClient, form: str) -> str:
    value: Any = 1 if form == "a whole number" else form
    return await _send(http, "metrics", samples.json_gauge(asDouble=value))


@check(
    "null is absent",
    Transport.HTTP,
    RuleLevel.REQUIRED,
    rule=rules.PROTO3_JSON,
    remedy="read null as if the field were not there, for every kind of field",
)
async def nulls(http: HttpClient) -> str:
    record = samples.json_log(traceId=None, spanId=None, attributes=None, severityText=None, flags=None)
    point = samples.json_gauge(asInt=None, attributes=None, exemplars=None, flags=None)
    request = samples.json_request("metrics", {**point, "description": None, "sum": None, "metadata": None})
    request["resourceMetrics"][0]["schemaUrl"] = None
    answer = await http.send(HttpRequest("/v1/metrics", json.dumps(request).encode(), JSON))
    taken(answer, "metrics", JSON)
    return await _send(http, "logs", record)


@check(
    "enums as integers",
    Transport.HTTP,
    RuleLevel.REQUIRED,
    rule=rules.JSON_ENCODING,
    remedy="kind, status.code, severityNumber and aggregationTemporality are integers",
)
async def enums(http: HttpClient) -> str:
    await _send(http, "traces", samples.json_span(kind=3, status={"code": 2, "message": "bad"}))
    total = {"aggregationTemporality": 2, "isMonotonic": True, "dataPoints": [samples.json_point()]}
    return await _send(http, "metrics", {"name": samples.SUM, "unit": "s", "sum": total})


@check(
    "enum numbers of later versions",
    Transport.HTTP,
    RuleLevel.RECOMMENDED,
    rule=rules.INTEROPERABILITY,
    remedy="enums of proto3 are open: keep, or ignore, a number that is not known",
)
async def unknown_enums(http: HttpClient) -> str:
    await _send(http, "logs", samples.json_log(severityNumber=99))
    return await _send(http, "traces", samples.json_span(kind=77))


@check(
    "unknown JSON fields",
    Transport.HTTP,
    RuleLevel.REQUIRED,
    rule=rules.JSON_ENCODING,
    remedy="ignore fields with unknown names at every depth, whatever they hold",
)
async def unknown_fields(http: HttpClient) -> str:
    gauge = samples.json_gauge(**_UNKNOWN)
    request = samples.json_request("metrics", {**gauge, **_UNKNOWN}) | _UNKNOWN
    request["resourceMetrics"][0]["resource"] |= _UNKNOWN
    answer = await http.send(HttpRequest("/v1/metrics", json.dumps(request).encode(), JSON))
    taken(answer, "metrics", JSON)
    return await _send(http, "traces", samples.json_span(**_UNKNOWN))


@check(
    "original field names are unknown ones",
    Transport.HTTP,
    RuleLevel.ADVICE,
    rule=rules.JSON_ENCODING,
    remedy="keys are lowerCamelCase only: ignore resource_spans as any unknown field",
)
async def original_names(http: HttpClient) -> str:
    answer = await http.send(HttpRequest("/v1/traces", b'{"resource_spans": 5}', JSON))
    return taken(answer, "traces", JSON, sent=0).words


@check(
    "bytes in base64",
    Transport.HTTP,
    RuleLevel.REQUIRED,
    rule=rules.PROTO3_JSON,
    remedy="bytesValue is base64",
)
async def base64_values(http: HttpClient) -> str:
    return await _send_bytes(http, "+/8=", "")


@check(
    "bytes in base64url, and unpadded",
    Transport.HTTP,
    RuleLevel.RECOMMENDED,
    rule=rules.PROTO3_JSON,
    remedy="accept both alphabets of base64, with and without padding",
)
async def base64url_values(http: HttpClient) -> str:
    return await _send_bytes(http, "-_8=", "-_8", "+/8")


async def _send_bytes(http: HttpClient, *texts: str) -> str:
    values = [{"bytesValue": text} for text in texts]
    attributes = [{"key": f"k{index}", "value": value} for index, value in enumerate(values)]
    return await _send(http, "logs", samples.json_log(attributes=attributes, body=values[0]))


@check(
    "all kinds of values in JSON",
    Transport.HTTP,
    RuleLevel.REQUIRED,
    rule=rules.ATTRIBUTES,
    remedy="intValue is a string or a number; arrays may be mixed or empty; maps nest",
)
async def all_values(http: HttpClient) -> str:
    values: list[dict[str, Any]] = [
        {"stringValue": "\u00fc \U0001f573"},
        {"boolValue": False},
        {"intValue": "9223372036854775807"},
        {"intValue": -5},
        {"doubleValue": 1},
        {"arrayValue": {}},
        {"arrayValue": {"values": [{"intValue": "1"}, {"stringValue": "a"}, {}]}},
        {"kvlistValue": {"values": [{"key": "k", "value": {"kvlistValue": {"values": []}}}]}},
        {},
    ]
    attributes = [{"key": f"k{index}", "value": value} for index, value in enumerate(values)]
    await _send(http, "traces", samples.json_span(attributes=attributes))
    for value in values:
        seen = await _send(http, "logs", samples.json_log(body=value))
    return seen


@check(
    "escapes and white space",
    Transport.HTTP,
    RuleLevel.REQUIRED,
    rule=rules.PROTO3_JSON,
    remedy="read JSON with a JSON parser: escaped letters in keys, any white space",
)
async def escapes(http: HttpClient) -> str:
    body = json.dumps(samples.json_request("logs"), indent=2).replace("body", "\\u0062ody")
    answer = await http.send(HttpRequest("/v1/logs", f"\r\n\t {body} \n".encode(), JSON))
    return taken(answer, "logs", JSON).words


@check(
    "{} is refused",
    Transport.HTTP,
    RuleLevel.REQUIRED,
    rule=rules.BAD_DATA,
    remedy="what cannot be read as the message is 400",
    over=(
        "a JSON list",
        "JSON that ends early",
        "text where a number belongs",
        "a number where a list belongs",
    ),
)
async def not_the_message(http: HttpClient, form: str) -> str:
    body = {
        "a JSON list": b"[]",
        "JSON that ends early": samples.json_body("metrics")[:-9],
        "text where a number belongs": samples.json_body("metrics", samples.json_gauge(timeUnixNano="soon")),
        "a number where a list belongs": b'{"resourceMetrics": 5}',
    }[form]
    return refused(await http.send(HttpRequest("/v1/metrics", body, JSON)), 400)


@check(
    "an integer beyond 64 bits is refused",
    Transport.HTTP,
    RuleLevel.RECOMMENDED,
    rule=rules.PROTO3_JSON,
    remedy="answer 400: a value that does not fit must not become another",
)
async def too_large_integer(http: HttpClient) -> str:
    body = samples.json_body("metrics", samples.json_gauge(timeUnixNano=str(2**64)))
    return refused(await http.send(HttpRequest("/v1/metrics", body, JSON)), 400)
