"""Turns windows of samples into one value each: the *_over_time functions."""

import math
from collections.abc import Callable, Sequence

from blackhole.query.promql.values import Scalar, Values
from blackhole.query.promql.windows import Windows

One = Callable[[Sequence[float]], float]


def each(one: One) -> Callable[[Windows], Values]:
    """`one` of the values of every window that has any."""

    def over(windows: Windows) -> Values:
        values = windows.values
        return [None if first == last else one(values[first:last]) for first, last in windows.spans]

    return over


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
    middle = mean(values)
    if not math.isfinite(middle):
        return math.nan
    return total([(value - middle) ** 2 for value in values]) / len(values)


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


def median_deviation(values: Sequence[float]) -> float:
    middle = quantile(0.5, values)
    return quantile(0.5, [abs(value - middle) for value in values])


def quantile_over_time(windows: Windows, q: Scalar) -> Values:
    values = windows.values
    return [
        None if first == last else quantile(share, values[first:last])
        for (first, last), share in zip(windows.spans, q, strict=True)
    ]


def stamp(pick: Callable[[Sequence[float]], int]) -> Callable[[Windows], Values]:
    """The time, in seconds, of the sample of each window that `pick` names by its place."""

    def over(windows: Windows) -> Values:
        times, values = windows.times, windows.values
        return [
            None if first == last else times[first + pick(values[first:last])] / 1000
            for first, last in windows.spans
        ]

    return over


def _place(found: One) -> Callable[[Sequence[float]], int]:
    def pick(values: Sequence[float]) -> int:
        wanted = found(values)
        places = [place for place, value in enumerate(values) if value == wanted]
        return places[-1] if places else len(values) - 1

    return pick


PLAIN: dict[str, Callable[[Windows], Values]] = {
    "sum_over_time": each(total),
    "avg_over_time": each(mean),
    "min_over_time": each(least),
    "max_over_time": each(greatest),
    "count_over_time": each(lambda values: float(len(values))),
    "present_over_time": each(lambda _: 1.0),
    "last_over_time": each(lambda values: values[-1]),
    "first_over_time": each(lambda values: values[0]),
    "stddev_over_time": each(deviation),
    "stdvar_over_time": each(variance),
    "mad_over_time": each(median_deviation),
    "ts_of_first_over_time": stamp(lambda _: 0),
    "ts_of_last_over_time": stamp(lambda values: len(values) - 1),
    "ts_of_max_over_time": stamp(_place(greatest)),
    "ts_of_min_over_time": stamp(_place(least)),
}
