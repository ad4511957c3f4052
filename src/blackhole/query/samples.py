"""Turns series and a range of time into samples: the one place that knows how they are kept.

Times are milliseconds since the epoch; ranges are left-open, (after, until], as in Prometheus 3.
"""

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from blackhole.errors import EvaluationError
from blackhole.store.reader import Reader

SQL = Path(__file__).parent / "sql"
MAX_SAMPLES = 2_000_000
_MILLISECOND = 1_000_000
# What DuckDB and this process hold at once.
_BATCH = 500
_FIRST, _LAST = -(2**62) // _MILLISECOND, 2**62 // _MILLISECOND

Bounds = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """The samples of one series in the order of time. `before`: the sum of all that is older."""

    series: int
    times: "array[int]"
    values: "array[float]"
    before: float = 0.0


@dataclass(frozen=True, slots=True)
class Interval:
    """What one interval of a histogram added; `buckets` has one count more than `bounds`."""

    time: int
    count: float
    sum: float | None
    bounds: Bounds
    buckets: Sequence[float]


@dataclass(frozen=True, slots=True)
class History:
    """The intervals of one histogram series in the order of time, and what all older ones add up to.

    `before`: one interval (its time says nothing) for each list of bounds that was in use.
    """

    series: int
    intervals: list[Interval]
    before: list[Interval] = field(default_factory=list)


class Samples:
    """Reads from one snapshot; `left`: answers the seconds that are left for the whole question."""

    def __init__(self, reader: Reader, left: Callable[[], float], max_samples: int = MAX_SAMPLES) -> None:
        self._reader = reader
        self._left = left
        self._max_samples = max_samples
        self._taken = 0

    def levels(self, ids: Sequence[int], after: int, until: int) -> Iterator[Column]:
        """Values as stored; of several in one millisecond the one that was stored last."""
        for batch in _batches(ids):
            yield from self._columns(batch, after, until, _last)

    def increments(self, ids: Sequence[int], after: int, until: int) -> Iterator[Column]:
        """Increments, with what they add up to before; those of one millisecond are one."""
        for batch in _batches(ids):
            before = self._before(batch, after)
            for column in self._columns(batch, after, until, sum):
                yield Column(column.series, column.times, column.values, before.get(column.series, 0.0))

    def histograms(
        self, ids: Sequence[int], after: int, until: int, *, running: bool = True
    ) -> Iterator[History]:
        """`running`: with what the intervals add up to before."""
        for batch in _batches(ids):
            found: dict[int, list[Interval]] = {}
            for series, *interval in self._rows("intervals", batch, after, until):
                found.setdefault(series, []).append(_interval(*interval))
                self._take(3 + len(interval[-1] or ()))
            before = self._intervals_before(list(found), after) if running else {}
            for series, intervals in found.items():
                yield History(series, intervals, before.get(series, []))

    def releases(self, ids: Sequence[int], after: int, until: int) -> Iterator[History]:
        """Noisy buckets of highly sensitive histograms; for gauges their sum and count, without bounds."""
        for batch in _batches(ids):
            found: dict[int, list[Interval]] = {}
            for series, time, bounds, noisy in self._rows("releases", batch, after, until):
                interval = Interval(time, sum(noisy), None, tuple(bounds or ()), noisy)
                found.setdefault(series, []).append(interval)
                self._take(len(noisy))
            yield from (History(series, intervals) for series, intervals in found.items())

    def alive(self, ids: Sequence[int], after: int | None, until: int | None) -> set[int]:
        """Those of `ids` that have samples in the range, or at all."""
        return {row[0] for row in self._rows("alive", ids, _or(after, _FIRST), _or(until, _LAST))}

    def bounds(self, ids: Sequence[int], after: int | None, until: int | None) -> dict[int, set[float]]:
        """All bounds of buckets that each histogram had in the range, or ever."""
        found: dict[int, set[float]] = {}
        for series, bounds in self._rows("bounds", ids, _or(after, _FIRST), _or(until, _LAST)):
            found.setdefault(series, set()).update(bounds)
        return found

    def _columns(
        self, ids: Sequence[int], after: int, until: int, one: Callable[[list[float]], float]
    ) -> list[Column]:
        columns: list[Column] = []
        for series, times, values in self._rows("columns", ids, after, until):
            self._take(len(times))
            columns.append(Column(series, *_ordered(array("q", times), array("d", values), one)))
        return columns

    def _before(self, ids: Sequence[int], after: int) -> dict[int, float]:
        return dict(self._rows("sums", ids, None, after))

    def _intervals_before(self, ids: Sequence[int], after: int) -> dict[int, list[Interval]]:
        found: dict[int, list[Interval]] = {}
        for series, *interval in self._rows("intervals_before", ids, None, after):
            found.setdefault(series, []).append(_interval(after, *interval))
        return found

    def _rows(
        self, name: str, ids: Sequence[int], after: int | None, until: int
    ) -> Iterator[tuple[Any, ...]]:
        bound: dict[str, Any] = {"ids": list(ids), "until": (until + 1) * _MILLISECOND}
        if after is not None:
            bound["from"] = (after + 1) * _MILLISECOND
        return self._reader.each(template(name), bound, timeout=self._left())

    def _take(self, samples: int) -> None:
        self._taken += samples
        if self._taken > self._max_samples:
            raise EvaluationError(
                f"more than {self._max_samples:,} samples: ask for fewer series or a shorter range"
            )


@cache
def template(name: str) -> str:
    return (SQL / f"promql_{name}.sql").read_text(encoding="utf-8")


def _batches(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    return (ids[first : first + _BATCH] for first in range(0, len(ids), _BATCH))


def _or(time: int | None, otherwise: int) -> int:
    return otherwise if time is None else time


def _last(values: list[float]) -> float:
    return values[-1]


def _interval(
    time: int, count: float, total: float | None, bounds: list[float] | None, buckets: list[float] | None
) -> Interval:
    """A histogram that was sent without buckets has one, of everything."""
    if bounds is None or buckets is None or len(buckets) != len(bounds) + 1:
        return Interval(time, count, total, (), (count,))
    return Interval(time, count, total, tuple(bounds), buckets)


def _ordered(
    times: "array[int]", values: "array[float]", one: Callable[[list[float]], float]
) -> tuple["array[int]", "array[float]"]:
    """In the order of time, each time once; `one` makes one value of several."""
    if all(map(int.__lt__, times, times[1:])):
        return times, values
    by_time: dict[int, list[float]] = {}
    for time, value in zip(times, values, strict=True):
        by_time.setdefault(time, []).append(value)
    ordered = sorted(by_time)
    return array("q", ordered), array("d", (one(by_time[time]) for time in ordered))
