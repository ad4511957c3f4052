"""Turns rows of closed blocks into chunks: one row per stream and two hours or more, values as lists."""

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from itertools import starmap
from pathlib import Path
from typing import Any

import duckdb

from blackhole.model.series import SPARSE_HISTOGRAMS
from blackhole.store.database import Database
from blackhole.store.upkeep.grown import Chunk, End, Known, Said, beside, known
from blackhole.store.write.arrival import last_rows

SECOND = 10**9
BLOCK_NS = 2 * 3600 * SECOND
DAY_NS = 86400 * SECOND
# What is found of about a day at once, after a restart or sent late, makes fewer and longer lists.
ABOUT_A_DAY_NS = DAY_NS + 6 * 3600 * SECOND
# Later than this after the end of its block a point gets a chunk of its own.
MARGIN_NS = 900 * SECOND
# What this run has committed lately may come in company, or be asked for by a commit that is tried again.
SETTLED_US = 600 * 10**6
# Sorting a row takes some 150 bytes, of a fifth of `max_memory_usage` at most.
SLICE_ROWS = 30_000
# Of histograms, buckets are counted: a row is as long as these.
SLICE_BUCKETS = 80_000
# Of one series so many at once: what has more in a day goes block by block, or by parts of one.
SERIES_ROWS = 120_000
SERIES_BUCKETS = 240_000
_LEAST_NS = BLOCK_NS // 128
# So far back a stream's row before is looked for; what was counted over a longer time is in `intervals`.
BEFORE_NS = 8 * DAY_NS
# Of a block that is still open, found after a restart: rows of fewer points take less than a chunk.
FEW = 16
# After each slice so many times its time: what it writes to the log makes commits wait for checkpoints.
PAUSE = 2.0

# Row groups (of 122,880 rows) are freed when all of their rows are gone: so many may be there in vain.
SPARSE_ROWS = 500_000
_MOST_LEFT = 0.125

SQL = Path(__file__).parent / "sql"
_HISTOGRAMS = "recent_histogram_points"
_TABLES = {"recent_points": "chunks", _HISTOGRAMS: "histogram_chunks"}
_SIZE = {"recent_points": "count(*)", _HISTOGRAMS: "sum(greatest(len(p.buckets), 1))"}
OF_A_SERIES = {"recent_points": SERIES_ROWS, _HISTOGRAMS: SERIES_BUCKETS}
# So many series are asked at once where they were before.
_ASKED_AT_ONCE = 5_000

log = logging.getLogger(__name__)

_ENDS = """
SELECT epoch_ns(min(time)), epoch_ns(max(time)) FROM {table}
WHERE time >= make_timestamp_ns($from) AND time < make_timestamp_ns($until) AND stream > 0
    AND created_at < make_timestamp($settled) AND rowid NOT IN (SELECT unnest($staying::BIGINT[]))
"""
_SEALING = """
SELECT number, stream, part, start, last, step_ns, points, offsets, as_sent, firsts, amounts, totals
FROM sealing
"""
_SEALING_HISTOGRAMS = """
SELECT number, stream, part, start, last, step, points, offsets, as_sent, NULL, NULL, [] FROM sealing
"""
# Metrics in the order of their first series: numbers that rise one by one take no room.
_SIZES = """
SELECT p.series, CAST({size} AS BIGINT) FROM {table} AS p JOIN series AS s ON s.id = p.series
WHERE p.time >= make_timestamp_ns($from) AND p.time < make_timestamp_ns($until) AND p.stream > 0
    AND p.created_at < make_timestamp($settled) AND p.rowid NOT IN (SELECT unnest($staying::BIGINT[]))
GROUP BY s.metric, p.series HAVING count(*) >= $least
ORDER BY min(p.series) OVER (PARTITION BY s.metric), p.series
"""
# Before the first row that is to be sealed, others are all that is left.
_LEFT = """
WITH edge AS (SELECT coalesce(min(rowid) FILTER (stream > 0), max(rowid) + 1) AS edge FROM {table})
SELECT (SELECT min(rowid) FROM {table}), edge, (SELECT count(*) FROM {table} WHERE rowid < edge) FROM edge
"""
_DELETE = """
DELETE FROM {table}
WHERE time >= make_timestamp_ns($from) AND time < make_timestamp_ns($until) AND stream > 0
    AND created_at < make_timestamp($settled) AND series IN (SELECT unnest($ids::UINTEGER[]))
    AND rowid NOT IN (SELECT unnest($staying::BIGINT[]))
"""


@dataclass(frozen=True, slots=True)
class Before:
    """By stream: where it was before a block, and what its increments in the block say."""

    ends: Mapping[int, Sequence[End]]
    said: Mapping[int, Sequence[Said]]


class Sealer:
    """Seals what is old enough, slice by slice, each in a transaction of its own beside commits.

    A chunk and the deletion of its rows see the same snapshot, so the rows that go are those that it holds.
    Rows of windows (stream 0) stay rows: there are few, and their times lead to what they cost. So do rows of
    which only their place says that they came last.
    `doubtful`: whether a commit is to be tried again, which may already be in the file; then its rows stay.
    `busy`: whether commits come at all, for which to pause.
    """

    def __init__(
        self,
        database: Database,
        *,
        doubtful: Callable[[], bool] = lambda: False,
        busy: Callable[[], bool] = lambda: True,
        pause: float = PAUSE,
        slices: tuple[int, int] = (SLICE_ROWS, SLICE_BUCKETS),
    ) -> None:
        self._database = database
        self._doubtful = doubtful
        self._busy = busy
        self._pause = pause
        self._slices = slices
        self._started_us = database.now_ns() // 1000
        self._began: set[str] = set()

    def apply(self) -> int:
        """Returns how many rows were sealed. Raises StoreError; then the rest waits."""
        sealed = 0
        for table, most in zip(_TABLES, self._slices, strict=True):
            if table not in self._began:
                sealed += self._apply(table, most, self._found())
                self._began.add(table)
            sealed += self._apply(table, most, self._closed())
            if sealed:
                self._gather(table)
        if sealed:
            log.info("%d rows were sealed", sealed)
        return sealed

    def _found(self) -> dict[str, int]:
        """What earlier runs have left, of the open block too: nothing is added to these rows."""
        return {"until": self._database.now_ns(), "settled": self._started_us, "least": FEW}

    def _closed(self) -> dict[str, int]:
        now_ns = self._database.now_ns()
        settled = max(self._started_us, now_ns // 1000 - SETTLED_US)
        return {"until": block_of(now_ns - MARGIN_NS), "settled": settled, "least": 1}

    def _apply(self, table: str, most: int, limits: dict[str, int]) -> int:
        sealed = 0
        for bound, before in self._work(table, limits, most):
            began = time.perf_counter()
            sealed += self._seal(table, bound, before)
            if self._busy():
                time.sleep(self._pause * (time.perf_counter() - began))
        return sealed

    def _gather(self, table: str) -> None:
        """Of row groups of which few rows are left, because they stay rows, these are moved to the end."""
        with self._database.beside() as connection:
            first, edge, left = connection.execute(_LEFT.format(table=table)).fetchall()[0]
            if edge is None or edge - first - left < SPARSE_ROWS or _MOST_LEFT * (edge - first) < left:
                return
            connection.execute(
                f"INSERT INTO {table} SELECT * FROM {table} WHERE rowid < $edge ORDER BY rowid",
                {"edge": edge},
            )
            connection.execute(f"DELETE FROM {table} WHERE rowid < $edge", {"edge": edge})

    def _work(self, table: str, limits: dict[str, int], most: int) -> Iterator[tuple[dict[str, Any], Before]]:
        """Blocks, oldest first, with series that together have at most about `most` rows, or buckets."""
        settled, reached = {"settled": limits["settled"]}, 0
        while reached < limits["until"] and not self._doubtful():
            within: dict[str, Any] = {"from": reached, "until": limits["until"]} | settled
            with self._database.beside() as connection:
                within |= self._staying(connection, table)
                oldest, newest = connection.execute(_ENDS.format(table=table), within).fetchall()[0]
            if oldest is None:
                return
            bound = _block(int(oldest), int(newest), limits["until"]) | settled
            bound["from"] = max(bound["from"], reached)
            sizes = self._sizes(table, bound, limits["least"])
            while _too_much(table, sizes) and bound["until"] - bound["from"] > _LEAST_NS:
                bound["until"] = _sooner(bound["from"], bound["until"])
                sizes = self._sizes(table, bound, limits["least"])
            reached = bound["until"]
            for slices in _together(_slices(sizes, most)):
                before = self._before(table, bound | {"ids": [number for ids in slices for number in ids]})
                for ids in slices:
                    if self._doubtful():
                        return
                    yield {**bound, "ids": ids}, before

    def _sizes(self, table: str, bound: dict[str, Any], least: int) -> list[tuple[int, int]]:
        """Series, and of each how many rows, or buckets."""
        with self._database.beside() as connection:
            sql = _SIZES.format(table=table, size=_SIZE[table])
            more = {"least": least} | self._staying(connection, table)
            return connection.execute(sql, bound | more).fetchall()

    def _before(self, table: str, bound: dict[str, Any]) -> Before:
        with self._database.beside() as connection:
            return _before(connection, table, bound)

    def _seal(self, table: str, bound: dict[str, Any], before: Before) -> int:
        with self._database.beside() as connection:
            bound |= self._staying(connection, table)
            (_seal_histograms if table == _HISTOGRAMS else _seal_points)(connection, bound, before)
            connection.execute("DROP TABLE sealing")
            rows = connection.execute(_DELETE.format(table=table), bound).fetchall()
        return int(rows[0][0])

    def _staying(self, connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, list[int]]:
        return {"staying": last_rows(connection, table, self._database.back()[1])}


def block_of(time_ns: int) -> int:
    """The beginning of the block that a time is in."""
    return time_ns // BLOCK_NS * BLOCK_NS


def _block(oldest: int, newest: int, until: int) -> dict[str, Any]:
    """All that there is if that is about a day; else the day of the oldest, or what of it is over."""
    first, day = block_of(oldest), oldest // DAY_NS * DAY_NS
    if newest - first < ABOUT_A_DAY_NS:
        return {"from": first, "until": newest + 1}
    return {"from": first, "until": min(until, day + DAY_NS)}


def _too_much(table: str, sizes: list[tuple[int, int]]) -> bool:
    return max((size for _, size in sizes), default=0) > OF_A_SERIES[table]


def _sooner(first: int, until: int) -> int:
    """An earlier end: that of the first block, or the middle of what is within one."""
    end = block_of(first) + BLOCK_NS
    return end if end < until else (first + until) // 2


def _seal_points(connection: duckdb.DuckDBPyConnection, bound: dict[str, Any], before: Before) -> None:
    """In two statements: one for all would want a third more memory."""
    connection.execute(_statement("seal_points"), bound)
    found, longer = _known(connection, before)
    if longer:
        connection.execute(_statement("seal_longer"), {"longer": longer})
    connection.execute(
        _statement("seal_lists"),
        {
            "since": [one.since for one in found],
            "period": [one.period for one in found],
            "grown": [one.grown for one in found],
        },
    )


def _seal_histograms(connection: duckdb.DuckDBPyConnection, bound: dict[str, Any], before: Before) -> None:
    connection.execute(_statement("seal_histograms"), bound | {"sparse": sorted(SPARSE_HISTOGRAMS)})
    found = _known_of_histograms(connection, before)
    told = {"since": [one.since for one in found], "period": [one.period for one in found]}
    connection.execute(_statement("seal_histogram_lists"), told)


def _known(connection: duckdb.DuckDBPyConnection, before: Before) -> tuple[list[Known], list[dict[str, Any]]]:
    """What is known of each chunk, in their order; and what is to be said of some of their increments."""
    found: dict[int, Known] = {}
    longer: list[dict[str, Any]] = []
    last: dict[int, int] = {}
    rows = starmap(Chunk, connection.execute(_SEALING).fetchall())
    for chunk in sorted(rows, key=lambda chunk: (chunk.stream, chunk.part)):
        stream = chunk.stream
        one = known(chunk, last.get(stream), before.ends.get(stream, ()), before.said.get(stream, ()))
        for piece in one.longer:
            also = {"estimated": piece.estimated(one.period), "period": one.period}
            longer.append({"number": chunk.number} | asdict(piece) | also)
        found[chunk.number], last[stream] = one, chunk.last
    return [found[number] for number in sorted(found)], longer


def _known_of_histograms(connection: duckdb.DuckDBPyConnection, before: Before) -> list[Known]:
    chunks = [Chunk(*row) for row in connection.execute(_SEALING_HISTOGRAMS).fetchall()]
    times: dict[int, list[int]] = defaultdict(list)
    for chunk in chunks:
        times[chunk.stream] += map(chunk.moment, range(chunk.points))
    for some in times.values():
        some.sort()
    chunks.sort(key=lambda chunk: chunk.number)
    return [
        known(
            beside(chunk, times[chunk.stream]),
            None,
            before.ends.get(chunk.stream, ()),
            before.said.get(chunk.stream, ()),
        )
        for chunk in chunks
    ]


def _before(connection: duckdb.DuckDBPyConnection, table: str, bound: dict[str, Any]) -> Before:
    within = {key: bound[key] for key in ("from", "until", "ids")}
    more = within | {"before": bound["from"] - BEFORE_NS}
    ends: dict[int, list[End]] = {}
    sql = _statement("seal_ends").format(table=table, chunks=_TABLES[table])
    for stream, last, period, others in connection.execute(sql, more).fetchall():
        ends[stream] = [End(*one) for one in others or ()]
        ends[stream] += [] if last is None else [End(last, last, period)]
    said: dict[int, list[Said]] = defaultdict(list)
    for stream, *one in connection.execute(_statement("seal_told"), within).fetchall():
        said[stream].append(Said(*one))
    return Before(ends, said)


@cache
def _statement(name: str) -> str:
    return (SQL / f"{name}.sql").read_text()


def _slices(sizes: list[tuple[int, int]], most: int) -> Iterator[list[int]]:
    ids: list[int] = []
    rows = 0
    for series, count in sizes:
        if ids and rows + count > most:
            yield ids
            ids, rows = [], 0
        ids.append(series)
        rows += count
    if ids:
        yield ids


def _together(slices: Iterator[list[int]]) -> Iterator[list[list[int]]]:
    """Some slices, of at most about so many series: a statement takes as long for all of them as for one."""
    found: list[list[int]] = []
    for ids in slices:
        found.append(ids)
        if sum(map(len, found)) >= _ASKED_AT_ONCE:
            yield found
            found = []
    if found:
        yield found
