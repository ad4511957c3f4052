"""Turns vectors and scalars into vectors: the functions that need neither samples nor windows."""

import math
from collections.abc import Callable, Sequence

from blackhole.promql import order
from blackhole.promql.maths import DATES, MATHS, clamped, to_nearest
from blackhole.promql.order import higher, lower
from blackhole.promql.values import Grid, ScalarValues, Values, Vector, VectorSeries, key_of, merged, nameless

MAPPED: dict[str, Callable[[float], float]] = {**MATHS, **DATES}
BOUNDED = ("clamp", "clamp_min", "clamp_max", "round")


def mapped(vector: Vector, one: Callable[[float], float]) -> Vector:
    return merged(
        VectorSeries(
            nameless(series.labels), [None if value is None else one(value) for value in series.values]
        )
        for series in vector
    )


def bounded(name: str, vector: Vector, scalars: Sequence[ScalarValues], count: int) -> Vector:
    """The functions that take a number beside each value: clamp, clamp_min, clamp_max and round."""
    if name == "round":
        nearest = scalars[0] if scalars else [1.0] * count
        return _with_numbers(vector, lambda value, step: to_nearest(value, nearest[step]))
    low = scalars[0] if name != "clamp_max" else [-math.inf] * count
    high = scalars[-1] if name != "clamp_min" else [math.inf] * count
    return _with_numbers(
        vector,
        lambda value, step: None if high[step] < low[step] else clamped(value, low[step], high[step]),
    )


def _with_numbers(vector: Vector, one: Callable[[float, int], float | None]) -> Vector:
    return merged(
        VectorSeries(
            nameless(series.labels),
            [None if value is None else one(value, step) for step, value in enumerate(series.values)],
        )
        for series in vector
    )


def only_value(vector: Vector, count: int) -> ScalarValues:
    """scalar(): the value of the only series, NaN where there is none or more than one."""
    answers: ScalarValues = []
    for step in range(count):
        values = [value for series in vector if (value := series.values[step]) is not None]
        answers.append(values[0] if len(values) == 1 else math.nan)
    return answers


def missing(vector: Vector, count: int) -> Values:
    """absent(): 1 at each step at which no series has a value."""
    return [
        None if any(series.values[step] is not None for series in vector) else 1.0 for step in range(count)
    ]


def stamped(vector: Vector, grid: Grid) -> Vector:
    """The time of each step, in seconds, where there is a value."""
    times = [time / 1000 for time in grid.times]
    return merged(
        VectorSeries(
            nameless(series.labels),
            [None if value is None else time for value, time in zip(series.values, times, strict=True)],
        )
        for series in vector
    )


def in_order(vector: Vector, *, descending: bool) -> Vector:
    """sort() and sort_desc(), which mean something for one step only; NaN stands last."""
    worse = lower if descending else higher
    known = [(value, series) for series in vector if (value := series.values[-1]) is not None]
    found = [series for _, series in order.in_order(known, lambda a, b: worse(b[0], a[0]))]
    return found + [series for series in vector if series.values[-1] is None]


def in_order_of_labels(vector: Vector, names: Sequence[str], *, descending: bool) -> Vector:
    """sort_by_label(): digits in a value count as one number."""

    def before(left: VectorSeries, right: VectorSeries) -> bool:
        for name in names:
            one, other = left.labels.get(name, ""), right.labels.get(name, "")
            if one != other:
                return order.natural(one, other) is not descending
        return (key_of(left.labels) < key_of(right.labels)) is not descending

    return order.in_order(vector, before)
