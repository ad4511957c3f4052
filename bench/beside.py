"""Measures how long senders wait while the service seals a day, applies retention and draws dashboards."""

import http.client
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import backfill, open_loop, processes
from bench.open_loop import Steady
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
        dashboards = _Dashboards(server.api)
        with dashboards.open():
            busy = open_loop.load(server, load, RATE, seconds)
    if dashboards.trouble:
        raise RuntimeError(f"a dashboard: {dashboards.trouble[0]}")
    sealed = processes.ask(day / "analytics.duckdb", "SELECT coalesce(sum(count), 0) FROM chunks")
    return Result(quiet, busy, int(sealed), dashboards.answers)


class _Dashboards:
    """Each asks for one metric of the last day, in steps of five minutes, and then again."""

    def __init__(self, api: str) -> None:
        self._place = api.removeprefix("http://")
        self._closed = threading.Event()
        self.answers = 0
        self.trouble: list[str] = []

    @contextmanager
    def open(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._draw, args=(number,)) for number in range(DASHBOARDS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._closed.set()
            for thread in threads:
                thread.join()

    def _draw(self, number: int) -> None:
        metric = f"bench.{'counter' if number % 2 else 'gauge'}.{number}"
        while not self._closed.wait(EVERY_S):
            end = time.time()
            question = {"metric": metric, "start_time": end - DAY_S, "end_time": end, "interval": "5m"}
            connection = http.client.HTTPConnection(self._place, timeout=60)
            try:
                headers = {"content-type": "application/json"}
                body = json.dumps({**question, "group_by": ["lane"]})
                connection.request("POST", "/api/analytics/query", body, headers)
                answer = connection.getresponse()
                text = answer.read()
            finally:
                connection.close()
            if answer.status == http.client.OK:
                self.answers += 1
            else:
                self.trouble.append(f"{answer.status}: {text[:200]!r}")
