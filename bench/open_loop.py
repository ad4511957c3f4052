"""Measures a service that is sent points at a fixed rate: how long answers take, how much memory it has."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import processes
from bench.processes import Server
from bench.requests import Load, catalogue, hours_ago
from bench.steady import quantile

SAMPLE_S = 0.25
CONNECTIONS = 16
# The largest requests below 4 MiB, and ones of a size that services send.
LARGE, USUAL = 36_000, 500


@dataclass(frozen=True, slots=True)
class Steady:
    """Latencies in seconds, from when a request was due to its OK; memory in bytes, the highest seen."""

    seconds: float
    points: int
    median: float
    p99: float
    slowest: float
    throttled: int
    resident: int
    proportional: int

    @property
    def points_a_second(self) -> float:
        return self.points / self.seconds


def latency(directory: Path, seconds: int) -> Steady:
    return measure(directory, Load(USUAL, CONNECTIONS), 50_000, seconds)


def memory(directory: Path, seconds: int) -> Steady:
    return measure(directory, Load(LARGE, CONNECTIONS), 100_000, seconds)


def measure(directory: Path, load_: Load, rate: int, seconds: int) -> Steady:
    """On a new file, all points of which must be in it afterwards. Raises RuntimeError."""
    with service(directory) as server:
        steady = load(server, load_, rate, seconds)
    verify(directory, steady)
    return steady


def load(server: Server, load: Load, rate: int, seconds: int) -> Steady:
    """Sends `rate` points a second. Raises RuntimeError when one was refused."""
    first_ns = hours_ago(20)
    numbers = (load.points, load.lanes, rate, seconds, first_ns, first_ns - 1)
    command = [sys.executable, "-m", "bench.steady", server.target, *map(str, numbers)]
    sender = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    proportional, text = _watch(server, sender)
    outcome = _outcome(sender, text)
    latencies = outcome["latencies"]
    return Steady(
        seconds,
        outcome["points"],
        quantile(latencies, 0.5),
        quantile(latencies, 0.99),
        max(latencies),
        outcome["throttled"],
        server.peak_memory(),
        proportional,
    )


def verify(directory: Path, steady: Steady) -> None:
    """Raises RuntimeError unless all acknowledged points are stored."""
    processes.verify(directory / "analytics.duckdb", steady.points)


@contextmanager
def service(directory: Path) -> Iterator[Server]:
    """With a catalogue that keeps all attributes of the load."""
    directory.mkdir(parents=True)
    file = directory / "bench-catalogue.yaml"
    file.write_text(catalogue())
    with processes.blackhole(directory, file) as server:
        yield server


def _watch(server: Server, sender: "subprocess.Popen[str]") -> tuple[int, str]:
    """The highest proportional memory until the sender ends, and what that says."""
    highest = 0
    while True:
        highest = max(highest, server.memory()[1])
        try:
            text, _ = sender.communicate(timeout=SAMPLE_S)
        except subprocess.TimeoutExpired:
            continue
        return highest, text


def _outcome(sender: "subprocess.Popen[str]", text: str) -> dict[str, Any]:
    if sender.returncode != 0:
        raise RuntimeError("the sender failed")
    outcome: dict[str, Any] = json.loads(text)
    if outcome["rejected"]:
        raise RuntimeError(f"{outcome['rejected']} points were refused: {outcome['message']}")
    return outcome
