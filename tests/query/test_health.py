import pytest
from tests.query.query_fakes import NOW, NOW_S, Desk
from tests.store.store_fakes import SECOND, Histogram, Point, batch, series

from blackhole.model.series import MetricType, PrivacyLevel, SeriesRow
from blackhole.model.times import format_time
from blackhole.query.reports import ServiceHealth

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
    assert node.request_rate == pytest.approx(2.0)
    assert node.error_rate == pytest.approx(0.2)
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


def test_processes_of_one_name_are_added_up_and_counted(asked: Desk) -> None:
    beats = [
        Point(number, NOW - age * SECOND, value, stream=10 * number + process)
        for number, values in ((1, (40.0, 30.0, 20.0)), (2, (100.0, 200.0, 300.0)))
        for process, value in enumerate(values)
        for age in (3, 13, 23, 33)
    ]
    requests = [
        Histogram(3, NOW - age * SECOND, 10, 100.0, (10.0, 20.0), (10 - slow, slow, 0), stream=30 + process)
        for process, slow in enumerate((0, 0, 10))
        for age in (3, 13, 23, 33)
    ]
    # This one ended some minutes ago: what it held is free again.
    gone = [Point(2, NOW - (200 + age) * SECOND, 900.0, stream=29) for age in (0, 10, 20)]
    asked.store(
        batch(
            [*beats, *gone],
            requests,
            series=[
                of("pool", 1, "process.cpu.usage", MetricType.GAUGE, "percent"),
                of("pool", 2, "process.memory.usage", MetricType.GAUGE, "bytes"),
                of("pool", 3, "http.server.duration", MetricType.HISTOGRAM, "ms"),
            ],
        )
    )
    pool = health(asked)["pool"]
    assert (pool.cpu_percent, pool.memory_bytes, pool.processes) == (90.0, 600.0, 3)
    assert pool.p95_ms == pytest.approx(18.5)  # of all that was observed: a third took 10 to 20 ms


@pytest.mark.parametrize(
    ("metric", "unit", "value", "percent"),
    [
        ("process.cpu.usage", "percent", 42.0, 42.0),
        ("process.cpu.usage", "%", 42.0, 42.0),
        ("process.cpu.usage", "1", 0.42, 42.0),  # Micrometer
        ("process.cpu.usage", "", 0.42, 42.0),
        ("process.cpu.utilization", "1", 0.42, 42.0),
        ("jvm.cpu.recent_utilization", "1", 0.42, 42.0),
        ("process.runtime.cpython.cpu.utilization", "1", 0.42, 42.0),
        ("container.cpu.usage", "{cpu}", 0.42, 42.0),
        ("system.cpu.usage", "1", 0.42, None),
    ],
)
def test_cpu_is_in_percent_whatever_unit_it_came_in(
    asked: Desk, metric: str, unit: str, value: float, percent: float | None
) -> None:
    asked.store(batch(every(1, 5, value, times=3), series=[of("app", 1, metric, MetricType.GAUGE, unit)]))
    found = health(asked)["app"].cpu_percent
    assert found == (None if percent is None else pytest.approx(percent))


@pytest.mark.parametrize(("unit", "each"), [("s", 3.0), ("ns", 3e9)])
def test_cpu_seconds_a_second_are_percent_of_one_core(asked: Desk, unit: str, each: float) -> None:
    series = [
        of("app", number, "process.cpu.time", MetricType.COUNTER, unit, state=state)
        for number, state in ((1, "user"), (2, "system"))
    ]
    asked.store(batch([*every(1, 60, each), *every(2, 60, each)], series=series))
    assert health(asked)["app"].cpu_percent == pytest.approx(10.0)
    assert health(asked)["app"].sources.cpu == ["process.cpu.time"]


def test_what_nobody_tells_is_unknown_and_what_told_the_rest_is_named(asked: Desk) -> None:
    asked.store(
        batch(
            every(1, 60, 120.0),
            series=[of("plain", 1, "plain.requests.total", MetricType.COUNTER)],
        )
    )
    plain = health(asked)["plain"]
    assert plain.request_rate == pytest.approx(2.0)
    assert (plain.error_rate, plain.p95_ms, plain.processes) == (None, None, None)
    assert (plain.sources.requests, plain.sources.errors) == (["plain.requests.total"], [])


def test_a_convention_that_a_service_has_left_does_not_count_any_more(asked: Desk) -> None:
    newer = [Histogram(1, NOW - age * SECOND, 60, 6.0, (0.1,), (60, 0), stream=1) for age in (200, 210, 220)]
    older = [Histogram(2, NOW - age * SECOND, 10, 50.0, (0.1,), (10, 0), stream=2) for age in range(1, 99, 5)]
    asked.store(
        batch(
            histograms=[*newer, *older],
            series=[
                of("api", 1, "http.server.request.duration", MetricType.HISTOGRAM, "s"),
                of("api", 2, "http.server.duration", MetricType.HISTOGRAM, "ms"),
            ],
        )
    )
    api = health(asked)["api"]
    assert api.sources.requests == ["http.server.duration"]
    assert api.request_rate == pytest.approx(2.0)


def test_durations_of_buckets_count_where_the_first_source_has_none(asked: Desk) -> None:
    asked.store(
        batch(
            histograms=[
                Histogram(1, NOW - SECOND, 60, 6.0, stream=1),
                Histogram(2, NOW - SECOND, 60, 6.0, (10.0, 20.0), (0, 60, 0), stream=2),
            ],
            series=[
                of("api", 1, "http.server.requests", MetricType.HISTOGRAM, "milliseconds", status="200"),
                of(
                    "api",
                    2,
                    "traces.span.metrics.duration",
                    MetricType.HISTOGRAM,
                    "ms",
                    **{"span.kind": "SPAN_KIND_SERVER", "status.code": "STATUS_CODE_OK"},
                ),
            ],
        )
    )
    api = health(asked)["api"]
    assert api.p95_ms == pytest.approx(19.5)
    assert api.sources.durations == ["traces.span.metrics.duration"]


def test_nobody_was_heard_of_later_than_now(asked: Desk) -> None:
    """A clock that ran three days ahead for one export has left a point there."""
    node = of("node", 1, "node.requests.total", MetricType.COUNTER)
    ahead = Point(1, NOW + 3 * 86400 * SECOND, 1.0, stream=1)
    asked.store(batch([*every(1, 5, 10.0, until=120), ahead], series=[node]))
    seen = health(asked)["node"]
    assert seen.last_seen == format_time(NOW - 120 * SECOND)
    assert not seen.up
