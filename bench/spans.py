"""Measures CPU microseconds a span: sent over gRPC, distilled into metrics, committed.

As a program it is the sender: `python -m bench.spans HOST:PORT REQUESTS`.
"""

import asyncio
import os
import random
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from bench import processes
from bench.requests import hours_ago

METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
SPANS, LANES, BODIES = 1_000, 8, 8
_ROUTES = tuple(f"/items/{number}" for number in range(20))
_METHODS = ("GET", "GET", "GET", "POST", "DELETE")


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU µs a span: the median of the rounds and each round."""

    median: float
    rounds: tuple[float, ...]
    spans: int


def measure(directory: Path, rounds: int, requests: int = 400) -> Cost:
    """One unmeasured round, then `rounds` measured ones; all spans must be counted in the file."""
    directory.mkdir(parents=True)
    costs = []
    with processes.blackhole(directory) as server:
        for number in range(rounds + 1):
            before = server.settled_cpu()
            subprocess.run([sys.executable, "-m", "bench.spans", server.target, str(requests)], check=True)
            if number:
                costs.append((server.settled_cpu() - before) / (requests * SPANS) * 1e6)
    spans = (rounds + 1) * requests * SPANS
    _verify(directory / "analytics.duckdb", spans)
    return Cost(statistics.median(costs), tuple(costs), spans)


def _verify(file: Path, spans: int) -> None:
    counted = processes.ask(
        file, "SELECT sum(value) FROM metrics WHERE metric_name = 'traces.span.metrics.calls'"
    )
    if counted != spans:
        raise RuntimeError(f"{file}: {spans} spans were acknowledged, and {counted} are counted")


def body(chance: random.Random) -> bytes:
    """Spans of one service as its servers and clients record them: five attributes, ids of their own."""
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "bench"
    scope = resource.scope_spans.add()
    scope.scope.name = "bench"
    now = hours_ago(0)
    for _ in range(SPANS):
        kind = chance.choice((2, 3))
        span = scope.spans.add(trace_id=os.urandom(16), span_id=os.urandom(8), name="request", kind=kind)
        span.start_time_unix_nano = now
        span.end_time_unix_nano = now + chance.randrange(10**5, 10**9)
        values = {
            "http.request.method": chance.choice(_METHODS),
            "http.route": chance.choice(_ROUTES),
            "url.path": f"/items/{chance.randrange(10**6)}",
            "server.address": "bench.example",
            "user_agent.original": "bench/1.0",
        }
        for key, value in values.items():
            span.attributes.add(key=key).value.string_value = value
    return request.SerializeToString()


async def send(target: str, requests: int) -> None:
    """Every lane sends its share, one request after the other; lanes run side by side."""
    chance = random.Random(1)
    bodies = [body(chance) for _ in range(BODIES)]

    async def run(lane: int) -> None:
        channel = grpc.aio.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)])
        export = channel.unary_unary(METHOD)
        for number in range(requests // LANES):
            answer = await export(bodies[(lane + number) % BODIES], timeout=60)
            said = ExportTraceServiceResponse.FromString(answer).partial_success
            if said.rejected_spans:
                raise RuntimeError(f"{said.rejected_spans} spans were refused: {said.error_message}")
        await channel.close()

    await asyncio.gather(*(run(lane) for lane in range(LANES)))


if __name__ == "__main__":
    asyncio.run(send(sys.argv[1], int(sys.argv[2])))
