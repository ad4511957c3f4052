"""Measures what the process costs by being there: start-up and idle memory."""

import statistics
import time
from dataclasses import dataclass
from pathlib import Path

from bench import processes


@dataclass(frozen=True, slots=True)
class Startup:
    """Seconds from process start to the ready line, and of CPU until then; medians."""

    median: float
    cpu: float
    runs: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Idle:
    """Bytes, and percent of one core, of a service that nobody talks to."""

    seconds: float
    resident: int
    proportional: int
    cpu_percent: float


def startup(directory: Path, runs: int) -> Startup:
    """On an existing file, after one start that warms the caches."""
    directory.mkdir(parents=True)
    seconds, cpu = [], []
    for _ in range(runs + 1):
        with processes.blackhole(directory) as server:
            seconds.append(server.startup)
            cpu.append(server.cpu())
    return Startup(statistics.median(seconds[1:]), statistics.median(cpu[1:]), tuple(seconds[1:]))


def idle(directory: Path, seconds: float) -> Idle:
    """`seconds` after ready, without a client."""
    directory.mkdir(parents=True)
    with processes.blackhole(directory) as server:
        before = server.cpu()
        time.sleep(seconds)
        resident, proportional = server.memory()
        return Idle(seconds, resident, proportional, (server.cpu() - before) / seconds * 100)
