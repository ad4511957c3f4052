"""`python -m tests.store.older.make DIR`, run in an older version: a file as that version leaves it.

`schema-6.tar.xz` is `tar --sort=name -cJf` of what it wrote into DIR with the last version of schema 6: the
database, its key, and `told.json`, which is what that version read from it.
In `schema-7.tar.xz` and `schema-8.tar.xz` a part is sealed.
"""

import json
import random
import sys
from pathlib import Path
from typing import Any

from tests.store.store_fakes import SECOND, Histogram, Point, batch, series, stream

from blackhole.model.series import MetricType, PrivacyLevel, StreamState
from blackhole.store.database import Database
from blackhole.store.upkeep.seal import Sealer
from blackhole.store.writer import insert

NOW = 1_750_000_000 * SECOND
METRICS = {
    "process.cpu.usage": MetricType.GAUGE,
    "node.requests.total": MetricType.COUNTER,
    "node.connections": MetricType.UPDOWNCOUNTER,
    "node.request.duration": MetricType.HISTOGRAM,
}
STREAMS = 2 * len(METRICS)
OTHERS = """
INSERT INTO retention_policies VALUES ('a.*', 3, NULL, '2025-01-01');
INSERT INTO asked VALUES ('node.connections', '2025-01-02');
INSERT INTO insights VALUES (1, 'trend', 't', 'd', 'info', '["a"]', '2025-01-01', NULL);
INSERT INTO metric_aggregates VALUES (1, '2025-01-01', 'a', 'sum', 1.5, 2, '{}', '2025-01-01');
"""
KNOWN = ("stream", "series", "time_ns", "earlier_ns", "value", "count", "total", "bounds", "buckets")
QUESTIONS = {
    "points": "SELECT series, stream, epoch_ns(time), value, cumulative, epoch_us(created_at)"
    " FROM points ORDER BY ALL",
    "histograms": "SELECT series, stream, epoch_ns(time), count, sum, min, max, bounds, buckets"
    " FROM histogram_points ORDER BY ALL",
    "metrics": "SELECT epoch_us(timestamp), metric_name, metric_type, value, CAST(attributes AS VARCHAR),"
    " privacy_level FROM metrics ORDER BY ALL",
    "others": "SELECT 'asked', metric FROM asked UNION ALL SELECT 'policy', metric_pattern"
    " FROM retention_policies UNION ALL SELECT 'insight', title FROM insights"
    " UNION ALL SELECT 'aggregate', metric_name FROM metric_aggregates"
    " UNION ALL SELECT 'thinned', CAST(sampling_rate AS VARCHAR) FROM thinned ORDER BY ALL",
}


def told(database: Database) -> dict[str, Any]:
    """Its answers, as JSON gives them back."""
    with database.reader() as reader:
        answers: dict[str, Any] = {name: reader.rows(sql).rows for name, sql in QUESTIONS.items()}
    states = database.recall([stream(n, 0).key for n in range(1, STREAMS + 1)]).values()
    answers["recalled"] = [_words(state) for state in sorted(states, key=lambda state: state.stream)]
    found: dict[str, Any] = json.loads(json.dumps(answers))
    return found


def _words(state: StreamState) -> str:
    """What was known of a stream then: one more time is now, and when it began."""
    known = {name: getattr(state, name) for name in KNOWN} | {"earlier_ns": tuple(state.earlier_ns[:8])}
    return f"StreamState({', '.join(f'{name}={value!r}' for name, value in known.items())})"


def fill(database: Database) -> None:
    chance = random.Random(6)
    points: list[Point] = [Point(STREAMS + 1, NOW - k * 3600 * SECOND, float(k)) for k in range(5)]
    histograms: list[Histogram] = []
    rows = [series(STREAMS + 1, "guarded.visits", MetricType.COUNTER, level=PrivacyLevel.SENSITIVE)]
    for number in range(1, STREAMS + 1):
        name = list(METRICS)[(number - 1) // 2]
        rows.append(series(number, name, METRICS[name], attributes=json.dumps({"host": f"h{number % 2}"})))
        start = NOW - 3 * 86400 * SECOND
        times = [start + k * 3000 * SECOND + chance.randrange(3) for k in range(80)]
        if METRICS[name] is MetricType.HISTOGRAM:
            histograms += _histograms(chance, number, times)
        else:
            points += _points(chance, number, METRICS[name], times)
    given = batch(points, histograms, series=rows, streams=[stream(n, n) for n in range(1, STREAMS + 1)])
    with database.write() as connection:
        insert(
            connection,
            given.rows,
            given.series,
            given.streams,
            created_us=NOW // 1000 - 3600 * 10**6,
            sampling_rate=0.5,
        )
        connection.execute(OTHERS)


def _points(chance: random.Random, number: int, kind: MetricType, times: list[int]) -> list[Point]:
    found: list[Point] = []
    reached = 0.0
    for at in times:
        if kind is MetricType.COUNTER:
            before, reached = reached, reached + round(chance.uniform(0, 9), 1)
            found.append(Point(number, at, reached - before, stream=number, cumulative=reached))
        else:
            value = round(chance.uniform(-9, 9), 3)
            level = value if kind is MetricType.UPDOWNCOUNTER else None
            found.append(Point(number, at, value, stream=number, cumulative=level))
    return found


def _histograms(chance: random.Random, number: int, times: list[int]) -> list[Histogram]:
    found: list[Histogram] = []
    seen = 0
    for at in times:
        buckets = tuple(chance.randrange(4) for _ in range(3))
        count = sum(buckets)
        seen += count
        state = (seen, seen * 1.5, (1.0, 2.0), buckets)
        found.append(
            Histogram(number, at, count, count * 1.5, (1.0, 2.0), buckets, stream=number, cumulative=state)
        )
    return found


def main(directory: Path) -> None:
    database = Database.open(directory / "analytics.duckdb", clock=lambda: NOW)
    fill(database)
    database._clock = lambda: NOW - 2 * 86400 * SECOND
    sealer = Sealer(database, pause=0)
    sealer._started_us = NOW // 1000
    sealer.apply()
    database._clock = lambda: NOW
    answers = told(database)
    database.close()
    (directory / "told.json").write_text(json.dumps(answers))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
