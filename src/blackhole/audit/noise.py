"""The exact laws of discrete Gaussian and discrete Laplace noise, in steps of the grid.

Source: Canonne, Kamath, Steinke, "The Discrete Gaussian for Differential Privacy" (2020), definition 1.
"""

import math
from functools import lru_cache
from itertools import accumulate

from blackhole.audit.statistics import NORMAL
from blackhole.privacy.mechanism import Mechanism

# Beyond this scale the sum of the Gaussian law's terms is its integral to within a double's precision.
_SMALL_SCALE = 64
_FAR = 12


def at_most(mechanism: Mechanism, scale: float, steps: int) -> float:
    """The chance that the noise is at most so many steps. `scale`: σ or b, in steps."""
    if mechanism == Mechanism.GAUSSIAN:
        return _gaussian_at_most(scale, steps)
    # P(k) = (1 - r)/(1 + r) · r^|k| with r = exp(-1/b)
    tail = math.exp(-(abs(steps) + (steps >= 0)) / scale) / (1 + math.exp(-1 / scale))
    return 1 - tail if steps >= 0 else tail


def chance(mechanism: Mechanism, scale: float, steps: int) -> float:
    """The chance that the noise is exactly so many steps."""
    if mechanism == Mechanism.GAUSSIAN:
        return math.exp(-(steps * steps) / (2 * scale * scale)) / _normaliser(scale)
    return math.exp(-abs(steps) / scale) * math.tanh(1 / (2 * scale))


def deviation(mechanism: Mechanism, scale: float) -> float:
    """The standard deviation, in the unit of `scale`, for scales of several steps."""
    return scale if mechanism == Mechanism.GAUSSIAN else math.sqrt(2) * scale


def _gaussian_at_most(scale: float, steps: int) -> float:
    if scale > _SMALL_SCALE:
        return NORMAL.cdf((steps + 0.5) / scale)
    reach = _reach(scale)
    if steps < -reach:
        return 0.0
    return _table(scale)[min(steps, reach) + reach]


def _reach(scale: float) -> int:
    return max(math.ceil(_FAR * scale), 1)


@lru_cache(256)
def _normaliser(scale: float) -> float:
    if scale > _SMALL_SCALE:
        return scale * math.sqrt(2 * math.pi)
    reach = _reach(scale)
    return math.fsum(math.exp(-(k * k) / (2 * scale * scale)) for k in range(-reach, reach + 1))


@lru_cache(256)
def _table(scale: float) -> list[float]:
    reach = _reach(scale)
    return list(accumulate(chance(Mechanism.GAUSSIAN, scale, k) for k in range(-reach, reach + 1)))
