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
