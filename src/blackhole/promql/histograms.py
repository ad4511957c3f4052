"""Turns the buckets of classic histograms into quantiles and fractions, as Prometheus does."""

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator

from blackhole.promql.names import LE, Labels
from blackhole.promql.values import Key, ScalarValues, Values, Vector, VectorSeries, key_of, nameless

# Counts that differ by less than this share differ by rounding.
_TOLERANCE = 1e-12

Buckets = list[tuple[float, float]]


def histogram_quantile(q: ScalarValues, vector: Vector) -> Vector:
    return _each(vector, lambda step, buckets: bucket_quantile(q[step], buckets))


def histogram_fraction(lower: ScalarValues, upper: ScalarValues, vector: Vector) -> Vector:
    return _each(vector, lambda step, buckets: bucket_fraction(lower[step], upper[step], buckets))


def _each(vector: Vector, one: Callable[[int, Buckets], float]) -> Vector:
    answers: Vector = []
    for labels, members in _histograms(vector):
        values: Values = []
        for step, counts in enumerate(zip(*(series.values for _, series in members), strict=True)):
            buckets = [
                (bound, count) for (bound, _), count in zip(members, counts, strict=True) if count is not None
            ]
            values.append(one(step, _coalesced(buckets)) if buckets else None)
        answers.append(VectorSeries(labels, values))
    return answers


def _histograms(vector: Vector) -> Iterator[tuple[Labels, list[tuple[float, VectorSeries]]]]:
    """The series of each histogram, in the order of their bounds; what has no bound is left out."""
    found: dict[Key, tuple[Labels, list[tuple[float, VectorSeries]]]] = {}
    for series in vector:
        try:
            bound = float(series.labels[LE])
        except (KeyError, ValueError):
            continue
        labels = {name: value for name, value in nameless(series.labels).items() if name != LE}
        found.setdefault(key_of(labels), (labels, []))[1].append((bound, series))
    for labels, members in found.values():
        yield labels, sorted(members, key=lambda member: member[0])


def _coalesced(buckets: Buckets) -> Buckets:
    merged: Buckets = []
    for bound, count in buckets:
        if merged and merged[-1][0] == bound:
            merged[-1] = (bound, merged[-1][1] + count)
        else:
            merged.append((bound, count))
    return merged


def bucket_quantile(q: float, buckets: Buckets) -> float:
    """`buckets`: (upper bound, observations up to it) in the order of bounds."""
    if not 0 <= q <= 1:
        return math.nan if math.isnan(q) else math.copysign(math.inf, q)
    counts = _rising([count for _, count in buckets])
    closed = buckets[-1][0] == math.inf and len(buckets) > 1
    if not closed or counts[-1] == 0:
        return math.nan
    rank = q * counts[-1]
    place = bisect_left(counts, True, hi=len(counts) - 1, key=lambda count: count >= rank)
    if place == len(counts) - 1:
        return buckets[-2][0]
    if place == 0 and buckets[0][0] <= 0:
        return buckets[0][0]
    start, below = (buckets[place - 1][0], counts[place - 1]) if place else (0.0, 0.0)
    inside = counts[place] - below
    share = (rank - below) / inside if inside else math.nan
    return start + (buckets[place][0] - start) * share


def _rising(counts: list[float]) -> list[float]:
    """Without the decreases that rounding and lost samples leave."""
    rising = counts[:1]
    for count in counts[1:]:
        highest = rising[-1]
        rising.append(highest if count < highest or _almost(highest, count) else count)
    return rising


def _almost(left: float, right: float) -> bool:
    smallest = 2.2250738585072014e-308
    difference = abs(left - right)
    size = abs(left) + abs(right)
    if left == 0 or right == 0 or size < smallest:
        return difference < _TOLERANCE * smallest
    return difference / min(size, 1.7976931348623157e308) < _TOLERANCE


def bucket_fraction(lower: float, upper: float, buckets: Buckets) -> float:
    """The share of observations between `lower` and `upper`."""
    if buckets[-1][0] != math.inf:
        return math.nan
    count = buckets[-1][1]
    if count == 0 or math.isnan(lower) or math.isnan(upper) or math.isnan(count):
        return math.nan
    if lower >= upper:
        return 0.0
    return (min(_rank(upper, buckets), count) - min(_rank(lower, buckets), count)) / count


def _rank(value: float, buckets: Buckets) -> float:
    """How many observations are held to lie below `value`."""
    start = 0.0 if buckets[0][0] > 0 else -math.inf
    below = 0.0
    for bound, count in buckets:
        if start >= value:
            return below
        if start < value < bound:
            if start == -math.inf:
                return count
            return below if bound == math.inf else below + (count - below) * (value - start) / (bound - start)
        start, below = bound, count
    return buckets[-1][1]
