"""Checks that every legal form of telemetry is taken, and that one bad record costs only itself."""

import time
from collections.abc import Callable

from blackhole.conformance import rules, samples
from blackhole.conformance.answers import taken
from blackhole.conformance.check import NotSeenError, RuleLevel, Transport, check
from blackhole.conformance.http import PROTOBUF, HttpClient, HttpRequest
from blackhole.conformance.samples import CUMULATIVE, DELTA, SECOND
from blackhole.conformance.wire import (
    double,
    fixed32,
    fixed64,
    nested,
    number,
    packed_doubles,
    packed_fixed64,
    text,
    varint,
    zigzag,
)

_Build = Callable[[], bytes]
_HISTOGRAM = (double(5, 1.5), packed_fixed64(6, 1, 1, 1), packed_doubles(7, 0.1, 1.0))
_LEGAL = "a legal form: take it, or say in partial_success why not; never a 4xx for the whole request"

_METRICS: dict[str, tuple[str, _Build]] = {
    "gauge": (rules.GAUGE, samples.gauge),
    "cumulative monotonic sum": (rules.SUMS, lambda: samples.total(temporality=CUMULATIVE)),
    "delta sum": (rules.SUMS, lambda: samples.total(temporality=DELTA)),
    "non-monotonic sum": (rules.SUMS, lambda: samples.total(temporality=CUMULATIVE, monotonic=False)),
    "histogram": (rules.HISTOGRAM, samples.full_histogram),
    "cumulative histogram": (rules.HISTOGRAM, lambda: samples.histogram(*_HISTOGRAM, temporality=CUMULATIVE)),
    "histogram without buckets": (rules.HISTOGRAM, lambda: samples.histogram(double(5, 1.5))),
    "histogram without sum, min and max": (rules.HISTOGRAM, lambda: samples.histogram(*_HISTOGRAM[1:])),
    "exponential histogram": (rules.EXPONENTIAL, samples.exponential),
    "exponential histogram, negative scale": (
        rules.EXPONENTIAL,
        lambda: samples.exponential(
            number(6, zigzag(-10)), nested(9, number(1, zigzag(2)), nested(2, varint(3)))
        ),
    ),
    "summary": (rules.SUMMARY, samples.summary),
    "a point without a value": (
        rules.NO_VALUE,
        lambda: samples.gauge(fixed64(3, time.time_ns()) + number(8, 1)),
    ),
    "a point with exemplars": (
        rules.GAUGE,
        lambda: samples.gauge(
            samples.number_point(
                nested(5, fixed64(2, time.time_ns()), double(3, 1.0), nested(4, samples.SPAN_ID))
            )
        ),
    ),
    "a metric without points": (rules.ENVELOPES, lambda: text(1, samples.GAUGE) + nested(5)),
}


async def _takes(http: HttpClient, signal: str, body: bytes, *, sent: int = 1) -> str:
    return taken(await http.send(HttpRequest(f"/v1/{signal}", body)), signal, PROTOBUF, sent=sent).words


async def _takes_metric(http: HttpClient, form: str) -> str:
    return await _takes(http, "metrics", samples.metrics(_METRICS[form][1]()))


for _name, (_rule, _) in _METRICS.items():
    check("{}", Transport.HTTP, RuleLevel.REQUIRED, rule=_rule, remedy=_LEGAL, over=[_name])(_takes_metric)


@check(
    "attributes of every kind",
    Transport.HTTP,
    RuleLevel.REQUIRED,
    rule=rules.ATTRIBUTES,
    remedy=_LEGAL,
)
async def attributes(http: HttpClient) -> str:
    array = nested(5, nested(1, text(1, "a")), nested(1, number(3, 1)), nested(1))
    pairs = nested(6, nested(1, samples.attribute("k", number(2, 1))))
    plain = (text(1, ""), number(2, 0), number(3, -1), double(4, 0.5), nested(7, b"\xff"))
    values = (*plain, array, nested(5), pairs, nested(6), b"")
    all_kinds = [samples.attribute(f"k{index}", value) for index, value in enumerate(values)]
    point = samples.number_point(*(nested(7, one) for one in all_kinds))
    await _takes(http, "metrics", samples.metrics(samples.gauge(point)))
    span = samples.span(*(nested(9, one) for one in all_kinds))
    return await _takes(http, "traces", samples.traces(span))


@check(
    "the same request twice",
    Transport.HTTP,
    RuleLevel.REQUIRED,
    rule=rules.DUPLICATES,
    remedy="senders repeat what was not acknowledged: it is no error",
)
async def twice(http: HttpClient) -> str:
    body = samples.metrics(samples.total(temporality=CUMULATIVE))
    first = await _takes(http, "metrics", body)
    return f"{first}, then {await _takes(http, 'metrics', body)}"


@check(
    "points late and out of order",
    Transport.HTTP,
    RuleLevel.REQUIRED,
    rule=rules.SUMS,
    remedy=_LEGAL,
)
async def out_of_order(http: HttpClient) -> str:
    now = time.time_ns()
    times = (now, now - 90 * SECOND, now - 30 * SECOND)
    points = [fixed64(2, now - 100 * SECOND) + fixed64(3, at) + double(4, 1.0) for at in times]
    return await _takes(http, "metrics", samples.metrics(samples.gauge(*points)), sent=3)


@check(
    "a span with events, links and status",
    Transport.HTTP,
    RuleLevel.REQUIRED,
    rule=rules.SPAN,
    remedy=_LEGAL,
)
async def full_span(http: HttpClient) -> str:
    event = nested(11, fixed64(1, time.time_ns()), text(2, "exception"))
    link = nested(13, nested(1, samples.TRACE_ID), nested(2, samples.SPAN_ID), fixed32(6, 0x101))
    status = nested(15, text(2, "failed"), number(3, 2))
    more = (text(3, "vendor=1"), nested(4, samples.SPAN_ID), event, link, status, fixed32(16, 0x301))
    return await _takes(http, "traces", samples.traces(samples.span(*more)))


@check(
    "a log record with only an observed time",
    Transport.HTTP,
    RuleLevel.REQUIRED,
    rule=rules.LOG_RECORD,
    remedy="Timestamp is optional: use ObservedTimestamp where it is 0",
)
async def observed_log(http: HttpClient) -> str:
    return await _takes(http, "logs", samples.logs(samples.log(fixed64(11, time.time_ns()), timed=False)))


@check(
    "a log record with any body, and events",
    Transport.HTTP,
    RuleLevel.REQUIRED,
    rule=rules.LOG_RECORD,
    remedy="the body is any value, or none; event_name marks events",
)
async def log_bodies(http: HttpClient) -> str:
    pairs = nested(6, nested(1, samples.attribute("k", text(1, "v"))))
    bodies = (pairs, nested(7, b"\x00\xff"), double(4, 1.5), b"")
    records = [samples.log(text(12, "device.started"), body=body) for body in bodies]
    return await _takes(http, "logs", samples.logs(*records), sent=len(records))


async def _good_beside_bad(http: HttpClient, signal: str, body: bytes) -> str:
    answer = await http.send(HttpRequest(f"/v1/{signal}", body))
    found = taken(answer, signal, PROTOBUF, sent=2)
    if found.rejected > 1:
        raise NotSeenError(f"both were rejected: {found.words}")
    return found.words


@check(
    "a sum without temporality costs only itself",
    Transport.HTTP,
    RuleLevel.RECOMMENDED,
    rule=rules.TEMPORALITY,
    remedy="reject that metric in partial_success and take the rest",
)
async def bad_temporality(http: HttpClient) -> str:
    bad = samples.total(temporality=0)
    return await _good_beside_bad(http, "metrics", samples.metrics(samples.gauge(), bad))


@check(
    "a histogram with too few bounds costs only itself",
    Transport.HTTP,
    RuleLevel.RECOMMENDED,
    rule=rules.HISTOGRAM,
    remedy="bucket_counts has one entry more than bounds: reject that point and take the rest",
)
async def bad_buckets(http: HttpClient) -> str:
    bad = samples.histogram(packed_fixed64(6, 1, 1, 1), packed_doubles(7, 0.1))
    return await _good_beside_bad(http, "metrics", samples.metrics(samples.gauge(), bad))


@check(
    "a span with a bad id costs only itself",
    Transport.HTTP,
    RuleLevel.RECOMMENDED,
    rule=rules.SPAN,
    remedy="reject that span in partial_success and take the rest",
)
async def bad_id(http: HttpClient) -> str:
    bad = samples.span(trace_id=b"abc")
    return await _good_beside_bad(http, "traces", samples.traces(samples.span(), bad))
