"""The walk over the wire bytes, against the official protobuf package."""

import random
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from tests.core.requests import metric_requests
from tests.core.support import (
    KEY,
    NOW,
    Script,
    apply,
    attributes,
    counter,
    gauge,
    histograms,
    point,
    points,
    request,
    some,
    table,
    values,
)
from tests.core.wire import REQUEST, field, shuffled

from blackhole import _core


def by_key(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    return {pair.key: plain(pair.value) for pair in sorted(pairs, key=lambda pair: pair.key)}


def plain(value: AnyValue) -> Any:
    match value.WhichOneof("value"):
        case None:
            return None
        case "array_value":
            return [plain(item) for item in value.array_value.values]
        case "kvlist_value":
            return by_key(value.kvlist_value.values)
        case name:
            return getattr(value, name)


def outcome_of(body: bytes) -> tuple[Any, ...]:
    script = Script()
    outcome = apply(table(), body, script)
    series = {new.key: (new.metric, new.kind, repr(new.attributes)) for new in script.seen}
    rows = sorted(map(repr, points(outcome))), sorted(map(repr, histograms(outcome)))
    return outcome.accepted, outcome.rejected, sorted(outcome.refusals), series, rows


@some
@given(metric_requests())
def test_series_are_what_protobuf_reads(message: ExportMetricsServiceRequest) -> None:
    script = Script()
    outcome = apply(table(), message, script)
    expected = []
    sent = 0
    for resource in message.resource_metrics:
        service = by_key(resource.resource.attributes)
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                data = getattr(metric, metric.WhichOneof("data") or "", None)
                sent += len(data.data_points) if data else 0
                if not data or not metric.name or getattr(data, "aggregation_temporality", 1) == 0:
                    continue
                for number in data.data_points:
                    found = by_key(number.attributes)
                    expected.append(repr((metric.name, metric.unit, service, scope.scope.name, found)))
    seen = {repr((new.metric, new.unit, new.resource, new.scope[0], new.attributes)) for new in script.seen}
    assert seen == set(expected)
    assert outcome.accepted + outcome.rejected == sent


@some
@given(metric_requests(), st.randoms(use_true_random=False), st.booleans())
def test_order_of_fields_does_not_matter(
    message: ExportMetricsServiceRequest, chance: random.Random, unknown: bool
) -> None:
    body = message.SerializeToString()
    mixed = shuffled(body, REQUEST, chance, unknown=unknown)
    assert ExportMetricsServiceRequest.FromString(mixed)
    assert outcome_of(mixed) == outcome_of(body)


@some
@given(metric_requests(), st.integers(min_value=0))
def test_a_truncated_request_is_refused_like_protobuf_does(
    message: ExportMetricsServiceRequest, cut: int
) -> None:
    body = message.SerializeToString()
    body = body[: cut % (len(body) + 1)]
    try:
        ExportMetricsServiceRequest.FromString(body)
    except DecodeError:
        with pytest.raises(_core.DecodeError):
            _core.Decoder(KEY).metrics(body, "protobuf")
    else:
        apply(table(), body, Script())


@some
@given(
    metric_requests(),
    st.lists(st.tuples(st.integers(min_value=0), st.integers(0, 255)), min_size=1, max_size=5),
)
def test_broken_bytes_are_refused_or_read_but_never_more(
    message: ExportMetricsServiceRequest, changes: list[tuple[int, int]]
) -> None:
    body = bytearray(message.SerializeToString() or b"\x00")
    for where, byte in changes:
        body[where % len(body)] = byte
    with suppress(_core.DecodeError):
        apply(table(), bytes(body), Script())


@some
@given(st.binary(max_size=300), st.sampled_from(["protobuf", "json"]))
def test_random_bytes_do_no_harm(body: bytes, encoding: str) -> None:
    decoder = _core.Decoder(KEY)
    for decode in (
        decoder.metrics,
        lambda body, encoding: decoder.traces(body, encoding, NOW),
        lambda body, encoding: decoder.logs(body, encoding, NOW),
    ):
        with suppress(_core.DecodeError):
            batch = decode(body, encoding)
            table().apply(batch, Script(), now_ns=NOW, oldest_ns=0, newest_ns=NOW)


def test_every_prefix_of_a_request_is_survived() -> None:
    body = request(counter(point(1, NOW, a="b")), gauge(point(2.5, NOW))).SerializeToString()
    for end in range(len(body)):
        try:
            apply(table(), body[:end], Script())
        except _core.DecodeError:
            continue


def test_order_of_attributes_makes_no_new_series() -> None:
    pairs = {"a": "1", "b": "2", "c": "3"}
    backwards = dict(reversed(pairs.items()))
    known, script = table(), Script()
    apply(known, request(gauge(point(1.0, NOW, 0, **pairs))), script)
    outcome = apply(known, request(gauge(point(2.0, NOW + 1, 0, **backwards))), script)
    assert (len(known), len(script.seen)) == (1, 1)
    assert values(outcome) == [2.0]


def test_the_last_kind_of_data_wins() -> None:
    first, second = counter(point(1, NOW)), gauge(point(2.0, NOW), point(3.0, NOW + 1))
    body = field(2, first.SerializeToString() + second.SerializeToString())
    script = Script()
    outcome = apply(table(), field(1, field(2, body)), script)
    assert values(outcome) == [2.0, 3.0]
    assert {new.kind for new in script.seen} == {_core.GAUGE}


def test_repeated_messages_merge() -> None:
    part = [field(1, field(1, pair.SerializeToString())) for pair in attributes({"a": "1", "b": "2"})]
    metric = gauge(point(1.0, NOW)).SerializeToString()
    halves = metric + gauge(point(2.0, NOW + 1)).SerializeToString()
    body = field(1, part[0] + field(2, field(2, halves)) + part[1])
    script = Script()
    assert values(apply(table(), body, script)) == [1.0, 2.0]
    assert script.seen[0].resource == {"a": "1", "b": "2"}


def test_unreadable_attributes_cost_the_point_only() -> None:
    broken = field(7, b"\x0a\x01\xff") + b"\x31" + bytes(8)
    deep = AnyValue()
    value = deep
    for _ in range(40):
        value = value.array_value.values.add()
    nested = field(7, field(1, b"k") + field(2, deep.SerializeToString())) + b"\x31" + bytes(8)
    data = field(1, broken) + field(1, nested) + field(1, b"\x31" + bytes(8))
    body = field(1, field(2, field(2, field(1, b"m") + field(5, data))))
    outcome = apply(table(), body, Script())
    assert (outcome.accepted, outcome.rejected) == (1, 2)
    assert outcome.refusals == [("m", _core.MALFORMED_POINT, 2)]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_metric_whose_texts_are_no_utf_8_costs_its_points_only(number: int) -> None:
    data = field(5, field(1, b"\x31" + bytes(8)) * 2)
    bad = field(2, field(number, b"\xff") + (field(1, b"bad") if number > 1 else b"") + data)
    good = field(2, field(1, b"good") + data)
    outcome = apply(table(), field(1, field(2, bad + good)), Script())
    assert (outcome.accepted, outcome.rejected) == (2, 2)
    assert outcome.refusals == [("bad" if number > 1 else "", _core.NOT_TEXT, 2)]


def test_metrics_that_say_too_little_are_named() -> None:
    nameless, timeless, empty = (
        gauge(point(1.0, NOW), name=""),
        counter(point(1, NOW), temporality=0),
        gauge(name="e"),
    )
    empty.ClearField("data")
    outcome = apply(table(), request(nameless, timeless, empty), Script())
    assert outcome.rejected == 2
    assert sorted(outcome.refusals) == [
        ("", _core.EMPTY_METRIC, 1),
        ("e", _core.EMPTY_METRIC, 0),
        ("jobs", _core.NO_TEMPORALITY, 1),
    ]


def test_wrong_encodings_and_keys_are_mistakes_of_the_caller() -> None:
    with pytest.raises(ValueError, match="encoding"):
        _core.Decoder(KEY).metrics(b"", "xml")
    with pytest.raises(ValueError, match="16"):
        _core.Decoder(b"short")


def test_a_request_of_nothing_but_empty_points_is_bounded() -> None:
    body = field(1, field(2, field(2, field(1, b"m") + field(5, b"\x0a\x00" * 500_001))))
    with pytest.raises(_core.DecodeError, match="too many"):
        _core.Decoder(KEY).metrics(body, "protobuf")


def test_no_repr_shows_what_was_sent() -> None:
    script = Script()
    batch = _core.Decoder(KEY).metrics(
        request(gauge(point(1.0, NOW, canary="s"))).SerializeToString(), "protobuf"
    )
    outcome = table().apply(batch, script, now_ns=NOW, oldest_ns=0, newest_ns=NOW)
    shown = repr((batch, outcome, outcome.columns, script.seen, _core.Treatment.window(1, b"canary")))
    assert "canary" not in shown
    assert "heat" not in shown
