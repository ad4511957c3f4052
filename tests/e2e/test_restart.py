"""What a running service keeps over a restart, and what it lets go of."""

import time
from collections.abc import Callable
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric
from tests.e2e.service import Service, counter, request, stored

LATENCY = "p2p.discovery.latency"


def exponential(values: list[int], *, start: int) -> Metric:
    """A cumulative exponential histogram of scale 0: `values` are the counts of 1-2, 2-4, 4-8 ms, …."""
    metric = Metric(name=LATENCY, unit="ms")
    data = metric.exponential_histogram
    data.aggregation_temporality = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
    point = data.data_points.add(start_time_unix_nano=start, time_unix_nano=time.time_ns(), count=sum(values))
    point.sum = float(sum(values))
    point.positive.bucket_counts.extend(values)
    return metric


def spans(start: int) -> bytes:
    message = ExportTraceServiceRequest()
    resource = message.resource_spans.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "shop"
    span = resource.scope_spans.add().spans.add(name="canary", kind=2, trace_id=bytes(range(16)))
    span.start_time_unix_nano, span.end_time_unix_nano = start, start + 5_000_000
    return message.SerializeToString()


def until(holds: Callable[[], bool], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.1)
    return holds()


def test_an_exponential_histogram_counts_each_value_once_over_kills(tmp_path: Path) -> None:
    data = tmp_path / "data"
    start = 0
    for counts in ([3, 0, 1], [4, 2, 1], [4, 2, 1, 9]):
        with Service(data) as service:
            start = start or time.time_ns()
            for _ in range(2):
                assert service.post(request(exponential(counts, start=start)))[0] == 200
    rows = stored(
        data,
        "SELECT sum(count), sum(h.sum) FROM histogram_points h JOIN series s ON s.id = h.series "
        f"WHERE metric = '{LATENCY}'",
    )
    assert rows == [(16, 16.0)]


def test_requests_sent_again_after_a_kill_add_nothing(tmp_path: Path) -> None:
    data = tmp_path / "data"
    now = time.time_ns()
    bodies = [request(counter("node.requests.total", 1, start=0, when=now + n, delta=True)) for n in range(8)]
    for _ in range(3):
        with Service(data) as service:
            for body in bodies:
                assert service.post(body)[0] == 200
    sql = "SELECT sum(value) FROM metrics WHERE metric_name = 'node.requests.total'"
    assert stored(data, sql) == [(8.0,)]


def test_kept_spans_are_gone_when_the_owner_keeps_none_any_more(tmp_path: Path) -> None:
    data, config = tmp_path / "data", tmp_path / "analytics.yaml"
    config.write_text("analytics: {keep_spans: 1h}\n")
    with Service(data, ("--config", str(config))) as service:
        assert service.post(spans(time.time_ns()), "/v1/traces")[0] == 200
        assert service.stop() == 0
    assert stored(data, "SELECT service, duration_ms FROM spans") == [("shop", 5.0)]
    with Service(data) as service:
        assert until(lambda: "deleted" in (tmp_path / "stderr").read_text())
        assert service.stop() == 0
    assert stored(data, "SELECT count(*) FROM spans") == [(0,)]


def test_the_service_stands_among_the_services_it_watches(tmp_path: Path) -> None:
    data, config = tmp_path / "data", tmp_path / "analytics.yaml"
    config.write_text("analytics: {collection_interval: 1s}\n")
    with Service(data, ("--config", str(config))) as service:
        assert service.post(request(counter("node.requests.total", 1, start=0, delta=True)))[0] == 200

        def accepted() -> float:
            series = service.query("blackhole.accepted", aggregation="sum", interval="1h")["series"]
            return float(sum(point["value"] for one in series for point in one["points"]))

        assert until(lambda: accepted() == 1.0)
        time.sleep(2.5)
        assert accepted() == 1.0
        assert service.stop() == 0
