"""Spans and log records that are kept: stored with their counts, deleted when their time is over."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from blackhole.catalogue.load import load
from blackhole.config import Config, Duration
from blackhole.decode import Decoder
from blackhole.guard.engine import Guard, StoredState
from blackhole.model.batch import GuardedBatch
from blackhole.model.signals import Encoding, Payload, Signal
from blackhole.privacy.ledger import Clocks
from blackhole.query.sandbox import run
from blackhole.store.database import Database
from blackhole.store.upkeep.raw_records import MOST_LOGS, MOST_SPANS, RawRecordRetention
from blackhole.store.writer import Writer

SECOND = 10**9
START = 1_800_000_000 * SECOND


class Bench:
    """Decoder, guard and store of a service whose clock stands until it is moved."""

    def __init__(self, path: Path) -> None:
        self.now = START
        self.database = Database.open(path / "a.duckdb", clock=lambda: self.now)
        self.decoder = Decoder(bytes(16), clock_ns=lambda: self.now, keep_spans=True, keep_logs=True)
        self.guard = Guard(
            load(),
            Config(),
            StoredState(START, recall=self.database.recall),
            Clocks(lambda: self.now),
        )
        self.writer = Writer(self.database, commit_wait=0, batch_size=1, max_pending_rows=100_000)
        self.writer.start()

    def guarded(self, payload: Payload) -> GuardedBatch:
        batch = self.decoder.decode(payload)
        return self.guard.judge(batch, self.guard.scrub(batch.bodies)).batch

    def send(self, *payloads: Payload) -> None:
        for done in [self.writer.submit(self.guarded(payload)) for payload in payloads]:
            done.result(10)

    def rows(self, sql: str) -> list[list[object]]:
        return run(self.database, sql).rows

    def keeper(
        self, spans: float = 60, logs: float = 60, most_spans: int = MOST_SPANS, most_logs: int = MOST_LOGS
    ) -> RawRecordRetention:
        config = Config(keep_spans=Duration(spans), keep_logs=Duration(logs))
        return RawRecordRetention(self.database, config, most_spans=most_spans, most_logs=most_logs)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.writer.close(5)
    made.database.close()


def spans(*numbers: int, time: int = START) -> Payload:
    message = ExportTraceServiceRequest()
    resource = message.resource_spans.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "shop"
    scope = resource.scope_spans.add()
    for number in numbers:
        span = scope.spans.add(name="canary", kind=2, trace_id=bytes(15) + b"t")
        span.span_id = number.to_bytes(8, "big")
        span.parent_span_id = bytes(7) + b"p"
        span.start_time_unix_nano, span.end_time_unix_nano = time, time + 2_500_000
        span.attributes.add(key="http.route").value.string_value = "/users/{id}"
        span.attributes.add(key="user.id").value.string_value = "canary"
    return Payload(Signal.TRACES, Encoding.PROTOBUF, message.SerializeToString())


def logs(*bodies: str, time: int = START) -> Payload:
    message = ExportLogsServiceRequest()
    resource = message.resource_logs.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "shop"
    scope = resource.scope_logs.add()
    for body in bodies:
        record = scope.log_records.add(time_unix_nano=time, severity_number=9, event_name="page.view")
        record.body.string_value = body
    return Payload(Signal.LOGS, Encoding.PROTOBUF, message.SerializeToString())


def test_a_span_is_kept_with_its_allowed_attributes_and_no_other(bench: Bench) -> None:
    bench.send(spans(1))
    [row] = bench.rows("SELECT timestamp, service, kind, status, duration_ms, attributes FROM spans")
    assert row[:5] == ["2027-01-15T08:00:00Z", "shop", "SPAN_KIND_SERVER", "STATUS_CODE_UNSET", 2.5]
    assert json.loads(str(row[5])) == {
        "http.route": "/users/{id}",
        "service.name": "shop",
        "span.kind": "SPAN_KIND_SERVER",
        "status.code": "STATUS_CODE_UNSET",
    }


def test_spans_of_one_trace_can_be_joined_by_ids_that_are_not_the_senders(bench: Bench) -> None:
    bench.send(spans(1, 2))
    [(traces, ids, parents)] = bench.rows(
        "SELECT count(DISTINCT trace), count(DISTINCT span), count(DISTINCT parent) FROM spans"
    )
    assert (traces, ids, parents) == (1, 2, 1)
    sent = [(bytes(15) + b"t").hex(), f"{1:016x}", "1", (bytes(7) + b"p").hex()]
    told = [value for row in bench.rows("SELECT trace, span, parent FROM spans") for value in row]
    assert not set(sent) & set(told)


def test_bodies_are_kept_scrubbed(bench: Bench) -> None:
    bench.send(logs("cache is warm", "cache is warm", "anna@example.org logged in", "x" * 2001))
    assert bench.rows("SELECT service, severity, event_name, body FROM logs ORDER BY body") == [
        ["shop", "INFO", "page.view", "cache is warm"],
        ["shop", "INFO", "page.view", "cache is warm"],
        ["shop", "INFO", "page.view", "redacted"],
        ["shop", "INFO", "page.view", None],
    ]


def test_only_text_is_a_body(bench: Bench) -> None:
    message = ExportLogsServiceRequest()
    record = message.resource_logs.add().scope_logs.add().log_records.add()
    record.body.kvlist_value.values.add(key="text").value.string_value = "canary"
    bench.send(Payload(Signal.LOGS, Encoding.PROTOBUF, message.SerializeToString()))
    assert bench.rows("SELECT body FROM logs") == [[None]]


def test_spans_and_logs_of_many_requests_share_a_commit(bench: Bench) -> None:
    bench.send(*(spans(number) for number in range(20)), *(logs(f"step {number}") for number in range(20)))
    assert bench.rows("SELECT count(*), count(DISTINCT span) FROM spans") == [[20, 20]]
    assert bench.rows("SELECT count(DISTINCT body) FROM logs") == [[20]]


def test_json_keeps_the_same_as_protobuf(bench: Bench) -> None:
    span = b"""{"resourceSpans":[{"resource":{
        "attributes":[{"key":"service.name","value":{"stringValue":"j"}}]},"scopeSpans":[{"spans":[{"traceId":"00000000000000000000000000000001","spanId":"0000000000000002",
        "parentSpanId":"0000000000000003","kind":3,"startTimeUnixNano":"1800000000000000000",
        "endTimeUnixNano":"1800000000001000000"}]}]}]}"""
    record = b"""{"resourceLogs":[{"scopeLogs":[{"logRecords":[
        {"observedTimeUnixNano":"1800000000000000000","body":{"stringValue":"hello"}}]}]}]}"""
    bench.send(Payload(Signal.TRACES, Encoding.JSON, span), Payload(Signal.LOGS, Encoding.JSON, record))
    assert bench.rows("SELECT service, kind, duration_ms, parent IS NULL FROM spans") == [
        ["j", "SPAN_KIND_CLIENT", 1.0, False]
    ]
    assert bench.rows("SELECT timestamp, body FROM logs") == [["2027-01-15T08:00:00Z", "hello"]]


def test_what_is_older_than_its_time_is_deleted(bench: Bench) -> None:
    bench.send(spans(1), logs("early"))
    bench.now += 50 * SECOND
    bench.send(spans(2, time=START), logs("late", time=START))
    keeper = bench.keeper(spans=60, logs=30)
    assert keeper.apply() == 1
    bench.now += 11 * SECOND
    assert keeper.apply() == 1
    assert bench.rows("SELECT body FROM logs") == [["late"]]
    assert bench.rows("SELECT count(*) FROM spans") == [[1]]
    bench.now += 60 * SECOND
    assert keeper.apply() == 2
    assert bench.rows("SELECT count(*) FROM spans") == [[0]]


def test_nothing_goes_by_age_while_the_clock_is_doubted(bench: Bench) -> None:
    bench.send(spans(1), logs("early"))
    bench.now += 31 * 86400 * SECOND
    config = Config(keep_spans=Duration(60), keep_logs=Duration(60))
    assert RawRecordRetention(bench.database, config, doubted=lambda: True).apply() == 0
    assert RawRecordRetention(bench.database, Config(), doubted=lambda: True).apply() == 2


def test_nothing_stays_when_keeping_is_turned_off(bench: Bench) -> None:
    bench.send(spans(1), logs("early"))
    assert bench.keeper(spans=0, logs=0).apply() == 2


def test_the_oldest_go_first_when_there_are_too_many(bench: Bench) -> None:
    for number in range(40):
        bench.now += SECOND
        bench.send(spans(number), logs(f"step {number}"))
    bench.keeper(spans=1e6, logs=1e6, most_spans=10, most_logs=20).apply()
    [(spans_left,)] = bench.rows("SELECT count(*) FROM spans")
    left = [str(row[0]) for row in bench.rows("SELECT body FROM logs")]
    assert 5 <= int(str(spans_left)) <= 12
    assert 15 <= len(left) <= 22
    assert "step 39" in left
    assert "step 0" not in left


def test_spans_of_a_metric_that_is_not_kept_open_are_not_kept(tmp_path: Path) -> None:
    entry = tmp_path / "mine.yaml"
    entry.write_text(
        """metrics:
  - name: traces.span.metrics.calls
    description: x
    type: counter
    unit: "1"
    privacy: sensitive
    purpose: to be kept
    privacy_unit: event
    bounds: [0, 1]
"""
    )
    guard = Guard(
        load([entry]),
        Config(),
        StoredState(START),
        Clocks(lambda: START),
    )
    batch = Decoder(bytes(16), clock_ns=lambda: START, keep_spans=True).decode(spans(1))
    assert guard.judge(batch).batch.records is None


def test_nothing_is_kept_unless_the_owner_says_so() -> None:
    decoder = Decoder(bytes(16), clock_ns=lambda: START)
    guard = Guard(
        load(),
        Config(),
        StoredState(START),
        Clocks(lambda: START),
    )
    for payload in (spans(1), logs("hello")):
        batch = decoder.decode(payload)
        assert batch.bodies == []
        assert guard.judge(batch).batch.records is None
