"""Turns observations by bucket, of histograms with the same or with differing bounds, into percentiles."""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cell:
    """`observed` values in (lower, upper]; an edge is None where the bucket is open.

    `least`, `most`: the smallest and greatest value of the histograms, where they were sent.
    """

    lower: float | None
    upper: float | None
    observed: float
    least: float | None = None
    most: float | None = None


def quantile(cells: Iterable[Cell], q: float) -> float | None:
    """The value below which a share `q` lies, linear inside buckets; None without observations.

    An open first bucket begins at 0 when its bound is positive; an open last one ends at the greatest value
    when that is known, else at its bound.
    """
    closed = _close([cell for cell in cells if cell.observed > 0])
    if not closed:
        return None
    edges = sorted({edge for lower, upper, _ in closed for edge in (lower, upper)})
    between = [0.0] * len(edges)
    exactly = [0.0] * len(edges)
    for lower, upper, observed in closed:
        first, last = bisect_left(edges, lower), bisect_left(edges, upper)
        if first == last:
            exactly[first] += observed
        elif last == first + 1:
            between[first] += observed
            continue
        for place in range(first, last):
            between[place] += observed * (edges[place + 1] - edges[place]) / (upper - lower)
    return _walk(edges, between, exactly, q * sum(observed for _, _, observed in closed))


def _walk(edges: list[float], between: list[float], exactly: list[float], wanted: float) -> float:
    reached, answer = 0.0, edges[0]
    for place, edge in enumerate(edges):
        reached += exactly[place]
        if exactly[place]:
            answer = edge
            if reached >= wanted:
                return answer
        if between[place]:
            if reached + between[place] >= wanted:
                return edge + (edges[place + 1] - edge) * (wanted - reached) / between[place]
            reached += between[place]
            answer = edges[place + 1]
    return answer


def _close(cells: list[Cell]) -> list[tuple[float, float, float]]:
    return [edges for cell in cells if (edges := _edges(cell)) is not None]


def _edges(cell: Cell) -> tuple[float, float, float] | None:
    if cell.lower is not None and cell.upper is not None:
        return cell.lower, cell.upper, cell.observed
    if cell.upper is not None:
        return _lowest(cell.upper, cell.least), cell.upper, cell.observed
    if cell.lower is not None:
        upper = cell.lower if cell.most is None else max(cell.lower, cell.most)
        return cell.lower, upper, cell.observed
    return None


def _lowest(upper: float, least: float | None) -> float:
    if upper > 0:
        return 0.0
    return upper if least is None else min(upper, least)
