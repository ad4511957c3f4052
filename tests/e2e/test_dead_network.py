"""A network that died says so: in health, in `blackhole status` and among the insights."""

import subprocess
import time
from pathlib import Path

import pytest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric
from tests.e2e.service import BLACKHOLE, Service, request

SECOND = 10**9
CUMULATIVE = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
MINUTES = 14
DIED = 12


def moments() -> list[int]:
    """An export each ten seconds, the newest just now."""
    newest = time.time_ns() - SECOND
    return [newest - age * SECOND for age in range(60 * MINUTES, -1, -10)]


def value(metric: Metric, times: list[int], number: int, value: int, **attributes: str) -> None:
    """One point of a cumulative sum."""
    point = metric.sum.data_points.add(
        start_time_unix_nano=times[0] - SECOND, time_unix_nano=times[number], as_int=value
    )
    for key, text in attributes.items():
        point.attributes.add(key=key).value.string_value = text


def died() -> list[Metric]:
    """Everything worked for two minutes; from then on the process only says that nothing does."""
    times = moments()
    online = Metric(name="p2p.peers.online", unit="{peer}")
    messages = Metric(name="p2p.pubsub.messages", unit="{message}")
    pings = Metric(name="p2p.ping.latency", unit="ms")
    for metric in (online, messages):
        metric.sum.aggregation_temporality = CUMULATIVE
    messages.sum.is_monotonic = True
    pings.histogram.aggregation_temporality = CUMULATIVE
    works = 6 * (MINUTES - DIED)
    for number, when in enumerate(times):
        done = min(number, works)
        value(online, times, number, 5 if number < works else 0, peer_type="local")
        value(messages, times, number, 7 * done, direction="received")
        for success, count in (("true", 9 * done), ("false", 9 * (number - done))):
            point = pings.histogram.data_points.add(
                start_time_unix_nano=times[0] - SECOND,
                time_unix_nano=when,
                count=count,
                sum=5.0 * count,
                explicit_bounds=[10.0],
                bucket_counts=[count, 0],
            )
            point.attributes.add(key="peer_type").value.string_value = "local"
            point.attributes.add(key="success").value.bool_value = success == "true"
    return [online, messages, pings]


def found(service: Service) -> set[str]:
    titles: set[str] = set()
    deadline = time.monotonic() + 300
    while not titles and time.monotonic() < deadline:
        time.sleep(0.5)
        titles = {one["title"] for one in service.told("insights")["insights"]}
    return titles


@pytest.mark.timeout(400)
def test_a_network_that_died_is_down_in_every_place_that_says_how_it_is(tmp_path: Path) -> None:
    with Service(tmp_path / "data") as running:
        assert running.post(request(*died()))[0] == 200
        verdict = running.told("health")["verdict"]
        words = {reason["words"] for reason in verdict["reasons"]}
        assert words == {
            "node: no peers online",
            "node: nearly all pings fail",
            "node: no messages from peers",
        }
        assert (verdict["state"], verdict["sentence"][:6]) == ("down", "Down: ")
        assert running.told("status")["verdict"]["state"] == "down"
        told = subprocess.run(
            [str(BLACKHOLE), "status", "--data-dir", str(tmp_path / "data")],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        ).stdout
        assert told.startswith("verdict:        Down: node: ")
        assert words <= found(running)
