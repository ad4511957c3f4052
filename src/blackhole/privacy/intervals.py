"""Turns the noise that was put into released values into the 95 % intervals of what is computed from them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from blackhole.privacy.factorisation import coefficients
from blackhole.privacy.mechanism import Mechanism

Interval = tuple[float, float]

# Noise is a whole number of grid steps. Where the steps are coarse (counts) half of one is added, or the
# interval of a continuous law would hold too little of the discrete one.
HALF_STEP = 0.5


@dataclass(frozen=True, slots=True)
class Noise:
    """Sums of the squared scales of independent noise: `gauss` of σ, `laplace` of b."""

    gauss: float = 0.0
    laplace: float = 0.0

    def __add__(self, other: "Noise") -> "Noise":
        return Noise(self.gauss + other.gauss, self.laplace + other.laplace)

    def __bool__(self) -> bool:
        return self.gauss > 0 or self.laplace > 0

    def half_width(self, *, whole: bool) -> float:
        """Half the width of the interval about a sum, in its unit. `whole`: it may be a count."""
        if not self:
            return 0.0
        factor, squared = self.measure()
        half = factor * math.sqrt(squared)
        return half + HALF_STEP if whole else half

    def measure(self, beside_laplace: bool = False) -> tuple[float, float]:
        """What the root of the second is to be multiplied with. `beside_laplace`: as part of such a sum.

        Beside Laplace noise, Gaussian counts as Laplace of its variance, whose tails are heavier.
        """
        if self.laplace or beside_laplace:
            return Mechanism.LAPLACE.half_width([1.0]), self.gauss / 2 + self.laplace
        return Mechanism.GAUSSIAN.half_width([1.0]), self.gauss


def of(mechanism: str, squared: float) -> Noise:
    return Noise(laplace=squared) if mechanism == Mechanism.LAPLACE else Noise(gauss=squared)


def about(value: float, noise: Noise) -> Interval | None:
    """The interval about a sum of released values; None where nothing in it was randomised."""
    if not noise:
        return None
    half = noise.half_width(whole=value.is_integer())
    return value - half, value + half


def steps_factor(steps: Sequence[int]) -> float:
    """The variance of a sum of increments of one running total, for noise of variance 1.

    `steps`: their places in the factorisation, rising. Increment t has the noise Σ (f_{t-s} - f_{t-s-1}) z_s.
    """
    runs = _runs(steps)
    if len(runs) == 1:
        first, last = runs[0]
        return _run_variances(last - first + 1)[last]
    weights = [0.0] * (steps[-1] + 1)
    factors = coefficients()
    for first, last in runs:
        for place in range(last + 1):
            before = factors[first - 1 - place] if place < first else 0.0
            weights[place] += factors[last - place] - before
    return sum(weight * weight for weight in weights)


def _runs(steps: Sequence[int]) -> list[tuple[int, int]]:
    """First and last of each stretch without gaps: inside of one the noise of increments cancels."""
    runs = [(steps[0], steps[0])]
    for before, step in pairwise(steps):
        if step == before + 1:
            runs[-1] = (runs[-1][0], step)
        else:
            runs.append((step, step))
    return runs


@cache
def _run_variances(length: int) -> tuple[float, ...]:
    """By the last place: the variance of the increments of `length` places that end there."""
    factors = coefficients()
    found, total = [], 0.0
    for place, factor in enumerate(factors):
        weight = factor - (factors[place - length] if place >= length else 0.0)
        total += weight * weight
        found.append(total)
    return tuple(found)


def ratio(
    top: float, top_noise: Noise, bottom: float, bottom_noise: Noise
) -> tuple[float, Interval | None] | None:
    """The quotient of noisy sums and its interval (Fieller's); None unless the divisor is clearly above 0.

    The interval holds every quotient q for which top - q · bottom can be nothing but noise.
    """
    of_bottom = bottom_noise.half_width(whole=True)
    if bottom <= of_bottom:
        return None
    if not (top_noise or bottom_noise):
        return top / bottom, None
    of_top = top_noise.half_width(whole=top.is_integer())
    squared = bottom * bottom - of_bottom * of_bottom
    spread = math.sqrt(of_top * of_top * squared + top * top * of_bottom * of_bottom)
    middle = top * bottom
    return top / bottom, ((middle - spread) / squared, (middle + spread) / squared)
