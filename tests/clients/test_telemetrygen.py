"""The Collector project's load generator, built with Go: every point, span and record is accounted for."""

import subprocess
from pathlib import Path

import pytest
from tests.clients.support import ROOT, count, needed, observed, service, total
from tests.e2e.service import Service, stored

TELEMETRYGEN = ROOT / ".build" / "go" / "bin" / "telemetrygen"
METRICS, TRACES, CHILDREN, LOGS, WORKERS = 60, 40, 3, 80, 2
TRANSPORTS = ["grpc", "http"]
KINDS = {
    "Gauge": "clients.heat",
    "Sum": "clients.requests",
    "Histogram": "clients.latency",
    "ExponentialHistogram": "clients.latency",
}


def generate(running: Service, transport: str, signal: str, *arguments: str) -> None:
    needed(TELEMETRYGEN)
    flags = ["--otlp-insecure", f"--otlp-endpoint={running.ready[f'otlp_{transport}']}", "--rate=0"]
    flags += ["--otlp-http"] if transport == "http" else []
    done = subprocess.run(
        [TELEMETRYGEN, signal, *flags, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("temporality", ["delta", "cumulative"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_every_generated_point_is_stored(tmp_path: Path, transport: str, kind: str, temporality: str) -> None:
    arguments = (f"--metric-type={kind}", f"--otlp-metric-name={KINDS[kind]}", f"--metrics={METRICS}")
    with service(tmp_path) as running:
        generate(running, transport, "metrics", *arguments, f"--aggregation-temporality={temporality}")
        assert running.stop() == 0
    data = tmp_path / "data"
    assert count(data) == METRICS
    if kind == "Sum":  # its values are 0, 1, 2 …
        last = METRICS - 1
        assert total(data, KINDS[kind]) == (last if temporality == "cumulative" else sum(range(METRICS)))


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_every_generated_span_and_record_is_counted(tmp_path: Path, transport: str) -> None:
    with service(tmp_path) as running:
        workers = f"--workers={WORKERS}"
        generate(running, transport, "traces", f"--traces={TRACES}", f"--child-spans={CHILDREN}", workers)
        generate(running, transport, "logs", f"--logs={LOGS}", workers)
        assert running.stop() == 0
    data = tmp_path / "data"
    spans = WORKERS * TRACES * (1 + CHILDREN)
    assert total(data, "traces.span.metrics.calls") == spans
    assert observed(data, "traces.span.metrics.duration")[0] == spans
    by_severity = "SELECT attributes->>'severity', sum(value) FROM metrics WHERE metric_name = "
    assert stored(data, f"{by_severity} 'log.record.count' GROUP BY 1") == [("INFO", float(WORKERS * LOGS))]
