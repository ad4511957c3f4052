"""The write path: one order from judging to commit, and an answer that means durable."""

import asyncio
from concurrent.futures import Future
from itertools import count
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality

from blackhole.catalogue.load import load
from blackhole.config import Config, Duration
from blackhole.decode import Decoder
from blackhole.errors import OverloadedError, UndecodableError
from blackhole.guard.engine import Guard, StoredState
from blackhole.model.batch import GuardedBatch
from blackhole.model.signals import Encoding, Payload, Signal
from blackhole.pipeline import Pipeline, Statistics
from blackhole.privacy.ledger import Clocks

START = 1_800_000_000 * 10**9


class ManualSink:
    """Keeps what is submitted until the test commits it."""

    def __init__(self) -> None:
        self.batches: list[GuardedBatch] = []
        self.futures: list[Future[None]] = []
        self.pending_rows = 0
        self.max_pending_rows = 100

    def submit(self, batch: GuardedBatch) -> Future[None]:
        self.batches.append(batch)
        self.futures.append(Future())
        return self.futures[-1]

    def commit(self) -> None:
        for future in self.futures:
            if not future.done():
                future.set_result(None)

    @property
    def rows(self) -> int:
        return sum(batch.rows.points for batch in self.batches)


class Bench:
    def __init__(self, **settings: Any) -> None:
        self.now = START
        self.sink = ManualSink()
        self.statistics = Statistics()
        guard = Guard(
            load(),
            Config(sensitive_window=Duration(10), **settings),
            StoredState(START - 1),
            Clocks(self.clock),
        )
        self.pipeline = Pipeline(Decoder(bytes(16), clock_ns=self.clock), guard, self.sink, self.statistics)

    def clock(self) -> int:
        return self.now


def payload(*values: float, name: str = "p2p.connections.total", peer: str = "") -> Payload:
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name=name, unit="1")
    metric.sum.is_monotonic = True
    metric.sum.aggregation_temporality = AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA
    for step, value in zip(count(), values):
        point = metric.sum.data_points.add(as_double=value, time_unix_nano=START + step)
        if peer:
            point.attributes.add(key="peer.id").value.string_value = peer
    return Payload(Signal.METRICS, Encoding.PROTOBUF, request.SerializeToString())


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_the_answer_comes_after_the_commit_and_not_before() -> None:
    async def scenario() -> None:
        bench = Bench()
        answer = asyncio.create_task(bench.pipeline.accept(payload(1.0, 2.0)))
        await settled()
        assert not answer.done()
        bench.sink.commit()
        assert (await answer).rejected == 0
        assert bench.sink.rows == 2

    asyncio.run(scenario())


def test_a_duplicate_is_answered_only_after_the_commit_of_the_original() -> None:
    async def scenario() -> None:
        bench = Bench()
        first = asyncio.create_task(bench.pipeline.accept(payload(1.0)))
        await settled()
        again = asyncio.create_task(bench.pipeline.accept(payload(1.0)))
        await settled()
        assert not again.done()
        bench.sink.commit()
        await asyncio.gather(first, again)
        assert bench.sink.rows == 1

    asyncio.run(scenario())


def test_a_request_that_failed_to_commit_counts_once_when_it_is_sent_again() -> None:
    async def scenario() -> None:
        bench = Bench()
        first = asyncio.create_task(bench.pipeline.accept(payload(1.0, 2.0)))
        await settled()
        bench.sink.futures[0].set_exception(OverloadedError("not stored yet", retry_after=1.0))
        with pytest.raises(OverloadedError):
            await first
        again = asyncio.create_task(bench.pipeline.accept(payload(1.0, 2.0)))
        await settled()
        bench.sink.commit()
        await again
        assert bench.sink.rows == 2  # the sink keeps the rows of the first attempt

    asyncio.run(scenario())


def test_spans_and_records_are_not_to_be_sent_again() -> None:
    async def scenario() -> list[bool]:
        bench = Bench()
        spans = ExportTraceServiceRequest()
        spans.resource_spans.add().scope_spans.add().spans.add(name="x", kind=2)
        traces = Payload(Signal.TRACES, Encoding.PROTOBUF, spans.SerializeToString())
        answers = [asyncio.create_task(bench.pipeline.accept(one)) for one in (payload(1.0), traces)]
        await settled()
        bench.sink.commit()
        await asyncio.gather(*answers)
        return [batch.repeatable for batch in bench.sink.batches]

    assert asyncio.run(scenario()) == [True, False]


def test_a_full_queue_refuses_before_anything_is_counted() -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.sink.pending_rows = 101
        with pytest.raises(OverloadedError) as refused:
            await bench.pipeline.accept(payload(1.0))
        assert refused.value.retry_after > 0
        bench.sink.pending_rows = 0
        again = asyncio.create_task(bench.pipeline.accept(payload(1.0)))
        await settled()
        bench.sink.commit()
        await again
        assert bench.sink.rows == 1

    asyncio.run(scenario())


def test_what_cannot_be_decoded_is_said_so_and_counted() -> None:
    async def scenario() -> None:
        bench = Bench()
        with pytest.raises(UndecodableError) as refused:
            await bench.pipeline.accept(Payload(Signal.METRICS, Encoding.PROTOBUF, b"12D3KooW\xff\xff"))
        assert "12D3" not in str(refused.value)
        assert bench.statistics.snapshot()["failed_requests"] == {"undecodable": 1}

    asyncio.run(scenario())


def test_guarded_points_are_in_no_count_and_wait_for_no_commit() -> None:
    async def scenario() -> None:
        bench = Bench()
        verdict = await bench.pipeline.accept(payload(1.0, name="p2p.peer.connections", peer="a"))
        assert verdict.rejected == 0
        secret = await bench.pipeline.accept(payload(1.0, 2.0, name="content.operations"))
        assert secret.rejected == 0
        snapshot = bench.statistics.snapshot()
        assert snapshot["accepted"]["metrics"] == 0
        assert snapshot["refused"] == []

    asyncio.run(scenario())


def test_the_window_is_released_through_the_same_queue() -> None:
    async def scenario() -> None:
        bench = Bench(k_anonymity=2)
        for peer in ("a", "b", "c"):
            await bench.pipeline.accept(payload(1.0, name="p2p.peer.connections", peer=peer))
        assert bench.sink.rows == 0
        assert bench.pipeline.close_windows()
        released = [batch for batch in bench.sink.batches if not batch.entry.ledger]
        assert [batch.rows.points for batch in released] == [1]

    asyncio.run(scenario())


def test_refused_names_are_bounded() -> None:
    async def scenario() -> None:
        bench = Bench()
        for number in range(700):
            await bench.pipeline.accept(payload(1.0, name=f"unknown.m{number}"))
        refused = bench.statistics.snapshot()["refused"]
        assert len(refused) <= 502
        assert sum(r["count"] for r in refused) == 700

    asyncio.run(scenario())
