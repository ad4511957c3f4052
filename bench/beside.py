"""Measures how long senders wait while the service seals a day, applies retention and draws dashboards."""

import time
from dataclasses import dataclass
from pathlib import Path

from bench import backfill, open_loop, processes
from bench.open_loop import Steady
from bench.people import People, Question
from bench.requests import Load

RATE = 20_000
DASHBOARDS = 4
EVERY_S = 1.0
DAY_S = 86400


@dataclass(frozen=True, slots=True)
class Result:
    """`sealed`: rows of the day before that were sealed meanwhile; `answers` that dashboards got."""

    quiet: Steady
    busy: Steady
    sealed: int
    answers: int

    @property
    def ratio(self) -> float:
        return self.busy.p99 / self.quiet.p99


def measure(directory: Path, seconds: int) -> Result:
    """Raises RuntimeError when a point was refused, or a dashboard was not answered."""
    load = Load(open_loop.USUAL, open_loop.CONNECTIONS)
    quiet = open_loop.measure(directory / "quiet", load, RATE, seconds)
    day = directory / "day"
    backfill.send(day)
    with processes.blackhole(day, day / "catalogue.yaml") as server:
        dashboards = People(server.api, DASHBOARDS, _dashboard, pause=EVERY_S)
        with dashboards.asking():
            busy = open_loop.load(server, load, RATE, seconds)
    if dashboards.unexpected:
        raise RuntimeError(f"a dashboard: {dashboards.unexpected[0]}")
    sealed = processes.ask(day / "analytics.duckdb", "SELECT coalesce(sum(count), 0) FROM chunks")
    return Result(quiet, busy, int(sealed), dashboards.answers[200])


def _dashboard(person: int, _nth: int) -> Question:
    """One metric of the last day, in steps of five minutes."""
    metric, end = f"bench.{'counter' if person % 2 else 'gauge'}.{person}", time.time()
    question = {"metric": metric, "start_time": end - DAY_S, "end_time": end, "interval": "5m"}
    return "query", {**question, "group_by": ["lane"]}
