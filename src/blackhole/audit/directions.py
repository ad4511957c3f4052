"""Turns two samples into the numbers of an outcome that are most likely to tell them apart."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from blackhole.audit.samples import AuditSample, Outcome

_MOST_COORDINATES = 12
_MOST_SOLVED = 24
_RIDGE = 1e-9

Loadings = list[float]


@dataclass(frozen=True, slots=True)
class Direction:
    """A number made of an outcome. What is absent counts as 0."""

    words: str
    of: Callable[[Outcome], float]


def directions(without: AuditSample, with_unit: AuditSample) -> Iterator[Direction]:
    """The coordinates that moved most, their sum, and two estimates of the likelihood ratio."""
    low, high = _means(without), _means(with_unit)
    shift = [b - a for a, b in zip(low, high, strict=True)]
    spreads = [max(math.sqrt(row), 1e-300) for row in _variances(without, low)]
    order = sorted(range(len(shift)), key=lambda i: -abs(shift[i]) / spreads[i])
    for place in order[:_MOST_COORDINATES]:
        yield _coordinate(place)
    if len(shift) == 1:
        return
    yield Direction("the sum of all values", lambda outcome: math.fsum(v or 0.0 for v in outcome))
    moved = sorted(order[:_MOST_SOLVED])
    weights = _solved(_covariance(without, with_unit, moved), [shift[i] for i in moved])
    yield Direction("the likelihood ratio of normal noise", _weighted(moved, weights))
    yield Direction("the likelihood ratio of Laplace noise", _clipped(low, high, spreads))


def _coordinate(place: int) -> Direction:
    return Direction(f"value {place + 1}", lambda outcome: outcome[place] or 0.0)


def _weighted(places: Sequence[int], weights: Sequence[float]) -> Callable[[Outcome], float]:
    pairs = list(zip(places, weights, strict=True))
    return lambda outcome: math.fsum(weight * (outcome[place] or 0.0) for place, weight in pairs)


def _clipped(low: Loadings, high: Loadings, spreads: Loadings) -> Callable[[Outcome], float]:
    """Between its two means Laplace noise gives more away with each step, and beyond them nothing more."""
    sides = [
        (place, min(a, b), max(a, b), math.copysign(1 / spread, b - a))
        for place, (a, b, spread) in enumerate(zip(low, high, spreads, strict=True))
        if abs(b - a) > spread / 10
    ]

    def ratio(outcome: Outcome) -> float:
        return math.fsum(
            sign * (min(max(outcome[place] or 0.0, least), most) - least)
            for place, least, most, sign in sides
        )

    return ratio


def _means(sample: AuditSample) -> Loadings:
    return [fmean(value or 0.0 for value in column) for column in zip(*sample, strict=True)]


def _variances(sample: AuditSample, means: Loadings) -> Loadings:
    columns = zip(*sample, strict=True)
    return [
        fmean(((value or 0.0) - mean) ** 2 for value in column)
        for column, mean in zip(columns, means, strict=True)
    ]


def _covariance(without: AuditSample, with_unit: AuditSample, places: Sequence[int]) -> list[Loadings]:
    """Of both samples together, each around its own mean."""
    total = [[0.0] * len(places) for _ in places]
    for sample in (without, with_unit):
        columns = [[outcome[place] or 0.0 for outcome in sample] for place in places]
        centred = [[value - mean for value in column] for column in columns for mean in (fmean(column),)]
        for i, one in enumerate(centred):
            for j in range(i + 1):
                total[i][j] += _dot(one, centred[j])
    return [[total[max(i, j)][min(i, j)] for j in range(len(places))] for i in range(len(places))]


def _dot(one: Loadings, other: Loadings) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def _solved(matrix: list[Loadings], right: Loadings) -> Loadings:
    """The solution of a symmetric positive system by elimination, with a little added to the diagonal."""
    ridge = _RIDGE * max((row[i] for i, row in enumerate(matrix)), default=0.0) or 1.0
    rows = [
        [*(value + (ridge if i == j else 0.0) for j, value in enumerate(row)), right[i]]
        for i, row in enumerate(matrix)
    ]
    for i, pivot in enumerate(rows):
        for below in rows[i + 1 :]:
            factor = below[i] / pivot[i]
            for j in range(i, len(below)):
                below[j] -= factor * pivot[j]
    solution = [0.0] * len(rows)
    for i in reversed(range(len(rows))):
        rest = sum(rows[i][j] * solution[j] for j in range(i + 1, len(rows)))
        solution[i] = (rows[i][-1] - rest) / rows[i][i]
    return solution
