"""Turns what SQL summed up of each step into the values of range functions, as samples would give them."""

import math
from collections.abc import Callable
from functools import partial

from blackhole.query.promql.counters import extrapolation
from blackhole.query.promql.values import Values
from blackhole.query.steps import Tiles, Tiling


class Strides:
    """Windows of `width` tiles; the first begins with the first tile."""

    def __init__(self, tiles: Tiles, tiling: Tiling, width: int) -> None:
        self.tiles = tiles
        self.width = width
        self.ends = range(
            tiling.origin + width * tiling.step,
            tiling.origin + tiling.count * tiling.step + 1,
            tiling.step,
        )
        self.length = tiling.length
        self._next, self._previous = _neighbours(tiles.counts)

    def filled(self, place: int) -> tuple[int, int] | None:
        """The first and the last tile with samples of the window that begins with tile `place`."""
        first = self._next[place]
        last = place + self.width - 1
        return (first, self._previous[last]) if first <= last else None


def _neighbours(counts: list[int]) -> tuple[list[int], list[int]]:
    """Of each tile the nearest with samples: itself or one after it, itself or one before it."""
    following, preceding = [len(counts)] * len(counts), [-1] * len(counts)
    near = len(counts)
    for place in range(len(counts) - 1, -1, -1):
        near = place if counts[place] else near
        following[place] = near
    near = -1
    for place, count in enumerate(counts):
        near = place if count else near
        preceding[place] = near
    return following, preceding


def increase(strides: Strides, *, per_second: bool) -> Values:
    """Of a running sum; what the first sample of a window added came before it."""
    tiles, width, length = strides.tiles, strides.width, strides.length
    level = tiles.before
    found: Values = []
    levels = [level := level + total for total in (0.0, *tiles.totals)]
    for place, end in enumerate(strides.ends):
        samples = sum(tiles.counts[place : place + width])
        edges = strides.filled(place)
        if edges is None or samples < 2:  # noqa: PLR2004 - a change needs two samples
            found.append(None)
            continue
        first, last = edges
        change = math.fsum(tiles.sums[first : last + 1]) - tiles.first_values[first]
        sent = tiles.first_sent[first]
        if sent is None:
            sent = levels[first] + tiles.totals[first] - tiles.sums[first] + tiles.first_values[first]
        factor = extrapolation(
            (tiles.first_times[first], tiles.last_times[last], samples),
            (end - length, end),
            (change, sent),
        )
        found.append(change * (factor / (length / 1000)) if per_second else change * factor)
    return found


def delta(strides: Strides) -> Values:
    tiles, width, length = strides.tiles, strides.width, strides.length
    found: Values = []
    for place, end in enumerate(strides.ends):
        samples = sum(tiles.counts[place : place + width])
        edges = strides.filled(place)
        if edges is None or samples < 2:  # noqa: PLR2004 - a change needs two samples
            found.append(None)
            continue
        first, last = edges
        change = tiles.last_values[last] - tiles.first_values[first]
        span = (tiles.first_times[first], tiles.last_times[last], samples)
        found.append(change * extrapolation(span, (end - length, end), None))
    return found


def each(one: Callable[[Tiles, int, int], float]) -> Callable[[Strides], Values]:
    """`one` of the tiles from the first to the last with samples of every window that has any."""

    def over(strides: Strides) -> Values:
        found: Values = []
        for place in range(len(strides.ends)):
            edges = strides.filled(place)
            found.append(None if edges is None else one(strides.tiles, edges[0], edges[1] + 1))
        return found

    return over


def _total(tiles: Tiles, first: int, last: int) -> float:
    return math.fsum(tiles.sums[first:last])


def _count(tiles: Tiles, first: int, last: int) -> float:
    return float(sum(tiles.counts[first:last]))


def _least(tiles: Tiles, first: int, last: int) -> float:
    return min(tiles.least[place] for place in range(first, last) if tiles.counts[place])


def _most(tiles: Tiles, first: int, last: int) -> float:
    return max(tiles.most[place] for place in range(first, last) if tiles.counts[place])


OF_COUNTERS: dict[str, Callable[[Strides], Values]] = {
    "rate": partial(increase, per_second=True),
    "increase": partial(increase, per_second=False),
}
OF_GAUGES: dict[str, Callable[[Strides], Values]] = {
    "delta": delta,
    "sum_over_time": each(_total),
    "avg_over_time": each(lambda tiles, first, last: _total(tiles, first, last) / _count(tiles, first, last)),
    "count_over_time": each(_count),
    "min_over_time": each(_least),
    "max_over_time": each(_most),
    "last_over_time": each(lambda tiles, _, last: tiles.last_values[last - 1]),
    "first_over_time": each(lambda tiles, first, _: tiles.first_values[first]),
    "present_over_time": each(lambda *_: 1.0),
}
SUMMED = OF_COUNTERS.keys() | OF_GAUGES.keys()
