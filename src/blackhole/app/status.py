"""Tells how the process is."""

import time
from dataclasses import dataclass, field

import psutil

import blackhole
from blackhole.governor.sampling import Sampler
from blackhole.guard.engine import Guard
from blackhole.runtime.clock import Clock
from blackhole.serve.services import Status
from blackhole.store.database import Database
from blackhole.store.file import files
from blackhole.store.upkeep.retention import Retention
from blackhole.store.writer import Writer


@dataclass(frozen=True, slots=True)
class Observed:
    """What a status tells about. `endpoints`: addresses by name; the service adds to them as it starts."""

    database: Database
    retention: Retention
    clock: Clock
    guard: Guard
    writer: Writer
    sampler: Sampler
    endpoints: dict[str, str] = field(default_factory=dict)


class StatusReporter:
    """Says how the process is.

    Each regular caller needs its own, because `cpu_percent` is since its last call.
    """

    def __init__(self, observed: Observed) -> None:
        self._observed = observed
        self._process = psutil.Process()
        self._process.cpu_percent()
        self._started = time.time()

    def __call__(self) -> Status:
        now, of = time.time(), self._observed
        return Status(
            version=blackhole.__version__,
            started_at=self._started,
            uptime_seconds=now - self._started,
            cpu_percent=self._process.cpu_percent(),
            memory_bytes=self._process.memory_info().rss,
            database_bytes=of.database.size(),
            pending_rows=of.writer.pending_rows,
            sampling_rate=of.sampler.shown,
            set_aside=[str(path) for path in files.set_aside(of.database.path)],
            removed_early=of.retention.removed_early.rows,
            notes=[*of.clock.notes(of.guard.withheld_until_ns), *of.retention.notes()],
            endpoints=of.endpoints,
        )
