"""While the service runs its clock is set back: commits follow it, and whoever reads their times goes on."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.clock.clock_fakes import DAY, HOUR, NOON, SECOND, Machine
from tests.clock.node import Node

from blackhole.config import Config
from blackhole.query.run import QueryService
from blackhole.query.scrape import Scraper
from blackhole.store.upkeep.seal import Sealer

SHOWN = "shown.requests.total"
CATALOGUE = f"""
metrics:
  - name: {SHOWN}
    description: Requests of the test
    type: counter
    unit: "{{request}}"
    privacy: public
    purpose: Whether a scrape goes on
    keep: []
"""


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    path = tmp_path / "catalogue.yaml"
    path.write_text(CATALOGUE)
    node = Node(tmp_path, Machine(), files=[path])
    node.machine.passes(HOUR)
    yield node
    node.close()


def hear_each(node: Node, values: range, *, began: int = NOON, restarts: bool = False) -> None:
    for value in values:
        node.machine.passes(10 * SECOND)
        if restarts:
            node.restart()
        node.hear(value, began=began, name=SHOWN)


def scraper(node: Node) -> Scraper:
    return Scraper(node.database, lambda: node.machine.wall, lambda metric: metric)


def scraped(one: Scraper) -> float:
    return sum(value for family in one.read().families for _, _, value in family.samples)


def made(node: Node) -> list[int]:
    return [us for (us,) in node.ask("SELECT epoch_us(created_at) FROM recent_points ORDER BY rowid")]


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("by", [2 * 60 * SECOND, HOUR, 3 * DAY])
def test_commits_follow_the_clock_back_and_have_times_of_their_own(
    node: Node, by: int, *, restarts: bool
) -> None:
    machine = node.machine
    hear_each(node, range(1, 5))
    machine.wall -= by
    hear_each(node, range(5, 40), restarts=restarts)
    times = made(node)
    assert len(set(times)) == len(times) > 20
    assert times[4:] == sorted(times[4:])
    assert all(0 <= machine.wall // 1000 - time < 400 * 10**6 for time in times[4:])


def test_a_time_that_comes_again_is_not_given_again(node: Node) -> None:
    machine = node.machine
    for value in range(1, 7):
        node.hear(value, began=NOON, name=SHOWN, at=machine.wall + value)
        machine.passes(DAY)
        node.hear(value + 0.5, began=NOON, name=SHOWN, at=machine.wall + value)
        machine.wall -= DAY
    times = made(node)
    assert len(set(times)) == len(times) > 6


def test_what_comes_after_the_clock_went_back_is_sealed_when_its_block_is_over(node: Node) -> None:
    machine = node.machine
    sealer = Sealer(node.database, pause=0)
    sealer.apply()
    hear_each(node, range(1, 5))
    machine.wall -= 3 * DAY
    hear_each(node, range(5, 30))
    machine.passes(5 * HOUR)
    node.hear(100, began=NOON, name=SHOWN)
    # That which came first after the clock went back, and the last, are told by their places.
    assert sealer.apply() == 25
    node.restart()
    machine.passes(10 * SECOND)
    node.hear(107, began=NOON, name=SHOWN)
    machine.wall += 4 * DAY
    assert node.ask(f"SELECT sum(value) FROM metrics WHERE metric_name = '{SHOWN}'") == [[107.0]]


def test_rows_that_were_just_committed_are_not_sealed_because_the_start_is_of_the_future(node: Node) -> None:
    machine = node.machine
    sealer = Sealer(node.database, pause=0)
    sealer.apply()
    machine.wall -= 30 * DAY
    machine.passes(4 * HOUR)
    for value in range(1, 4):
        node.hear(value, began=NOON, name=SHOWN, at=machine.wall - 3 * HOUR + value * SECOND)
    assert sealer.apply() == 0
    machine.passes(HOUR)
    node.hear(5, began=NOON, name=SHOWN)
    assert sealer.apply() > 0


@pytest.mark.parametrize("seed", range(10))
def test_a_scrape_counts_each_commit_once_wherever_the_clock_is_set(node: Node, seed: int) -> None:
    chance, machine = random.Random(seed), node.machine
    one, before = scraper(node), 0.0
    for value in range(1, 41):
        machine.passes(chance.choice((0, SECOND, 60 * SECOND)))
        machine.wall += chance.choice((0, 0, -2 * HOUR, -3 * DAY, 3 * DAY, 2 * HOUR))
        rows = node.ask("SELECT coalesce(sum(value), 0) FROM recent_points")
        node.hear(value, began=NOON, name=SHOWN)
        before += node.ask("SELECT sum(value) FROM recent_points")[0][0] - rows[0][0]
        if chance.random() < 0.4:
            assert scraped(one) == before
    assert scraped(one) == before > 0


def test_a_scrape_leaves_out_what_an_earlier_run_has_left_of_the_future(node: Node) -> None:
    machine = node.machine
    machine.wall += 3 * DAY
    hear_each(node, range(1, 5))
    machine.wall -= 3 * DAY
    node.restart()
    one = scraper(node)
    assert scraped(one) == 0
    hear_each(node, range(5, 8))
    assert scraped(one) == 3


def test_a_clock_that_leaps_ahead_takes_nothing_from_a_scrape(node: Node) -> None:
    one = scraper(node)
    sealer = Sealer(node.database, pause=0, before=one.count)
    sealer.apply()
    hear_each(node, range(1, 5))
    node.machine.wall += DAY
    assert sealer.apply() == 4
    hear_each(node, range(5, 8))
    assert scraped(one) == 7


def test_who_falls_silent_after_the_clock_went_back_is_found_at_its_usual_time(node: Node) -> None:
    machine = node.machine
    runner = QueryService(
        node.database,
        node.catalogue,
        windows=Config(),
        now=lambda: machine.wall / SECOND,
        started=machine.wall / SECOND,
        uptime=lambda: machine.boot / SECOND,
    )

    def state() -> str:
        (one,) = runner.health().services
        return one.state

    hear_each(node, range(1, 8))
    assert state() == "up"
    machine.wall -= 3 * DAY
    for value in range(8, 20):
        hear_each(node, range(value, value + 1))
        assert state() in {"up", "waiting"}
    assert state() == "up"
    (metric,) = [one for one in runner.metrics() if one.metric == SHOWN]
    assert metric.received == 19
    for _ in range(6):
        machine.passes(15 * SECOND)
        found = state()
    assert found == "silent"
    assert runner.health().verdict.state == "down"
