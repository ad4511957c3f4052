"""The OpenTelemetry Python SDK, unmodified, told nothing but the endpoint."""

import os
import subprocess
import sys
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from tests.receive.conftest import Receivers, Start

from blackhole.errors import OverloadedError
from blackhole.model.signals import Signal, Verdict

PROGRAM = """
import logging, sys
from opentelemetry import _logs, metrics, trace
from opentelemetry.exporter.otlp.proto.{kind}.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.{kind}.trace_exporter import OTLPSpanExporter
from opentelemetry.exporter.otlp.proto.{kind}._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
logging.basicConfig(stream=sys.stdout)
meters = MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())])
traces = TracerProvider(); traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
logs = LoggerProvider(); logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
meters.get_meter("m").create_counter("node.requests.total").add(3, {{"type": "a"}})
with traces.get_tracer("t").start_as_current_span("work"):
    pass
logs.get_logger("l").emit(_logs.LogRecord(body="hello", severity_text="INFO"))
for provider in (meters, traces, logs):
    provider.shutdown()
"""


def run(receivers: Receivers, kind: str, **environment: str) -> str:
    port = receivers.http_port if kind == "http" else receivers.grpc_port
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    environment = {**kept, "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}", **environment}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(kind=kind)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def received(receivers: Receivers, signal: Signal, message: type[Any]) -> Any:
    bodies = [payload.body for payload in receivers.intake.payloads if payload.signal is signal]
    return message.FromString(bodies[-1])


@pytest.mark.parametrize("kind", ["http", "grpc"])
@pytest.mark.parametrize("more", [{}, {"OTEL_EXPORTER_OTLP_COMPRESSION": "gzip"}], ids=["plain", "gzip"])
def test_metrics_traces_and_logs_arrive(receivers: Receivers, kind: str, more: dict[str, str]) -> None:
    output = run(receivers, kind, **more)
    metrics = received(receivers, Signal.METRICS, ExportMetricsServiceRequest)
    metric = metrics.resource_metrics[0].scope_metrics[0].metrics[0]
    assert (metric.name, metric.sum.data_points[0].as_int) == ("node.requests.total", 3)
    spans = received(receivers, Signal.TRACES, ExportTraceServiceRequest)
    assert spans.resource_spans[0].scope_spans[0].spans[0].name == "work"
    logs = received(receivers, Signal.LOGS, ExportLogsServiceRequest)
    assert logs.resource_logs[0].scope_logs[0].log_records[0].body.string_value == "hello"
    assert "ERROR" not in output


@pytest.mark.parametrize("kind", ["http", "grpc"])
def test_a_token_in_the_headers_is_sent(start: Start, token: str, kind: str) -> None:
    receivers = start(token_file=token)
    run(receivers, kind, OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20s3cret")
    assert {payload.signal for payload in receivers.intake.payloads} == set(Signal)


@pytest.mark.parametrize("kind", ["http", "grpc"])
def test_partial_success_is_not_sent_again(receivers: Receivers, kind: str) -> None:
    receivers.intake.verdict = Verdict(1, "no.such.metric is not in the catalogue")
    run(receivers, kind)
    assert [payload.signal for payload in receivers.intake.payloads].count(Signal.METRICS) == 1


@pytest.mark.parametrize("kind", ["http", "grpc"])
def test_an_overloaded_answer_is_sent_again_and_arrives(receivers: Receivers, kind: str) -> None:
    taken: list[Signal] = []
    accept = receivers.intake.accept

    async def first_busy(payload: Any) -> Verdict:
        if payload.signal not in taken:
            taken.append(payload.signal)
            raise OverloadedError("busy", retry_after=0.1)
        return await accept(payload)

    receivers.intake.accept = first_busy  # type: ignore[method-assign]
    run(receivers, kind)
    assert sorted(payload.signal for payload in receivers.intake.payloads) == sorted(Signal)
