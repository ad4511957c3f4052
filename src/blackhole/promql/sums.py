"""Turns the values of a group into one, as aggregations do: no exception, but infinities and NaN."""

import math
from collections.abc import Sequence


def total(values: Sequence[float]) -> float:
    """The sum without loss of digits; infinities and NaN as they add up."""
    try:
        return math.fsum(values)
    except (OverflowError, ValueError):
        return sum(values)


def mean(values: Sequence[float]) -> float:
    whole = total(values)
    if math.isinf(whole) and not any(map(math.isinf, values)):
        return total([value / len(values) for value in values])
    return whole / len(values)


def greatest(values: Sequence[float]) -> float:
    """NaN only where there is nothing else."""
    found = max(values)
    if found == found and values[0] == values[0]:  # noqa: PLR0124 - not NaN
        return found if not _has_nan(values) else max(_numbers(values))
    return max(_numbers(values), default=math.nan)


def least(values: Sequence[float]) -> float:
    """NaN only where there is nothing else."""
    return -greatest([-value for value in values]) if _has_nan(values) else min(values)


def _has_nan(values: Sequence[float]) -> bool:
    return any(map(math.isnan, values))


def _numbers(values: Sequence[float]) -> list[float]:
    return [value for value in values if not math.isnan(value)]


def variance(values: Sequence[float]) -> float:
    """Welford's, as Prometheus has it: there is none where a value is no number or infinite."""
    if not all(map(math.isfinite, values)):
        return math.nan
    middle = squares = 0.0
    for count, value in enumerate(values, 1):
        away = value - middle
        middle += away / count
        squares += away * (value - middle)
    return squares / len(values)


def deviation(values: Sequence[float]) -> float:
    return math.sqrt(variance(values))


def quantile(q: float, values: Sequence[float]) -> float:
    """Linear between the two values nearest to it; infinite outside [0, 1]."""
    if not values or math.isnan(q):
        return math.nan
    if q < 0 or q > 1:
        return -math.inf if q < 0 else math.inf
    ordered = sorted(values, key=lambda value: -math.inf if math.isnan(value) else value)
    rank = q * (len(ordered) - 1)
    lower = math.floor(rank)
    weight = rank - lower
    upper = min(len(ordered) - 1, lower + 1)
    return ordered[lower] * (1 - weight) + ordered[upper] * weight
