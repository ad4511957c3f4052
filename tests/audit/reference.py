"""An engine in plain Python: clamp, bound the groups, add exact discrete noise. Faults are planted in it."""

import math
import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from blackhole.audit.samples import Claim, Outcome
from blackhole.privacy.mechanism import Mechanism

# The unit's id, its group (a place in the outcome) and its value.
Row = tuple[str, int, float]
Noise = Callable[[random.Random, Mechanism, float], float]


_TABLES: dict[tuple[Mechanism, float], tuple[range, list[float]]] = {}


def exact_noise(chance: random.Random, mechanism: Mechanism, scale: float) -> float:
    """By the sums of the law's own terms, which is as exact as doubles are."""
    if (mechanism, scale) not in _TABLES:
        reach = math.ceil((12 if mechanism == Mechanism.GAUSSIAN else 40) * scale) + 1
        steps = range(-reach, reach + 1)
        _TABLES[mechanism, scale] = steps, list(accumulate(density(mechanism, scale, k) for k in steps))
    steps, sums = _TABLES[mechanism, scale]
    return float(chance.choices(steps, cum_weights=sums)[0])


def density(mechanism: Mechanism, scale: float, step: int) -> float:
    """The law as it is written in the paper, not normalised."""
    return math.exp(
        -step * step / (2 * scale * scale) if mechanism == Mechanism.GAUSSIAN else -abs(step) / scale
    )


@dataclass(frozen=True)
class Reference:
    """What is claimed, and what is done: a fault makes them differ.

    `cost`: ρ or ε. Noise has the scale for `sensitivity`; units are clamped to [0, `most`] a group.
    """

    mechanism: Mechanism = Mechanism.GAUSSIAN
    cost: float = 2.0
    groups: int = 4
    groups_per_unit: int = 2
    sensitivity: float = 20.0
    most: float = 20.0
    kept_groups: int = 2
    fewest: int = 0
    weight: float = 1.0
    publications: int = 1
    shared_noise: bool = False
    same_person: Callable[[str], str] = lambda unit: unit
    noise: Noise = exact_noise

    @property
    def scale(self) -> float:
        if self.mechanism == Mechanism.GAUSSIAN:
            return self.sensitivity * math.sqrt(self.groups_per_unit / (2 * self.cost))
        return self.sensitivity * self.groups_per_unit / self.cost

    @property
    def claim(self) -> Claim:
        return Claim(
            self.mechanism, math.sqrt(2 * self.cost) if self.mechanism == Mechanism.GAUSSIAN else self.cost
        )

    def exact(self, rows: Sequence[Row], chance: random.Random) -> list[tuple[float, int]]:
        """The clamped sum and the number of units of each group."""
        sums: defaultdict[str, defaultdict[int, float]] = defaultdict(lambda: defaultdict(float))
        for unit, group, value in rows:
            sums[self.same_person(unit)][group] += value
        totals = [(0.0, 0)] * self.groups
        for groups in sums.values():
            for group in chance.sample(sorted(groups), min(len(groups), self.kept_groups)):
                clamped = min(max(groups[group], 0.0), self.most) * self.weight
                totals[group] = totals[group][0] + clamped, totals[group][1] + 1
        return totals

    def trials(self, rows: Sequence[Row], count: int, seed: int) -> list[Outcome]:
        chance = random.Random(seed)
        return [self._outcome(rows, chance) for _ in range(count)]

    def _outcome(self, rows: Sequence[Row], chance: random.Random) -> Outcome:
        totals = self.exact(rows, chance)
        shared = self.noise(chance, self.mechanism, self.scale)
        values: list[float | None] = []
        for _ in range(self.publications):
            for total, units in totals:
                drawn = shared if self.shared_noise else self.noise(chance, self.mechanism, self.scale)
                values.append(total + drawn if units >= self.fewest else None)
        return tuple(values)


def float_noise(chance: random.Random, mechanism: Mechanism, scale: float) -> float:
    """What a textbook would draw."""
    if mechanism == Mechanism.GAUSSIAN:
        return chance.gauss(0, scale)
    uniform = chance.random() - 0.5
    return -scale * math.copysign(math.log1p(-2 * abs(uniform)), uniform)
