"""Turns the newest rows of the file into the present state of every series that is alive."""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from blackhole.query.language import HISTOGRAMS
from blackhole.query.noise import Noise, of, steps_factor
from blackhole.query.quantiles import Cell, quantile
from blackhole.query.templates import template
from blackhole.query.times import SECOND
from blackhole.records import MetricType, PrivacyLevel
from blackhole.store.database import Database
from blackhole.store.reader import Reader

# Senders with a period of a minute must be seen between two of their exports.
LONG_NS = 300 * SECOND
SHORT_NS = 60 * SECOND
NEW_NS = 30 * SECOND
LONG_AGE_NS = 10 * SECOND
SHORT_AGE_NS = SECOND // 5
_MAX_SERIES = 50_000
_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Stream:
    """One raw series within a look back: nanoseconds, and its increments or observations.

    `total`: those of the look back; `newly`: those of its last 30 s.
    """

    times: int
    first: int
    last: int
    total: float
    newly: float
    first_value: float
    last_value: float | None

    @property
    def period(self) -> float | None:
        """Seconds between two of its points, when there are enough of them to tell."""
        return (self.last - self.first) / SECOND / (self.times - 1) if self.times > 1 else None


@dataclass(frozen=True, slots=True)
class Release:
    """How long the window of a released value was, and the noise of each value."""

    seconds: float
    noise: Noise


@dataclass(slots=True)
class State:
    """A series that is alive, with what its streams did and the cells of its histogram.

    `releases`: of a metric that is released with noise, by the time of the value.
    """

    metric: str
    type: MetricType
    unit: str
    level: PrivacyLevel
    attributes: dict[str, Any]
    streams: dict[int, Stream] = field(default_factory=dict)
    cells: list[Cell] = field(default_factory=list)
    releases: dict[int, Release] = field(default_factory=dict)

    @property
    def is_histogram(self) -> bool:
        return self.type in HISTOGRAMS

    @property
    def last_ns(self) -> int:
        return max(stream.last for stream in self.streams.values())

    @property
    def newest(self) -> float | None:
        return max(self.streams.values(), key=lambda stream: stream.last).last_value


class Recent:
    """The last minute, read at most five times a second, and the last five minutes for slow senders."""

    def __init__(self, database: Database, now_ns: Callable[[], int]) -> None:
        self._database = database
        self._now_ns = now_ns
        self._lock = threading.Lock()
        self._short: tuple[int, dict[int, State]] = (0, {})
        self._long: tuple[int, dict[int, State]] = (0, {})

    def forget(self) -> None:
        with self._lock:
            self._short = self._long = (0, {})

    def states(self) -> tuple[dict[int, State], dict[int, State]]:
        """(Of the last minute, of the last five minutes), by number of the series."""
        with self._lock:
            now = self._now_ns()
            short_due = not 0 <= now - self._short[0] < SHORT_AGE_NS
            long_due = not 0 <= now - self._long[0] < LONG_AGE_NS
            if short_due or long_due:
                with self._database.reader() as reader:
                    if long_due:
                        self._long = (now, read(reader, now, LONG_NS))
                    if short_due:
                        self._short = (now, read(reader, now, SHORT_NS))
            return self._short[1], self._long[1]


def read(reader: Reader, now_ns: int, length_ns: int) -> dict[int, State]:
    """All series with a point within that time. Raises QueryError."""
    states: dict[int, State] = {}
    since = {"since": now_ns - length_ns}
    for name in ("recent_points", "recent_histograms"):
        for row in _rows(reader, name, {**since, "newly": now_ns - NEW_NS}):
            number, metric, kind, unit, attributes, level, stream, *figures = row
            if number not in states:
                decoded = msgspec.json.decode(attributes)
                states[number] = State(metric, MetricType(kind), unit, PrivacyLevel(level), decoded)
            states[number].streams[stream] = Stream(*figures)
    if any(state.is_histogram for state in states.values()):
        for number, *cell in _rows(reader, "recent_buckets", since):
            if number in states:
                states[number].cells.append(Cell(*cell))
    if any(state.level is PrivacyLevel.HIGHLY_SENSITIVE for state in states.values()):
        _add_releases(reader, since, states)
    return states


def _add_releases(reader: Reader, since: dict[str, int], states: dict[int, State]) -> None:
    released: dict[str, dict[int, Release]] = defaultdict(dict)
    for metric, start, end, mechanism, scale, step in _rows(reader, "recent_releases", since):
        factor = 1.0 if step is None else steps_factor([step])
        released[metric][start] = Release((end - start) / SECOND, of(mechanism, scale * scale * factor))
    for state in states.values():
        state.releases = released.get(state.metric, {})


def _rows(reader: Reader, name: str, bound: dict[str, int]) -> list[tuple[Any, ...]]:
    return reader.rows(template(name), bound, max_rows=_MAX_SERIES, timeout=_TIMEOUT_S).rows


def p95(states: Iterable[State]) -> float | None:
    return quantile((cell for state in states for cell in state.cells), 0.95)
