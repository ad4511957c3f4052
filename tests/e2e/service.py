"""Runs `blackhole serve` as its users do, sends it OTLP, and reads its file when it has stopped."""

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import duckdb
import grpc
import psutil
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric

BLACKHOLE = Path(sys.executable).with_name("blackhole")
EXPORT_METRICS = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
FREE_PORTS = ["--otlp-grpc", "127.0.0.1:0", "--otlp-http", "127.0.0.1:0", "--listen", "127.0.0.1:0"]


def command(data_dir: Path, *more: str) -> list[str]:
    return [str(BLACKHOLE), "serve", "--data-dir", str(data_dir), *FREE_PORTS, *more]


@dataclass
class Service:
    """A running service. Leaving the context kills it. Only with `governed` does it keep to max_cpu_usage."""

    data_dir: Path
    arguments: tuple[str, ...] = ()
    governed: bool = False
    ready: dict[str, Any] = field(default_factory=dict)

    def __enter__(self) -> Self:
        errors = (self.data_dir.parent / "stderr").open("ab")
        unlimited = {} if self.governed else {"BLACKHOLE_ANALYTICS__MAX_CPU_USAGE": "10000"}
        with errors:
            self.process = subprocess.Popen(
                command(self.data_dir, *self.arguments),
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env={**os.environ, **unlimited},
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("ready "), (self.data_dir.parent / "stderr").read_text()
        self.ready = json.loads(line.removeprefix("ready "))
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> None:
        """SIGKILL, at once."""
        self.process.kill()
        self._gone()

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.process.terminate()
        return self._gone()

    def _gone(self) -> int:
        code = self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    @property
    def memory(self) -> int:
        """Bytes resident."""
        return int(psutil.Process(self.process.pid).memory_info().rss)

    def post(
        self, body: bytes | Iterable[bytes], path: str = "/v1/metrics", **headers: str
    ) -> tuple[int, bytes]:
        """An OTLP/HTTP request: status and body."""
        sent = {"content-type": "application/x-protobuf"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        with closing(http.client.HTTPConnection(self.ready["otlp_http"], timeout=30)) as connection:
            connection.request("POST", path, body, sent)
            answer = connection.getresponse()
            return answer.status, answer.read()

    def call(self, body: bytes) -> bytes:
        """An OTLP/gRPC call."""
        options = [("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(self.ready["otlp_grpc"], options=options) as channel:
            return bytes(channel.unary_unary(EXPORT_METRICS)(body, timeout=30))

    def query(self, metric: str, **more: Any) -> dict[str, Any]:
        """The answer of the API."""
        return self._api("POST", "query", json.dumps({"metric": metric, **more}))

    def told(self, what: str) -> dict[str, Any]:
        """What the API says of `health`, `status`, `services` and the like."""
        return self._api("GET", what)

    def _api(self, method: str, path: str, body: str | None = None) -> dict[str, Any]:
        place = self.ready["api"].removeprefix("http://")
        with closing(http.client.HTTPConnection(place, timeout=60)) as connection:
            headers = {"content-type": "application/json"} if body else {}
            connection.request(method, f"/api/analytics/{path}", body, headers)
            answer = connection.getresponse()
            text = answer.read()
            assert answer.status == 200, text
            found: dict[str, Any] = json.loads(text)
            return found


def stored(data_dir: Path, sql: str) -> list[tuple[Any, ...]]:
    """Rows of the file, when the service is not running."""
    with duckdb.connect(str(data_dir / "analytics.duckdb"), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def request(*metrics: Metric, service: str = "node") -> bytes:
    message = ExportMetricsServiceRequest()
    resource = message.resource_metrics.add()
    resource.resource.attributes.add(key="service.name").value.string_value = service
    resource.scope_metrics.add().metrics.extend(metrics)
    return message.SerializeToString()


def counter(
    name: str, value: float, *, start: int, when: int | None = None, delta: bool = False, **attributes: str
) -> Metric:
    metric = Metric(name=name, unit="{request}")
    metric.sum.is_monotonic = True
    kinds = AggregationTemporality
    metric.sum.aggregation_temporality = (
        kinds.AGGREGATION_TEMPORALITY_DELTA if delta else kinds.AGGREGATION_TEMPORALITY_CUMULATIVE
    )
    point = metric.sum.data_points.add(
        start_time_unix_nano=start, time_unix_nano=when or time.time_ns(), as_double=value
    )
    for key, text in attributes.items():
        point.attributes.add(key=key).value.string_value = text
    return metric
