"""Spans and log records become counts and durations, and nothing that names anybody."""

from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from tests.core.support import KEY, NOW, Script, attributes, histograms, points, table

from blackhole import _core

MILLISECOND = 1_000_000


def distill(message: ExportTraceServiceRequest | ExportLogsServiceRequest) -> tuple[_core.Outcome, Script]:
    decoder, script, body = _core.Decoder(KEY), Script(), message.SerializeToString()
    traces = isinstance(message, ExportTraceServiceRequest)
    batch = (decoder.traces if traces else decoder.logs)(body, "protobuf", NOW)
    return table().apply(batch, script, now_ns=NOW, oldest_ns=0, newest_ns=NOW), script


def spans(*sent: Span, service: str = "shop") -> ExportTraceServiceRequest:
    message = ExportTraceServiceRequest()
    resource = message.resource_spans.add()
    resource.resource.attributes.extend(attributes({"service.name": service, "host.name": "canary"}))
    resource.scope_spans.add().spans.extend(sent)
    return message


def logs(*sent: LogRecord) -> ExportLogsServiceRequest:
    message = ExportLogsServiceRequest()
    message.resource_logs.add().scope_logs.add().log_records.extend(sent)
    return message


def span(milliseconds: float, **pairs: str) -> Span:
    named = {key.replace("_", "."): value for key, value in pairs.items()}
    end = NOW + int(milliseconds * MILLISECOND)
    return Span(
        name="canary",
        trace_id=bytes(range(16)),
        span_id=bytes(range(8)),
        trace_state="canary",
        kind=Span.SPAN_KIND_SERVER,
        start_time_unix_nano=NOW,
        end_time_unix_nano=end,
        attributes=attributes({**named, "url.path": "/canary"}),
        events=[Span.Event(name="canary")],
        status=Status(message="canary", code=Status.STATUS_CODE_ERROR),
    )


def row(outcome: _core.Outcome, script: Script, metric: str) -> dict[str, Any]:
    [number] = [script.streams[new.key] for new in script.seen if new.metric == metric]
    [found] = [found for found in [*points(outcome), *histograms(outcome)] if found["series"] == number]
    return found


def test_spans_are_counted_and_timed() -> None:
    outcome, script = distill(
        spans(span(2, rpc_system="grpc"), span(2.5, rpc_system="grpc"), span(20_000, rpc_system="grpc"))
    )
    assert (outcome.accepted, outcome.rejected) == (3, 0)
    assert row(outcome, script, "traces.span.metrics.calls")["value"] == 3
    duration = row(outcome, script, "traces.span.metrics.duration")
    assert (duration["count"], duration["sum"], duration["min"], duration["max"]) == (3, 20_004.5, 2, 20_000)
    # The bounds around the buckets that were met, and no others.
    assert duration["bounds"] == [1.95, 2.0, 2.4, 2.5, 19_500.0, 20_000.0]
    assert duration["buckets"] == [0, 1, 0, 1, 0, 1, 0]
    assert duration["time"] == NOW


def test_only_names_of_operations_are_kept() -> None:
    kept = {"rpc_system": "grpc", "rpc_service": "S", "rpc_method": "M", "http_request_method": "GET"}
    _, script = distill(spans(span(1, **kept, http_route="/r", db_system_name="db", messaging_system="mq")))
    assert {new.metric for new in script.seen} == {
        "traces.span.metrics.calls",
        "traces.span.metrics.duration",
    }
    for new in script.seen:
        assert new.resource == {"service.name": "shop"}
        assert new.attributes == {
            "span.kind": "SPAN_KIND_SERVER",
            "status.code": "STATUS_CODE_ERROR",
            "rpc.system": "grpc",
            "rpc.service": "S",
            "rpc.method": "M",
            "http.request.method": "GET",
            "http.route": "/r",
            "db.system.name": "db",
            "messaging.system": "mq",
        }
        assert "canary" not in repr((new.attributes, new.resource, new.scope))


def test_spans_without_times_are_counted_but_not_timed() -> None:
    backwards = span(-0.5)
    outcome, script = distill(spans(Span(), backwards))
    assert outcome.accepted == 2
    assert {new.metric for new in script.seen} == {"traces.span.metrics.calls"}


@pytest.mark.parametrize("broken", [Span(trace_id=b"x"), Span(span_id=bytes(9))])
def test_a_broken_id_costs_the_span_only(broken: Span) -> None:
    outcome, _ = distill(spans(span(1), broken))
    assert (outcome.accepted, outcome.rejected) == (1, 1)
    assert outcome.refusals == [("traces.span.metrics.calls", _core.MALFORMED_POINT, 1)]


def test_too_many_groups_become_other() -> None:
    outcome, script = distill(spans(*(span(1, http_route=f"/{number}") for number in range(2_500))))
    assert outcome.accepted == 2_500
    calls = [new for new in script.seen if new.metric == "traces.span.metrics.calls"]
    assert len(calls) == 2_001
    [rest] = [new for new in calls if new.attributes["http.route"] == "other"]
    assert {found["value"] for found in points(outcome) if found["series"] == script.streams[rest.key]} == {
        500
    }


def test_two_requests_at_one_moment_both_count() -> None:
    batch = _core.Decoder(KEY).traces(spans(span(1)).SerializeToString(), "protobuf", NOW)
    known, script = table(), Script()
    outcomes = [known.apply(batch, script, now_ns=NOW, oldest_ns=0, newest_ns=NOW) for _ in range(2)]
    assert [outcome.columns.points for outcome in outcomes] == [1, 1]


@pytest.mark.parametrize(
    ("number", "severity"),
    [
        (0, "UNSPECIFIED"),
        (1, "TRACE"),
        (4, "TRACE"),
        (5, "DEBUG"),
        (9, "INFO"),
        (16, "WARN"),
        (17, "ERROR"),
        (24, "FATAL"),
    ],
)
def test_logs_are_counted_by_severity(number: int, severity: str) -> None:
    record = LogRecord(severity_number=number, severity_text="canary")  # type: ignore[arg-type]
    record.body.string_value = "canary"
    outcome, script = distill(logs(record, record))
    [new] = script.seen
    assert (new.metric, new.unit, new.attributes) == ("log.record.count", "{record}", {"severity": severity})
    assert [found["value"] for found in points(outcome)] == [2]


def test_events_keep_their_name() -> None:
    named = LogRecord(event_name="page.view", attributes=attributes({"event.name": "older"}))
    older = LogRecord(attributes=attributes({"event.name": "older"}))
    _, script = distill(logs(named, older))
    assert sorted(str(new.attributes["event.name"]) for new in script.seen) == ["older", "page.view"]


def test_a_refused_metric_rejects_every_span_once() -> None:
    batch = _core.Decoder(KEY).traces(spans(span(1), span(2)).SerializeToString(), "protobuf", NOW)
    outcome = table().apply(batch, Script(rule=101), now_ns=NOW, oldest_ns=0, newest_ns=NOW)
    assert (outcome.accepted, outcome.rejected) == (0, 2)
    assert sorted(outcome.refusals) == [
        ("traces.span.metrics.calls", 101, 2),
        ("traces.span.metrics.duration", 101, 0),
    ]
