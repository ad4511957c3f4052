"""A metric that was refused is allowed by name and stored from then on, without a restart."""

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.metrics.v1.metrics_pb2 import Gauge, Metric, NumberDataPoint
from tests.e2e.service import BLACKHOLE, Service, counter, request, stored

PEER = "12D3KooWGRUVhXFBHEGgiPDYGmVeyuZL1tQwWjKBGLFiDYwHLQfM"


def allow(data_dir: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(BLACKHOLE), "catalogue", "allow", *arguments, "--data-dir", str(data_dir)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def send(service: Service, value: float) -> int:
    """The number of points that were refused."""
    sent = counter("shop.sales", value, start=time.time_ns(), delta=True, kind="book", buyer="ada")
    answer = ExportMetricsServiceResponse.FromString(service.call(request(sent)))
    return answer.partial_success.rejected_data_points


def test_what_was_refused_is_stored_once_it_is_allowed(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with Service(data_dir) as service:
        assert send(service, 1) == 1
        done = allow(data_dir, "shop.sales", "--keep", "kind")
        assert (done.returncode, done.stdout) == (
            0,
            "shop.sales: internal counter in {request}, collected from here on\n",
        )
        assert send(service, 2) == 0
        answer = service.query("shop.sales", aggregation="sum", group_by=["kind"])
        assert [one["attributes"] for one in answer["series"]] == [{"kind": "book"}]
        assert sum(point["value"] for point in answer["series"][0]["points"]) == 2
        assert service.stop() == 0
    assert stored(data_dir, "SELECT value FROM metrics WHERE metric_name = 'shop.sales'") == [(2.0,)]
    with Service(data_dir) as service:  # and still after a restart
        assert send(service, 4) == 0


def status(service: Service) -> dict[str, Any]:
    return dict(httpx.get(f"{service.ready['api']}/api/analytics/status", timeout=60).json())


def gauge(name: str, value: float) -> Metric:
    point = NumberDataPoint(as_double=value, time_unix_nano=time.time_ns())
    return Metric(name=name, gauge=Gauge(data_points=[point]))


def refused(service: Service, metric: Metric) -> int:
    answer = ExportMetricsServiceResponse.FromString(service.call(request(metric)))
    return answer.partial_success.rejected_data_points


@pytest.mark.parametrize("arguments", [(), ("--type", "gauge")])
def test_a_type_that_was_refused_is_taken_once_it_is_allowed(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    data_dir = tmp_path / "data"
    with Service(data_dir) as service:
        assert refused(service, gauge("node.requests.total", 3.0)) == 1
        (entry,) = status(service)["refused"]
        assert (entry["metric"], entry["allows"]) == ("node.requests.total", "gauge")
        done = allow(data_dir, "node.requests.total", *arguments)
        assert done.returncode == 0
        assert "gauge in {request}, collected from here on" in done.stdout
        assert "instead of a counter" in done.stdout
        assert refused(service, gauge("node.requests.total", 4.0)) == 0
        (entry,) = status(service)["refused"]
        assert entry["allows"] is None
        again = allow(data_dir, "node.requests.total", *arguments)
        assert again.stdout.startswith("node.requests.total: is allowed and was not changed")
        assert service.stop() == 0
    sql = "SELECT value FROM metrics WHERE metric_name = 'node.requests.total'"
    assert stored(data_dir, sql) == [(4.0,)]


@pytest.mark.parametrize("name", ["v8js.memory.heap.used", "system.memory.usage", "v8js.memory.heap.limit"])
def test_a_gauge_is_taken_where_the_catalogue_has_an_updowncounter(name: str, tmp_path: Path) -> None:
    with Service(tmp_path / "data") as service:
        assert refused(service, gauge(name, 5.0)) == 0


def test_the_open_window_belongs_to_the_catalogue_under_which_it_was_gathered(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with Service(data_dir) as service:
        for number in range(8):
            peer = counter(
                "p2p.peer.connections",
                1,
                start=time.time_ns(),
                delta=True,
                peer_type="local",
            )
            point = peer.sum.data_points[0]
            point.attributes.add(key="peer.id").value.string_value = f"peer-{number}"
            service.call(request(peer))
        assert allow(data_dir, "shop.sales", "--type", "counter").returncode == 0
        service.call(request(counter("shop.sales", 1, start=time.time_ns(), delta=True)))
        assert service.stop() == 0
    sql = "SELECT sum(value) FROM metrics WHERE metric_name = 'p2p.peer.connections'"
    assert stored(data_dir, sql) == [(8.0,)]


def test_guarded_levels_and_identities_are_refused_by_the_service(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with Service(data_dir) as service:
        guarded = allow(data_dir, "shop.sales", "--type", "counter", "--privacy", "highly_sensitive")
        assert guarded.returncode == 4
        assert "needs a privacy unit and bounds" in guarded.stderr
        named = allow(data_dir, f"shop.{PEER}", "--type", "counter")
        assert named.returncode == 4
        assert PEER not in named.stderr
        unknown = allow(data_dir, "shop.sales")
        assert unknown.returncode == 2
        assert "give type and unit" in unknown.stderr
        assert service.is_running
    assert not (data_dir / "catalogue.yaml").exists()
    assert PEER not in (tmp_path / "stderr").read_text()


def test_without_a_service_the_file_is_written_for_its_next_start(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    done = allow(data_dir, "shop.sales", "--type", "counter", "--unit", "{request}", "--json")
    assert (done.returncode, json.loads(done.stdout)["already"]) == (0, [])
    with Service(data_dir) as service:
        assert send(service, 1) == 0


def test_questions_are_remembered_over_a_restart(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    names = ("node.requests.total", "node.errors.total")
    unused = [str(BLACKHOLE), "catalogue", "unused", "--json", "--data-dir", str(data_dir)]

    def named() -> list[str]:
        done = subprocess.run(unused, capture_output=True, text=True, check=True, timeout=60)
        return [one["metric"] for one in json.loads(done.stdout)["unused"] if one["metric"] in names]

    with Service(data_dir) as service:
        service.call(request(*(counter(name, 1, start=time.time_ns(), delta=True) for name in names)))
        assert named() == sorted(names)
        service.query(names[0])
        assert named() == [names[1]]
        assert service.stop() == 0
    assert named() == [names[1]]
