"""Turns the running process into two gauges: `process.cpu.usage` and `process.memory.usage`."""

import os
import time
from collections.abc import Iterable

import psutil
from opentelemetry.metrics import CallbackOptions, Meter, Observation


class ProcessUsage:
    """Reads this process. `cpu` is the percent of one core since the last reading."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._process = psutil.Process()
        self._spent, self._at = self._cpu_seconds(), time.monotonic()

    def cpu(self) -> float:
        self._follow()
        spent, now = self._cpu_seconds(), time.monotonic()
        elapsed = now - self._at
        share = 100.0 * (spent - self._spent) / elapsed if elapsed > 0 else 0.0
        self._spent, self._at = spent, now
        return max(share, 0.0)

    def memory(self) -> int:
        self._follow()
        return int(self._process.memory_info().rss)

    def _follow(self) -> None:
        """In a child, itself and no longer its parent."""
        if self._process.pid != os.getpid():
            self._begin()

    def _cpu_seconds(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)


def observe_process(meter: Meter) -> None:
    """Registers the two gauges; they are read at every collection."""
    usage = ProcessUsage()

    def cpu(_: CallbackOptions) -> Iterable[Observation]:
        yield Observation(usage.cpu())

    def memory(_: CallbackOptions) -> Iterable[Observation]:
        yield Observation(usage.memory())

    meter.create_observable_gauge(
        "process.cpu.usage", [cpu], unit="percent", description="CPU usage percentage per service"
    )
    meter.create_observable_gauge(
        "process.memory.usage", [memory], unit="bytes", description="Memory usage in bytes per service"
    )
