"""Nobody is silent for an outage of ours, nor a program that ended well; what does not answer is down."""

from dataclasses import dataclass, field

import pytest
from tests.query.query_fakes import NOW, NOW_S, WINDOWS, Desk, FakeCatalogue
from tests.query.test_health import every, health, of
from tests.store.store_fakes import SECOND, Interval, Point, batch

from blackhole.model.series import MetricType, StreamRow
from blackhole.model.times import format_time
from blackhole.query.outages import NOT_RUNNING, STOOD_STILL, TOOK_NOTHING, Outages
from blackhole.query.run import QueryService
from blackhole.query.silence import has_ended
from blackhole.query.streams import Stream, StreamFamily


@dataclass
class Node:
    """A run of the service over a desk's database that may be started again."""

    desk: Desk
    refuses: bool = False
    slept: float = 0.0
    runner: QueryService = field(init=False)

    def start(self, ago: float = 0.0) -> None:
        self.runner = QueryService(
            self.desk.database,
            FakeCatalogue(),
            windows=WINDOWS,
            now=lambda: self.desk.now,
            started=self.desk.now - ago,
            refusing=lambda: self.refuses,
        )

    def state(self, service: str) -> str:
        return {one.service: one.state for one in self.runner.health().services}[service]

    def look_until(self, moment: float, service: str) -> str:
        """Every 15 s, as the service does."""
        state = self.state(service)
        while self.desk.now + 15 <= moment:
            self.desk.now += 15
            state = self.state(service)
        return state


def of_own() -> list[Point]:
    return every(9, 10, 1.0, until=60)


def send(asked: Desk, *points: Point) -> None:
    """A service that reports each minute, and this one itself, which was last heard of a minute ago."""
    known = [
        of("slow", 1, "slow.requests.total", MetricType.COUNTER),
        of("blackhole-analytics", 9, "process.cpu.usage", MetricType.GAUGE),
    ]
    asked.store(batch(list(points), series=known))


def test_nobody_is_silent_before_the_time_that_it_may_take_after_our_start(asked: Desk) -> None:
    send(asked, *every(1, 60, 5.0, until=70), *of_own())
    asked.now = NOW_S + 900
    node = Node(asked)
    node.start()
    assert node.look_until(NOW_S + 900 + 170, "slow") == "waiting"
    assert node.runner.health().verdict.state == "unknown"
    assert node.look_until(NOW_S + 900 + 200, "slow") == "silent"


def test_a_sender_with_a_period_of_ten_minutes_has_half_an_hour_after_our_start(asked: Desk) -> None:
    points = [Point(1, NOW - age * SECOND, 5.0, stream=1) for age in (1900, 1300, 700, 100)]
    send(asked, *points, *of_own())
    asked.now = NOW_S + 3600
    node = Node(asked)
    node.start()
    assert node.look_until(NOW_S + 3600 + 1700, "slow") == "waiting"
    assert node.look_until(NOW_S + 3600 + 1900, "slow") == "silent"


def test_what_was_silent_before_the_outage_stays_silent_if_that_was_found_and_else_is_over(
    asked: Desk,
) -> None:
    send(asked, *every(1, 60, 5.0, until=70), *[Point(9, NOW + 3600 * SECOND, 1.0, stream=9)])
    asked.now = NOW_S + 4000
    node = Node(asked)
    node.start()
    assert node.state("slow") == "ended"
    with asked.database.write() as connection:
        connection.execute(
            "INSERT INTO insights (id, insight_type, title, expires_at) "
            "VALUES (1, 'service_silent', 'slow is silent', make_timestamp($1::BIGINT))",
            [(NOW_S + 3660) * 10**6],
        )
    node.start()
    assert node.state("slow") == "silent"


def test_we_did_not_run_is_said_with_both_ends(asked: Desk) -> None:
    send(asked, *every(1, 60, 5.0, until=70), *of_own())
    asked.now = NOW_S + 900
    node = Node(asked)
    node.start()
    (outage,) = node.runner.health().outages
    assert (outage.begin, outage.end) == (
        format_time(NOW - 60 * SECOND),
        format_time(NOW + 900 * SECOND),
    )
    assert outage.reason == NOT_RUNNING


@pytest.mark.parametrize("reason", [STOOD_STILL, TOOK_NOTHING])
def test_sleep_and_a_closed_door_make_nobody_silent(asked: Desk, reason: str) -> None:
    send(asked, *every(1, 5, 5.0), *of_own())
    node = Node(asked)
    node.start(ago=600)
    assert node.state("slow") == "up"
    if reason == TOOK_NOTHING:
        node.refuses = True
        assert node.look_until(NOW_S + 300, "slow") == "waiting"
        node.refuses = False
    else:
        asked.now = NOW_S + 300
    assert node.state("slow") == "waiting"
    assert node.runner.health().outages[0].reason == reason
    assert node.look_until(asked.now + 45, "slow") == "silent"


def test_what_was_silent_before_we_slept_is_silent_when_we_wake(asked: Desk) -> None:
    send(asked, *every(1, 5, 5.0, until=60))
    node = Node(asked)
    node.start(ago=600)
    assert node.state("slow") == "silent"
    asked.now = NOW_S + 300
    assert node.state("slow") == "silent"


def test_a_wait_for_a_look_is_no_outage_of_ours() -> None:
    times = iter([0, 40 * SECOND, 80 * SECOND])
    outages = Outages(0, lambda: next(times), lambda: False)
    for moment in (0, 40, 80):
        outages.look(moment * SECOND)
    assert outages.told(80 * SECOND) == []


def stream(
    last: int, since: int | None, points: int, *, start: int | None = 0, period: int | None = None
) -> Stream:
    of_period = None if period is None else period * SECOND
    begun = None if since is None else since * SECOND
    family = StreamFamily(start=None if start is None else start * SECOND)
    return Stream(last * SECOND, begun, 1.0, 1.0, last * SECOND, of_period, family, points)


@pytest.mark.parametrize(
    ("newest", "ended"),
    [
        (stream(40, 0, 1), True),  # its only export
        (stream(80, 60, 2, period=20), True),  # the second came after 20 s, the first after 60
        (stream(120, 60, 2, period=60), False),
        (stream(140, 120, 3, period=60), True),
        (stream(180, 120, 3, period=60), False),
        (stream(7320, 7300, 10, period=60), False),  # it lived for two hours
        (stream(140, 120, 3, start=None, period=60), True),
        (stream(180, 120, 3, start=None, period=60), False),
    ],
)
def test_a_short_lived_program_that_flushed_its_last_export_has_ended_well(
    newest: Stream, ended: bool
) -> None:
    assert has_ended([newest, stream(10, 5, 2, period=5)]) == ended


def test_a_job_that_ended_is_no_warning_and_no_reason(asked: Desk) -> None:
    job = [Point(1, NOW - age * SECOND, 1.0, stream=1) for age in (300, 290, 280, 277)]
    send(asked, *job, *every(9, 10, 1.0))
    asked.now = NOW_S - 270
    node = Node(asked)
    node.start(ago=600)
    assert node.state("slow") == "up"
    assert node.look_until(NOW_S - 100, "slow") == "ended"
    assert node.runner.health().verdict.reasons == []


def test_a_scraped_target_that_does_not_answer_is_down_though_its_scraper_reports(asked: Desk) -> None:
    up = of("shop", 1, "up", MetricType.GAUGE)
    asked.store(batch(every(1, 10, 0.0), series=[up]))
    found = asked.runner.health()
    (shop,) = found.services
    assert (shop.state, shop.up) == ("down", False)
    assert found.verdict.sentence == "Down: shop is down."


def test_one_of_two_targets_that_does_not_answer_is_said(asked: Desk) -> None:
    up = of("shop", 1, "up", MetricType.GAUGE)
    one = [Point(1, NOW - age * SECOND, 1.0, stream=1) for age in (20, 10, 0)]
    other = [Point(1, NOW - age * SECOND, 0.0, stream=2) for age in (20, 10, 0)]
    asked.store(batch([*one, *other], series=[up]))
    found = asked.runner.health()
    assert found.services[0].up
    assert found.verdict.sentence == "Degraded: shop: targets are down."


def test_a_target_that_answers_is_up(asked: Desk) -> None:
    asked.store(batch(every(1, 10, 1.0), series=[of("shop", 1, "up", MetricType.GAUGE)]))
    assert health(asked)["shop"].state == "up"


def test_time_in_which_we_did_not_run_is_no_time_of_quiet(asked: Desk) -> None:
    """Nine minutes of quiet before, nine minutes without us, and half a minute after."""
    came = of("node", 1, "p2p.pubsub.messages", MetricType.COUNTER, "{message}", direction="received")
    own = of("blackhole-analytics", 9, "process.cpu.usage", MetricType.GAUGE)
    before = [Point(1, NOW - age * SECOND, 9.0, stream=1) for age in (540, 530)]
    quiet = [Point(1, NOW - age * SECOND, 0.0, stream=1) for age in range(520, -1, -10)]
    back = [Point(1, NOW + (540 + after) * SECOND, 0.0, stream=1) for after in (10, 20, 30, 100, 110, 120)]
    asked.store(batch([*before, *quiet, *back, *every(9, 10, 1.0)], series=[came, own]))
    asked.now = NOW_S + 540
    node = Node(asked)
    node.start()
    asked.now += 30
    assert node.runner.health().verdict.state == "steady"
    assert node.look_until(asked.now + 90, "node") == "up"
    assert node.runner.health().verdict.sentence == "Degraded: node: no messages from peers."


Host = tuple[list[Point], StreamRow, Interval]


def host(number: int, *ages: float, start: float) -> Host:
    """A process of the service `slow` that was started so long ago, and sent a count at each age."""
    points = [Point(1, round(NOW - age * SECOND), 5.0, stream=number) for age in ages]
    began = round(NOW - start * SECOND)
    row = StreamRow(number, bytes([number]), 1, raw=number, kin=7, start_ns=began)
    first = Interval(1, number, points[0].time_ns, began, 5.0, period_ns=60 * SECOND)
    return points, row, first


def stopped(asked: Desk, *hosts: Host) -> Node:
    known = [
        of("slow", 1, "slow.requests.total", MetricType.COUNTER),
        of("blackhole-analytics", 99, "process.cpu.usage", MetricType.GAUGE),
    ]
    points = [point for some, _, _ in hosts for point in some]
    given = batch(
        [*points, *every(99, 10, 1.0)],
        series=known,
        streams=[StreamRow(99, b"own", 99), *(row for _, row, _ in hosts)],
        intervals=[first for _, _, first in hosts],
    )
    asked.store(given)
    node = Node(asked)
    node.start(ago=600)
    return node


def test_hosts_that_were_killed_in_their_first_half_minute_are_silent_in_their_own_time(asked: Desk) -> None:
    node = stopped(
        asked,
        host(1, 25, 15, 5, start=35.4),
        host(2, 22, 12, 2, start=32.2),
        *(host(number, 12 - number, start=22.5 - number) for number in (3, 4, 5, 6)),
    )
    assert node.state("slow") == "up"
    assert node.look_until(NOW_S + 45, "slow") == "silent"
    assert "slow is silent" in node.runner.health().verdict.sentence


def test_a_fresh_sender_of_a_minute_is_never_silent_before_two_and_a_half_of_its_periods(asked: Desk) -> None:
    node = stopped(asked, host(1, 0, start=60.3))
    assert node.look_until(NOW_S + 150, "slow") == "up"
    assert node.look_until(NOW_S + 180, "slow") == "silent"


def test_a_short_lived_program_that_was_alone_and_sent_once_has_ended(asked: Desk) -> None:
    node = stopped(asked, host(1, 0, start=20))
    assert node.look_until(NOW_S + 180, "slow") == "ended"


def test_hosts_that_flushed_as_they_ended_have_ended(asked: Desk) -> None:
    node = stopped(
        asked,
        host(1, 22, 12, 2, 0, start=32),
        host(2, 25, 15, 5, 0.1, start=35),
        host(3, 21, 11, 1, 0.2, start=31),
    )
    assert node.look_until(NOW_S + 60, "slow") == "ended"
