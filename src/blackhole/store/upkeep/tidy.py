"""Seals old points and compacts the file afterwards."""

import logging
import time
from collections.abc import Callable

from blackhole.store.database import Database
from blackhole.store.file.opening import BLOCK_BYTES
from blackhole.store.file.rewrite import ROWS_OF_A_GROUP
from blackhole.store.upkeep.seal import Sealer

# Free blocks are used again, so a few of them cost nothing.
FREE_SHARE = 0.25
FREE_BYTES = 2**20
# Each table's last block is partly empty, which is much of a small file. But small blocks are too short to
# pack numbers of four bytes or eight, so few of these may be in the file.
SMALL_BLOCK_BYTES = 2**14
SMALL_BLOCKS_BELOW = 2**23
FEW_WIDE = 2**16
# Copying takes work, and for a while the room of two files.
SMALL_BYTES = 64 * 2**20
AGAIN_SMALL_S = 1200.0
AGAIN_LARGE_S = 86400.0
# A checkpoint ends the row groups to which something was added since the last one. Each of their columns is a
# piece, which takes about 2.5 kB of memory and a part of a block until the file is compacted.
MANY_PIECES = 6000
AGAIN_IN_PIECES_S = 21600.0

# The free blocks, and the share of the used ones that deleted chunks still occupy between others.
_FREE = """
WITH chunk AS (SELECT count(*) AS count, max(rowid) - min(rowid) + 1 AS length FROM chunks),
size AS (
    SELECT block_size, free_blocks, used_blocks, coalesce(1 - count / length, 0) * used_blocks AS gone
    FROM pragma_database_size(), chunk WHERE database_name = current_database()
)
SELECT block_size, free_blocks + gone, used_blocks - gone FROM size
"""
_TABLES = "SELECT table_name, estimated_size FROM duckdb_tables() WHERE database_name = current_database()"
_PIECES = "SELECT count(*), count(DISTINCT row_group_id) FROM pragma_storage_info('{table}')"
_WIDE = """
SELECT (SELECT count(*) FROM recent_points)
    + (SELECT coalesce(sum(16 + len(buckets)), 0) FROM recent_histogram_points)
    + (SELECT coalesce(sum(count * (2 + coalesce(width, 0))), 0) FROM histogram_chunks)
    + (SELECT coalesce(sum(count), 0) FROM chunks
        WHERE offsets IS NOT NULL OR steps IS NOT NULL OR long_steps IS NOT NULL)
"""

log = logging.getLogger(__name__)


class Compactor:
    """Seals, then compacts: sealing leaves most blocks of the file free.

    `room`: how many bytes may be written for a while.
    """

    def __init__(
        self,
        database: Database,
        sealer: Sealer,
        *,
        room: Callable[[], float] = lambda: float("inf"),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._sealer = sealer
        self._room = room
        self._clock = clock
        self._not_before = self._in_pieces_not_before = 0.0

    def apply(self) -> int:
        """Returns how many rows were sealed. Raises StoreError, QueryError."""
        sealed = self._sealer.apply()
        self.compact()
        return sealed

    def compact(self) -> bool:
        """Compacts the file if over a quarter is free, it has outgrown its blocks or is in many pieces.

        It needs room for a second file, and compacts a large file at most once a day, or once in six hours if
        it is in pieces. Raises StoreError; then the file is as it was.
        """
        now = self._clock()
        if now < min(self._not_before, self._in_pieces_not_before):
            return False
        self._database.checkpoint()  # what was deleted is free from here on
        with self._database.reader() as reader:
            size, free, used = reader.rows(_FREE).rows[0]
        fitting = self._fitting(size * used)
        mostly_free = free > FREE_SHARE * (free + used) and size * free > FREE_BYTES
        loose = now >= self._not_before and (size < fitting or mostly_free)
        if not loose and (now < self._in_pieces_not_before or self._pieces() <= MANY_PIECES):
            return False
        if self._database.size() - size * free > self._room():
            log.info("the database is not rewritten: there is no room for the second file")
            return False
        self._rewrite(fitting)
        return True

    def _rewrite(self, block_bytes: int) -> None:
        began = time.perf_counter()
        rewritten = self._database.compact(block_bytes)
        small = rewritten.bytes_after < SMALL_BYTES
        now = self._clock()
        self._not_before = now + (AGAIN_SMALL_S if small else AGAIN_LARGE_S)
        self._in_pieces_not_before = now + (AGAIN_SMALL_S if small else AGAIN_IN_PIECES_S)
        log.info(
            "the database was rewritten: %d MiB less, %.1f s",
            (rewritten.bytes_before - rewritten.bytes_after) >> 20,
            time.perf_counter() - began,
        )

    def _pieces(self) -> float:
        """How many pieces of columns there are beyond those that full row groups would have."""
        beyond = 0.0
        with self._database.reader() as reader:
            for table, rows in reader.rows(_TABLES).rows:
                pieces, groups = reader.rows(_PIECES.format(table=table)).rows[0]
                needed = max(rows / ROWS_OF_A_GROUP, 1)
                beyond += pieces * max(1 - needed / max(groups, 1), 0)
        return beyond

    def leave(self) -> bool:
        """Compacts a small file at the stop, in some tenths of a second, after the last commits."""
        with self._database.reader() as reader:
            ((has_chunks,),) = reader.rows("SELECT count(*) > 0 FROM chunks").rows
        if not has_chunks or self._database.size() >= SMALL_BLOCKS_BELOW or self._room() < SMALL_BLOCKS_BELOW:
            return False
        self._database.compact(self._fitting(self._database.size()))
        return True

    def _fitting(self, used_bytes: int) -> int:
        """The size of blocks that makes the file smallest."""
        if used_bytes >= SMALL_BLOCKS_BELOW:
            return BLOCK_BYTES
        with self._database.reader() as reader:
            wide = reader.rows(_WIDE).rows[0][0]
        return SMALL_BLOCK_BYTES if wide < FEW_WIDE else BLOCK_BYTES
