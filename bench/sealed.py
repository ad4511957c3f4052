"""Measures the sealed form: bytes a sample, and how soon questions over months of points are answered."""

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.requests import SERIES
from bench.steady import quantile
from blackhole.catalogue.load import load
from blackhole.model.series import MetricType, PrivacyLevel
from blackhole.query import select
from blackhole.query.chosen import Chosen
from blackhole.query.language import Query, Request, Subject
from blackhole.query.run import QueryService
from blackhole.store.database import Database
from blackhole.store.upkeep.seal import DAY_NS, SECOND, Sealer
from blackhole.store.upkeep.tidy import Compactor

A_DAY = 1440
WINDOWS = {PrivacyLevel.SENSITIVE: 60.0, PrivacyLevel.HIGHLY_SENSITIVE: 3600.0}
_COUNTERS = SERIES // 2

# Metrics of 20 series; half of them counters, half walks with two decimals.
_DECLARE = f"""
INSERT INTO series SELECT i, 'bench.' || lpad((i // 20)::VARCHAR, 2, '0'),
    CASE WHEN i < {_COUNTERS} THEN 'counter' ELSE 'gauge' END, '1',
    json_object('service.name', 'service-' || i % 20), 0, NULL, make_timestamp(1)
FROM range({SERIES}) t(i);
INSERT INTO streams (id, key, series, created_at)
    SELECT i + 1, from_hex(md5(i::VARCHAR)), i, make_timestamp(1) FROM range({SERIES}) t(i);
CREATE TEMP TABLE reached AS SELECT i::UINTEGER AS series, 0::DOUBLE AS value FROM range({SERIES}) t(i);
"""
_ADD = f"""
CREATE OR REPLACE TEMP TABLE fresh AS
SELECT s.series, g.i, r.value + sum(s.step) OVER (PARTITION BY s.series ORDER BY g.i) AS value, s.step
FROM range($first, $first + 60) g(i),
    LATERAL (SELECT t.n::UINTEGER AS series, CASE WHEN t.n < {_COUNTERS} THEN floor(random() * 100)
        ELSE round((random() - 0.5) * 200) END AS step FROM range({SERIES}) t(n) WHERE g.i >= 0) s
    JOIN reached AS r ON r.series = s.series
"""
_STORE = f"""
INSERT INTO recent_points
SELECT series, series + 1, make_timestamp_ns($start + i * 60000000000),
    CASE WHEN series < {_COUNTERS} THEN step ELSE value / 100 END,
    CASE WHEN series < {_COUNTERS} THEN value END, make_timestamp(1)
FROM fresh ORDER BY i, series
"""
_REACHED = """
CREATE OR REPLACE TEMP TABLE reached AS SELECT series, arg_max(value, i) AS value FROM fresh GROUP BY series
"""


@dataclass(frozen=True, slots=True)
class Sealed:
    """Of a file of so many samples; seconds, where nothing else is said."""

    samples: int
    bytes_a_sample: float
    sealing_a_million: float
    compacting: float
    dashboard_p95: float
    month: float
    broken_month: float
    cold: float


def measure(directory: Path, samples: int) -> Sealed:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "sealed.duckdb"
    days = max(samples // (SERIES * A_DAY), 1)
    today = time.time_ns() // DAY_NS * DAY_NS
    sealing, compacting = _fill(path, today - days * DAY_NS, days)
    made = days * SERIES * A_DAY
    size = path.stat().st_size
    cold = _cold(path, today)
    dashboard, month, broken = _ask(path, today, days)
    return Sealed(made, size / made, sealing / made * 1e6, compacting, dashboard, month, broken, cold)


def _fill(path: Path, start: int, days: int) -> tuple[float, float]:
    """Day after day as rows, sealed by the sealer; returns the seconds of sealing and of compacting."""
    database = Database.open(path)
    sealing = 0.0
    sealer = Sealer(database, pause=0)
    for day in range(days):
        with database.write() as connection:
            if day == 0:
                connection.execute(_DECLARE)
            for first in range(0, A_DAY, 60):
                connection.execute(_ADD, {"first": first})
                connection.execute(_STORE, {"start": start + day * DAY_NS})
                connection.execute(_REACHED)
        began = time.perf_counter()
        sealer.apply()
        sealing += time.perf_counter() - began
    began = time.perf_counter()
    Compactor(database, sealer).compact()
    compacting = time.perf_counter() - began
    database.close()
    return sealing, compacting


def _cold(path: Path, today: int) -> float:
    """From opening the file, not in the page cache, to the first answer."""
    _forget_pages(path)
    began = time.perf_counter()
    database = Database.open(path)
    _runner(database).query(_dashboard(today))
    took = time.perf_counter() - began
    database.close()
    return took


def _ask(path: Path, today: int, days: int) -> tuple[float, float, float]:
    database = Database.open(path)
    runner = _runner(database)
    times = [_timed(lambda: runner.query(_dashboard(today))) for _ in range(40)]
    month, broken = (
        statistics.median(_timed(partial(_month, database, end, min(days, 30))) for _ in range(3))
        for end in (today, today - 1234 * SECOND)
    )
    database.close()
    return quantile(times, 0.95), month, broken


def _runner(database: Database) -> QueryService:
    return QueryService(database, load(), windows=WINDOWS, now=time.time)


def _dashboard(today: int) -> Query:
    """One metric of 20 series, 24 h, steps of 5 minutes."""
    end = today // SECOND
    return Query(
        metric="bench.70",
        start_time=end - 86400,
        end_time=end,
        aggregation="avg",
        interval="5m",
        group_by=["service.name"],
    )


def _month(database: Database, end: int, days: int) -> None:
    """All series by hours, in 20 groups."""
    request = Request(
        Subject("bench", MetricType.GAUGE, "1", PrivacyLevel.PUBLIC),
        end - days * DAY_NS,
        end,
        3600 * SECOND,
        "avg",
    )
    chosen = Chosen(
        list(range(SERIES)),
        [n % 20 for n in range(SERIES)],
        [{"group": n} for n in range(20)],
        [1.0] * SERIES,
    )
    with database.reader() as reader:
        select.run(reader, request, chosen)


def _timed(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def _forget_pages(path: Path) -> None:
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
