"""Turns series and a range of time into what the core needs: streams, and samples slice by slice.

With samples.py the one place that knows how samples are kept. Times are milliseconds since the epoch;
ranges are left-open, (after, until], as in Prometheus 3.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from blackhole._core import Windows
from blackhole.model.batch import ArrowExporter
from blackhole.store.read.reader import Reader
from blackhole.store.read.samples import Bounds, nanoseconds, positions, template
from blackhole.store.read.templates import of_series

_NUMBERS = {"chunks": "chunks", "points": "recent_points"}
_HISTOGRAMS = {"chunks": "histogram_chunks", "points": "recent_histogram_points"}
# Columns that a histogram's chunk has for its buckets only. They are most of it.
_BUCKETS = ("bounds", "width", "buckets", "cumulative_bounds", "cumulative_buckets")
_WITHOUT_BUCKETS = (
    "NULL::DOUBLE[] AS bounds, NULL::UINTEGER AS width, NULL::UBIGINT[] AS buckets, "
    "NULL::DOUBLE[] AS cumulative_bounds, NULL::UBIGINT[] AS cumulative_buckets"
)


@dataclass(frozen=True, slots=True)
class SliceStream:
    """What one stream of a series is known by. `first` and `last`: the times of its first and last sample.

    `before`: what it added before the range, as far as whole chunks and rows tell; `opening`: what it had
    counted before it was known; `known`: whether it says what it sent.
    """

    series: int
    number: int
    first: int
    last: int
    before: float
    opening: float
    known: bool


@dataclass(frozen=True, slots=True)
class Counted:
    """The sum of the intervals of a histogram that have the same bounds."""

    bounds: Bounds
    count: float
    sum: float
    cells: Sequence[float]

    def part(self, part: str, edge: float) -> float:
        """`part`: count, sum, or bucket: what lies at or below `edge`."""
        if part == "bucket":
            return sum(self.cells[: cells_below(self.bounds, edge)])
        return self.count if part == "count" else self.sum


@dataclass(frozen=True, slots=True)
class History:
    """Streams of one counter, or of one part of a histogram, within a range.

    `before`: what it was when the range began; `openings`: what streams that followed another had counted
    before they were known, which counts as added with their first sample.
    """

    before: float
    as_sent: bool
    openings: dict[int, float]


def history(streams: Sequence[SliceStream], after: int) -> History:
    """Streams at the same time count together; of those that follow one another each began anew."""
    if len(streams) == 1:
        (only,) = streams
        before = only.opening + (only.before if only.first <= after else 0.0)
        return History(before, only.known or only.last <= after, {})
    here = sorted((stream for stream in streams if stream.last > after), key=lambda stream: stream.first)
    before = sum(stream.before + stream.opening for stream in streams if stream.first <= after)
    new = [stream for stream in here if stream.first > after]
    if any(stream.last >= later.first for stream, later in pairwise(here)):
        return History(before + sum(stream.opening for stream in new), False, {})
    opened = {stream.number: stream.opening for stream in new if stream is not here[0]}
    before += sum(stream.opening for stream in new if stream is here[0])
    return History(before, all(stream.known for stream in here), opened)


class StoredSamples:
    """Reads from one snapshot; `left`: answers the seconds that are left for the whole question."""

    def __init__(self, reader: Reader, left: Callable[[], float]) -> None:
        self._reader = reader
        self._left = left

    def streams(self, ids: Sequence[int], after: int, until: int) -> dict[int, list[SliceStream]]:
        """The streams of counters, by series."""
        found: dict[int, list[SliceStream]] = {}
        for series, number, first, last, before, opening, known in self._rows("streams", ids, after, until):
            stream = SliceStream(series, number, _ms(first), _ms(last), before, opening, known)
            found.setdefault(series, []).append(stream)
        return found

    def histogram_streams(self, ids: Sequence[int], until: int) -> dict[int, list[SliceStream]]:
        """As `streams`, of histograms; what they add up to depends on the part: see `openings`, `before`."""
        found: dict[int, list[SliceStream]] = {}
        for series, number, first, last, known in self._rows("histogram_streams", ids, None, until):
            stream = SliceStream(series, number, _ms(first), _ms(last), 0.0, 0.0, known)
            found.setdefault(series, []).append(stream)
        return found

    def openings(self, ids: Sequence[int]) -> dict[tuple[int, int], Counted]:
        """What streams of histograms had counted before they were known, by series and stream."""
        return {
            (series, stream): Counted(tuple(bounds), count, total or 0.0, cells)
            for series, stream, bounds, count, total, cells in self._rows("histogram_bases", ids)
        }

    def before(self, ids: Sequence[int], after: int) -> dict[int, list[Counted]]:
        """What histograms added before the range, as far as whole chunks and rows tell."""
        most = max((len(bounds) for _, bounds in self._rows("bounds", ids, -(2**43), after)), default=0)
        chunked = positions("sum(list_sum(buckets[{}:len(buckets):width]))", most + 1)
        cells = positions("sum(buckets[{}])", most + 1)
        found: dict[int, list[Counted]] = {}
        rows = self._rows("histograms_before", ids, after, chunked=chunked, cells=cells)
        for series, bounds, count, total, sums in rows:
            inside = sums[: len(bounds) + 1] if bounds else [count]
            known = [cell or 0.0 for cell in inside]
            found.setdefault(series, []).append(Counted(tuple(bounds or ()), count, total or 0.0, known))
        return found

    def amounts(
        self, ids: Sequence[int], after: int, until: int, *, block: int, histograms: bool
    ) -> Iterator[tuple[int, int, int]]:
        """Blocks of `block` milliseconds: the number, about how many samples lie there, and how many rows."""
        tables = _HISTOGRAMS if histograms else _NUMBERS
        bound = {"block": block * 1_000_000}
        for number, samples, rows in self._rows("amounts", ids, after, until, bound=bound, **tables):
            yield number, samples, rows or 0

    def feed(self, core: Windows, ids: Sequence[int], after: int, until: int, *, rows: bool) -> None:
        """Gives the core the numbers of a slice of time. `rows`: whether some are not sealed."""
        self._give("chunks", core.chunks, ids, after, until)
        if rows:
            self._give("points", core.points, ids, after, until)

    def feed_histograms(
        self, core: Windows, ids: Sequence[int], after: int, until: int, *, buckets: bool, rows: bool
    ) -> None:
        columns = ", ".join(_BUCKETS) if buckets else _WITHOUT_BUCKETS
        self._give("histogram_chunks", core.histogram_chunks, ids, after, until, buckets=columns)
        if rows:
            self._give("histogram_points", core.histogram_points, ids, after, until)

    def _give(
        self,
        name: str,
        into: Callable[[ArrowExporter], None],
        ids: Sequence[int],
        after: int,
        until: int,
        **pieces: str,
    ) -> None:
        sql, chosen = of_series(template(name).format(**pieces), ids)
        bound = {**chosen, "from": nanoseconds(after + 1), "until": nanoseconds(until + 1)}
        self._reader.hand(sql, bound, into, timeout=self._left())

    def _rows(
        self,
        name: str,
        ids: Sequence[int],
        after: int | None = None,
        until: int | None = None,
        bound: dict[str, int] | None = None,
        **pieces: str,
    ) -> Iterator[tuple[Any, ...]]:
        if not ids:
            return iter(())
        sql, chosen = of_series(template(name).format(**pieces), ids)
        params: dict[str, Any] = {**chosen, **(bound or {})}
        if until is not None:
            params["until"] = nanoseconds(until + 1)
        if after is not None:
            params["from"] = nanoseconds(after + 1)
        return self._reader.each(sql, params, timeout=self._left())


def with_part(
    streams: Sequence[SliceStream], openings: dict[tuple[int, int], Counted], part: str, edge: float
) -> list[SliceStream]:
    """Streams of a histogram with what one part of it had counted before they were known."""
    return [
        replace(stream, opening=known.part(part, edge))
        if (known := openings.get((stream.series, stream.number))) is not None
        else stream
        for stream in streams
    ]


def cells_below(bounds: Bounds, edge: float) -> int:
    """How many buckets, counted from the first, lie at or below `edge`."""
    return len(bounds) + 1 if edge == float("inf") else bisect_right(bounds, edge)


def _ms(nanosecond: int) -> int:
    return nanosecond // 1_000_000
