"""Measures questions about sealed points: PromQL over many series, and a rate and a level of a dashboard."""

import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from blackhole.catalogue.load import load
from blackhole.model.series import PrivacyLevel
from blackhole.query.language import Query
from blackhole.query.run import QueryService
from blackhole.store.database import Database
from blackhole.store.upkeep.seal import BLOCK_NS, DAY_NS, SECOND, Sealer
from blackhole.store.upkeep.tidy import Compactor

SERIES = 2000
HOURS = 48
PERIOD_S = 10
SAMPLES = SERIES * HOURS * 3600 // PERIOD_S
WINDOWS = {PrivacyLevel.SENSITIVE: 60.0, PrivacyLevel.HIGHLY_SENSITIVE: 3600.0}

# So many counters and levels are made, and sealed as they come; the many are copies of these counters.
_MADE = 20
_COPIES = SERIES // _MADE
_POINTS = BLOCK_NS // SECOND // PERIOD_S

_DECLARE = f"""
INSERT INTO series SELECT i,
    CASE WHEN i < {SERIES} THEN 'bench.requests' WHEN i < {SERIES + _MADE} THEN 'bench.errors'
        ELSE 'bench.level' END,
    CASE WHEN i < {SERIES + _MADE} THEN 'counter' ELSE 'updowncounter' END, '1',
    json_object('service.name', 'service-' || i % {_MADE}, 'instance', 'i-' || i), 0, NULL, make_timestamp(1)
FROM range({SERIES + 2 * _MADE}) t(i);
INSERT INTO streams (id, key, series, created_at, raw, start, delta)
    SELECT i + 1, from_hex(md5(i::VARCHAR)), i, make_timestamp(1), hash(i), make_timestamp_ns($start), false
    FROM range({SERIES + 2 * _MADE}) t(i);
"""
_FRESH = f"""
INSERT INTO recent_points
SELECT {SERIES} + n, {SERIES} + n + 1, make_timestamp_ns($start + i * {PERIOD_S * SECOND}),
    CASE WHEN n < {_MADE} THEN 50 + hash(i * 64 + n)::HUGEINT % 50 - hash((i - 1) * 64 + n)::HUGEINT % 50
        ELSE hash(i * 64 + n) % 5000 / 100 END,
    CASE WHEN n < {_MADE} THEN 50 * (i + 1) + hash(i * 64 + n)::HUGEINT % 50 END,
    make_timestamp(($start + i * {PERIOD_S * SECOND}) // 1000)
FROM range($first, $first + {_POINTS}) t(i), range(2 * {_MADE}) u(n)
ORDER BY i, n
"""
_COPY = f"""
INSERT INTO chunks
SELECT * EXCLUDE (copy) REPLACE (copy AS series, (copy + 1)::UINTEGER AS stream) FROM (
    SELECT *, unnest(CASE WHEN series < {SERIES + _MADE}
        THEN list_append(list_transform(range({_COPIES}), lambda k: series - {SERIES} + {_MADE} * k), series)
        ELSE [series] END)::UINTEGER AS copy
    FROM made WHERE start >= make_timestamp_ns($from) AND start < make_timestamp_ns($until)
)
ORDER BY copy, start
"""
PROMQL = "sum by (service_name) (rate(bench_requests_total[5m]))"


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds, warm medians."""

    wall: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Questions:
    """`memory`: by how many bytes PromQL raised what the process had at most.

    `summed`: the increments of the counters added up by time, in SQL over their points, as rates once were.
    """

    promql: Cost
    memory: int
    rate: Cost
    level: Cost
    summed: Cost


def measure(directory: Path, rounds: int) -> Questions:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "questions.duckdb"
    end = time.time_ns() // DAY_NS * DAY_NS
    _fill(path, end - HOURS * 3600 * SECOND)
    database = Database.open(path)
    runner = QueryService(database, load(), windows=WINDOWS, now=time.time)
    asked = (("bench.errors", "rate"), ("bench.level", "avg"), ("bench.errors", "sum"))
    rate, level, summed = (
        _cost(partial(runner.query, _dashboard(end, metric, aggregation)), 5 * rounds)
        for metric, aggregation in asked
    )
    before = _peak()
    promql = _cost(lambda: _promql(runner, end), rounds)
    memory = _peak() - before
    database.close()
    return Questions(promql, memory, rate, level, summed)


def _fill(path: Path, start: int) -> None:
    database = Database.open(path)
    sealer = Sealer(database, pause=0)
    with database.write() as connection:
        connection.execute(_DECLARE, {"start": start})
    blocks = range(HOURS * 3600 * SECOND // BLOCK_NS)
    for block in blocks:
        with database.write() as connection:
            connection.execute(_FRESH, {"start": start, "first": block * _POINTS})
        sealer.apply()
    with database.write() as connection:
        connection.execute("CREATE TEMP TABLE made AS SELECT * FROM chunks")
        connection.execute("DELETE FROM chunks")
    for block in blocks:
        with database.write() as connection:
            times = {"from": start + block * BLOCK_NS, "until": start + (block + 1) * BLOCK_NS}
            connection.execute(_COPY, times)
    Compactor(database, sealer).compact()
    database.close()


def _dashboard(end: int, metric: str, aggregation: str) -> Query:
    """One metric of 20 series over 24 h by 5 minutes."""
    return Query(
        metric=metric,
        start_time=end // SECOND - 86400,
        end_time=end // SECOND,
        aggregation=aggregation,
        interval="5m",
        group_by=["service.name"],
    )


def _promql(runner: QueryService, end: int) -> None:
    until = end // 1_000_000
    found = runner.promql.range(PROMQL, until - HOURS * 3_600_000, until, 120_000)
    if len(found.series) != _MADE:
        raise RuntimeError("PromQL did not answer with one series for each service")


def _cost(ask: Callable[[], object], rounds: int) -> Cost:
    ask()
    wall, cpu = [], []
    for _ in range(rounds):
        began = time.perf_counter(), time.process_time()
        ask()
        wall.append(time.perf_counter() - began[0])
        cpu.append(time.process_time() - began[1])
    return Cost(statistics.median(wall), statistics.median(cpu))


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
