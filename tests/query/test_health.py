import pytest
from tests.query.query_fakes import NOW, NOW_S, Desk
from tests.store.store_fakes import SECOND, Histogram, Point, batch, series

from blackhole.query.reports import ServiceHealth
from blackhole.records import MetricType, PrivacyLevel, SeriesRow, format_time

Rows = dict[str, list[Point] | list[Histogram]]


def of(
    service: str, number: int, metric: str, kind: MetricType, unit: str = "1", **more: object
) -> SeriesRow:
    extra = "".join(f',"{key}":"{value}"' for key, value in more.items())
    return series(
        number,
        metric,
        kind,
        unit=unit,
        attributes=f'{{"service.name":"{service}"{extra}}}',
        level=PrivacyLevel.INTERNAL,
    )


def every(number: int, seconds: int, value: float, *, until: int = 0, times: int = 100) -> list[Point]:
    """A point every so many seconds, the newest `until` seconds ago, none older than five minutes."""
    ages = [until + n * seconds for n in range(times) if until + n * seconds < 300]
    return [Point(number, NOW - age * SECOND, value, stream=number) for age in ages]


def health(asked: Desk) -> dict[str, ServiceHealth]:
    return {one.service: one for one in asked.runner.health().services}


def test_a_service_is_shown_with_its_rates_latency_and_use(asked: Desk) -> None:
    asked.store(
        batch(
            [
                *every(1, 5, 10.0),
                *every(2, 5, 1.0),
                *every(3, 5, 40.0),
                Point(3, NOW, 42.0, stream=3),
                *every(4, 5, 1000.0),
            ],
            [Histogram(5, NOW - 5 * SECOND, 100, 400.0, (10.0, 20.0), (90, 10, 0), stream=5)],
            series=[
                of("node", 1, "node.requests.total", MetricType.COUNTER),
                of("node", 2, "node.errors.total", MetricType.COUNTER),
                of("node", 3, "process.cpu.usage", MetricType.GAUGE, "percent"),
                of("node", 4, "process.memory.usage", MetricType.GAUGE, "bytes"),
                of("node", 5, "node.request.duration", MetricType.HISTOGRAM, "ms"),
            ],
        )
    )
    node = health(asked)["node"]
    # Thirteen exports from 60 s ago until now.
    assert node.request_rate == pytest.approx(13 * 10 / 60)
    assert node.error_rate == pytest.approx(13 / 60)
    assert node.p95_ms == pytest.approx(15.0)
    assert node.memory_bytes == 1000.0
    assert node.cpu_percent in {40.0, 42.0}
    assert (node.up, node.last_seen) == (True, format_time(NOW))


def test_a_sender_with_a_period_of_a_minute_has_a_steady_rate_and_is_up_between_exports(asked: Desk) -> None:
    asked.store(
        batch(
            every(1, 60, 120.0, until=55),
            series=[of("slow", 1, "slow.requests.total", MetricType.COUNTER)],
        )
    )
    slow = health(asked)["slow"]
    assert slow.request_rate == pytest.approx(2.0)
    assert slow.up


def test_a_service_that_fell_silent_is_down_and_its_rate_ends(asked: Desk) -> None:
    asked.store(
        batch(every(1, 5, 10.0, until=40), series=[of("gone", 1, "gone.requests.total", MetricType.COUNTER)])
    )
    gone = health(asked)["gone"]
    assert not gone.up
    asked.now = NOW_S + 3600
    later = health(asked)["gone"]
    assert (later.up, later.request_rate, later.last_seen) == (False, None, format_time(NOW - 40 * SECOND))
    asked.now = NOW_S + 2 * 86400
    assert health(asked) == {}


def test_services_of_before_the_start_are_remembered_as_down(asked: Desk) -> None:
    asked.store(
        batch(
            [Point(1, NOW - 7200 * SECOND, 1.0), Point(2, NOW - 90_000 * SECOND, 1.0)],
            series=[
                of("yesterday", 1, "process.cpu.usage", MetricType.GAUGE),
                of("long-ago", 2, "process.cpu.usage", MetricType.GAUGE),
            ],
        )
    )
    found = health(asked)
    assert list(found) == ["yesterday"]
    assert not found["yesterday"].up


@pytest.mark.parametrize(
    ("failure", "errors"),
    [
        ({"error.type": "timeout"}, 0.5),
        ({"rpc.grpc.status_code": "14"}, 0.5),
        ({"rpc.response.status_code": "UNAVAILABLE"}, 0.5),
        ({"success": "false"}, 0.5),
        ({"rpc.grpc.status_code": "0"}, 0.0),
        ({"rpc.method": "get"}, 0.0),
    ],
)
def test_without_counters_requests_and_errors_come_from_durations(
    asked: Desk, failure: dict[str, object], errors: float
) -> None:
    asked.store(
        batch(
            histograms=[
                Histogram(1, NOW - SECOND, 60, 6.0, (0.1, 0.2), (60, 0, 0), stream=1),
                Histogram(2, NOW - SECOND, 30, 6.0, (0.1, 0.2), (0, 30, 0), stream=2),
            ],
            series=[
                of("api", 1, "rpc.server.call.duration", MetricType.HISTOGRAM, "s"),
                of("api", 2, "rpc.server.call.duration", MetricType.HISTOGRAM, "s", **failure),
            ],
        )
    )
    api = health(asked)["api"]
    assert api.request_rate == pytest.approx(1.5)
    assert api.error_rate == pytest.approx(errors)
    assert api.p95_ms == pytest.approx(185.0)


def test_a_protocols_client_is_not_the_services_own_requests(asked: Desk) -> None:
    asked.store(
        batch(
            histograms=[Histogram(1, NOW - SECOND, 60, 6.0, (0.1,), (60, 0), stream=1)],
            series=[of("api", 1, "http.client.request.duration", MetricType.HISTOGRAM, "s")],
        )
    )
    api = health(asked)["api"]
    assert (api.request_rate, api.error_rate, api.p95_ms) == (None, None, None)


def test_a_guarded_series_does_not_tell_when_a_service_was_heard_of(asked: Desk) -> None:
    guarded = series(
        1,
        "p2p.peer.connections",
        MetricType.UPDOWNCOUNTER,
        attributes='{"service.name":"hidden"}',
        level=PrivacyLevel.SENSITIVE,
    )
    asked.store(batch([Point(1, NOW, 7.0)], series=[guarded]))
    assert health(asked) == {}
