"""What was answered OK is in the file, whatever happens to the process then."""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.service import Service, counter, request, stored

KILLS = 50
METRIC = "node.requests.total"

PROGRAM = """
from opentelemetry.exporter.otlp.proto.{kind}.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
provider = MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())])
meter = provider.get_meter("program")
meter.create_counter("node.requests.total", "{{request}}").add(41, {{"method": "{kind}"}})
meter.create_histogram("p2p.discovery.latency", "s").record(0.25)
meter.create_counter("no.such.metric").add(1)
provider.force_flush()
provider.shutdown()
"""


def run_program(service: Service, kind: str) -> None:
    """An SDK program that is told the endpoint and nothing else."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    endpoint = "http://" + str(service.ready[f"otlp_{kind}"])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(kind=kind)],
        env={**kept, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_SERVICE_NAME": "program"},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_an_sdk_program_lands_in_the_database_over_grpc_and_http(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Service(data) as service:
        for kind in ("grpc", "http"):
            run_program(service, kind)
        answer = service.query(METRIC, aggregation="sum", group_by=["method"])
        assert {series["attributes"]["method"] for series in answer["series"]} == {"grpc", "http"}
        sums = [sum(point["value"] for point in series["points"]) for series in answer["series"]]
        assert sums == [41, 41]
        assert service.stop() == 0
    total = "SELECT attributes->>'method', sum(value) FROM metrics"
    rows = stored(data, f"{total} WHERE metric_name = '{METRIC}' GROUP BY 1 ORDER BY 1")
    assert rows == [("grpc", 41.0), ("http", 41.0)]
    assert stored(data, "SELECT count(*) FROM metrics WHERE metric_name = 'no.such.metric'") == [(0,)]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_fifty_kills_right_after_ok_lose_and_repeat_nothing(tmp_path: Path) -> None:
    """Fails when a point that was answered OK is missing, when one is twice, or when a total is not exact.

    A cumulative counter and a delta counter are sent by turns over both transports. While the process is
    killed, a second request is on its way; like a real sender, the test sends it again after the restart.
    """
    data = tmp_path / "data"
    with Service(data) as service:
        service.stop()
    start = time.time_ns()
    unanswered: list[bytes] = []
    with ThreadPoolExecutor(1) as pool:
        for turn in range(1, KILLS + 1):
            with Service(data) as service:
                for body in unanswered:
                    assert service.post(body) == (200, b"")
                unanswered = []
                body = request(
                    counter(METRIC, 10.0 * turn, start=start, method="cumulative"),
                    counter(METRIC, 1.0, start=start, delta=True, method="delta"),
                )
                send = service.call if turn % 2 else lambda body: service.post(body)[1]
                assert send(body) == b""
                more = request(counter(METRIC, 10.0 * turn + 5, start=start, method="cumulative"))
                crossing = pool.submit(service.post, more)
                time.sleep(0.0007 * (turn % 12))
                service.kill()
                if not was_answered(crossing):
                    unanswered.append(more)
    rows = stored(
        data,
        "SELECT attributes->>'method' AS method, sum(value), count(*) FROM metrics "
        f"WHERE metric_name = '{METRIC}' GROUP BY 1 ORDER BY 1",
    )
    cumulative, delta = rows
    last = 10.0 * KILLS if unanswered else 10.0 * KILLS + 5
    assert delta == ("delta", float(KILLS), KILLS)
    assert cumulative[1] in {last, 10.0 * KILLS + 5}, "the last request may be stored without its answer"
    assert cumulative[2] >= KILLS
    assert "ERROR" not in (tmp_path / "stderr").read_text()


def was_answered(crossing: Any) -> bool:
    try:
        return bool(crossing.result(10) == (200, b""))
    except OSError:
        return False


def test_requests_under_way_at_a_stop_are_answered_and_stored(tmp_path: Path) -> None:
    data = tmp_path / "data"
    start = time.time_ns()
    with ThreadPoolExecutor(16) as pool, Service(data) as service:
        bodies = [request(counter(METRIC, 1.0, start=start, when=start + n, delta=True)) for n in range(200)]
        sent = [pool.submit(service.post, body) for body in bodies]
        time.sleep(0.15)
        assert service.stop() == 0
    answered = sum(was_answered(one) for one in sent)
    [(kept,)] = stored(data, f"SELECT count(*) FROM metrics WHERE metric_name = '{METRIC}'")
    assert kept >= answered > 0
