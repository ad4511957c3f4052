import pytest
from tests.query.query_fakes import NOW, NOW_S, Desk
from tests.store.store_fakes import SECOND, Histogram, Point, batch, series

from blackhole.model.series import MetricType, PrivacyLevel
from blackhole.model.times import format_time
from blackhole.query.reports import Newest
from blackhole.store.upkeep.seal import Sealer


def network(asked: Desk) -> dict[str, Newest]:
    return {one.metric: one for one in asked.runner.network().series}


def fill(asked: Desk) -> None:
    asked.store(
        batch(
            [
                *(Point(1, NOW - n * SECOND, 3.0, stream=1) for n in range(100)),
                Point(2, NOW - 100 * SECOND, 7.0),
                Point(3, NOW - SECOND, 50.0),
                Point(4, NOW - 400 * SECOND, 1.0),
            ],
            [Histogram(5, NOW - SECOND, 10, 100.0, (10.0, 20.0), (0, 10, 0), stream=5)],
            series=[
                series(1, "p2p.connections.total", MetricType.COUNTER, unit="1", level=PrivacyLevel.INTERNAL),
                series(
                    2,
                    "p2p.peer.connections",
                    MetricType.UPDOWNCOUNTER,
                    unit="1",
                    level=PrivacyLevel.SENSITIVE,
                ),
                series(3, "process.cpu.usage", unit="percent", attributes='{"service.name":"node"}'),
                series(4, "process.memory.usage", unit="bytes"),
                series(
                    5, "p2p.discovery.latency", MetricType.HISTOGRAM, unit="ms", level=PrivacyLevel.INTERNAL
                ),
            ],
        )
    )


def test_the_network_shows_rates_levels_and_percentiles(asked: Desk) -> None:
    fill(asked)
    found = network(asked)
    assert set(found) == {"p2p.connections.total", "p2p.peer.connections", "p2p.discovery.latency"}
    connections = found["p2p.connections.total"]
    assert (connections.unit, connections.privacy_level) == ("1/s", "internal")
    assert connections.value == pytest.approx(3.0, rel=0.05)
    peers = found["p2p.peer.connections"]
    assert (peers.value, peers.privacy_level, peers.timestamp) == (
        7.0,
        "sensitive",
        format_time(NOW - 100 * SECOND),
    )
    latency = found["p2p.discovery.latency"]
    assert (latency.value, latency.lower, latency.upper) == (19.5, None, None)


def test_performance_shows_what_was_heard_of_within_five_minutes(asked: Desk) -> None:
    fill(asked)
    shown = asked.runner.performance().series
    assert [(one.metric, one.value, one.attributes) for one in shown] == [
        ("process.cpu.usage", 50.0, {"service.name": "node"})
    ]


def test_new_points_show_after_a_moment(asked: Desk) -> None:
    fill(asked)
    assert asked.runner.performance().series[0].value == 50.0
    asked.store(batch([Point(3, NOW + SECOND // 2, 60.0)]))
    asked.now = NOW_S + 1
    assert asked.runner.performance().series[0].value == 60.0


def test_the_newest_of_several_streams_counts(asked: Desk) -> None:
    asked.store(
        batch(
            [Point(3, NOW - SECOND, 1.0, stream=1), Point(3, NOW - 9 * SECOND, 2.0, stream=2)],
            series=[series(3, "process.cpu.usage", unit="percent")],
        )
    )
    assert [one.value for one in asked.runner.performance().series] == [1.0]


def test_an_empty_database_has_nothing_to_show(asked: Desk) -> None:
    assert asked.runner.network().series == []
    assert asked.runner.health().services == []


def test_what_is_sealed_between_two_looks_is_still_there(asked: Desk) -> None:
    asked.store(
        batch(
            [Point(3, NOW - n * SECOND, 50.0, stream=3) for n in range(400, -1, -10)],
            [
                Histogram(5, NOW - n * SECOND, 4, 60.0, (10.0, 20.0), (0, 4, 0), stream=5)
                for n in range(400, -1, -10)
            ],
            series=[
                series(3, "process.cpu.usage", unit="percent", attributes='{"service.name":"node"}'),
                series(5, "p2p.discovery.latency", MetricType.HISTOGRAM, unit="ms"),
            ],
        )
    )

    def levels() -> list[float | None]:
        return [one.value for one in asked.runner.performance().series]

    assert levels() == [50.0]
    assert Sealer(asked.database, pause=0).apply()
    for later in (11, 22):
        asked.now = NOW_S + later
        assert (later, levels()) == (later, [50.0])


def test_a_look_back_tells_the_last_minute_as_a_look_does(asked: Desk) -> None:
    fill(asked)
    once = network(asked), asked.runner.performance()
    asked.now = NOW_S + 1
    again = network(asked), asked.runner.performance()
    assert [set(one) for one in (once[0], again[0])] == [set(once[0])] * 2
    assert [one.value for one in once[1].series] == [one.value for one in again[1].series]
    assert once[0]["p2p.discovery.latency"].value == again[0]["p2p.discovery.latency"].value
