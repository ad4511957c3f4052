"""Measures CPU microseconds a span: sent over gRPC, distilled into metrics, committed.

As a program it is the sender: `python -m bench.spans HOST:PORT SPANS REQUESTS`.
"""

import asyncio
import os
import random
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from bench import processes
from bench.processes import Server
from bench.requests import hours_ago

METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
LANES, BODIES = 8, 8
_ROUTES = tuple(f"/items/{number}" for number in range(20))
_METHODS = ("GET", "GET", "GET", "POST", "DELETE")


@dataclass(frozen=True, slots=True)
class Case:
    """Requests of `spans` spans, `requests` a round. `bar`: CPU µs a span to stay under."""

    spans: int
    requests: int
    bar: float | None = None

    @property
    def name(self) -> str:
        return f"{self.spans:,}-span requests, {LANES} in flight"


CASES = (Case(8_000, 64, 1.0), Case(500, 800))


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU µs a span: the median of the rounds and each round."""

    case: Case
    median: float
    rounds: tuple[float, ...]


def measure(server: Server, case: Case, rounds: int) -> Cost:
    """One unmeasured round, then `rounds` measured ones."""
    costs = []
    command = [sys.executable, "-m", "bench.spans", server.target, str(case.spans), str(case.requests)]
    for number in range(rounds + 1):
        before = server.settled_cpu()
        subprocess.run(command, check=True)
        if number:
            costs.append((server.settled_cpu() - before) / (case.requests * case.spans) * 1e6)
    return Cost(case, statistics.median(costs), tuple(costs))


def blackhole_costs(directory: Path, rounds: int) -> Iterator[Cost]:
    """Each case on a file of its own, in which all spans must be counted. Raises RuntimeError."""
    for case in CASES:
        place = directory / f"blackhole-{case.spans}"
        place.mkdir(parents=True)
        with processes.blackhole(place) as server:
            cost = measure(server, case, rounds)
        _verify(place / "analytics.duckdb", (rounds + 1) * case.requests * case.spans)
        yield cost


def rotel_costs(program: Path, directory: Path, rounds: int) -> Iterator[Cost]:
    """The same requests to a receiver that keeps nothing of them."""
    for case in CASES:
        place = directory / f"rotel-{case.spans}"
        place.mkdir(parents=True)
        with processes.rotel(program, place) as server:
            yield measure(server, case, rounds)


def _verify(file: Path, spans: int) -> None:
    counted = processes.ask(
        file, "SELECT sum(value) FROM metrics WHERE metric_name = 'traces.span.metrics.calls'"
    )
    if counted != spans:
        raise RuntimeError(f"{file}: {spans} spans were acknowledged, and {counted} are counted")


def body(spans: int, chance: random.Random) -> bytes:
    """Spans of one service as its servers and clients record them: five attributes, ids of their own."""
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "bench"
    scope = resource.scope_spans.add()
    scope.scope.name = "bench"
    now = hours_ago(0)
    for _ in range(spans):
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


async def send(target: str, spans: int, requests: int) -> None:
    """Every lane sends its share, one request after the other; lanes run side by side."""
    chance = random.Random(1)
    bodies = [body(spans, chance) for _ in range(BODIES)]

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
    asyncio.run(send(sys.argv[1], *map(int, sys.argv[2:])))
