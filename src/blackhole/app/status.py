"""Tells how the process is."""

import time

import psutil

import blackhole
from blackhole.app.parts import Parts
from blackhole.serve.services import Status
from blackhole.store.file import files


class StatusReporter:
    """Says how the process is.

    Each regular caller needs its own, because `cpu_percent` is since its last call. `endpoints`: addresses by
    name; the service adds to them as it starts, also after a status that is remembered.
    """

    def __init__(self, parts: Parts, endpoints: dict[str, str]) -> None:
        self._parts = parts
        self._endpoints = endpoints
        self._process = psutil.Process()
        self._process.cpu_percent()
        self._started = time.time()

    def __call__(self) -> Status:
        now, of = time.time(), self._parts
        return Status(
            version=blackhole.__version__,
            started_at=self._started,
            uptime_seconds=now - self._started,
            cpu_percent=self._process.cpu_percent(),
            memory_bytes=self._process.memory_info().rss,
            database_bytes=of.database.size(),
            pending_rows=of.written.writer.pending_rows,
            sampling_rate=of.governor.sampler.shown,
            set_aside=[str(path) for path in files.set_aside(of.database.path)],
            removed_early=of.upkeep.retention.removed_early.rows,
            notes=[*of.clock.notes(of.written.guard.withheld_until_ns), *of.upkeep.retention.notes()],
            endpoints=self._endpoints,
        )
