"""Turns what the process uses, beside its limits, into states: sample less, hold new series, take nothing."""

import asyncio
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import psutil

from blackhole.config import Config, size_words
from blackhole.governor.sampling import Sampler

LOOK_EVERY_S = 0.2
TRIM_EVERY_S = 2.0
QUESTION_TRIM_EVERY_S = 0.25
ROOM_EVERY_S = 60.0
LEAST_FREE = 32 * 2**20
# Shares of max_memory_usage; each state ends a little below where it began. Questions yield before senders.
YIELD_AT = 0.80
HOLD_AT = 0.85
CLOSE_AT = 0.92
SLACK = 0.03

_log = logging.getLogger(__name__)


class GovernorState(StrEnum):
    WELL = "within its limits again"
    SLOWING = "at max_cpu_usage: senders are slowed down"
    HOLDING = "near max_memory_usage: new series are refused"
    NO_MEMORY = "at max_memory_usage: senders are told to come again"
    NO_DISK = "out of disk: nothing is taken until there is room"


@dataclass(frozen=True, slots=True)
class Gauges:
    """What is read: CPU in seconds charged so far, the rest in bytes. `used`: what data takes in the file."""

    cpu: Callable[[], float]
    memory: Callable[[], int]
    disk: Callable[[], int]
    free: Callable[[], int]
    database: Callable[[], int]
    used: Callable[[], int]


@dataclass(frozen=True, slots=True)
class Levers:
    """What the monitor moves. `pressure`: requests that waited, and were refused, since it was asked last.

    `hold`: whether new series are refused. `make_room`: deletes what may go; blocking.
    """

    pressure: Callable[[], tuple[int, int]]
    hold: Callable[[bool], None]
    make_room: Callable[[], object]
    trim: Callable[[], object]


class Monitor:
    """`tick` is called every `collection_interval`, `closed` at every request."""

    def __init__(
        self,
        config: Config,
        gauges: Gauges,
        levers: Levers,
        sampler: Sampler,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config = config
        self._gauges = gauges
        self._levers = levers
        self._sampler = sampler
        self._clock = clock
        self._looked = self._trimmed = self._made_room = float("-inf")
        self._cpu_at = clock()
        self._cpu_spent = gauges.cpu()
        self._holding = False
        self._no_memory = False
        self._no_disk: str | None = None
        self._slowing = False
        self.state = GovernorState.WELL
        self.cpu_percent = 0.0

    def closed(self) -> str | None:
        """Why nothing is taken now: what a sender reads. Looks at the memory at most five times a second."""
        now = self._clock()
        if now - self._looked >= LOOK_EVERY_S:
            self._looked = now
            self._look_at_memory(now)
        if self._no_memory:
            return "the service is at max_memory_usage: send again when asked to"
        return self._no_disk

    @property
    def is_closed(self) -> bool:
        """Whether the newest look found that nothing can be taken. Any thread."""
        return self._no_memory or self._no_disk is not None

    def short_of_memory(self) -> bool:
        """Whether people's questions are to yield theirs, after what is free was given back. Any thread."""
        if self._memory_share() <= YIELD_AT:
            return False
        now = self._clock()
        if now - self._trimmed < QUESTION_TRIM_EVERY_S:
            return True
        self._trim(now)
        return self._memory_share() > YIELD_AT

    def tick(self) -> None:
        """Looks at everything, gives freed memory back, moves the sampling rate, says what has changed."""
        now, spent = self._clock(), self._gauges.cpu()
        if now > self._cpu_at:
            self.cpu_percent = (spent - self._cpu_spent) / (now - self._cpu_at) * 100
        self._cpu_at, self._cpu_spent = now, spent
        self._slowing = any(self._levers.pressure())
        self._trim(now)
        self._look_at_memory(now)
        self._look_at_disk(now)
        self._sampler.adapt(throttle=self._slowing or self._holding or self._no_disk is not None)
        self._say(self._current())

    async def run(self) -> None:
        """Ticks until cancelled, in a thread: making room takes its time."""
        while True:
            await asyncio.sleep(float(self._config.collection_interval))
            try:
                await asyncio.to_thread(self.tick)
            except Exception as error:  # noqa: BLE001  (a gauge that fails must not end the governor)
                _log.warning("the governor could not look: %s", type(error).__name__)

    def _look_at_memory(self, now: float) -> None:
        share = self._memory_share()
        if share > HOLD_AT - SLACK and now - self._trimmed >= TRIM_EVERY_S:
            self._trim(now)
            share = self._memory_share()
        holding = share > (HOLD_AT - SLACK if self._holding else HOLD_AT)
        if holding != self._holding:
            self._holding = holding
            self._levers.hold(holding)
        self._no_memory = share > (CLOSE_AT - SLACK if self._no_memory else CLOSE_AT)

    def _trim(self, now: float) -> None:
        self._trimmed = now
        self._levers.trim()

    def _memory_share(self) -> float:
        return self._gauges.memory() / self._config.max_memory_usage

    def _look_at_disk(self, now: float) -> None:
        problem = self._disk_problem()
        if problem is not None and now - self._made_room >= ROOM_EVERY_S:
            self._made_room = now
            self._levers.make_room()
            problem = self._disk_problem()
        self._no_disk = problem

    def _disk_problem(self) -> str | None:
        config, gauges = self._config, self._gauges
        if gauges.free() < LEAST_FREE:
            return "the disk is full: send again later"
        if gauges.disk() > config.max_disk_usage:
            limit = size_words(config.max_disk_usage)
            return f"the files take more than max_disk_usage ({limit}): send again later"
        if gauges.database() > config.max_database_size and gauges.used() > config.max_database_size:
            limit = size_words(config.max_database_size)
            return f"the database holds more than max_database_size ({limit}): send again later"
        return None

    def _current(self) -> GovernorState:
        if self._no_disk is not None:
            return GovernorState.NO_DISK
        if self._no_memory:
            return GovernorState.NO_MEMORY
        if self._holding:
            return GovernorState.HOLDING
        return GovernorState.SLOWING if self._slowing else GovernorState.WELL

    def _say(self, state: GovernorState) -> None:
        if state is self.state:
            return
        self.state = state
        level = logging.INFO if state is GovernorState.WELL else logging.WARNING
        reason = f" ({self._no_disk})" if state is GovernorState.NO_DISK else ""
        _log.log(level, "the service is %s%s; sampling rate %g", state, reason, self._sampler.shown)


def resident() -> Callable[[], int]:
    """Reads the bytes of this process that are in memory."""
    me = psutil.Process()
    return lambda: int(me.memory_info().rss)


def disk_bytes(database: Path) -> int:
    """Bytes of the database, its log, its copies and its temporary files."""
    total = 0
    for entry in _entries(database.parent):
        if entry.name.startswith(database.name):
            inside = _entries(Path(entry.path)) if entry.is_dir(follow_symlinks=False) else [entry]
            total += sum(_size(one) for one in inside)
    return total


def room(config: Config, database: Path) -> int:
    """Bytes that may be written beside the database before it is out of disk."""
    return min(free_bytes(database.parent) - LEAST_FREE, config.max_disk_usage - disk_bytes(database))


def free_bytes(directory: Path) -> int:
    """Bytes that the file system still has for this user."""
    return int(psutil.disk_usage(str(directory)).free)


def _entries(directory: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as entries:
            return list(entries)
    except OSError:
        return []


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_size
    except OSError:
        return 0
