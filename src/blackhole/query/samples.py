"""Turns series and a range of time into samples: the one place that knows how they are kept.

Times are milliseconds since the epoch; ranges are left-open, (after, until], as in Prometheus 3.
"""

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from blackhole.errors import EvaluationError
from blackhole.query import templates
from blackhole.query.increments import Column, Part, joined
from blackhole.store.reader import Reader

MAX_SAMPLES = 2_000_000
_MILLISECOND = 1_000_000
# What DuckDB and this process hold at once.
_BATCH = 500
_FIRST, _LAST = -(2**62) // _MILLISECOND, 2**62 // _MILLISECOND

Bounds = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Sent:
    """The running state of a block's first interval as it was sent, and when senders began anew after it.

    `cells`: None where its buckets were others than those of the block.
    """

    restarts: Sequence[int]
    count: float
    sum: float | None
    cells: Sequence[float] | None


@dataclass(frozen=True, slots=True)
class Block:
    """Intervals of one histogram series with the same bounds, in the order of time.

    `cells`: of each interval what it added to each bucket, one after the other; one bucket more than bounds.
    """

    series: int
    bounds: Bounds
    times: "array[int]"
    counts: "array[float]"
    sums: Sequence[float | None]
    cells: "array[float]"
    sent: "Sent | None" = None


@dataclass(frozen=True, slots=True)
class Before:
    """What all older intervals with the same bounds add up to."""

    bounds: Bounds
    count: float
    sum: float
    cells: Sequence[float]


@dataclass(frozen=True, slots=True)
class History:
    """The intervals of one histogram series, and what came before them."""

    series: int
    blocks: list[Block]
    before: list[Before] = field(default_factory=list)


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
            for series, times, values in self._rows("columns", batch, after, until):
                self._take(len(times))
                yield Column(series, *_ordered(array("q", times), array("d", values), _last))

    def increments(self, ids: Sequence[int], after: int, until: int) -> Iterator[Column]:
        """Increments, with what the counter was before them; those of one millisecond are one."""
        for batch in _batches(ids):
            parts: dict[int, list[Part]] = {}
            for row in self._rows("increments", batch, after, until):
                series, stream, times, values, first, opening, restarts = row
                self._take(len(times))
                at, added = _ordered(array("q", times), array("d", values), sum)
                part = Part(stream, at, added, first, opening, restarts or ())
                parts.setdefault(series, []).append(part)
            older = self._older(list(parts), after)
            yield from (joined(series, found, older.get(series, {})) for series, found in parts.items())

    def histograms(
        self, ids: Sequence[int], after: int, until: int, *, running: bool = True
    ) -> Iterator[History]:
        """`running`: with what older intervals add up to."""
        for batch in _batches(ids):
            rows: dict[tuple[int, Bounds], tuple[Any, ...]] = {}
            for row in self._rows("intervals", batch, after, until):
                self._take(len(row[2]) * (3 + len(row[1] or ())))
                key = row[0], tuple(row[1] or ())
                rows[key] = _appended(rows[key], row) if key in rows else row
            blocks: dict[int, list[Block]] = {}
            for (series, _), row in rows.items():
                blocks.setdefault(series, []).append(_block(row))
            before = self.before_histograms(list(blocks), after) if running else {}
            yield from (History(series, found, before.get(series, [])) for series, found in blocks.items())

    def releases(self, ids: Sequence[int], after: int, until: int) -> Iterator[History]:
        """Noisy buckets of highly sensitive histograms; for gauges their sum and count, without bounds."""
        for batch in _batches(ids):
            blocks: dict[int, list[Block]] = {}
            for series, bounds, times, noisy in self._rows("releases", batch, after, until):
                self._take(sum(map(len, noisy)))
                cells = array("d", (value for values in noisy for value in values))
                counts = array("d", map(sum, noisy))
                block = Block(
                    series, tuple(bounds or ()), array("q", times), counts, [None] * len(times), cells
                )
                blocks.setdefault(series, []).append(block)
            yield from (History(series, found) for series, found in blocks.items())

    def before(self, ids: Sequence[int], after: int) -> dict[int, float]:
        """What each counter came to by `after`."""
        return {series: sum(found.values()) for series, found in self._older(ids, after).items()}

    def _older(self, ids: Sequence[int], after: int) -> dict[int, dict[int, float]]:
        """What each stream of each series came to by `after`: its first value as sent, and what it added."""
        found: dict[int, dict[int, float]] = {}
        for series, stream, total in self._rows("sums", ids, None, after):
            found.setdefault(series, {})[stream] = total
        for series, stream, opening in self._rows("bases", list(found)):
            if stream in found[series]:
                found[series][stream] += opening
        return found

    def before_histograms(self, ids: Sequence[int], after: int) -> dict[int, list[Before]]:
        """The same of histograms, and what was counted before the first row of each stream."""
        most = max((row[0] for row in self._rows("most_bounds", ids, None, after)), default=0)
        found: dict[int, list[Before]] = {}
        for series, bounds, count, total, cells in self._rows(
            "intervals_before", ids, None, after, cells=positions("sum(buckets[{}])", most + 1)
        ):
            known = tuple(bounds or ())
            inside = cells[: len(known) + 1] if bounds is not None else [count]
            found.setdefault(series, []).append(Before(known, count, total or 0.0, inside))
        for series, bounds, count, total, cells in self._rows("histogram_bases", ids):
            found.setdefault(series, []).append(Before(tuple(bounds), count, total or 0.0, cells))
        return found

    def alive(self, ids: Sequence[int], after: int | None, until: int | None) -> set[int]:
        """Those of `ids` that have samples in the range, or at all."""
        return {row[0] for row in self._rows("alive", ids, _or(after, _FIRST), _or(until, _LAST))}

    def bounds(self, ids: Sequence[int], after: int | None, until: int | None) -> dict[int, set[float]]:
        """All bounds of buckets that each histogram had in the range, or ever."""
        found: dict[int, set[float]] = {}
        for series, bounds in self._rows("bounds", ids, _or(after, _FIRST), _or(until, _LAST)):
            found.setdefault(series, set()).update(bounds)
        return found

    def _rows(
        self,
        name: str,
        ids: Sequence[int],
        after: int | None = None,
        until: int | None = None,
        **pieces: str,
    ) -> Iterator[tuple[Any, ...]]:
        bound: dict[str, Any] = {"ids": list(ids)}
        if until is not None:
            bound["until"] = nanoseconds(until + 1)
        if after is not None:
            bound["from"] = nanoseconds(after + 1)
        return self._reader.each(template(name).format(**pieces), bound, timeout=self._left())

    def _take(self, samples: int) -> None:
        self._taken += samples
        if self._taken > self._max_samples:
            raise EvaluationError(
                f"more than {self._max_samples:,} samples: ask for fewer series or a shorter range"
            )


def template(name: str) -> str:
    return templates.template(f"promql_{name}")


def nanoseconds(time: int) -> int:
    """Of a time in milliseconds. No sample lies beyond what DuckDB takes for a time."""
    return max(_FIRST, min(time, _LAST)) * _MILLISECOND


def _batches(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    return (ids[first : first + _BATCH] for first in range(0, len(ids), _BATCH))


def _or(time: int | None, otherwise: int) -> int:
    return otherwise if time is None else time


def _last(values: list[float]) -> float:
    return values[-1]


def positions(expression: str, most: int) -> str:
    """`expression` of the first, the second, … bucket, as a list: faster by far than to unnest them."""
    return f"[{', '.join(expression.format(place) for place in range(1, most + 1))}]::DOUBLE[]"


def _appended(row: tuple[Any, ...], other: tuple[Any, ...]) -> tuple[Any, ...]:
    """Rows and chunks with the same bounds as one; the state as sent is that of the earlier."""
    first, second = (row, other) if row[2][0] <= other[2][0] else (other, row)
    lists = (None if a is None or b is None else a + b for a, b in zip(first[2:6], second[2:6], strict=True))
    return (*first[:2], *lists, *first[6:])


def _block(row: tuple[Any, ...]) -> Block:
    """A histogram that was sent without buckets has one, of everything."""
    series, bounds, times, counts, sums, cells, streams, *sent = row
    known = tuple(bounds or ())
    size = len(known) + 1
    if bounds is None or cells is None or len(cells) != size * len(times):
        known, size, cells = (), 1, counts
    if not all(map(int.__le__, times, times[1:])):
        order = sorted(range(len(times)), key=times.__getitem__)
        times, counts, sums = ([column[n] for n in order] for column in (times, counts, sums))
        cells = [cell for n in order for cell in cells[n * size : (n + 1) * size]]
    moments = array("q", times)
    state = _sent(moments[0], streams, *sent)
    return Block(series, known, moments, array("d", counts), sums, array("d", cells), state)


def _sent(first: int, streams: int, restarts: list[int], *state: Any) -> Sent | None:
    """None where it is not known, or where several streams count together. `first`: the time of the state."""
    later = [time for time in restarts if time > first]
    return None if state[0] is None or streams - 1 > len(later) else Sent(later, *state)


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
