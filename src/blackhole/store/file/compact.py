"""Copies a database into a fresh file while commits go on, and in the end what they have added."""

from contextlib import suppress
from pathlib import Path

import duckdb

from blackhole.errors import StoreError
from blackhole.store.file import rewrite
from blackhole.store.file.rewrite import CATALOG, RowNumbers, quoted
from blackhole.store.tables import TABLES

# Append-only tables are copied while commits go on. Whoever deletes from them waits for the copy to end. All
# others are small; their last state is copied at the exchange.
ADDED_TO = frozenset(table.name for table in TABLES if table.appended)
# So few rows are copied while commits wait: some 50 ms.
_FEW_ROWS = 20_000
_ROUNDS = 8


class OnlineCopy:
    """Copies in three steps: `copy`, `catch_up`, and `finish`, during which nobody may commit.

    `connection` copies; `snapshot` sees the state of the beginning. Row groups are never merged
    (`max_vacuum_tasks`), so rows keep their numbers.
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, snapshot: duckdb.DuckDBPyConnection, fresh: Path
    ) -> None:
        self._connection = connection
        self._snapshot = snapshot
        self._fresh = fresh
        self._source = ""
        self._next: dict[str, int] = {}
        self._rest: list[str] = []

    def interrupt(self) -> None:
        self._connection.interrupt()
        self._snapshot.interrupt()

    def copy(self, block_size: int) -> None:
        """Copies the state of the beginning and compares the copy with it.

        Raises duckdb.Error, StoreError.
        """
        self._source = rewrite.begin(self._connection, self._fresh, block_size)
        self._snapshot.execute("BEGIN TRANSACTION READ ONLY")
        names = rewrite.tables(self._snapshot, self._source)
        self._rest = [name for name in names if name not in ADDED_TO]
        for table in names:
            if table in ADDED_TO:
                first, self._next[table] = rewrite.numbers(self._snapshot, self._source, table)
                rewrite.copy_rows(self._connection, self._source, table, RowNumbers(first, self._next[table]))
        for table in self._next:
            self._compare(table)

    def catch_up(self) -> None:
        """Copies what commits have added meanwhile, until that is little, and puts it on the disk."""
        added = sum(self._next.values())
        for _ in range(_ROUNDS):
            if added <= _FEW_ROWS:
                break
            added = self._add()
            self._connection.execute(f"CHECKPOINT {CATALOG}")
        rewrite.settle(self._fresh)

    def finish(self) -> None:
        """Copies the rest. Nobody may commit meanwhile. Raises StoreError if the two files differ."""
        self._add()
        for table in self._rest:
            rewrite.copy_rows(self._connection, self._source, table, self._numbers(table))
        for table in (*self._next, *self._rest):
            if self._count(self._source, table) != self._count(CATALOG, table):
                raise _not_the_same(self._fresh, table)
        self._connection.execute(f"CHECKPOINT {CATALOG}")
        self._connection.execute(f"DETACH {CATALOG}")
        rewrite.settle(self._fresh)

    def close(self) -> None:
        self._snapshot.close()
        with suppress(duckdb.Error):  # detached by now, or closed
            self._connection.execute(f"DETACH DATABASE IF EXISTS {CATALOG}")
        self._connection.close()

    def _add(self) -> int:
        added = 0
        for table, first in self._next.items():
            end = self._numbers(table)[1]
            if end > first:
                added += rewrite.copy_rows(self._connection, self._source, table, RowNumbers(first, end))
                self._next[table] = end
        return added

    def _numbers(self, table: str) -> RowNumbers:
        return rewrite.numbers(self._connection, self._source, table)

    def _compare(self, table: str) -> None:
        sql = "SELECT count(*), bit_xor(hash(t)) FROM {0}.main.{1} AS t"
        old = self._snapshot.execute(sql.format(quoted(self._source), quoted(table))).fetchall()
        new = self._connection.execute(sql.format(CATALOG, quoted(table))).fetchall()
        if old != new:
            raise _not_the_same(self._fresh, table)

    def _count(self, catalog: str, table: str) -> int:
        return rewrite.count(self._connection, catalog, table)


def _not_the_same(fresh: Path, table: str) -> StoreError:
    return StoreError(f"{fresh}: not the same as the file ({table}): nothing was changed, report it")
