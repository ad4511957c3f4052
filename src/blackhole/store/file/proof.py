"""Turns rows that are to be erased into marks, and shows that a new file holds none of them."""

import mmap
import struct
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from blackhole.errors import StoreError
from blackhole.model.erasure import Proof
from blackhole.store.file.rewrite import CATALOG, READ_ALL, RowCondition, quoted, tables

# Shorter marks, and numbers of few different bytes, occur anywhere by chance.
_LEAST_BYTES = 8
_LEAST_DIFFERENT = 6
_MOST_A_COLUMN = 32
_MOST_MARKS = 256
_SEARCHED_BYTES = 16 * 2**30
_TEXTS = ("VARCHAR", "JSON")
_CONFIG: dict[str, Any] = {"threads": 1, "memory_limit": "64MiB", "temp_directory": ""}
_PACKED = {"DOUBLE": "<d", "UBIGINT": "<Q"}
_SCHEMA = """
SELECT sql FROM duckdb_tables() WHERE database_name = $1
UNION ALL SELECT sql FROM duckdb_views() WHERE database_name = $1
UNION ALL SELECT sql FROM duckdb_indexes() WHERE database_name = $1
"""


class _Column(NamedTuple):
    """Of a table of one of the attached files; `kind` as DuckDB names types."""

    catalog: str
    table: str
    name: str
    kind: str


class RemainsError(StoreError):
    """Bytes of erased rows are in the new file, though no row is. Writing it again may help."""


@dataclass(slots=True)
class ForensicMarks:
    """Marks that only the erased rows have: texts, keys, and numbers that others do not share by chance."""

    texts: set[str] = field(default_factory=set, repr=False)
    patterns: set[bytes] = field(default_factory=set, repr=False)
    proof: Proof = field(default_factory=Proof)

    def gather(
        self,
        connection: duckdb.DuckDBPyConnection,
        conditions: Mapping[str, RowCondition],
        *,
        kept: Collection[str],
    ) -> None:
        """Collects the marks while both files are open. Raises StoreError if an unforeseen table has one."""
        source = str(connection.execute("SELECT current_database()").fetchall()[0][0])
        for table, condition in conditions.items():
            for name, kind in _columns(connection, source, table):
                self._take(connection, _Column(source, table, name, kind), condition)
        if not (self.texts or self.patterns):
            return
        for table in tables(connection, CATALOG):
            found = set(self._texts_in(connection, table))
            if found and table not in conditions and table not in kept:
                raise StoreError(
                    f"the table {table} still names what is to be forgotten: nothing was changed, report it"
                )
            self.texts -= found
        self._leave_out_what_is_kept(connection)
        most = max(min(_MOST_MARKS, _SEARCHED_BYTES // max(_bytes(connection), 1)), 8)
        ordered = sorted(self.patterns) + sorted(text.encode() for text in self.texts)
        self.patterns = set(ordered[:: max(len(ordered) // most, 1)][:most])

    def _leave_out_what_is_kept(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Drops marks that others have too: a number in another column, or a text of the schema."""
        schema = " ".join(str(sql) for (sql,) in connection.execute(_SCHEMA, [CATALOG]).fetchall())
        self.texts = {text for text in self.texts if text not in schema}
        for table, name, kind in _number_columns(connection):
            one = kind.removesuffix("[]")
            values = [
                struct.unpack(_PACKED[one], mark)[0] for mark in self.patterns if len(mark) == _LEAST_BYTES
            ]
            each = quoted(name) if one == kind else f"unnest({quoted(name)})"
            sql = (
                f"SELECT DISTINCT value FROM (SELECT {each} AS value FROM {CATALOG}.main.{quoted(table)})"
                f" WHERE value IN (SELECT unnest($1::{one}[]))"
            )
            kept = connection.execute(sql, [values]).fetchall()
            self.patterns -= {struct.pack(_PACKED[one], value) for (value,) in kept}

    def search(self, fresh: Path, conditions: Mapping[str, RowCondition]) -> None:
        """Reads every row and every byte of the new file. Raises StoreError when anything is found."""
        read = 0
        with duckdb.connect(str(fresh), read_only=True, config=_CONFIG) as connection:
            catalog = str(connection.execute("SELECT current_database()").fetchall()[0][0])
            names = tables(connection, catalog)
            for table in names:
                if _left(connection, table, conditions.get(table)):
                    raise _not_erased(fresh, f"rows of {table} are left")
                read += int(connection.execute(READ_ALL.format(table=table)).fetchall()[0][0])
        size = fresh.stat().st_size
        with fresh.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            if any(content.find(pattern) >= 0 for pattern in self.patterns):
                raise _not_erased(fresh, "bytes of it are left", RemainsError)
        self.proof = Proof(tables=len(names), rows=read, bytes=size, marks=len(self.patterns))

    def _take(
        self,
        connection: duckdb.DuckDBPyConnection,
        column: _Column,
        condition: RowCondition,
    ) -> None:
        catalog, table, name, kind = column
        if kind not in (*_TEXTS, *_PACKED, "BLOB"):
            return
        sql = (
            f"SELECT DISTINCT {quoted(name)} FROM (SELECT {quoted(name)}"
            f" FROM {quoted(catalog)}.main.{quoted(table)} WHERE {condition.sql} LIMIT 100000)"
            f" WHERE {quoted(name)} IS NOT NULL LIMIT {_MOST_A_COLUMN}"
        )
        values = [value for (value,) in connection.execute(sql, list(condition.params) or None).fetchall()]
        if kind in _TEXTS:
            self.texts.update(text for text in values if len(text.encode()) >= _LEAST_BYTES)
            return
        among = f"SELECT {quoted(name)} FROM {CATALOG}.main.{quoted(table)} WHERE {quoted(name)} IN"
        kept = connection.execute(f"{among} (SELECT unnest($1::{kind}[]))", [values]).fetchall()
        here = {value for (value,) in kept}
        self.patterns.update(_patterns((value for value in values if value not in here), kind))

    def _texts_in(self, connection: duckdb.DuckDBPyConnection, table: str) -> Iterator[str]:
        """The texts that rows of the new file have as well: others have said them, too."""
        for name, kind in _columns(connection, CATALOG, table):
            if kind in _TEXTS and self.texts:
                rows = connection.execute(
                    f"SELECT word FROM (SELECT unnest($1::VARCHAR[]) AS word) AS words WHERE EXISTS ("
                    f"SELECT 1 FROM {CATALOG}.main.{quoted(table)} AS t"
                    f" WHERE contains(CAST(t.{quoted(name)} AS VARCHAR), words.word))",
                    [sorted(self.texts)],
                ).fetchall()
                yield from (str(word) for (word,) in rows)


def _patterns(values: Iterator[object], kind: str) -> Iterator[bytes]:
    for value in values:
        pattern = value if isinstance(value, bytes) else struct.pack(_PACKED[kind], value)
        if len(pattern) >= _LEAST_BYTES and len(set(pattern)) >= _LEAST_DIFFERENT:
            yield pattern


def _number_columns(connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, str, str]]:
    for table in tables(connection, CATALOG):
        for name, kind in _columns(connection, CATALOG, table):
            if kind.removesuffix("[]") in _PACKED:
                yield table, name, kind


def _columns(connection: duckdb.DuckDBPyConnection, catalog: str, table: str) -> list[tuple[str, str]]:
    return connection.execute(
        "SELECT column_name, data_type FROM duckdb_columns() WHERE database_name = ? AND table_name = ?",
        [catalog, table],
    ).fetchall()


def _bytes(connection: duckdb.DuckDBPyConnection) -> int:
    rows = connection.execute(
        "SELECT block_size * total_blocks FROM pragma_database_size() WHERE database_name = ?", [CATALOG]
    ).fetchall()
    return int(rows[0][0])


def _left(connection: duckdb.DuckDBPyConnection, table: str, condition: RowCondition | None) -> bool:
    if condition is None:
        return False
    sql = f"SELECT count(*) > 0 FROM main.{quoted(table)} WHERE {condition.sql}"
    return bool(connection.execute(sql, list(condition.params) or None).fetchall()[0][0])


def _not_erased(fresh: Path, words: str, kind: type[StoreError] = StoreError) -> StoreError:
    return kind(f"{fresh}: the new file is not without it ({words}): nothing was changed, report it")
