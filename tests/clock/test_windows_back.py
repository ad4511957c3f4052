"""After a clock ran ahead, private windows go on: each under an id of its own, and the ledger never twice."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.clock.clock_fakes import DAY, HOUR, SECOND, Machine
from tests.clock.node import Node

from blackhole.config import Config, Duration
from blackhole.errors import OverloadedError
from blackhole.guard.windows import GRACE_NS

MINUTE = 60 * SECOND
CATALOGUE = """
metrics:
  - &secret
    name: shared.count
    description: An event of the test
    type: counter
    unit: "{use}"
    privacy: sensitive
    purpose: Whether windows follow the clock
    privacy_unit: {name: user, keys: [user.id]}
    bounds: [0, 50]
  - {<<: *secret, name: secret.count, privacy: highly_sensitive}
"""
USERS = {f"u{number}": 10.0 for number in range(5)}


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    path = tmp_path / "catalogue.yaml"
    path.write_text(CATALOGUE)
    config = Config(privacy_budget=1e12, release_window=Duration(3600), sensitive_window=Duration(60))
    node = Node(tmp_path, Machine(wall=1_800_000_000 * SECOND + 5 * SECOND, boot=400 * DAY), config, [path])
    node.publish()
    pass_windows(node, 1)
    yield node
    node.close()


def pass_windows(node: Node, windows: int) -> None:
    for _ in range(windows):
        node.machine.passes(MINUTE)
        node.publish()
    node.machine.passes(GRACE_NS)
    node.publish()


def rows(node: Node) -> list[tuple[int, float]]:
    sql = (
        "SELECT epoch_ns(timestamp::TIMESTAMP_NS), value FROM metrics WHERE metric_name = 'shared.count' "
        "ORDER BY timestamp"
    )
    return [(time, value) for time, value in node.ask(sql)]


def total(node: Node) -> float:
    return sum(value for _, value in rows(node))


@pytest.mark.parametrize("ahead", [20 * MINUTE, 3 * DAY, 400 * DAY])
def test_sensitive_windows_follow_the_clock_back_and_lose_nothing(node: Node, ahead: int) -> None:
    machine = node.machine
    machine.wall += ahead
    node.count("shared.count", USERS)
    pass_windows(node, 2)
    node.count("shared.count", USERS)
    machine.wall -= ahead
    for _ in range(4):
        node.count("shared.count", dict.fromkeys(USERS, 50.0))
        pass_windows(node, 1)
    pass_windows(node, 1)
    assert total(node) == 2 * 50 + 4 * 250
    times = [time for time, _ in rows(node)]
    assert len(set(times)) == len(times) == 6
    assert sum(time > machine.wall for time in times) == 1


@pytest.mark.parametrize("stops", [True, False])
def test_sensitive_windows_follow_a_clock_that_was_set_back_between_two_runs(
    node: Node, *, stops: bool
) -> None:
    machine = node.machine
    machine.wall += 3 * DAY
    node.count("shared.count", USERS)
    pass_windows(node, 2)
    node.hear(1, began=machine.wall)
    (node.stop if stops else node.crash)()
    machine.wall -= 3 * DAY
    node.start()
    pass_windows(node, 1)
    for _ in range(3):
        node.count("shared.count", dict.fromkeys(USERS, 50.0))
        pass_windows(node, 1)
    pass_windows(node, 1)
    assert total(node) == 50 + 3 * 250


def test_an_id_that_exists_is_skipped_when_its_time_comes_again(node: Node) -> None:
    machine = node.machine
    for _ in range(3):
        node.count("shared.count", USERS)
        pass_windows(node, 1)
    before = rows(node)
    for _ in range(3):
        machine.wall -= 30 * MINUTE
        node.publish()
        machine.wall += 26 * MINUTE
        node.publish()
        node.count("shared.count", USERS)
        pass_windows(node, 1)
    pass_windows(node, 1)
    after = rows(node)
    assert total(node) == 6 * 50
    assert len({time for time, _ in after}) == len(after) == 6
    assert set(before) <= set(after)


def test_windows_that_ended_before_the_clock_went_back_are_published_at_once(node: Node) -> None:
    node.machine.wall += 3 * DAY
    node.count("shared.count", USERS)
    node.machine.passes(node.guard.window_end_ns - node.machine.wall)
    node.publish()
    assert total(node) == 0
    node.machine.wall -= 3 * DAY
    node.publish()
    assert total(node) == 50


def test_while_the_store_cannot_say_which_ids_exist_the_window_stays_open(node: Node) -> None:
    asked: list[bool] = []
    find = node.writer.find

    def refuse(_: object) -> set[tuple[int, int]]:
        asked.append(True)
        raise OverloadedError("busy", retry_after=1.0)

    node.guard._windows._find = refuse
    node.machine.wall += 3 * DAY
    node.count("shared.count", USERS)
    node.machine.wall -= 3 * DAY
    node.publish()
    pass_windows(node, 3)
    assert asked
    assert total(node) == 0
    node.guard._windows._find = find
    pass_windows(node, 2)
    assert total(node) == 50


def test_highly_sensitive_windows_wait_for_the_time_of_the_ledger_and_are_released_once(node: Node) -> None:
    machine = node.machine
    machine.wall += 3 * HOUR
    node.publish()
    node.count("secret.count", USERS)
    machine.wall -= 3 * HOUR
    before = node.ask("SELECT count(*) FROM releases")
    for _ in range(2):
        machine.passes(HOUR)
        node.publish()
    assert node.ask("SELECT count(*) FROM releases") == before
    assert node.guard.withheld_until_ns > machine.wall
    for _ in range(3):
        machine.passes(HOUR)
        node.publish()
    machine.passes(GRACE_NS)
    node.publish()
    assert node.ask("SELECT count(*) FROM releases") > before
    assert node.guard.withheld_until_ns == 0
    twice = "SELECT metric, window_start FROM releases GROUP BY ALL HAVING count(*) > 1"
    assert node.ask(twice) == []
