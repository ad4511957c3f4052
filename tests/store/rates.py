"""What grew in each hour, worked out from points one by one, and as chunks tell it."""

from collections import defaultdict
from fractions import Fraction
from typing import Any

from blackhole.store.database import Database

HOUR = 3600 * 10**9

# Sealed increments in the order of their chunk; those of each, and where it says that its stream was before.
_POINTS = """
SELECT p.stream, p.id // 40960 AS chunk, epoch_ns(p.time) AS time, p.value, epoch_ns(c.since),
    epoch_ns(i.since)
FROM every_point AS p
    JOIN series AS s ON s.id = p.series AND s.type = 'counter'
    JOIN chunks AS c ON c.rowid = p.id // 40960
    LEFT JOIN intervals AS i ON i.stream = p.stream AND i.time = p.time
WHERE p.id % 5 = 3 AND c.grown IS NOT NULL ORDER BY chunk, time
"""
_GROWN = """
SELECT stream, epoch_ns(last) // 3600000000000 - len(grown) + unnest(range(1, len(grown) + 1)), unnest(grown)
FROM chunks
"""

Hours = dict[tuple[int, int], float]


def from_points(database: Database) -> Hours:
    """By stream and hour: each increment that was counted over an hour at most, spread evenly."""
    found: dict[tuple[int, int], Fraction] = defaultdict(Fraction)
    before: dict[int, int] = {}
    for stream, chunk, time, value, opened, said in _rows(database, _POINTS):
        since = said if said is not None else before.get(chunk, opened)
        before[chunk] = time
        if since is not None and 0 < time - since <= HOUR:
            for hour in range(since // HOUR, (time - 1) // HOUR + 1):
                part = min(time, (hour + 1) * HOUR) - max(since, hour * HOUR)
                found[stream, hour] += Fraction(value) * part / (time - since)
    return {key: float(grew) for key, grew in found.items() if grew}


def from_hours(database: Database) -> Hours:
    """The same as chunks have it."""
    found: dict[tuple[int, int], float] = defaultdict(float)
    for stream, hour, grew in _rows(database, _GROWN):
        found[stream, hour] += grew
    return found


def differences(database: Database) -> list[tuple[tuple[int, int], float, float]]:
    """Where the two are not the same, but for the last digits of what they were worked out from."""
    expected, told = from_points(database), from_hours(database)
    largest = max((abs(grew) for grew in expected.values()), default=0.0)
    return [
        (key, expected.get(key, 0.0), told.get(key, 0.0))
        for key in expected.keys() | told.keys()
        if abs(expected.get(key, 0.0) - told.get(key, 0.0)) > 1e-12 * largest
    ]


def _rows(database: Database, sql: str) -> list[tuple[Any, ...]]:
    with database.reader() as reader:
        return reader.rows(sql).rows
