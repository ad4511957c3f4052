"""Turns a budget (ε, δ) into ρ of zero-concentrated differential privacy, and back.

Source: Canonne, Kamath, Steinke, "The Discrete Gaussian for Differential Privacy" (2020), proposition 12.
"""

import math
from collections.abc import Callable
from functools import cache

_STEPS = 100
# What is given back is rounded to the safe side by this much, far above the error of the arithmetic.
_MARGIN = 1e-9
_LARGEST_RHO = 1e9


def delta_of(rho: float, epsilon: float) -> float:
    """The smallest δ for which ρ-zCDP is known to imply (ε, δ)-DP."""
    if rho <= 0:
        return 0.0
    if math.isinf(rho):
        return 1.0

    def slope(order: float) -> float:
        return (2 * order - 1) * rho - epsilon + math.log1p(-1 / order)

    order = _root(slope, 1 + 1e-12, _first(slope, 2.0))
    exponent = (order - 1) * (order * rho - epsilon + math.log1p(-1 / order)) - math.log(order)
    return min(math.exp(min(exponent, 0.0)), 1.0)


@cache
def rho_of(epsilon: float, delta: float) -> float:
    """The largest ρ that keeps within (ε, δ), rounded down. Raises ValueError where there is none."""
    if not (epsilon > 0 and 0 < delta < 1):
        raise ValueError("epsilon must be above 0, and delta between 0 and 1")

    def excess(rho: float) -> float:
        return delta_of(rho, epsilon) - delta

    return _root(excess, 0.0, min(_first(excess, 1e-6), _LARGEST_RHO)) * (1 - _MARGIN)


@cache
def epsilon_of(rho: float, delta: float) -> float:
    """The smallest ε for which ρ-zCDP is known to imply (ε, δ)-DP, rounded up."""
    if rho <= 0:
        return 0.0
    if math.isinf(rho) or not 0 < delta < 1:
        return math.inf

    def excess(epsilon: float) -> float:
        return delta - delta_of(rho, epsilon)

    return _root(excess, 0.0, _first(excess, 1.0)) * (1 + _MARGIN)


def _first(function: Callable[[float], float], start: float) -> float:
    """A place where a rising function is above 0, found by doubling."""
    place = start
    while function(place) <= 0 and place < 1e300:  # noqa: PLR2004  (the end of what a float holds)
        place *= 2
    return place


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    """Where a rising function crosses 0."""
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if function(middle) <= 0:
            low = middle
        else:
            high = middle
    return low
