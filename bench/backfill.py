"""Measures bytes a sample as an operator meets them: a day sent, a restart, and the file 20 s later."""

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric, NumberDataPoint

from bench import processes
from bench.requests import METHOD, METRICS, SERIES, catalogue

POINTS = 1440
STEP_NS = 60 * 10**9
A_REQUEST = 10
SEALED_WITHIN_S = 20.0
_KINDS = ("gauge", "counter")
_SEALED = """
SELECT sum(c.count) FROM chunks AS c JOIN series AS s ON s.id = c.series WHERE s.metric LIKE 'bench.%'
"""


@dataclass(frozen=True, slots=True)
class Backfill:
    """Bytes of the stopped service's file; how much of it was sealed 20 s after the restart, as a share."""

    samples: int
    size: int
    sealed: float

    @property
    def bytes_a_sample(self) -> float:
        return self.size / self.samples


def measure(directory: Path) -> Backfill:
    """2,000 series of 1,440 points, a minute apart; half counters, half walks of two decimals."""
    send(directory)
    with processes.blackhole(directory, directory / "catalogue.yaml"):
        time.sleep(SEALED_WITHIN_S)
    file = directory / "analytics.duckdb"
    samples = SERIES * POINTS
    processes.verify(file, samples)
    sealed = processes.ask(file, _SEALED)
    sizes = (path.stat().st_size for path in (file, file.with_suffix(".duckdb.wal")) if path.exists())
    return Backfill(samples, sum(sizes), float(sealed or 0) / samples)


def send(directory: Path) -> None:
    """To a service on a new file, which is stopped then. Raises RuntimeError when points were refused."""
    directory.mkdir(parents=True)
    entries = directory / "catalogue.yaml"
    entries.write_text(catalogue())
    with processes.blackhole(directory, entries) as server, grpc.insecure_channel(server.target) as channel:
        export = channel.unary_unary(METHOD, lambda body: body, ExportMetricsServiceResponse.FromString)
        for body in day():
            answer = export(body)
            if answer.partial_success.rejected_data_points:
                raise RuntimeError(f"points were refused: {answer.partial_success.error_message}")


def day() -> Iterator[bytes]:
    """Requests of ten points of every series, up to an hour ago."""
    chance = random.Random(1)
    begin = time.time_ns() // STEP_NS * STEP_NS - 3600 * 10**9 - POINTS * STEP_NS
    reached = [0] * SERIES
    for first in range(0, POINTS, A_REQUEST):
        request = ExportMetricsServiceRequest()
        resource = request.resource_metrics.add()
        resource.resource.attributes.add(key="service.name").value.string_value = "bench"
        scope = resource.scope_metrics.add()
        metrics = [scope.metrics.add(name=f"bench.{_KINDS[n % 2]}.{n}", unit="1") for n in range(METRICS)]
        for number in range(SERIES):
            for time_ns in (begin + nth * STEP_NS for nth in range(first, first + A_REQUEST)):
                reached[number] += chance.randrange(100) if number % 2 else chance.randint(-100, 100)
                point = _point(metrics[number % METRICS], reached[number], begin - STEP_NS)
                point.time_unix_nano = time_ns
                for key, value in _attributes(number).items():
                    point.attributes.add(key=key).value.string_value = value
        yield request.SerializeToString()


def _point(metric: Metric, reached: int, start_ns: int) -> NumberDataPoint:
    if metric.name.startswith("bench.gauge"):
        return metric.gauge.data_points.add(as_double=reached / 100)
    metric.sum.is_monotonic = True
    metric.sum.aggregation_temporality = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
    return metric.sum.data_points.add(as_double=float(reached), start_time_unix_nano=start_ns)


def _attributes(number: int) -> dict[str, str]:
    return {"region": "europe", "operation": "verify", "shard": f"s{number}", "lane": f"{number % 20}"}
