"""Turns windows of samples into how fast they change: rate, increase, delta, irate, deriv and their like."""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

from blackhole.errors import EvaluationError
from blackhole.query.promql.values import Scalar, Values
from blackhole.query.promql.windows import Windows

# A sample is expected this much later than the average distance, before the series is held to have ended.
_PATIENCE = 1.1


def extrapolated(windows: Windows, *, counter: bool, per_second: bool) -> Values:
    """The change between the first and the last sample, out to the edges (Prometheus: extrapolatedRate)."""
    times, values = windows.times, windows.values
    resets = _resets(values) if counter else []
    found: Values = []
    for (first, last), end in zip(windows.spans, windows.ends, strict=True):
        if last - first < 2:  # noqa: PLR2004 - a change needs two samples
            found.append(None)
            continue
        change = values[last - 1] - values[first]
        if resets:
            within = resets[bisect_right(resets, first) : bisect_left(resets, last)]
            change += sum(values[place - 1] for place in within)
        factor = extrapolation(
            (times[first], times[last - 1], last - first),
            (end - windows.length, end),
            (change, windows.sent[first]) if counter else None,
        )
        found.append(change * (factor / (windows.length / 1000)) if per_second else change * factor)
    return found


def _resets(values: Sequence[float]) -> list[int]:
    """The places of the samples that are lower than the one before."""
    if not any(map(float.__gt__, values, values[1:])):
        return []
    return [place for place in range(1, len(values)) if values[place] < values[place - 1]]


def extrapolation(
    samples: tuple[int, int, int], window: tuple[int, int], counter: tuple[float, float] | None
) -> float:
    """By how much the samples of a window fall short of it.

    `samples`: times of the first and the last, and how many there are; `window`: its start and end;
    `counter`: the change and the first value, as sent, of a series that began at zero.
    """
    earliest, latest, count = samples
    start, end = window
    sampled = (latest - earliest) / 1000
    average = sampled / (count - 1)
    to_start = (earliest - start) / 1000
    to_end = (end - latest) / 1000
    if to_start >= average * _PATIENCE:
        to_start = average / 2
    if counter is not None and counter[0] > 0 and counter[1] >= 0:
        to_start = min(to_start, sampled * (counter[1] / counter[0]))
    if to_end >= average * _PATIENCE:
        to_end = average / 2
    return (sampled + to_start + to_end) / sampled


def instant(windows: Windows, *, counter: bool) -> Values:
    """The change between the last two samples; of counters a second."""
    times, values = windows.times, windows.values
    found: Values = []
    for first, last in windows.spans:
        if last - first < 2:  # noqa: PLR2004 - a change needs two samples
            found.append(None)
            continue
        before, after = values[last - 2], values[last - 1]
        change = after if counter and after < before else after - before
        found.append(change / ((times[last - 1] - times[last - 2]) / 1000) if counter else change)
    return found


def counted(windows: Windows, differs: Callable[[float, float], bool]) -> Values:
    """How many samples of a window differ so from the one before."""
    values = windows.sent
    totals = [0]
    for before, after in pairwise(values):
        totals.append(totals[-1] + differs(before, after))
    return [
        None if last == first else float(totals[last - 1] - totals[first]) for first, last in windows.spans
    ]


def _is_reset(before: float, after: float) -> bool:
    return after < before


def _is_change(before: float, after: float) -> bool:
    return after != before and not (math.isnan(after) and math.isnan(before))


def regression(times: Sequence[int], values: Sequence[float], origin: int) -> tuple[float, float]:
    """Slope a second and value at `origin` of the least-squares line."""
    if all(value == values[0] for value in values):
        return (math.nan, math.nan) if math.isinf(values[0]) else (0.0, values[0])
    n = len(times)
    xs = [(time - origin) / 1000 for time in times]
    sum_x, sum_y = _sum(xs), _sum(values)
    covariance = _sum([x * y for x, y in zip(xs, values, strict=True)]) - sum_x * sum_y / n
    variance = _sum([x * x for x in xs]) - sum_x * sum_x / n
    slope = covariance / variance
    return slope, sum_y / n - slope * sum_x / n


def _sum(values: Sequence[float]) -> float:
    try:
        return math.fsum(values)
    except (OverflowError, ValueError):
        return sum(values)


def deriv(windows: Windows) -> Values:
    times, values = windows.times, windows.values
    return [
        None
        if last - first < 2  # noqa: PLR2004 - a slope needs two samples
        else regression(times[first:last], values[first:last], times[first])[0]
        for first, last in windows.spans
    ]


def predict_linear(windows: Windows, ahead: Scalar) -> Values:
    times, values = windows.times, windows.values
    found: Values = []
    for (first, last), now, seconds in zip(windows.spans, windows.now, ahead, strict=True):
        if last - first < 2:  # noqa: PLR2004 - a slope needs two samples
            found.append(None)
            continue
        slope, level = regression(times[first:last], values[first:last], now)
        found.append(slope * seconds + level)
    return found


def smoothed(windows: Windows, smoothing: Scalar, trend: Scalar) -> Values:
    """double_exponential_smoothing(). Raises EvaluationError for factors that are not between 0 and 1."""
    found: Values = []
    for (first, last), level, slope in zip(windows.spans, smoothing, trend, strict=True):
        if last == first:
            found.append(None)
            continue
        for word, factor in (("smoothing", level), ("trend", slope)):
            if factor <= 0 or factor >= 1:
                raise EvaluationError(f"invalid {word} factor: {factor:g} is not between 0 and 1")
        found.append(_smooth(windows.values[first:last], level, slope) if last - first > 1 else None)
    return found


def _smooth(values: Sequence[float], smoothing: float, trend: float) -> float:
    before, level = 0.0, values[0]
    change = values[1] - values[0]
    for place, value in enumerate(values[1:]):
        if place:
            change = trend * (level - before) + (1 - trend) * change
        before, level = level, smoothing * value + (1 - smoothing) * (level + change)
    return level


PLAIN: dict[str, Callable[[Windows], Values]] = {
    "rate": partial(extrapolated, counter=True, per_second=True),
    "increase": partial(extrapolated, counter=True, per_second=False),
    "delta": partial(extrapolated, counter=False, per_second=False),
    "irate": partial(instant, counter=True),
    "idelta": partial(instant, counter=False),
    "resets": partial(counted, differs=_is_reset),
    "changes": partial(counted, differs=_is_change),
    "deriv": deriv,
}
