"""OTLP/JSON means what the same request in protobuf means."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from tests.core.otlp_json import to_json
from tests.core.requests import metric_requests
from tests.core.support import KEY, NOW, Script, apply, histograms, points, some, table

from blackhole import _core

EXAMPLES = Path(__file__).parents[1] / "golden" / "otlp-examples"


def outcome_of(body: bytes, encoding: str) -> tuple[Any, ...]:
    script = Script()
    outcome = apply(table(), body, script, encoding=encoding)
    series = {new.key: repr((new.metric, new.attributes, new.resource, new.scope)) for new in script.seen}
    rows = [repr(row) for row in [*points(outcome), *histograms(outcome)]]
    return outcome.accepted, outcome.rejected, outcome.refusals, series, rows, script.metrics


@some
@given(metric_requests())
def test_both_encodings_have_one_outcome(message: ExportMetricsServiceRequest) -> None:
    body = json.dumps(to_json(message)).encode()
    assert outcome_of(body, "json") == outcome_of(message.SerializeToString(), "protobuf")


def gauge(**point: Any) -> bytes:
    metric = {"name": "heat", "gauge": {"dataPoints": [point]}}
    return json.dumps({"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]}).encode()


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        ({"asInt": 5}, 5.0),
        ({"asInt": "5"}, 5.0),
        ({"asInt": "-9223372036854775808"}, -(2.0**63)),
        ({"asInt": 5.0}, 5.0),
        ({"asInt": "5e2"}, 500.0),
        ({"asInt": 0}, 0.0),
        ({"asDouble": "Infinity"}, float("inf")),
        ({"asDouble": "-Infinity"}, float("-inf")),
        ({"asDouble": "2.5"}, 2.5),
        ({"asDouble": 3}, 3.0),
        ({"asDouble": 1.5, "asInt": None}, 1.5),
        ({"asDouble": 1.5, "attributes": None, "flags": None, "unheardOf": {"a": [1, {}]}}, 1.5),
    ],
)
def test_numbers_come_in_many_forms(point: dict[str, Any], expected: float) -> None:
    outcome = apply(table(), gauge(**point), Script(), encoding="json")
    assert [row["value"] for row in points(outcome)] == [expected]


def test_nan_is_no_value() -> None:
    outcome = apply(table(), gauge(asDouble="NaN"), Script(), encoding="json")
    assert (outcome.accepted, outcome.columns.points) == (1, 0)


@pytest.mark.parametrize(
    "point",
    [
        {"asInt": "five"},
        {"asInt": 1.5},
        {"asInt": "9223372036854775808"},
        {"asInt": True},
        {"asDouble": "much"},
        {"timeUnixNano": -1},
        {"flags": {}},
        {"attributes": {}},
        {"attributes": [{"key": 1}]},
        {"attributes": [{"key": "k", "value": {"bytesValue": "?"}}]},
    ],
)
def test_wrong_shapes_are_refused_without_a_quote(point: dict[str, Any]) -> None:
    with pytest.raises(_core.DecodeError, match=r"^not a JSON request: line 1, column \d+$"):
        _core.Decoder(KEY).metrics(gauge(**point), "json")


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b"{}x", b'"{}"', b"{" * 1000, b"[" * 100_000])
def test_what_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(_core.DecodeError):
        _core.Decoder(KEY).metrics(body, "json")


@pytest.mark.parametrize("text", ["AQ==", "AQ", "_w", "/w=="])
def test_bytes_are_base64_of_any_sort(text: str) -> None:
    script = Script()
    pair = {"key": "k", "value": {"bytesValue": text}}
    apply(table(), gauge(asInt=1, attributes=[pair]), script, encoding="json")
    assert script.seen[0].attributes["k"] in (b"\x01", b"\xff")


@pytest.mark.parametrize("temporality", [2, "AGGREGATION_TEMPORALITY_CUMULATIVE", "2"])
def test_enums_are_numbers_or_names(temporality: int | str) -> None:
    total = {"dataPoints": [{"asInt": 1}], "aggregationTemporality": temporality, "isMonotonic": True}
    body = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "n", "sum": total}]}]}]}
    script = Script()
    if temporality == "2":
        with pytest.raises(_core.DecodeError):
            apply(table(), json.dumps(body).encode(), script, encoding="json")
        return
    apply(table(), json.dumps(body).encode(), script, encoding="json")
    assert [(new.kind, new.cumulative) for new in script.seen] == [(_core.COUNTER, True)]


@pytest.mark.parametrize("trace", ["5b8efff798038103d269b633813fc60c", "5B8EFFF798038103D269B633813FC60C"])
def test_ids_are_hexadecimal(trace: str) -> None:
    spans = [{"traceId": trace, "spanId": "EEE19B7EC3C1B174"}, {"traceId": "xyz"}, {"traceId": trace[:-2]}]
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).encode()
    batch = _core.Decoder(KEY).traces(body, "json", NOW)
    outcome = table().apply(batch, Script(), now_ns=NOW, oldest_ns=0, newest_ns=NOW)
    assert (batch.points, outcome.accepted, outcome.rejected) == (3, 1, 2)


@pytest.mark.parametrize(
    ("name", "items", "names"),
    [
        ("metrics", 4, {"my.counter", "my.gauge", "my.histogram", "my.exponential.histogram"}),
        ("trace", 1, {"traces.span.metrics.calls", "traces.span.metrics.duration"}),
        ("logs", 1, {"log.record.count"}),
        ("events", 1, {"log.record.count"}),
    ],
)
def test_the_specifications_own_examples(name: str, items: int, names: set[str]) -> None:
    body = (EXAMPLES / f"{name}.json").read_bytes()
    decoder, script = _core.Decoder(KEY), Script()
    batch = {
        "metrics": lambda: decoder.metrics(body, "json"),
        "trace": lambda: decoder.traces(body, "json", NOW),
    }.get(name, lambda: decoder.logs(body, "json", NOW))()
    far = 2**62
    outcome = table().apply(batch, script, now_ns=far, oldest_ns=0, newest_ns=far)
    assert (batch.points, outcome.accepted, outcome.rejected, outcome.refusals) == (items, items, 0, [])
    assert {new.metric for new in script.seen} == names
    assert {new.resource["service.name"] for new in script.seen} == {"my.service"}
