"""Kubo's traces: every span that it sends is a call, once."""

import json
import time
from collections import Counter
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from tests.clients.kubo import node
from tests.clients.support import ROOT
from tests.e2e.service import Service
from tests.service.road import Clock, Road
from tests.service.surfaces import Question, Surfaces

from blackhole.catalogue.load import load
from blackhole.config import Config, Duration
from blackhole.model.signals import Signal
from blackhole.query.language import Query
from blackhole.query.run import QueryService
from blackhole.store.database import Database

GOLDEN = ROOT / "tests" / "golden" / "kubo"
SECOND = 10**9
CALLS = "traces.span.metrics.calls"


def by_kind(bodies: list[bytes]) -> Counter[str]:
    """As many spans as were sent of each kind."""
    return Counter(
        Span.SpanKind.Name(span.kind)
        for body in bodies
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    )


def test_every_span_that_kubo_sent_is_one_call(tmp_path: Path) -> None:
    arrived = json.loads((GOLDEN / "truth.json").read_text())["arrived"]
    bodies = [path.read_bytes() for path in sorted(GOLDEN.glob("*.bin"))]
    clock = Clock(arrived[0] - 3600 * SECOND)
    config = Config(retention_period=Duration(30 * 86400))
    database = Database.open(tmp_path / "analytics.duckdb", clock=clock)
    road = Road(database, load(), config, clock)
    for at, body in zip(arrived, bodies, strict=True):
        assert not road.send(Signal.TRACES, body, at)
    road.close()
    now = arrived[-1] / SECOND
    runner = QueryService(database, load(), windows=config, now=lambda: now)
    asked = Query(CALLS, now - 600, now + 1, aggregation="sum", interval=3600, group_by=["span.kind"])
    told = {
        f"SPAN_{one.attributes['span.kind']}".replace("SPAN_SPAN_", "SPAN_"): sum(
            point.value or 0 for point in one.points
        )
        for one in runner.query(asked).series
    }
    assert told == by_kind(bodies)
    (durations,) = runner.query(
        Query("traces.span.metrics.duration", now - 600, now + 1, aggregation="count", interval=3600)
    ).series
    assert sum(point.value or 0 for point in durations.points) == sum(by_kind(bodies).values())
    database.close()


@pytest.mark.slow
def test_a_kubo_of_today_is_counted_by_every_call(tmp_path: Path) -> None:
    with Service(tmp_path / "data") as running:
        surfaces = Surfaces(running)
        began = time.time()
        with node(tmp_path, running.ready["otlp_grpc"]) as kubo:
            truth = kubo.play()
        asked = Question(CALLS, "sum", began - 60, time.time() + 60)
        calls = surfaces.api(asked)
        assert surfaces.command_line(asked) == calls
        # An `add` or a `cat` is a span of the command and some of what it calls.
        assert sum(value for _, value in calls) >= truth["added"] + truth["read"]
        assert surfaces.health("Kubo")["up"]
