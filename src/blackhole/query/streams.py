"""Turns the newest rows of the file into the last point of each stream, and how often it reports."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

from blackhole.model.written_times import SECOND
from blackhole.store.read.reader import Reader
from blackhole.store.read.templates import template

TIMEOUT_S = 5.0
MAX_SERIES = 50_000
# Of each of points, histograms and intervals as many.
_MAX_ROWS = 3 * MAX_SERIES
_MOST_STEPS = 9


@dataclass(frozen=True, slots=True)
class StreamFamily:
    """What was said of a stream when it began."""

    delta: bool = False
    raw: int | None = None
    kin: int | None = None
    start: int | None = None


_NO_FAMILY = StreamFamily()


@dataclass(frozen=True, slots=True)
class Stream:
    """One raw series, and its last increment, observations or level; times are nanoseconds.

    `since`: when the increment began to grow; None where nobody knows. `shown`: the value as people read it.
    `points`: how many of it were seen, up to ten.
    """

    last: int
    since: int | None
    value: float
    shown: float | None
    arrived: int
    period_ns: int | None
    family: StreamFamily = _NO_FAMILY
    points: int = 1

    @property
    def period(self) -> float | None:
        """Seconds between two of its points, where there are enough of them to tell."""
        return None if self.period_ns is None else self.period_ns / SECOND


# By number of the series, then of the stream.
Streams = dict[int, dict[int, Stream]]
# By number of the stream its series, and how far it reaches.
Ends = dict[int, tuple[int, Stream]]


@dataclass(frozen=True, slots=True)
class NewestRow:
    """The newest of a stream: its latest times, the newest first. `began`: an increment's that tells it."""

    series: int
    stream: int
    told: bool
    times: list[int]
    value: float
    shown: float | None
    arrived: int
    began: int | None
    period_ns: int | None


class Families:
    """Of the streams that are asked for; nothing of it ever changes."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], StreamFamily] = {}

    def of(self, row: NewestRow) -> StreamFamily:
        return self._known.get((row.series, row.stream), _NO_FAMILY)

    def meet(self, reader: Reader, rows: Iterable[NewestRow]) -> None:
        new = {row.stream for row in rows if row.stream and (row.series, row.stream) not in self._known}
        if new:
            for stream, series, delta, *family in told(reader, "recent_families", {"ids": sorted(new)}):
                self._known[series, stream] = StreamFamily(bool(delta), *family)

    def keep(self, streams: Streams) -> None:
        """Forgets all others."""
        kept = {(series, stream) for series, some in streams.items() for stream in some}
        self._known = {key: family for key, family in self._known.items() if key in kept}


def newest(reader: Reader, families: Families, bound: dict[str, int]) -> list[NewestRow]:
    """`bound`: `since` when rows are new, and `told` since when those are that say since when they grew."""
    rows = [NewestRow(*row) for row in told(reader, "recent_streams", bound)]
    families.meet(reader, rows)
    return rows


def sealed_ends(reader: Reader, families: Families, series: Sequence[int], since: int) -> dict[int, Stream]:
    """The newest points of sealed streams. With numbers in the statement no other chunk is unpacked."""
    entries = [NewestRow(*row) for row in told(reader, "recent_intervals", {"since": since})]
    ids = ", ".join(map(str, series))
    rows = []
    for name in ("recent_sealed_points", "recent_sealed_histograms"):
        sql = template(name).format(ids=ids)
        found = reader.rows(sql, {"since": since}, max_rows=MAX_SERIES, timeout=TIMEOUT_S).rows
        rows += [NewestRow(*row) for row in found]
    families.meet(reader, [*rows, *entries])
    streams = plain([*rows, *entries], families, {})
    return {number: stream for some in streams.values() for number, stream in some.items()}


def sealed_since(reader: Reader, since: int, until: int) -> Ends:
    """How far the sealed points reach of each stream that has one since then."""
    return {
        stream: (series, Stream(last, None, 0.0, None, arrived, period))
        for stream, series, last, period, arrived in told(
            reader, "recent_sealed", {"since": since, "until": until}
        )
    }


def told(reader: Reader, name: str, bound: dict[str, Any]) -> list[tuple[Any, ...]]:
    return reader.rows(template(name), bound, max_rows=_MAX_ROWS, timeout=TIMEOUT_S).rows


def entries(rows: Iterable[NewestRow], families: Families) -> Streams:
    """The increments that say since when they grew: of slow senders they are all there is."""
    found: Streams = defaultdict(dict)
    for row in rows:
        if row.told:
            found[row.series][row.stream] = _stream(row, families, row.began, row.period_ns)
    return found


def plain(rows: Sequence[NewestRow], families: Families, older: Mapping[int, Stream]) -> Streams:
    """The others. `older`: as far as they are known."""
    said = {row.stream: row for row in rows if row.told}
    found: Streams = defaultdict(dict)
    for row in rows:
        if not row.told:
            known = older.get(row.stream)
            begun = _begun(row.times, said.get(row.stream), known)
            found[row.series][row.stream] = _stream(row, families, *begun, points=_points(row, known))
    return found


def after(streams: Streams, moment: int) -> Streams:
    """Those that have a point since then."""
    found = {
        series: {number: stream for number, stream in some.items() if stream.last >= moment}
        for series, some in streams.items()
    }
    return {series: some for series, some in found.items() if some}


def _stream(
    row: NewestRow, families: Families, since: int | None, period_ns: int | None, *, points: int = 1
) -> Stream:
    return Stream(row.times[0], since, row.value, row.shown, row.arrived, period_ns, families.of(row), points)


def _points(row: NewestRow, older: Stream | None) -> int:
    seen = len(set(row.times))
    if older is None:
        return seen
    return max(seen, min(older.points + (row.times[0] > older.last), _MOST_STEPS + 1))


def _begun(times: list[int], entry: NewestRow | None, older: Stream | None) -> tuple[int | None, int | None]:
    """Since when the last of `times` (the newest first) grew, and how often its stream reports."""
    times = list(dict.fromkeys(times))
    steps = [after - before for after, before in pairwise(times)]
    period = round(median(steps)) if steps else None
    if older is not None and older.period_ns is not None and len(steps) < _MOST_STEPS:
        period = older.period_ns
    if entry is not None and entry.times[0] == times[0]:
        return entry.began, period or entry.period_ns
    if len(times) > 1:
        return times[1], period
    if older is None:
        return None, period
    return (older.last if older.last < times[0] else older.since), period
