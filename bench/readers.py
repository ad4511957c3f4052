"""Measures what people's heaviest questions do to writing: four readers at the memory limit, in loops."""

import re
from dataclasses import dataclass
from pathlib import Path

from bench import open_loop, processes
from bench.open_loop import Steady
from bench.people import People, Question
from bench.requests import Load

READERS = 4
RATE = 20_000
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


def heavy_readers(api: str) -> People:
    """Each asks one heavy question after the other; that a limit was met is an answer, too."""
    return People(api, READERS, _heavy, expected={200, 400})


def _heavy(reader: int, nth: int) -> Question:
    number = reader + nth
    if number % 3:
        return "sql", {"sql": STATEMENTS[number % len(STATEMENTS)], "max_rows": 100_000}
    return "query", {"metric": "bench.gauge.0", "aggregation": "p99", "group_by": ["shard"]}


def measure(directory: Path, seconds: int) -> Result:
    """Raises RuntimeError when a reader was not answered, or not as it should."""
    with open_loop.service(directory) as server:
        readers = heavy_readers(server.api)
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
