"""Turns rows of closed blocks into chunks: one row per stream and two hours or more, values as lists."""

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from itertools import starmap
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from blackhole.model.series import SPARSE_HISTOGRAMS
from blackhole.store.database import Database
from blackhole.store.upkeep.grown import Chunk, End, Known, Said, beside, known
from blackhole.store.write.arrival import last_rows

SECOND = 10**9
BLOCK_NS = 2 * 3600 * SECOND
DAY_NS = 86400 * SECOND
# A backlog of about a day, found after a restart or sent late, becomes one chunk a series.
ABOUT_A_DAY_NS = DAY_NS + 6 * 3600 * SECOND
# A point that comes later than this after the end of its block gets a chunk of its own.
MARGIN_NS = 900 * SECOND
# Younger rows of this run stay: more of their stream may come, or a commit that is tried again asks for them.
SETTLED_US = 600 * 10**6
# Rows of one slice. Sorting takes some 150 bytes a row, and may take a fifth of `max_memory_usage`.
SLICE_ROWS = 30_000
# Slices of histograms are measured in buckets, because a row is as long as these.
SLICE_BUCKETS = 80_000
# If a series has more than this in a day, it is sealed by block, or by parts of one.
SERIES_ROWS = 120_000
SERIES_BUCKETS = 240_000
_LEAST_NS = BLOCK_NS // 128
# How far back a stream's previous row is searched. Longer increments are in `intervals`.
BEFORE_NS = 8 * DAY_NS
# Do not seal fewer points than this of a block that is still open: rows would be smaller.
FEW = 16
# Rest this multiple of a slice's duration. Its writes grow the log, and commits wait for checkpoints.
PAUSE = 2.0

# A row group (122,880 rows) is freed when all of its rows are gone. So many may hold a few rows only.
SPARSE_ROWS = 500_000
_MOST_LEFT = 0.125

SQL = Path(__file__).parent / "sql"
_HISTOGRAMS = "recent_histogram_points"
_TABLES = {"recent_points": "chunks", _HISTOGRAMS: "histogram_chunks"}
_SIZE = {"recent_points": "count(*)", _HISTOGRAMS: "sum(greatest(len(p.buckets), 1))"}
OF_A_SERIES = {"recent_points": SERIES_ROWS, _HISTOGRAMS: SERIES_BUCKETS}
# How many series are looked up at once for their previous rows.
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
# Metrics in the order of their first series: consecutive numbers take no room.
_SIZES = """
SELECT p.series, CAST({size} AS BIGINT) FROM {table} AS p JOIN series AS s ON s.id = p.series
WHERE p.time >= make_timestamp_ns($from) AND p.time < make_timestamp_ns($until) AND p.stream > 0
    AND p.created_at < make_timestamp($settled) AND p.rowid NOT IN (SELECT unnest($staying::BIGINT[]))
GROUP BY s.metric, p.series HAVING count(*) >= $least
ORDER BY min(p.series) OVER (PARTITION BY s.metric), p.series
"""
# Before the first row that can be sealed there are only rows that stay.
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


class SliceSizes(NamedTuple):
    """How much is sealed in one transaction: rows of numbers, and buckets of histograms."""

    rows: int
    buckets: int


SLICES = SliceSizes(SLICE_ROWS, SLICE_BUCKETS)


@dataclass(frozen=True, slots=True)
class Before:
    """What is known of streams before a block: their ends, and what increments in the block say."""

    ends: Mapping[int, Sequence[End]]
    said: Mapping[int, Sequence[Said]]


class Sealer:
    """Seals what is old enough, slice by slice, each in a transaction of its own beside commits.

    A chunk and the deletion of its rows see the same snapshot, so exactly the sealed rows are deleted. Rows
    of windows (stream 0) stay rows: there are few, and their times lead to their costs. Rows that came last
    by their place alone stay, too.

    `doubtful`: whether a commit is to be tried again. Its rows may be in the file already, and then they
    stay. `busy`: whether commits come, for which to rest. `before` is called before rows are sealed.
    """

    def __init__(
        self,
        database: Database,
        *,
        doubtful: Callable[[], bool] = lambda: False,
        busy: Callable[[], bool] = lambda: True,
        before: Callable[[], object] = lambda: None,
        pause: float = PAUSE,
        slices: SliceSizes = SLICES,
    ) -> None:
        self._database = database
        self._doubtful = doubtful
        self._busy = busy
        self._look_before = before
        self._pause = pause
        self._slices = slices
        self._started_us = database.now_ns() // 1000
        self._began: set[str] = set()

    def apply(self) -> int:
        """Seals and returns how many rows. Raises StoreError; then the rest waits."""
        self._look_before()
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
        """Limits for rows of earlier runs, also of the open block: nothing is added to these rows."""
        return {"until": self._database.now_ns(), "settled": self._started_us, "least": FEW}

    def _closed(self) -> dict[str, int]:
        now_ns = self._database.now_ns()
        if now_ns // 1000 < self._started_us:  # the clock went back: it is no end of earlier runs any more
            self._started_us = 0
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
        """Moves the few rows that stay out of nearly empty row groups to the end of the table."""
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
        """Yields blocks, oldest first, with series that together have about `most` rows, or buckets."""
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
        """Each series with how many rows, or buckets, it has."""
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
        return {"staying": last_rows(connection, table, self._database.back().ahead_ns)}


def block_of(time_ns: int) -> int:
    """The beginning of the block that a time is in."""
    return time_ns // BLOCK_NS * BLOCK_NS


def _block(oldest: int, newest: int, until: int) -> dict[str, Any]:
    """The whole backlog if it spans about a day, else the oldest day or what of it is over."""
    first, day = block_of(oldest), oldest // DAY_NS * DAY_NS
    if newest - first < ABOUT_A_DAY_NS:
        return {"from": first, "until": newest + 1}
    return {"from": first, "until": min(until, day + DAY_NS)}


def _too_much(table: str, sizes: list[tuple[int, int]]) -> bool:
    return max((size for _, size in sizes), default=0) > OF_A_SERIES[table]


def _sooner(first: int, until: int) -> int:
    """An earlier end: that of the first block, or the middle of a part of one."""
    end = block_of(first) + BLOCK_NS
    return end if end < until else (first + until) // 2


def _seal_points(connection: duckdb.DuckDBPyConnection, bound: dict[str, Any], before: Before) -> None:
    """Seals in two statements, because one would take a third more memory."""
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
    """What is known of each chunk, in order, and the increments that need a row of `intervals`."""
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
    """Groups slices: looking up many series takes as long as looking up one."""
    found: list[list[int]] = []
    for ids in slices:
        found.append(ids)
        if sum(map(len, found)) >= _ASKED_AT_ONCE:
            yield found
            found = []
    if found:
        yield found
