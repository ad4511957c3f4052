"""Measures how well the governor holds `max_cpu_usage`: senders that heed RetryInfo offer ten times too much.

As a program it is those senders: `python -m bench.governor HOST:PORT SENDERS PERIOD_S SECONDS`.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality

from bench import processes
from bench.processes import Server
from bench.requests import METHOD, METRICS, catalogue

SENDERS = 16
POINTS = 500
COUNTERS = tuple(range(1, METRICS, 2))
LIMIT = 5.0
TIMES_TOO_MUCH = 10
WARM_UP_S = 10.0
# Often enough that requests share commits: alone each would cost several times as much.
FREE_PERIOD_S = 0.1
_GIVE_UP_S = 10.0
_TICK_NS = 1_000_000


@dataclass(frozen=True, slots=True)
class Held:
    """`cpu_percent` of one core while it was measured; `off_percent`: how far the stored totals are off."""

    seconds: float
    cpu_percent: float
    ungoverned_percent: float
    off_percent: float
    senders: Mapping[str, Any]


class _Counters:
    """One sender's request: the counters of the catalogue with as many series as a request has points."""

    def __init__(self, sender: int, start_ns: int) -> None:
        self._request = ExportMetricsServiceRequest()
        resource = self._request.resource_metrics.add()
        resource.resource.attributes.add(key="service.name").value.string_value = "bench"
        metrics = resource.scope_metrics.add().metrics
        self._points = []
        for number in COUNTERS:
            metric = metrics.add(name=f"bench.counter.{number}", unit="1")
            metric.sum.is_monotonic = True
            metric.sum.aggregation_temporality = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
            for series in range(POINTS // len(COUNTERS)):
                point = metric.sum.data_points.add(start_time_unix_nano=start_ns)
                for key, value in (("shard", f"shard-{series}"), ("lane", f"lane-{sender}")):
                    point.attributes.add(key=key).value.string_value = value
                self._points.append(point)

    def at(self, now_ns: int, value: float) -> bytes:
        for point in self._points:
            point.time_unix_nano, point.as_double = now_ns, value
        return bytes(self._request.SerializeToString())

    @property
    def points(self) -> int:
        return len(self._points)


def measure(directory: Path, seconds: float, warm_up: float = WARM_UP_S) -> Held:
    """A short run without a limit tells what the load costs; then ten times what the limit allows."""
    free = _run(_directory(directory / "free"), 10_000, FREE_PERIOD_S, (2.0, 6.0))
    cost = free.cpu_percent / 100 / SENDERS * FREE_PERIOD_S
    period = SENDERS * cost / (LIMIT / 100 * TIMES_TOO_MUCH)
    held = _run(_directory(directory / "held"), LIMIT, period, (warm_up, seconds))
    offered = SENDERS / period * cost * 100
    return Held(seconds, held.cpu_percent, offered, held.off_percent, held.senders)


def _run(directory: Path, limit: float, period: float, times: tuple[float, float]) -> Held:
    file = directory / "bench-catalogue.yaml"
    file.write_text(catalogue())
    warm_up, seconds = times
    with processes.blackhole(directory, file, max_cpu=limit) as server:
        arguments = [server.target, str(SENDERS), str(period), str(warm_up + seconds)]
        command = [sys.executable, "-m", "bench.governor", *arguments]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as sending:
            time.sleep(warm_up)
            percent = _percent(server, seconds)
            output, _ = sending.communicate(timeout=120)
    outcome = json.loads(output)
    return Held(seconds, percent, percent, _off(directory, outcome["sent"]), outcome)


def _percent(server: Server, seconds: float) -> float:
    before, began = server.cpu(), time.perf_counter()
    time.sleep(seconds)
    return (server.cpu() - before) / (time.perf_counter() - began) * 100


def _off(directory: Path, sent: float) -> float:
    """Percent between the increments in the file and what the senders' counters stood at."""
    import duckdb  # noqa: PLC0415

    with duckdb.connect(str(directory / "analytics.duckdb"), read_only=True) as connection:
        rows = connection.execute("SELECT sum(value) FROM metrics WHERE metric_name LIKE 'bench.counter%'")
        (stored,) = rows.fetchall()[0]
    return (float(stored or 0) - sent) / sent * 100


def _directory(path: Path) -> Path:
    path.mkdir(parents=True)
    return path


class _Sender:
    """Exports what its counters stand at every `period`; a refused export is sent again when asked to."""

    def __init__(self, target: str, number: int, period: float, counts: dict[str, float]) -> None:
        options = [("grpc.use_local_subchannel_pool", 1)]
        self._channel = grpc.aio.insecure_channel(target, options=options)
        self._export = self._channel.unary_unary(METHOD)
        self._start_ns = time.time_ns()
        self._counters = _Counters(number, self._start_ns)
        self._period = period
        self._counts = counts

    async def run(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        due = time.monotonic() + self._period * (hash(self) % 97) / 97
        while (now := time.monotonic()) < end:
            if now < due:
                await asyncio.sleep(due - now)
            await self._send(self._body(time.time_ns()), min(now + _GIVE_UP_S, end))
            due = max(due + self._period, time.monotonic())
        last = time.time_ns()
        if not await self._send(self._body(last), end + 60):
            raise RuntimeError("the last export was not taken within a minute")
        self._counts["sent"] += self._value(last) * self._counters.points
        await self._channel.close()

    def _value(self, now_ns: int) -> float:
        return float((now_ns - self._start_ns) // _TICK_NS)

    def _body(self, now_ns: int) -> bytes:
        return self._counters.at(now_ns, self._value(now_ns))

    async def _send(self, body: bytes, until: float) -> bool:
        while True:
            try:
                await self._export(body, timeout=30)
            except grpc.aio.AioRpcError as error:
                delay = _delay(error)
                self._counts["refused"] += 1
                if time.monotonic() + delay > until:
                    await asyncio.sleep(delay)
                    return False
                await asyncio.sleep(delay)
            else:
                self._counts["taken"] += 1
                return True


def _delay(error: grpc.aio.AioRpcError) -> float:
    """What RetryInfo asks for. Raises when the answer is not UNAVAILABLE with RetryInfo."""
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            retry = error_details_pb2.RetryInfo()
            for detail in status_pb2.Status.FromString(value).details:
                if error.code() is grpc.StatusCode.UNAVAILABLE and detail.Unpack(retry):
                    return float(retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9)
    raise error


async def _senders(target: str, senders: int, period: float, seconds: float) -> dict[str, float]:
    counts = {"sent": 0.0, "taken": 0.0, "refused": 0.0}
    await asyncio.gather(*(_Sender(target, n, period, counts).run(seconds) for n in range(senders)))
    return counts


def main() -> None:
    target, senders, period, seconds = sys.argv[1:]
    print(json.dumps(asyncio.run(_senders(target, int(senders), float(period), float(seconds)))))


if __name__ == "__main__":
    main()
