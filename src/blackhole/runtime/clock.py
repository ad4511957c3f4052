"""Turns the wall clock, and the clock since boot that nobody sets, into whether the wall clock is doubted."""

import ctypes
import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

SECOND_NS = 10**9
DAY_NS = 86400 * SECOND_NS
# At a start: further from the newest row than this, and the clock or a long rest is why.
APART_NS = 2 * DAY_NS
# In a run: further from the clock since boot than this, and somebody or something has set it.
LEAP_NS = 600 * SECOND_NS
# Evenly for so long, and it is believed without the kernel's word.
EVEN_NS = DAY_NS
_ASK_NS = 5 * SECOND_NS

log = logging.getLogger(__name__)


class WentBack(NamedTuple):
    """When the clock last went back or 0, and up to when times do not tell the order of arrival."""

    at_ns: int = 0
    ahead_ns: int = 0


NEVER_BACK = WentBack()


class Why(StrEnum):
    """What makes the clock doubtful."""

    AHEAD = "ahead"
    BEHIND = "behind"
    LEAPT = "leapt"
    UNKNOWN = "unknown"


_SEEN = {
    Why.AHEAD: "at a start it was {by} after the newest row",
    Why.BEHIND: "at a start it was {by} before the newest row",
    Why.LEAPT: "it was set by {by} while the service ran",
    Why.UNKNOWN: "what an earlier run knew of it cannot be read",
}
DOUBTED = "The clock is doubted"
NOTE = (
    f"{DOUBTED}: {{seen}}. Until the kernel calls it synchronised, or it ran evenly for 24 hours, "
    "nothing is deleted by age; max_database_size still holds. If the clock is right, nothing is to be done."
)
WENT_BACK = "The clock went back"


class Memory(msgspec.Struct, frozen=True):
    """What outlives a run. `why` and `by_ns`: the doubt and how far the clock was off; None without one.

    `wall_ns`, `boot_ns`: since when both ran evenly. `young`: nobody has confirmed yet the clock by which the
    database was made. `created_ns`: since when streams are counted, if a clock that was set moved it; else 0.
    `back_ns`: when the clock last went back; 0: it never did. Up to `ahead_ns` rows may have come in another
    order than that of their times.
    """

    why: Why | None = None
    by_ns: int = 0
    wall_ns: int = 0
    boot_ns: int = 0
    young: bool = False
    created_ns: int = 0
    back_ns: int = 0
    ahead_ns: int = 0


class Clock:
    """Thread-safe. The clocks and the kernel's word are asked, never set; all times are nanoseconds.

    `newest_ns`: of the newest row that is stored, None without one. `known`: what an earlier run kept, and
    `keep` is called with each new state. `synchronised`: whether the kernel says so of this clock.
    """

    def __init__(
        self,
        known: Memory | None,
        *,
        newest_ns: int | None,
        keep: Callable[[Memory], object],
        wall: Callable[[], int] = time.time_ns,
        boot: Callable[[], int] | None = None,
        synchronised: Callable[[], bool] | None = None,
    ) -> None:
        self._keep = keep
        self._wall = wall
        self._boot = boot or boot_ns
        self._synchronised = synchronised or kernel_synchronised
        self._lock = threading.Lock()
        self._asked_ns: int | None = None
        self._offset = 0
        self._memory = Memory()
        with self._lock:
            self._start(known, newest_ns)

    def doubted(self) -> bool:
        """Whether nothing may be deleted on the word of this clock. Looks at once."""
        return self.look().why is not None

    def created_ns(self, database_ns: int) -> int:
        """Since when streams are counted in full. `database_ns`: when the file says that it was made."""
        moved = self.look().created_ns
        return database_ns if not moved or moved < database_ns <= self._wall() else moved

    def back(self) -> WentBack:
        """When it last went back, and up to when there may be rows of before that."""
        memory = self.look()
        # Senders may be so far ahead of us, and we as far ahead of the clock since boot.
        return WentBack(memory.back_ns, memory.ahead_ns + 2 * LEAP_NS if memory.back_ns else 0)

    def notes(self, withheld_ns: int = 0) -> list[str]:
        """What is in force, in lines. `withheld_ns`: until when nothing highly sensitive is released."""
        return notes(self.look(), now_ns=self._wall(), withheld_ns=withheld_ns)

    def look(self) -> Memory:
        """Compares both clocks; whoever works by the wall clock has this called before."""
        with self._lock:
            wall, boot = self._wall(), self._boot()
            by = wall - boot - self._offset
            if abs(by) > LEAP_NS:
                self._leap(by, wall, boot)
            elif self._memory.why is not None or self._memory.young:
                self._believe(boot)
            return self._memory

    def _start(self, known: Memory | None, newest_ns: int | None) -> None:
        wall, boot = self._wall(), self._boot()
        self._offset = wall - boot
        before = known or Memory(young=newest_ns is None)
        if newest_ns is not None and newest_ns > max(wall, before.ahead_ns) + LEAP_NS:
            before = msgspec.structs.replace(before, back_ns=wall, ahead_ns=newest_ns)
        apart = 0 if newest_ns is None else wall - newest_ns
        goes_on = boot >= before.boot_ns and abs(self._offset - (before.wall_ns - before.boot_ns)) <= LEAP_NS
        memory = before
        if not (before.wall_ns and goes_on):
            memory = msgspec.structs.replace(before, wall_ns=wall, boot_ns=boot)
        if abs(apart) > APART_NS:
            if before.why is None:
                why = Why.AHEAD if apart > 0 else Why.BEHIND
                off: dict[str, Any] = {"why": why, "by_ns": abs(apart), "wall_ns": wall, "boot_ns": boot}
                memory = msgspec.structs.replace(memory, **off)
            if before.young:
                memory = msgspec.structs.replace(memory, created_ns=wall)
        self._memory = known or Memory()
        if memory.why is not None or memory.young or memory.back_ns:
            self._set(memory, told=before.why is None)
        if memory.why is not None or memory.young:
            self._believe(boot)

    def _leap(self, by: int, wall: int, boot: int) -> None:
        self._offset = wall - boot
        self._asked_ns = None
        before = self._memory
        created = wall if before.young else before.created_ns
        ahead = max(before.ahead_ns, wall - by)
        back = (wall, ahead) if by < 0 else (before.back_ns, before.ahead_ns)
        self._set(Memory(Why.LEAPT, abs(by), wall, boot, before.young, created, *back), told=True)
        self._believe(boot)

    def _believe(self, boot: int) -> None:
        """Ends the doubt when the kernel gives its word, or both clocks ran evenly for long enough."""
        if boot - self._memory.boot_ns < EVEN_NS:
            if self._asked_ns is not None and 0 <= boot - self._asked_ns < _ASK_NS:
                return
            self._asked_ns = boot
            if not self._synchronised():
                return
        if self._memory.why is not None:
            log.info("the clock is believed again: what is too old is deleted from here on")
        known = self._memory
        self._set(Memory(created_ns=known.created_ns, back_ns=known.back_ns, ahead_ns=known.ahead_ns))

    def _set(self, memory: Memory, *, told: bool = False) -> None:
        if told and memory.why is not None:
            log.warning("%s", notes(memory, now_ns=self._wall())[0])
        if memory == self._memory:
            return
        self._memory = memory
        self._keep(memory)


def notes(memory: Memory | None, *, now_ns: int, withheld_ns: int = 0) -> list[str]:
    """As `Clock.notes`."""
    told = memory or Memory()
    doubt = [] if told.why is None else [NOTE.format(seen=_SEEN[told.why].format(by=_span(told.by_ns)))]
    return doubt + _back(told.ahead_ns if told.back_ns else 0, now_ns, withheld_ns)


def _back(ahead_ns: int, now_ns: int, withheld_ns: int) -> list[str]:
    """What waits for a time to come again."""
    waiting = []
    if withheld_ns > now_ns:
        waiting.append(
            f"highly sensitive metrics are withheld until the ledger's time, {_moment(withheld_ns)}"
        )
    if ahead_ns > now_ns:
        waiting.append(f"points of up to {_moment(ahead_ns)} are shown when their time has come")
    if not waiting:
        return []
    return [f"{WENT_BACK}: {'; '.join(waiting)}. If the clock is right, nothing is to be done."]


def _moment(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns // SECOND_NS, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _span(length_ns: int) -> str:
    seconds = length_ns // SECOND_NS
    for name, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size:,} {name}"
    return f"{seconds} seconds"


def boot_ns() -> int:
    """Nanoseconds since the machine was started, sleep included; setting the clock does not change it."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class _Timex(ctypes.Structure):
    """The part of the kernel's `struct timex` that is read, and room for the rest."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        *((name, ctypes.c_long) for name in ("offset", "freq", "maxerror", "esterror")),
        ("status", ctypes.c_int),
        *((name, ctypes.c_long) for name in ("constant", "precision", "tolerance", "seconds")),
        ("rest", ctypes.c_byte * 256),
    )


_UNSYNCHRONISED = 0x40
_TIME_ERROR = 5


def kernel_synchronised(wall: Callable[[], int] = time.time_ns, libc: Any = None) -> bool:
    """Whether the kernel calls this clock synchronised; False where it cannot be asked.

    Its word is about the time that it names with it: a process may be shown another one.
    """
    state = _Timex()
    try:
        answer = (libc or ctypes.CDLL(None)).adjtimex(ctypes.byref(state))
    except (AttributeError, OSError):
        return False
    is_ours = abs(wall() - state.seconds * SECOND_NS) <= LEAP_NS
    return 0 <= answer != _TIME_ERROR and not state.status & _UNSYNCHRONISED and is_ours
