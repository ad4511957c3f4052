"""Random histories of leaps and restarts against the plainest model: a counter's total is what it says.

Nothing is sealed in them: chunks do not keep the order in which their rows came.
"""

import os
import random
import tempfile
from pathlib import Path

import pytest
from tests.clock.clock_fakes import DAY, HOUR, NOON, SECOND, Machine
from tests.clock.node import Node

from blackhole.clock import LEAP_NS

# All of them: BLACKHOLE_HISTORIES=1000.
HISTORIES = int(os.environ.get("BLACKHOLE_HISTORIES", "20"))
_STEPS = 12


def leap(chance: random.Random) -> int:
    size = chance.choice((LEAP_NS, HOUR, DAY, 10 * DAY, 400 * DAY))
    return chance.choice((-1, 1)) * (size + chance.randrange(size))


def play(seed: int, place: Path) -> None:
    chance = random.Random(seed)
    machine = Machine(wall=NOON)
    node = Node(place, machine)
    began, value = machine.wall, 1.0
    machine.passes(SECOND)
    node.hear(value, began=began)
    leaps = 0
    for _ in range(_STEPS):
        machine.passes(chance.choice((SECOND, 10 * SECOND, 60 * SECOND, 1200 * SECOND)))
        match chance.choice(("leap", "restart", "leap and restart", "delete", "hear", "hear", "hear")):
            case "leap":
                machine.wall += leap(chance)
                leaps += 1
                assert node.clock.doubted()
            case "restart":
                node.restart()
            case "leap and restart":
                machine.wall += leap(chance)
                leaps += 1
                node.restart()
            case "delete":
                node.retention.apply()
            case "hear":
                value += chance.randrange(1, 100)
                assert node.hear(value, began=began) == 0
                assert node.total == value, (seed, leaps)
                assert machine.disk is None or machine.disk.why is None or node.clock.doubted()
    node.close()


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_counters_survive_any_history_of_leaps_and_restarts() -> None:
    for seed in range(HISTORIES):
        with tempfile.TemporaryDirectory() as place:
            play(seed, Path(place))
