"""The service's own metrics: through its own guard, in no count, with nothing of guarded metrics."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality

from blackhole.app.selfmetrics import Reporter
from blackhole.catalogue.load import load
from blackhole.config import Config
from blackhole.decode import Decoder
from blackhole.guard.engine import Guard, StoredState
from blackhole.model.signals import OWN_SERVICE, Encoding, Payload, Signal
from blackhole.pipeline import Pipeline, Statistics
from blackhole.privacy.ledger import Clocks
from blackhole.query.sandbox import run
from blackhole.store.database import Database
from blackhole.store.writer import Writer

SECOND = 10**9
START = 1_800_000_000 * SECOND


class Bench:
    """The write path on a clock of its own, with a reporter beside it."""

    def __init__(self, path: Path) -> None:
        self.now = START
        self.statistics = Statistics()
        self.database = Database.open(path / "a.duckdb", clock=self.clock)
        self.writer = Writer(
            self.database,
            commit_wait=0,
            batch_size=1,
            max_pending_rows=100_000,
            on_commit=lambda report: self.statistics.count_commit(report.rows, report.seconds),
        )
        self.writer.start()
        guard = Guard(
            load(),
            Config(),
            StoredState(START, recall=self.database.recall),
            Clocks(self.clock),
        )
        decoder = Decoder(bytes(16), clock_ns=self.clock)
        self.pipeline = Pipeline(decoder, guard, self.writer, self.statistics)
        self.condition = SimpleNamespace(
            cpu_percent=2.5, memory_bytes=10**8, database_bytes=4096, pending_rows=3, sampling_rate=0.5
        )
        self.reporter = Reporter(
            self.pipeline,
            self.statistics.snapshot,
            lambda: self.condition,
            seconds=0.01,
            clock_ns=self.clock,
        )

    def clock(self) -> int:
        return self.now

    def send(self, payload: Payload) -> None:
        asyncio.run(self._send(payload))

    async def _send(self, payload: Payload) -> None:
        await self.pipeline.accept(payload)

    def report(self) -> None:
        self.now += 10 * SECOND
        self.reporter.report()
        self.settle()

    def settle(self) -> None:
        """Waits for all commits: an empty request is answered after everything before it."""
        done = self.pipeline.record(metrics("process.cpu.usage", 1.0, time=self.now))
        assert done is not None
        done.result(10)

    def values(self, metric: str, key: str) -> dict[str, float]:
        sql = f"SELECT attributes, sum(value) FROM metrics WHERE metric_name = '{metric}' GROUP BY ALL"
        rows = run(self.database, sql).rows
        return {str(json.loads(str(row[0])).get(key)): float(row[1]) for row in rows}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.writer.close(5)
    made.database.close()


def metrics(name: str, *values: float, time: int = START, peer: str = "") -> Payload:
    message = ExportMetricsServiceRequest()
    metric = message.resource_metrics.add().scope_metrics.add().metrics.add(name=name)
    data: Any = metric.gauge.data_points
    if name != "process.cpu.usage":
        metric.sum.is_monotonic = True
        metric.sum.aggregation_temporality = AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA
        data = metric.sum.data_points
    for step, value in enumerate(values):
        point = data.add(as_double=value, time_unix_nano=time + step)
        if peer:
            point.attributes.add(key="peer.id").value.string_value = peer
    return Payload(Signal.METRICS, Encoding.PROTOBUF, message.SerializeToString())


def side(kind: int, span: int, parent: int, service: str, *, trace: int = 1, failed: bool = False) -> Payload:
    message = ExportTraceServiceRequest()
    resource = message.resource_spans.add()
    resource.resource.attributes.add(key="service.name").value.string_value = service
    sent = resource.scope_spans.add().spans.add(kind=kind, trace_id=trace.to_bytes(16, "big"))
    sent.span_id = span.to_bytes(8, "big")
    sent.parent_span_id = parent.to_bytes(8, "big")
    sent.start_time_unix_nano, sent.end_time_unix_nano = START, START + kind * 1_000_000
    sent.status.code = 2 if failed else 0  # type: ignore[assignment]
    return Payload(Signal.TRACES, Encoding.PROTOBUF, message.SerializeToString())


def test_counts_are_stored_and_add_up(bench: Bench) -> None:
    for number in range(3):
        bench.send(metrics("p2p.connections.total", 1.0, 2.0, time=START + 10 * number))
        bench.report()
    assert bench.values("blackhole.accepted", "signal") == {"metrics": 6.0, "traces": 0.0, "logs": 0.0}
    assert bench.values("blackhole.requests.total", "signal")["metrics"] == 3.0
    assert bench.values("blackhole.accepted", "service.name") == {OWN_SERVICE: 0.0}


def test_what_the_service_says_of_itself_is_in_no_count(bench: Bench) -> None:
    for _ in range(5):
        bench.report()
    snapshot = bench.statistics.snapshot()
    assert snapshot["accepted"] == {"metrics": 0, "traces": 0, "logs": 0}
    assert snapshot["requests"] == {"metrics": 0, "traces": 0, "logs": 0}
    assert sum(snapshot["request_durations"]["buckets"]) == 0
    assert snapshot["refused"] == []


def test_levels_and_durations_are_stored(bench: Bench) -> None:
    bench.send(metrics("p2p.connections.total", 1.0))
    bench.report()
    levels = run(
        bench.database,
        "SELECT metric_name, value FROM metrics WHERE metric_type = 'gauge' "
        f"AND attributes LIKE '%{OWN_SERVICE}%' ORDER BY ALL",
    ).rows
    assert levels == [
        ["blackhole.cpu.usage", 2.5],
        ["blackhole.database.size", 4096.0],
        ["blackhole.memory.usage", 1e8],
        ["blackhole.queue.rows", 3.0],
        ["blackhole.sampling.rate", 0.5],
    ]
    bench.report()
    counted = run(
        bench.database,
        "SELECT s.metric, sum(h.count) FROM histogram_points h JOIN series s ON s.id = h.series GROUP BY ALL",
    ).rows
    durations = {str(name): int(str(count)) for name, count in counted}
    assert durations["blackhole.request.duration"] == 1
    assert durations["blackhole.commit.duration"] >= 1


def test_refusals_are_stored_by_reason_without_those_of_guarded_metrics(bench: Bench) -> None:
    bench.send(metrics("unknown.metric", 1.0, 2.0))
    bench.send(metrics("content.operations", 1.0, 2.0, 3.0))
    bench.report()
    assert bench.values("blackhole.refused", "reason") == {"not in the catalogue": 2.0}


def test_failed_requests_are_stored_by_kind(bench: Bench) -> None:
    with pytest.raises(Exception, match="not an OTLP"):
        bench.send(Payload(Signal.METRICS, Encoding.PROTOBUF, b"\xff"))
    bench.report()
    assert bench.values("blackhole.errors.total", "error_type") == {"undecodable": 1.0}


@pytest.mark.parametrize("name", ["p2p.peer.connections", "content.operations"])
def test_a_request_of_nothing_but_guarded_points_is_not_counted(bench: Bench, name: str) -> None:
    bench.send(metrics(name, 1.0, peer="a"))
    assert bench.statistics.snapshot()["requests"]["metrics"] == 0
    assert sum(bench.statistics.snapshot()["request_durations"]["buckets"]) == 0
    bench.send(metrics("p2p.connections.total", 1.0))
    assert bench.statistics.snapshot()["requests"]["metrics"] == 1


def test_an_empty_request_is_counted(bench: Bench) -> None:
    bench.send(Payload(Signal.METRICS, Encoding.PROTOBUF, b""))
    assert bench.statistics.snapshot()["requests"]["metrics"] == 1


def test_the_two_spans_of_a_call_make_an_edge_between_services(bench: Bench) -> None:
    for trace in range(1, 4):
        bench.send(side(3, 10, 0, "front", trace=trace, failed=trace == 1))
        bench.send(side(2, 20, 10, "back", trace=trace))
    bench.send(side(3, 99, 0, "front", trace=9))
    bench.report()
    assert bench.values("traces.service.graph.request.total", "client") == {"front": 3.0}
    assert bench.values("traces.service.graph.request.total", "server") == {"back": 3.0}
    assert bench.values("traces.service.graph.request.failed", "server") == {"back": 1.0}
    sums = run(
        bench.database,
        "SELECT s.metric, h.count, h.sum FROM histogram_points h JOIN series s ON s.id = h.series "
        "WHERE s.metric LIKE 'traces.service%' ORDER BY ALL",
    ).rows
    assert sums == [
        ["traces.service.graph.request.client", 3, 9.0],
        ["traces.service.graph.request.server", 3, 6.0],
    ]


def test_sides_of_different_calls_make_no_edge(bench: Bench) -> None:
    bench.send(side(3, 10, 0, "front"))
    bench.send(side(2, 20, 11, "back"))
    bench.send(side(2, 20, 10, "back", trace=2))
    bench.send(side(1, 21, 10, "inner"))
    bench.report()
    assert bench.values("traces.service.graph.request.total", "client") == {}


def test_a_side_that_comes_too_late_makes_no_edge(bench: Bench) -> None:
    bench.send(side(4, 10, 0, "front"))
    bench.now += 16 * SECOND
    bench.send(side(5, 20, 10, "back"))
    bench.report()
    assert bench.values("traces.service.graph.request.total", "client") == {}


def test_names_of_services_are_scrubbed(bench: Bench) -> None:
    bench.send(side(3, 10, 0, "host-10.1.2.3"))
    bench.send(side(2, 20, 10, "back"))
    bench.report()
    assert bench.values("traces.service.graph.request.total", "client") == {"redacted": 1.0}


def test_edges_wait_while_the_store_is_behind(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.send(side(3, 10, 0, "front"))
    bench.send(side(2, 20, 10, "back"))
    with monkeypatch.context() as full:
        full.setattr(Writer, "pending_rows", 200_000)
        assert bench.pipeline.record_edges() is None
        assert bench.pipeline.record(metrics("process.cpu.usage", 1.0)) is None
    bench.report()
    assert bench.values("traces.service.graph.request.total", "client") == {"front": 1.0}


def test_reports_come_again_and_again(bench: Bench) -> None:
    async def scenario() -> None:
        task = asyncio.create_task(bench.reporter.run())
        await asyncio.sleep(0.2)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(scenario())
    bench.settle()
    assert bench.values("blackhole.queue.rows", "service.name") == {OWN_SERVICE: 3.0}
