"""Turns vectors into vectors of fewer series: sum, avg, topk, quantile, count_values and their like."""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from blackhole.errors import EvaluationError
from blackhole.promql.names import NAME, Labels, number_text
from blackhole.promql.order import best, higher, lower
from blackhole.promql.sums import deviation, greatest, least, mean, quantile, total, variance
from blackhole.promql.values import Key, ScalarValues, Values, Vector, VectorSeries, key_of

One = Callable[[Sequence[float]], float]


@dataclass(frozen=True, slots=True)
class Grouping:
    """`by` these labels or `without` them; the empty `by` makes one group of all."""

    labels: frozenset[str]
    without: bool = False

    def of(self, labels: Labels) -> Labels:
        if self.without:
            return {n: v for n, v in labels.items() if n not in self.labels and n != NAME}
        return {name: value for name, value in labels.items() if name in self.labels}


SIMPLE: dict[str, One] = {
    "sum": total,
    "avg": mean,
    "min": least,
    "max": greatest,
    "count": lambda values: float(len(values)),
    "group": lambda _: 1.0,
    "stddev": deviation,
    "stdvar": variance,
}

KNOWN = {*SIMPLE, "quantile", "count_values", "topk", "bottomk", "limitk"}


def groups(vector: Vector, grouping: Grouping) -> list[tuple[Labels, Vector]]:
    found: dict[Key, tuple[Labels, Vector]] = {}
    for series in vector:
        labels = grouping.of(series.labels)
        found.setdefault(key_of(labels), (labels, []))[1].append(series)
    return list(found.values())


def simple(vector: Vector, grouping: Grouping, one: One) -> Vector:
    return [
        VectorSeries(
            labels, [one(present) if (present := _present(column)) else None for column in _columns(members)]
        )
        for labels, members in groups(vector, grouping)
    ]


def quantiles(vector: Vector, grouping: Grouping, q: ScalarValues) -> Vector:
    return [
        VectorSeries(
            labels,
            [
                quantile(share, present) if (present := _present(column)) else None
                for share, column in zip(q, _columns(members), strict=True)
            ],
        )
        for labels, members in groups(vector, grouping)
    ]


def _columns(members: Vector) -> "zip[tuple[float | None, ...]]":
    return zip(*(series.values for series in members), strict=True)


def _present(column: Sequence[float | None]) -> list[float]:
    return [value for value in column if value is not None]


def extremes(vector: Vector, grouping: Grouping, k: ScalarValues, *, largest: bool) -> Vector:
    """For topk and bottomk: of each step the `k` series at one end; the best of the last step come first."""
    answers: Vector = []
    for _, members in groups(vector, grouping):
        kept: list[Values] = [[None] * len(k) for _ in members]
        order: list[int] = []
        for step, wanted in enumerate(k):
            ranked = best(_known(members, step), _count(wanted), lower if largest else higher)
            order = [place for _, place in ranked]
            for place in order:
                kept[place][step] = members[place].values[step]
        rank = {place: position for position, place in enumerate(order)}
        for place in sorted(range(len(members)), key=lambda place: rank.get(place, len(members))):
            if any(value is not None for value in kept[place]):
                answers.append(VectorSeries(members[place].labels, kept[place]))
    return answers


def _known(members: Vector, step: int) -> list[tuple[float, int]]:
    """The values at a step, each with the place of its series."""
    return [
        (value, place) for place, series in enumerate(members) if (value := series.values[step]) is not None
    ]


def limited(vector: Vector, grouping: Grouping, k: ScalarValues) -> Vector:
    """For limitk: of each step the first `k` series of a group that have a value."""
    answers: Vector = []
    for _, members in groups(vector, grouping):
        kept: list[Values] = [[None] * len(k) for _ in members]
        for step, wanted in enumerate(k):
            for value, place in _known(members, step)[: _count(wanted)]:
                kept[place][step] = value
        answers += [VectorSeries(s.labels, values) for s, values in zip(members, kept, strict=True)]
    return answers


def _count(k: float) -> int:
    if math.isnan(k) or abs(k) >= 2**63:
        raise EvaluationError(f"Scalar value {k} overflows int64")
    return max(0, int(k))


def count_values(vector: Vector, grouping: Grouping, label: str) -> Vector:
    """How many series of a group have each value, which becomes `label`. Raises EvaluationError."""
    if not label:
        raise EvaluationError('invalid label name ""')
    answers: Vector = []
    for labels, members in groups(vector, grouping):
        length = len(members[0].values)
        found: dict[str, Values] = defaultdict(lambda: [None] * length)  # noqa: B023 - used in this round only
        for series in members:
            for step, value in enumerate(series.values):
                if value is not None:
                    counts = found[number_text(value)]
                    counts[step] = (counts[step] or 0.0) + 1.0
        answers += [VectorSeries({**labels, label: text}, values) for text, values in found.items()]
    return answers
