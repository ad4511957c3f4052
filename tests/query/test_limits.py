"""What is dead is not steady: none left where there were some, most attempts fail, nothing comes any more."""

import pytest
from tests.query.query_fakes import NOW, NOW_S, Desk
from tests.query.test_health import every, of
from tests.store.store_fakes import SECOND, Histogram, Point, batch, series

from blackhole.model.series import MetricType, PrivacyLevel, SeriesRow
from blackhole.model.times import format_time
from blackhole.query.reports import HealthVerdict

MINUTE = 60


def levels(number: int, *values: float, step: int = 10) -> list[Point]:
    """A value each ten seconds, the last one now."""
    ages = range(step * (len(values) - 1), -1, -step)
    return [
        Point(number, NOW - age * SECOND, value, stream=number)
        for age, value in zip(ages, values, strict=True)
    ]


def online(number: int = 1, service: str = "node", **more: object) -> SeriesRow:
    return of(service, number, "p2p.peers.online", MetricType.UPDOWNCOUNTER, "{peer}", **more)


def pings(number: int, success: str, service: str = "node") -> SeriesRow:
    return of(service, number, "p2p.ping.latency", MetricType.HISTOGRAM, "ms", success=success)


def pinged(number: int, count: int, *, ages: range = range(60, -1, -10)) -> list[Histogram]:
    return [
        Histogram(number, NOW - age * SECOND, count, 5.0 * count, (10.0,), (count, 0), stream=number)
        for age in ages
    ]


def verdict(asked: Desk) -> HealthVerdict:
    return asked.runner.health().verdict


def test_nothing_heard_is_not_called_steady(asked: Desk) -> None:
    assert verdict(asked).state == "unknown"


def test_what_works_is_steady(asked: Desk) -> None:
    asked.store(batch(levels(1, 4, 5, 4, 5, 4, 5), pinged(2, 9), series=[online(), pings(2, "true")]))
    found = verdict(asked)
    assert (found.state, found.reasons, found.since) == ("steady", [], None)
    assert found.sentence == "Steady: node reports, and nothing is beyond its limits."


def test_no_peers_where_there_were_some_is_down_and_says_since_when(asked: Desk) -> None:
    asked.store(batch(levels(1, 4, 4, 0, 0, 0, 0), series=[online()]))
    found = verdict(asked)
    assert (found.state, found.since) == ("down", format_time(NOW - 40 * SECOND))
    assert found.sentence == "Down: node: no peers online."


def test_a_level_that_was_always_zero_is_steady(asked: Desk) -> None:
    asked.store(batch(levels(1, 0, 0, 0, 0, 0, 0), series=[online()]))
    assert verdict(asked).state == "steady"


def test_what_was_above_zero_before_it_was_first_looked_at_is_read_from_the_file_once(asked: Desk) -> None:
    """Hours ago, and sealed or not: that is no state of a series any more."""
    asked.store(batch([Point(1, NOW - 7200 * SECOND, 3.0, stream=1), *levels(1, 0, 0, 0)], series=[online()]))
    found = verdict(asked)
    assert (found.state, found.since) == ("down", format_time(NOW - 7200 * SECOND))


def test_of_one_kind_none_is_left_is_degraded(asked: Desk) -> None:
    asked.store(
        batch(
            [*levels(1, *[1] * 9), *levels(2, 5, 0, 0, 0, 0, 0, 0, 0, 0)],
            series=[online(1, peer_type="bootstrap"), online(2, peer_type="local")],
        )
    )
    found = verdict(asked)
    assert (found.state, found.sentence) == ("degraded", "Degraded: node: no peers online of one kind.")


def test_zero_for_a_moment_is_no_news(asked: Desk) -> None:
    asked.store(batch(levels(1, 4, 4, 4, 4, 0, 0), series=[online()]))
    assert verdict(asked).state == "steady"


@pytest.mark.parametrize(
    ("good", "bad", "state"), [(10, 10, "degraded"), (0, 10, "down"), (10, 2, "steady"), (0, 1, "steady")]
)
def test_half_of_the_pings_failing_is_not_steady(asked: Desk, good: int, bad: int, state: str) -> None:
    asked.store(
        batch(histograms=[*pinged(1, good), *pinged(2, bad)], series=[pings(1, "true"), pings(2, "false")])
    )
    assert verdict(asked).state == state


@pytest.mark.parametrize(
    ("tried", "failed", "counts", "state"),
    [
        ("p2p.connections.total", "p2p.connections.failed", (10, 10), "degraded"),
        ("p2p.connections.total", "p2p.connections.failed", (10, 1), "steady"),
        ("libp2p_swarm_connections_opened_total", "libp2p_swarm_dial_errors_total", (10, 30), "steady"),
        ("libp2p_swarm_connections_opened_total", "libp2p_swarm_dial_errors_total", (0, 30), "down"),
        ("rpc_outbound_requests_total", "rpc_outbound_request_errors_total", (30, 30), "down"),
        ("rpc_outbound_requests_total", "rpc_outbound_request_errors_total", (30, 10), "steady"),
    ],
)
def test_failures_that_have_a_counter_of_their_own_are_a_share_too(
    asked: Desk, tried: str, failed: str, counts: tuple[int, int], state: str
) -> None:
    asked.store(
        batch(
            [*every(1, 10, counts[0]), *every(2, 10, counts[1])],
            series=[of("node", 1, tried, MetricType.COUNTER), of("node", 2, failed, MetricType.COUNTER)],
        )
    )
    assert verdict(asked).state == state


def test_a_share_is_judged_by_the_last_minute_and_not_by_one_export(asked: Desk) -> None:
    asked.store(
        batch(
            histograms=[*pinged(1, 10), *pinged(2, 1, ages=range(1))],
            series=[pings(1, "true"), pings(2, "false")],
        )
    )
    assert verdict(asked).state == "steady"
    for second in (10, 20):
        asked.now = NOW_S + second
        time = NOW + second * SECOND
        asked.store(batch(histograms=[Histogram(2, time, 3, 15.0, (10.0,), (3, 0), stream=2)]))
        state = verdict(asked).state
    assert state == "steady"
    for second in range(30, 100, 10):
        asked.now = NOW_S + second
        time = NOW + second * SECOND
        asked.store(batch(histograms=[Histogram(2, time, 3, 15.0, (10.0,), (3, 0), stream=2)]))
        state = verdict(asked).state
    assert state != "steady"


def test_no_messages_for_ten_minutes_where_there_were_some(asked: Desk) -> None:
    came = of("node", 1, "p2p.pubsub.messages", MetricType.COUNTER, "{message}", direction="received")
    sent = of("node", 2, "p2p.pubsub.messages", MetricType.COUNTER, "{message}", direction="published")
    before = [Point(1, NOW - age * SECOND, 9.0, stream=1) for age in (760, 750, 740)]
    quiet = [Point(1, NOW - age * SECOND, 0.0, stream=1) for age in range(730, -1, -10)]
    asked.store(batch([*before, *quiet, *every(2, 10, 5.0)], series=[came, sent]))
    found = verdict(asked)
    assert (found.state, found.since) == ("degraded", format_time(NOW - 740 * SECOND))
    assert found.reasons[0].metric == "p2p.pubsub.messages"


def test_a_quiet_nine_minutes_is_no_news(asked: Desk) -> None:
    came = of("node", 1, "p2p.pubsub.messages", MetricType.COUNTER, "{message}", direction="received")
    before = [Point(1, NOW - age * SECOND, 9.0, stream=1) for age in (560, 550, 540)]
    quiet = [Point(1, NOW - age * SECOND, 0.0, stream=1) for age in range(530, -1, -10)]
    asked.store(batch([*before, *quiet], series=[came]))
    assert verdict(asked).state == "steady"


def test_all_silent_is_down_and_one_of_two_is_degraded(asked: Desk) -> None:
    asked.store(
        batch(
            [*every(1, 5, 1.0, until=120), *every(2, 5, 1.0)],
            series=[
                of("a", 1, "a.requests.total", MetricType.COUNTER),
                of("b", 2, "b.requests.total", MetricType.COUNTER),
            ],
        )
    )
    assert verdict(asked).sentence == "Degraded: a is silent."
    asked.now = NOW_S + 90
    found = verdict(asked)
    assert found.state == "down"
    assert found.sentence.startswith("Down: no service reports any more")


def test_this_service_itself_does_not_make_a_dead_node_look_alive(asked: Desk) -> None:
    own = of("blackhole-analytics", 2, "process.cpu.usage", MetricType.GAUGE)
    asked.store(
        batch(
            [*every(1, 5, 1.0, until=120), *every(2, 5, 1.0)],
            series=[of("a", 1, "a.requests.total", MetricType.COUNTER), own],
        )
    )
    assert verdict(asked).sentence == "Down: a is silent."


@pytest.mark.parametrize(
    ("errors", "sentence"),
    [
        (10.0, "Steady: shop reports, and nothing is beyond its limits."),
        (30.0, "Degraded: shop: too many requests fail."),
        (95.0, "Down: shop: nearly all requests fail."),
    ],
)
def test_a_service_that_fails_a_quarter_of_its_requests_is_degraded(
    asked: Desk, errors: float, sentence: str
) -> None:
    asked.store(
        batch(
            [*every(1, 5, 100.0), *every(2, 5, errors)],
            series=[
                of("shop", 1, "shop.requests.total", MetricType.COUNTER),
                of("shop", 2, "shop.errors.total", MetricType.COUNTER),
            ],
        )
    )
    assert verdict(asked).sentence == sentence


def test_connections_of_a_protected_metric_that_are_not_shown_any_more_are_degraded(asked: Desk) -> None:
    peers = series(1, "p2p.peer.connections", MetricType.UPDOWNCOUNTER, level=PrivacyLevel.SENSITIVE)
    shown = [Point(1, NOW - age * SECOND, 8.0) for age in (780, 720, 660)]
    alive = of("node", 2, "process.cpu.usage", MetricType.GAUGE)
    asked.store(batch([*shown, *every(2, 10, 1.0)], series=[peers, alive]))
    asked.now = NOW_S - 600
    assert verdict(asked).state in {"steady", "unknown"}
    asked.now = NOW_S
    found = verdict(asked)
    assert found.sentence == "Degraded: No connections to peers are shown."
