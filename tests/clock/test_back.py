"""After a clock ran ahead, or back, counters go on: nothing is lost, nothing counts twice."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.clock.clock_fakes import DAY, HOUR, SECOND, Machine
from tests.clock.node import Node


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    node = Node(tmp_path, Machine())
    yield node
    node.close()


@pytest.mark.parametrize("restarts", [False, True])
def test_a_counter_goes_on_after_one_export_three_days_ahead(node: Node, *, restarts: bool) -> None:
    machine = node.machine
    began = machine.wall
    for value in (10, 20, 30):
        machine.passes(10 * SECOND)
        node.hear(value, began=began)
    machine.wall += 3 * DAY
    machine.passes(10 * SECOND)
    node.hear(40, began=began)
    machine.wall -= 3 * DAY
    for value in (50, 60):
        machine.passes(10 * SECOND)
        if restarts:
            node.restart()
        node.hear(value, began=began)
    assert node.total == 60


@pytest.mark.parametrize("sealed", [False, True])
def test_a_restart_after_running_ahead_goes_on_from_what_was_heard_last(node: Node, *, sealed: bool) -> None:
    machine = node.machine
    began = machine.wall
    machine.passes(HOUR)
    node.hear(10, began=began)
    machine.wall += 3 * DAY
    machine.passes(10 * SECOND)
    node.hear(20, began=began)
    if sealed:
        node.tend()
        node.restart()
        node.tend()
    machine.wall -= 3 * DAY
    machine.passes(10 * SECOND)
    node.hear(35, began=began)
    node.restart()
    machine.passes(10 * SECOND)
    node.hear(41, began=began)
    assert node.total == 41
    with node.database.beside() as connection:
        keys = [key for (key,) in connection.execute("SELECT key FROM streams").fetchall()]
    for state in node.database.recall(keys).values():
        assert 0 < state.time_ns <= machine.wall
        assert all(time < state.time_ns for time in state.earlier_ns)


def test_a_process_older_than_a_clock_that_was_years_back_does_not_count_in_full(tmp_path: Path) -> None:
    machine = Machine()
    years = 26 * 365 * DAY
    right = machine.wall
    machine.wall -= years
    node = Node(tmp_path, machine)
    machine.passes(HOUR)
    machine.wall += years
    node.hear(1e9, began=right - 300 * DAY)
    machine.passes(10 * SECOND)
    node.hear(1e9 + 5, began=right - 300 * DAY)
    assert node.total == 5
    node.close()


def test_an_old_process_does_not_count_in_full_when_the_clock_was_set_between_two_runs(
    tmp_path: Path,
) -> None:
    machine = Machine()
    years = 26 * 365 * DAY
    right = machine.wall
    machine.wall -= years
    node = Node(tmp_path, machine)
    node.hear(3, began=machine.wall - SECOND)
    node.close()
    machine.passes(HOUR)
    machine.wall += years
    node = Node(tmp_path, machine)
    before = node.total
    node.hear(1e9, began=right - 300 * DAY)
    machine.passes(10 * SECOND)
    node.hear(1e9 + 5, began=right - 300 * DAY)
    assert node.total == before + 5
    node.close()


@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize("name", ["identity.requests.total", "p2p.connections.total"])
def test_a_counter_that_was_silent_for_all_its_retention_goes_on_from_what_it_said_last(
    node: Node, name: str, *, sealed: bool
) -> None:
    """What is of the future came before, and outlives by age what came last."""
    machine = node.machine
    began = machine.wall
    kept = 14 * DAY if name.startswith("p2p") else 30 * DAY
    machine.passes(HOUR)
    machine.wall += 3 * DAY
    node.hear(10, began=began, name=name)
    if sealed:
        machine.passes(3 * HOUR)
        node.seal()
    machine.wall -= 3 * DAY
    machine.passes(60 * SECOND)
    node.hear(30, began=began, name=name)
    machine.passes(kept + DAY)
    machine.synchronised = True
    node.restart()
    machine.passes(10 * SECOND)
    assert not node.clock.doubted()
    node.retention.apply()
    node.hear(35, began=began, name=name)
    [[grown]] = node.ask("SELECT value FROM recent_points ORDER BY rowid DESC LIMIT 1")
    assert grown == 5
    machine.passes(kept)
    node.hear(36, began=began, name=name)
    node.retention.apply()
    [[left]] = node.ask(
        "SELECT (SELECT count(*) FROM recent_points) + (SELECT coalesce(sum(count), 0) FROM chunks)"
    )
    assert left == 2
