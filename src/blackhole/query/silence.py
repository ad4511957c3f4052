"""Turns when a service was heard of into whether it is up, silent, at its end, or cannot be judged yet."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from blackhole.model.written_times import SECOND
from blackhole.query.outages import Outages
from blackhole.query.recent import LiveSeries
from blackhole.query.streams import Stream

UP, WAITING, SILENT, ENDED, DOWN = "up", "waiting", "silent", "ended", "down"

_SILENT_PERIODS = 3
_LEAST_SILENCE_NS = 30 * SECOND
# OpenTelemetry's own, of who has not said.
_USUAL_PERIOD_NS = 60 * SECOND
_PATIENCE_NS = 5 * _USUAL_PERIOD_NS // 2
_REMEMBERED_NS = 86400 * SECOND
# A program that lived longer is a service: its end is news, however it came.
_JOB_NS = 3600 * SECOND
# So much sooner than its period an export is no export of a timer, but the one that a shutdown flushes.
_OFF_BEAT = 0.8
_RHYTHM = 3
# The first export of a timer is about so much of its period after the start.
_ON_BEAT = 1.2
# Processes that stop together send their last exports within so many periods.
_TOGETHER = 1.5


@dataclass(slots=True)
class _SeenSender:
    """`period_ns`: 0 where unknown. `ended`: whether a shutdown flushed its last export, if known."""

    last_ns: int
    period_ns: int = 0
    ended: bool | None = None
    silent: bool = False

    @property
    def patience_ns(self) -> int:
        if not self.period_ns:
            return _PATIENCE_NS
        return max(_SILENT_PERIODS * self.period_ns, _LEAST_SILENCE_NS)


@dataclass(frozen=True, slots=True)
class Heard:
    """When a service was last heard of, and about how often; 0 where nothing tells."""

    service: str
    last_ns: int
    period_ns: int


class Silence:
    """Remembers services for a day; after an outage of ours each gets the time that it may take."""

    def __init__(self, outages: Outages) -> None:
        self._outages = outages
        self._seen: dict[str, _SeenSender] = {}

    def remember(self, heard: Heard, *, found_silent: bool | None = None) -> None:
        """Of before this run. `found_silent`: whether that was a finding then; None where nobody looked."""
        seen = _SeenSender(heard.last_ns, heard.period_ns)
        if heard.last_ns + seen.patience_ns < self._outages.begin_ns and found_silent is not None:
            seen.silent, seen.ended = True, not found_silent
        self._seen[heard.service] = seen

    def hear(self, service: str, states: Collection[LiveSeries], period_ns: int, now_ns: int) -> None:
        """What is alive of it."""
        last = min(max(state.last_ns for state in states), now_ns)
        seen = self._seen.setdefault(service, _SeenSender(last))
        if last > seen.last_ns:
            seen = self._seen[service] = _SeenSender(last, period_ns or seen.period_ns)
        if seen.ended is None and last == seen.last_ns:
            seen.ended = has_ended([stream for state in states for stream in state.streams.values()])
            seen.period_ns = period_ns or seen.period_ns

    def judge(self, now_ns: int) -> dict[str, tuple[str, int]]:
        """Of each service how it is, and when it was last heard of: never later than now."""
        for seen in self._seen.values():
            seen.last_ns = min(seen.last_ns, now_ns)
        self._seen = {
            name: seen for name, seen in self._seen.items() if now_ns - seen.last_ns < _REMEMBERED_NS
        }
        return {name: (self._state(seen, now_ns), seen.last_ns) for name, seen in sorted(self._seen.items())}

    def _state(self, seen: _SeenSender, now_ns: int) -> str:
        if now_ns - seen.last_ns <= seen.patience_ns:
            return UP
        outages = self._outages
        if seen.last_ns + seen.patience_ns < outages.begin_ns:
            seen.silent = True
        if not seen.silent and now_ns - outages.judged_ns <= seen.patience_ns:
            return WAITING
        seen.silent = True
        return ENDED if seen.ended else SILENT


def period_of(streams: Iterable[Stream]) -> int:
    """Nanoseconds; 0 where nothing tells."""
    periods = [one.period_ns for one in streams if one.period_ns is not None and not _guessed(one)]
    return round(median(periods)) if periods else 0


def has_ended(streams: Collection[Stream]) -> bool:
    """Whether what came last is what a short-lived program flushes as it ends; of many, most of them.

    That is: its only export, or one that came sooner after the one before than its period.
    """
    last = max(stream.last for stream in streams)
    newest = [stream for stream in streams if stream.last == last]
    beside = _beside(newest, streams)
    usual = period_of(stream for stream in beside if stream.points >= _RHYTHM)
    ends = [_is_flushed(newest, usual), *(_is_flushed([stream], usual) for stream in beside)]
    return 2 * sum(ends) > len(ends)


def _guessed(stream: Stream) -> bool:
    """Of a first value that counts in full the usual period is stored where no other was known."""
    is_first = stream.points == 1 and stream.since is not None and stream.since == stream.family.start
    return is_first and stream.period_ns == _USUAL_PERIOD_NS


def _beside(newest: Sequence[Stream], streams: Iterable[Stream]) -> list[Stream]:
    """A stream of each process that ran beside the one that sent last, and stopped with it."""
    one = next((stream for stream in newest if stream.family.kin is not None), None)
    if one is None:
        return []
    begun = one.last if one.family.start is None else one.family.start
    return [
        stream
        for stream in streams
        if stream.family.kin == one.family.kin
        and stream.family.raw != one.family.raw
        and stream.last > max(begun, one.last - _TOGETHER * (stream.period_ns or _USUAL_PERIOD_NS))
    ]


def _is_flushed(newest: Sequence[Stream], usual: int) -> bool:
    """`newest`: what a process sent last, at once. `usual`: the period of others like it; 0: unknown."""
    last = newest[0].last
    starts = [stream.family.start for stream in newest if stream.family.start is not None]
    points = max(stream.points for stream in newest)
    before = max((s.since for s in newest if s.since is not None), default=None)
    start = min(starts, default=before)
    if start is not None and last - start > _JOB_NS:
        return False
    period = period_of(newest)
    if points <= 1 and not period:
        return start is None or _is_early(last - start, usual)
    if before is None:
        return False
    to_the_first = 0 if start is None else before - start
    # Of two points the only distance says nothing of the period.
    return last - before < _OFF_BEAT * ((usual or to_the_first) if points == _RHYTHM - 1 else period)


def _is_early(age: int, usual: int) -> bool:
    """Whether the only export of a process of that age is none of a timer."""
    if usual:
        return age < _OFF_BEAT * usual
    return not _OFF_BEAT * _USUAL_PERIOD_NS <= age <= _ON_BEAT * _USUAL_PERIOD_NS
