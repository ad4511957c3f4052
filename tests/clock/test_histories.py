"""Random histories of leaps, restarts, sealing and deleting against the plainest model: a counter's total.

At the size limit rows go before their time: what they held is missing from then on, and nothing else. Senders
may be ten minutes ahead: what comes after a point of so little later than now adds nothing until its time.
"""

import os
import random
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.clock.clock_fakes import DAY, HOUR, NOON, SECOND, Machine
from tests.clock.node import Node

from blackhole.runtime.clock import LEAP_NS

# All of them: BLACKHOLE_HISTORIES=1000.
HISTORIES = int(os.environ.get("BLACKHOLE_HISTORIES", "20"))
_STEPS = 16
_PAUSES = (SECOND, 10 * SECOND, 60 * SECOND, 1200 * SECOND, 3 * HOUR)
_EVENTS = ("leap", "restart", "leap and restart", "delete", "seal", "seal", "shrink", "hear", "hear", "hear")


@dataclass
class Said:
    """What a counter said, when, and how much of it was removed."""

    began: int
    value: float = 0.0
    removed: float = 0.0
    times: list[int] = field(default_factory=list)

    def waits(self, now: int) -> bool:
        """Whether it said something that is later than now, but not by so much that a clock must be wrong."""
        return any(now - SECOND < time <= now + LEAP_NS for time in self.times)


def leap(chance: random.Random) -> int:
    size = chance.choice((LEAP_NS, HOUR, DAY, 10 * DAY, 400 * DAY))
    return chance.choice((-1, 1)) * (size + chance.randrange(size))


def hear(node: Node, said: Said, more: float, story: object) -> None:
    said.value += more
    before, waits = node.total, said.waits(node.machine.wall)
    said.times.append(node.machine.wall)
    assert node.hear(said.value, began=said.began) == 0, story
    assert node.total == said.value - said.removed or (waits and node.total == before), story


def shrink(node: Node, said: Said, story: object) -> None:
    """As at the size limit. Of a counter of which nothing is left only this run knows: it is heard again."""
    hear(node, said, 1, story)
    before = node.total
    node.shrink()
    said.removed += before - node.total
    node.machine.passes(SECOND)
    hear(node, said, 1, story)


def play(seed: int, place: Path) -> None:
    chance = random.Random(seed)
    machine = Machine(wall=NOON)
    node = Node(place, machine)
    said = Said(began=machine.wall)
    story: list[str] = [f"seed {seed}"]
    machine.passes(SECOND)
    hear(node, said, 1, story)
    for _ in range(_STEPS):
        machine.passes(chance.choice(_PAUSES))
        event = chance.choice(_EVENTS)
        story.append(event)
        if "leap" in event:
            machine.wall += leap(chance)
        match event:
            case "leap":
                assert node.clock.doubted()
            case "restart" | "leap and restart":
                node.restart()
            case "delete":
                node.retention.apply()
            case "seal":
                node.seal()
            case "shrink":
                shrink(node, said, story)
            case "hear":
                hear(node, said, chance.randrange(1, 100), story)
                assert machine.disk is None or machine.disk.why is None or node.clock.doubted()
    node.close()


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_counters_survive_any_history_of_leaps_and_restarts() -> None:
    for seed in range(HISTORIES):
        with tempfile.TemporaryDirectory() as place:
            play(seed, Path(place))
