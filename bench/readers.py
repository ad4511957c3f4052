"""Measures what people's heaviest questions do to writing: four readers at the memory limit, in loops."""

import http.client
import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import open_loop, processes
from bench.open_loop import Steady
from bench.requests import Load

READERS = 4
RATE = 20_000
TIMEOUT_S = 60.0
# Sorts, windows, joins and lists over all that is stored: each would take all memory if it were let.
STATEMENTS = (
    "SELECT series, list(value ORDER BY time), count(DISTINCT time) FROM points GROUP BY series",
    "SELECT *, sum(value) OVER (PARTITION BY series ORDER BY time, value) FROM points ORDER BY value, time",
    "SELECT count(*) FROM points a JOIN points b ON a.value < b.value AND a.time > b.time",
    "SELECT attributes, timestamp, max(value), median(value) FROM metrics GROUP BY ALL ORDER BY ALL",
    "SELECT value, string_agg(attributes, ',') FROM metrics GROUP BY value ORDER BY 2",
)


@dataclass(frozen=True, slots=True)
class Result:
    """`failed_commits`: tried again, their senders told; `answers`: to readers, by status."""

    steady: Steady
    failed_commits: int
    reopened: int
    answers: dict[int, int]


class Readers:
    """Threads that ask the API one heavy question after the other."""

    def __init__(self, api: str) -> None:
        self._place = api.removeprefix("http://")
        self._stopped = threading.Event()
        self.answers: Counter[int] = Counter()
        self.unexpected: list[str] = []
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(READERS)]

    @contextmanager
    def asking(self) -> Iterator[None]:
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            for thread in self._threads:
                thread.join()

    def _ask(self, number: int) -> None:
        while not self._stopped.is_set():
            number += 1
            if number % 3:
                sql = STATEMENTS[number % len(STATEMENTS)]
                self._post("sql", {"sql": sql, "max_rows": 100_000})
            else:
                self._post("query", {"metric": "bench.gauge.0", "aggregation": "p99", "group_by": ["shard"]})

    def _post(self, what: str, question: dict[str, Any]) -> None:
        connection = http.client.HTTPConnection(self._place, timeout=TIMEOUT_S)
        try:
            headers = {"content-type": "application/json"}
            connection.request("POST", f"/api/analytics/{what}", json.dumps(question), headers)
            answer = connection.getresponse()
            body = answer.read()
        except OSError as error:
            self.unexpected.append(repr(error))
            return
        finally:
            connection.close()
        self.answers[answer.status] += 1
        if answer.status not in {200, 400}:
            self.unexpected.append(f"{answer.status}: {body[:200]!r}")


def measure(directory: Path, seconds: int) -> Result:
    """Raises RuntimeError when a reader was not answered, or not as it should."""
    with open_loop.service(directory) as server:
        readers = Readers(server.api)
        with readers.asking():
            steady = open_loop.load(server, Load(open_loop.USUAL, open_loop.CONNECTIONS), RATE, seconds)
    counted = processes.count(directory / "analytics.duckdb")
    if not 0 < counted <= steady.points:  # fewer, where memory was so short that rows were merged
        raise RuntimeError(f"{steady.points} points were acknowledged, and {counted} are stored")
    if readers.unexpected:
        raise RuntimeError(f"readers: {readers.unexpected[0]}")
    log = (directory / "log").read_text()
    failed = len(re.findall(r"a commit of \d+ rows failed and will be tried again", log))
    reopened = log.count("opening the database anew")
    return Result(steady, failed, reopened, dict(readers.answers))
