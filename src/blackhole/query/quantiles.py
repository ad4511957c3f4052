"""Turns observations by bucket, of histograms with the same or with differing bounds, into percentiles."""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass

# A share of a whole number of observations may come out a rounding above it.
_ROUNDING = 1e-12

BucketPiece = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Bucket:
    """`observed` values in (lower, upper]; an edge is None where the bucket is open.

    `least`, `most`: the smallest and greatest value of the histograms, where they were sent; of an open last
    bucket `most` is None unless that of all its observations is known.
    """

    lower: float | None
    upper: float | None
    observed: float
    least: float | None = None
    most: float | None = None

    def times(self, factor: float) -> "Bucket":
        """The same observations in another unit."""
        if factor == 1:
            return self
        lower, upper, least, most = (
            None if edge is None else edge * factor
            for edge in (self.lower, self.upper, self.least, self.most)
        )
        return Bucket(lower, upper, self.observed, least, most)


@dataclass(frozen=True, slots=True)
class Percentile:
    """`over`: it lies in a bucket without an end, and `value` is where it surely lies above."""

    value: float
    over: bool = False


def quantile(cells: Iterable[Bucket], q: float) -> Percentile | None:
    """The value below which a share `q` lies, linear inside buckets; None without observations.

    An open first bucket begins at 0 when its bound is positive, or at the least value where that is below; an
    open last one ends at the greatest value when that is known.
    """
    closed: list[BucketPiece] = []
    open_ended: list[BucketPiece] = []
    for cell in cells:
        if cell.observed > 0 and (cell.lower is not None or cell.upper is not None):
            (open_ended if _has_no_end(cell) else closed).append(_edges(cell))
    if not closed and not open_ended:
        return None
    all_of_them = [*closed, *open_ended]
    wanted = q * sum(observed for _, _, observed in all_of_them)
    lowest = _walk(all_of_them, wanted)
    return Percentile(lowest, bool(open_ended) and _is_over(lowest, closed, open_ended, wanted))


def _is_over(lowest: float, closed: list[BucketPiece], open_ended: list[BucketPiece], wanted: float) -> bool:
    """Whether it lies elsewhere when what has no end is far away instead of at its bounds."""
    if not closed or sum(observed for _, _, observed in closed) < wanted * (1 - _ROUNDING):
        return True
    highest = _walk(closed, wanted)
    edges = _all_edges([*closed, *open_ended])
    return bisect_left(edges, lowest) != bisect_left(edges, highest)


def _walk(pieces: list[BucketPiece], wanted: float) -> float:
    """Where so many of the observations have been passed, from below."""
    edges = _all_edges(pieces)
    between, exactly = _spread(pieces, edges)
    least = wanted * (1 - _ROUNDING)
    reached, answer = 0.0, edges[0]
    for place, edge in enumerate(edges):
        reached += exactly[place]
        if exactly[place]:
            answer = edge
            if reached >= least:
                return answer
        if between[place]:
            if reached + between[place] >= least:
                share = min((wanted - reached) / between[place], 1.0)
                return edge + (edges[place + 1] - edge) * share
            reached += between[place]
            answer = edges[place + 1]
    return answer


def _spread(pieces: list[BucketPiece], edges: list[float]) -> tuple[list[float], list[float]]:
    """How many lie between each edge and the next one, and how many exactly at it."""
    between = [0.0] * len(edges)
    exactly = [0.0] * len(edges)
    for lower, upper, observed in pieces:
        first, last = bisect_left(edges, lower), bisect_left(edges, upper)
        if first == last:
            exactly[first] += observed
        elif last == first + 1:
            between[first] += observed
        else:
            for place in range(first, last):
                between[place] += observed * (edges[place + 1] - edges[place]) / (upper - lower)
    return between, exactly


def _all_edges(pieces: list[BucketPiece]) -> list[float]:
    return sorted({edge for lower, upper, _ in pieces for edge in (lower, upper)})


def _has_no_end(cell: Bucket) -> bool:
    return cell.upper is None and (cell.most is None or cell.lower is None or cell.most <= cell.lower)


def _edges(cell: Bucket) -> BucketPiece:
    """A bucket without an end counts at its bound."""
    lower, upper = cell.lower, cell.upper
    if lower is None:
        end = upper or 0.0
        return _lowest(end, cell.least), end, cell.observed
    if upper is None:
        upper = lower if _has_no_end(cell) else cell.most or lower
    return lower, upper, cell.observed


def _lowest(upper: float, least: float | None) -> float:
    start = min(upper, 0.0)
    return start if least is None else min(start, least)
