"""Measures CPU microseconds a data point, from request bytes to rows committed in the file."""

import statistics
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from bench import processes
from bench.processes import Server
from bench.requests import STEP_NS, Load, catalogue, hours_ago


@dataclass(frozen=True, slots=True)
class Case:
    """A load and how often: `requests` a round. `bar`: CPU µs a point to stay under."""

    name: str
    load: Load
    requests: int
    bar: float

    @property
    def points(self) -> int:
        return self.requests * self.load.points


CASES = (
    Case("8,000-point requests, 8 in flight", Load(8000, 8), 128, 0.5),
    Case("500-point requests, 16 in flight", Load(500, 16), 1600, 1.3),
)


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU µs a point: the median of the rounds and each round; `points`: all that were sent."""

    case: Case
    median: float
    rounds: tuple[float, ...]
    points: int
    points_a_second: float


def measure(server: Server, case: Case, rounds: int, first_ns: int) -> Cost:
    """One unmeasured round for new series and warm caches, then `rounds` measured ones."""
    costs, speeds = [], []
    for i in range(rounds + 1):
        before = server.settled_cpu()
        begin = first_ns + i * case.requests * case.load.slots * STEP_NS
        load = case.load
        outcome = processes.send(server, load.points, load.lanes, case.requests, begin, first_ns - 1)
        if i:
            costs.append((server.settled_cpu() - before) / case.points * 1e6)
            speeds.append(outcome["points"] / outcome["seconds"])
    total = (rounds + 1) * case.points
    return Cost(case, statistics.median(costs), tuple(costs), total, statistics.median(speeds))


def blackhole_costs(directory: Path, rounds: int) -> Iterator[Cost]:
    """Each case on a file of its own; afterwards all points must be in it."""
    for number, case in enumerate(CASES):
        place = _directory(directory / f"blackhole-{number}")
        file = place / "bench-catalogue.yaml"
        file.write_text(catalogue())
        with processes.blackhole(place, file) as server:
            cost = measure(server, case, rounds, hours_ago(20))
        processes.verify(place / "analytics.duckdb", cost.points)
        yield cost


def rotel_costs(program: Path, directory: Path, rounds: int) -> Iterator[Cost]:
    """The same requests to a receiver that stores nothing."""
    for number, case in enumerate(CASES):
        started: AbstractContextManager[Server] = processes.rotel(
            program, _directory(directory / f"rotel-{number}")
        )
        with started as server:
            yield measure(server, case, rounds, hours_ago(20))


def _directory(path: Path) -> Path:
    path.mkdir(parents=True)
    return path
