"""Turns what this service notices of itself into the times for which its senders cannot be judged."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from blackhole.model.written_times import SECOND

# Looks come every 15 s: one that is a minute late was not made in time.
_MISSED_NS = 60 * SECOND
# Shorter ones leave no trace that anybody would ask about.
_LEAST_NS = 30 * SECOND
_KEPT_NS = 86400 * SECOND
_MOST = 20
_NO_TIME = 0

NOT_RUNNING = "not_running"
STOOD_STILL = "stood_still"
TOOK_NOTHING = "took_nothing"


@dataclass(frozen=True, slots=True)
class Outage:
    """From when until when we, and not our senders, were the reason for silence."""

    begin_ns: int
    end_ns: int
    reason: str


class Outages:
    """`started_ns`: since when this run collects; None where nothing is collected, and nobody waits.

    `uptime_ns` goes on while the machine sleeps, and does not leap. `refusing`: whether nothing is taken now.
    """

    def __init__(
        self, started_ns: int | None, uptime_ns: Callable[[], int], refusing: Callable[[], bool]
    ) -> None:
        self._started_ns = started_ns
        self._uptime_ns = uptime_ns
        self._refusing = refusing
        self._looked_ns: int | None = None
        self._refused_ns: int | None = None
        self._known: deque[Outage] = deque(maxlen=_MOST)
        # What was silent before this moment was so by itself; before the other one nobody could be heard.
        self.begin_ns = self.judged_ns = started_ns or _NO_TIME

    def remember(self, last_ns: int) -> None:
        """When an earlier run was last heard of: this one's start ends its outage."""
        if self._started_ns is not None and last_ns < self._started_ns:
            self.begin_ns = last_ns
            self._known.append(Outage(last_ns, self._started_ns, NOT_RUNNING))

    def look(self, now_ns: int) -> None:
        """Called at least every 15 s."""
        if self._started_ns is None:
            return
        if now_ns < self.judged_ns:  # the clock went back: everybody is waited for once more
            self.judged_ns, self.begin_ns = now_ns, min(self.begin_ns, now_ns)
            self._refused_ns = None if self._refused_ns is None else min(self._refused_ns, now_ns)
        uptime = self._uptime_ns()
        before, self._looked_ns = self._looked_ns, uptime
        if before is not None and uptime - before > _MISSED_NS:
            self._ended(now_ns - (uptime - before), now_ns, STOOD_STILL)
        if self._refusing():
            if self._refused_ns is None:
                self._refused_ns = self.begin_ns = now_ns
            self.judged_ns = now_ns
        elif self._refused_ns is not None:
            self._ended(self._refused_ns, now_ns, TOOK_NOTHING)
            self._refused_ns = None

    def told(self, now_ns: int) -> list[Outage]:
        """Those of the last day that are over and were long enough to be told, the newest first."""
        return [
            one
            for one in reversed(self._known)
            if 0 <= now_ns - one.end_ns < _KEPT_NS and one.end_ns - one.begin_ns >= _LEAST_NS
        ]

    def within(self, begin_ns: int, end_ns: int) -> int:
        """Nanoseconds of them between two moments."""
        known = list(self._known)
        if self._refused_ns is not None:
            known.append(Outage(self._refused_ns, end_ns, TOOK_NOTHING))
        return sum(max(min(one.end_ns, end_ns) - max(one.begin_ns, begin_ns), 0) for one in known)

    def _ended(self, begin_ns: int, end_ns: int, reason: str) -> None:
        self.begin_ns, self.judged_ns = begin_ns, end_ns
        self._known.append(Outage(begin_ns, end_ns, reason))
