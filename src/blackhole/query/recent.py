"""Turns the newest rows of the file into the present state of every series that is alive."""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import msgspec

from blackhole import _core
from blackhole.model.series import MetricType, PrivacyLevel
from blackhole.model.written_times import SECOND, shown_until
from blackhole.privacy.intervals import Noise, of, steps_factor
from blackhole.query.language import HISTOGRAMS
from blackhole.query.quantiles import Bucket, Percentile, quantile
from blackhole.query.streams import (
    Ends,
    Families,
    Stream,
    Streams,
    after,
    entries,
    newest,
    plain,
    sealed_ends,
    sealed_since,
    told,
)
from blackhole.store.database import Database
from blackhole.store.read.reader import Reader

# Increments of longer than ten minutes say themselves since when: of all else the row before is within this.
LOOK_BACK_NS = 35 * 60 * SECOND
# Senders with a period of a minute must be seen between two of their exports.
LONG_NS = 300 * SECOND
SHORT_NS = 60 * SECOND
LOOK_BACK_AGE_NS = 10 * SECOND
SHORT_AGE_NS = SECOND // 5
_MINUTE_NS = 60 * SECOND
# Senders that report more seldom than every three days are shown as silent.
_LONGEST_NS = 8 * 86400 * SECOND
_ALIVE_WINDOWS = 1.5
_CUMULATIVE, _DELTA, _LEVEL = range(3)


@dataclass(frozen=True, slots=True)
class Release:
    """How long the window of a released value was, and the noise of each value."""

    seconds: float
    noise: Noise


@dataclass(slots=True)
class LiveSeries:
    """A series that is alive, with its streams and the cells of its histogram.

    `now`: of counters and histograms what they count a second, of updowncounters how many there are, by the
    streams that are `alive`; None where none is. `releases`: of a metric that is released with noise, by the
    time of the value.
    """

    metric: str
    type: MetricType
    unit: str
    level: PrivacyLevel
    attributes: dict[str, Any]
    streams: dict[int, Stream] = field(default_factory=dict)
    cells: list[Bucket] = field(default_factory=list)
    releases: dict[int, Release] = field(default_factory=dict)
    now: float | None = None
    alive: int = 0

    @property
    def is_histogram(self) -> bool:
        return self.type in HISTOGRAMS

    @property
    def is_level(self) -> bool:
        return self.type in (MetricType.GAUGE, MetricType.UPDOWNCOUNTER)

    @property
    def last_ns(self) -> int:
        return max(stream.last for stream in self.streams.values())

    @property
    def newest(self) -> float | None:
        return max(self.streams.values(), key=lambda stream: stream.last).shown


LiveStates = dict[int, LiveSeries]


class RecentStates(NamedTuple):
    """Series of the last minute; and of `lately`: the last five minutes, and of whoever is alive."""

    minute: LiveStates
    lately: LiveStates


BucketsBySeries = dict[int, list[Bucket]]


@dataclass(frozen=True, slots=True)
class _Sealed:
    """What is sealed since a moment; `tended`: the count of the work beside commits as of then."""

    tended: int
    since: int
    ends: Ends


class LiveSeriesCache:
    """The last minute, read at most five times a second, and, for slow senders, what was before.

    `windows`: seconds of the window of each guarded level. `judged_ns`: since when the service listens;
    before one period more, nobody counts as silent.
    """

    def __init__(
        self,
        database: Database,
        now_ns: Callable[[], int],
        *,
        windows: Mapping[PrivacyLevel, float],
        judged_ns: int = 0,
    ) -> None:
        self._database = database
        self._now_ns = now_ns
        self._windows = windows
        self._judged_ns = judged_ns
        self._lock = threading.Lock()
        self.forget()

    def forget(self) -> None:
        with self._lock:
            self._series: dict[int, LiveSeries] = {}
            self._families = Families()
            self._looked = self._looked_back = 0
            self._older: Streams = {}
            self._sealed: _Sealed | None = None
            self._ends: dict[int, Stream] = {}
            self._cells: BucketsBySeries = {}
            self._states = RecentStates({}, {})

    def states(self) -> RecentStates:
        """By number of the series."""
        with self._lock:
            now = self._now_ns()
            self._judged_ns = min(self._judged_ns, now)  # where the clock went back, from then on
            back_due = not 0 <= now - self._looked_back < LOOK_BACK_AGE_NS
            if back_due or not 0 <= now - self._looked < SHORT_AGE_NS:
                with self._database.reader() as reader:
                    (self._look_back if back_due else self._look)(reader, now)
            return self._states

    def _look_back(self, reader: Reader, now: int) -> None:
        """The last minute is in what is read here."""
        bound = {"since": now - LOOK_BACK_NS, "told": now - _LONGEST_NS, "until": shown_until(now)}
        rows = newest(reader, self._families, bound)
        sealed = self._sealed_ends(reader, now - LOOK_BACK_NS, shown_until(now))
        found = plain(rows, self._families, {stream: end for stream, (_, end) in sealed.items()})
        fresh = after(found, now - SHORT_NS)
        self._add_sealed(reader, found, sealed, now)
        for series, streams in entries(rows, self._families).items():
            found[series] = streams | found[series]
        self._older = found
        self._families.keep(found)
        self._meet(reader, found)
        cells: BucketsBySeries = {}
        self._cells = {}
        if self._has_histograms(found):
            cells, self._cells = _cells_of_both(reader, now)
        self._looked_back = now
        self._tell(reader, fresh, cells, now)

    def _sealed_ends(self, reader: Reader, since: int, until: int) -> Ends:
        """Read again only when something was sealed or deleted, or time went back.

        After the first statement of a snapshot, so that what it sees is counted.
        """
        tended, known = self._database.tended, self._sealed
        if known is None or known.tended != tended or since < known.since:
            known = self._sealed = _Sealed(tended, since, sealed_since(reader, since, until))
        return {stream: end for stream, end in known.ends.items() if end[1].last >= since}

    def _add_sealed(self, reader: Reader, found: Streams, sealed: Ends, now: int) -> None:
        """Adds those that may be alive without a row: a start seals what earlier runs have left."""
        seen = {stream for streams in found.values() for stream in streams}
        silent_ns = {stream: 5 * (end.period_ns or _MINUTE_NS) // 2 for stream, (_, end) in sealed.items()}
        wanted = {
            stream: (series, end)
            for stream, (series, end) in sealed.items()
            if stream not in seen and max(end.arrived, self._judged_ns) + silent_ns[stream] >= now
        }
        unread = {
            s: one for s, one in wanted.items() if s not in self._ends or self._ends[s].last < one[1].last
        }
        if unread:
            ids = sorted({series for series, _ in unread.values()})
            since = min(end.last for _, end in unread.values())
            self._ends |= sealed_ends(reader, self._families, ids, since)
        self._ends = {stream: self._ends[stream] for stream in wanted if stream in self._ends}
        for stream, end in self._ends.items():
            found[wanted[stream][0]][stream] = end

    def _look(self, reader: Reader, now: int) -> None:
        known = {number: stream for streams in self._older.values() for number, stream in streams.items()}
        bound = {"since": now - SHORT_NS, "told": now - SHORT_NS, "until": shown_until(now)}
        fresh = plain(newest(reader, self._families, bound), self._families, known)
        self._meet(reader, fresh)
        spread = self._has_histograms(fresh)
        self._tell(reader, fresh, _cells(reader, now - SHORT_NS, shown_until(now)) if spread else {}, now)

    def _tell(self, reader: Reader, fresh: Streams, cells: BucketsBySeries, now: int) -> None:
        """`fresh`, `cells`: of the last minute."""
        everyone = self._older.keys() | fresh.keys()
        together = {number: self._older.get(number, {}) | fresh.get(number, {}) for number in everyone}
        states = {
            series: replace(self._series[series], streams=streams, cells=self._cells.get(series, []))
            for series, streams in together.items()
            if series in self._series
        }
        self._judge(states, now)
        states = {series: state for series, state in states.items() if _is_shown(state, now)}
        short = {
            number: replace(states[number], cells=cells.get(number, []))
            for number in fresh
            if number in states
        }
        if any(state.level is PrivacyLevel.HIGHLY_SENSITIVE for state in states.values()):
            _add_releases(reader, {"since": now - LONG_NS}, [*short.values(), *states.values()])
        self._states = RecentStates(short, states)
        self._looked = now

    def _has_histograms(self, known: Iterable[int]) -> bool:
        return any(number in self._series and self._series[number].is_histogram for number in known)

    def _meet(self, reader: Reader, known: Iterable[int]) -> None:
        """Remembers what is said of series that are new here."""
        new = [number for number in known if number not in self._series]
        if not new:
            return
        for number, metric, kind, unit, attributes, level in told(reader, "recent_series", {"ids": new}):
            decoded = msgspec.json.decode(attributes)
            self._series[number] = LiveSeries(metric, MetricType(kind), unit, PrivacyLevel(level), decoded)

    def _judge(self, states: LiveStates, now: int) -> None:
        """Says of every series what it is now, and how many of its streams are alive."""
        is_open = [state for state in states.values() if not state.level.guarded]
        levels = [state for state in is_open if state.is_level]
        counted = [state for state in is_open if not state.is_level]
        for function, some in (("avg", levels), ("rate", counted)):
            streams = [known for state in some for known in state.streams.items()]
            values = iter(self._now(function, streams, now))
            for state in some:
                known = [value for _ in state.streams if (value := next(values)) is not None]
                state.alive, state.now = len(known), sum(known) if known else None
        for state in states.values():
            if state.level.guarded:
                state.now = _of_window(state, self._windows.get(state.level, 0.0), now)

    def _now(self, function: str, streams: Sequence[tuple[int, Stream]], now: int) -> list[float | None]:
        """Of each stream what it counts a second, or its level; None where it is dead."""
        fold = _core.Fold(
            function,
            now_ns=now,
            start_ns=now - LONG_NS,
            end_ns=now,
            edges=[now - LONG_NS, now],
            groups=len(streams),
            judged_ns=self._judged_ns,
        )
        for group, (number, stream) in enumerate(streams):
            family = stream.family
            kind = _LEVEL if function == "avg" else _DELTA if family.delta else _CUMULATIVE
            fold.stream(number, group, kind, raw=family.raw, kin=family.kin, start_ns=family.start)
            _feed(fold, number, stream)
        return fold.now()


def _feed(fold: _core.Fold, number: int, stream: Stream) -> None:
    """The last point, and before it what says how often the stream reports: the median of three distances."""
    since, period = stream.since, stream.period_ns
    if period is not None and since is not None:
        for time in (since - 2 * period, since - period, since):
            fold.point(number, time, 0.0, since_ns=time - period if stream.family.delta else None)
    fold.point(number, stream.last, stream.value, since_ns=since, arrived_ns=stream.arrived)


def _of_window(state: LiveSeries, seconds: float, now: int) -> float | None:
    """Of a protected metric the newest window, whose row has the time at which it began."""
    newest = max(state.streams.values(), key=lambda stream: stream.last)
    ended = newest.last + round(seconds * SECOND)
    if seconds <= 0 or now - ended > _ALIVE_WINDOWS * seconds * SECOND:
        return None
    return newest.value if state.is_level else newest.value / seconds


def _is_shown(state: LiveSeries, now: int) -> bool:
    return state.now is not None or now - state.last_ns <= LONG_NS


def _cells(reader: Reader, since: int, until: int) -> BucketsBySeries:
    found: BucketsBySeries = defaultdict(list)
    for number, *cell in told(reader, "recent_buckets", {"since": since, "until": until}):
        found[number].append(Bucket(*cell))
    return found


def _cells_of_both(reader: Reader, now: int) -> tuple[BucketsBySeries, BucketsBySeries]:
    """(Of the last minute, of the last five), read at once."""
    fresh: BucketsBySeries = defaultdict(list)
    all_: BucketsBySeries = defaultdict(list)
    bound = {"since": now - LONG_NS, "newly": now - SHORT_NS, "until": shown_until(now)}
    for number, lower, upper, *counted in told(reader, "recent_buckets_of_both", bound):
        all_[number].append(Bucket(lower, upper, *counted[:3]))
        if counted[3] is not None:
            fresh[number].append(Bucket(lower, upper, *counted[3:]))
    return fresh, all_


def _add_releases(reader: Reader, since: dict[str, int], states: Iterable[LiveSeries]) -> None:
    released: dict[str, dict[int, Release]] = defaultdict(dict)
    for metric, start, end, mechanism, scale, step in told(reader, "recent_releases", since):
        factor = 1.0 if step is None else steps_factor([step])
        released[metric][start] = Release((end - start) / SECOND, of(mechanism, scale * scale * factor))
    for state in states:
        state.releases = released.get(state.metric, {})


def p95(states: Iterable[LiveSeries]) -> Percentile | None:
    return quantile((cell for state in states for cell in state.cells), 0.95)
