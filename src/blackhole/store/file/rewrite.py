"""Copies a database into a fresh file, table by table, without the rows that are to be left out.

A file from which DuckDB has deleted rows keeps their bytes. A new file has only what was copied.
"""

import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import duckdb

from blackhole.errors import StoreError
from blackhole.store.file import files
from blackhole.store.read.reader import one_line

CATALOG = "blackhole_fresh"
# Reads every column of every row and counts them. A block that is not as it was written is an error.
READ_ALL = 'SELECT count(*), bit_xor(hash(t)) FROM main."{table}" AS t'
# The rows of a row group of DuckDB. Rows with lists may hold a thousand values, so bytes count as well.
ROWS_OF_A_GROUP = 122_880
_SLICE_BYTES = 8 * 2**20
_CHECKPOINT_BYTES = 32 * 2**20
_SAMPLE_ROWS = 2_048
_TEXTS = ("VARCHAR", "JSON")


class RowNumbers(NamedTuple):
    """Rows of a table: the number of the first, and that of the last plus one."""

    first: int
    end: int


@dataclass(frozen=True, slots=True)
class RowCondition:
    """The rows of a table for which `sql` is true; `params` are its $1, $2 and so on."""

    sql: str
    params: tuple[object, ...] = field(default=(), repr=False)


Amend = Callable[[duckdb.DuckDBPyConnection], None]
LeaveOut = Mapping[str, RowCondition]


@dataclass(frozen=True, slots=True)
class RewritePlan:
    """What the new file has that is different.

    `leave_out`: conditions by table. `amend` runs when all is copied, and sees the new file as the catalog
    `CATALOG`. `check` gets the closed new file, and raises if it must not replace the old one. `block_size`:
    bytes; None keeps it.
    """

    leave_out: LeaveOut = field(default_factory=dict)
    amend: Amend = lambda _: None
    check: Callable[[Path], None] = lambda _: None
    block_size: int | None = None


@dataclass(frozen=True, slots=True)
class RewriteResult:
    """How many rows each table lacks, and the bytes of the file before and after."""

    left_out: dict[str, int]
    bytes_before: int
    bytes_after: int


def copy(connection: duckdb.DuckDBPyConnection, fresh: Path, rewriting: RewritePlan) -> dict[str, int]:
    """Writes and closes the new file; returns how many rows each table lacks. Raises duckdb.Error.

    Nobody may write meanwhile. `connection` must not be in a transaction.
    """
    source = begin(connection, fresh, rewriting.block_size)
    try:
        left_out = {}
        for table in tables(connection, source):
            condition = rewriting.leave_out.get(table)
            left_out[table] = _copy_table(connection, source, table, condition)
        rewriting.amend(connection)
        connection.execute(f"CHECKPOINT {CATALOG}")
    finally:
        connection.execute(f"DETACH {CATALOG}")
    settle(fresh)
    return left_out


def begin(connection: duckdb.DuckDBPyConnection, fresh: Path, block_size: int | None) -> str:
    """Makes the new file with empty tables, attached as `CATALOG`. Returns the catalog to copy from."""
    source = str(connection.execute("SELECT current_database()").fetchall()[0][0])
    size = block_size or _block_size(connection, source)
    connection.execute(
        f"ATTACH '{_text(fresh)}' AS {CATALOG} (BLOCK_SIZE {size:d}, RECOVERY_MODE no_wal_writes)"
    )
    try:
        connection.execute(f"COPY FROM DATABASE {quoted(source)} TO {CATALOG} (SCHEMA)")
    except duckdb.Error:
        connection.execute(f"DETACH {CATALOG}")
        raise
    return source


def settle(fresh: Path) -> None:
    """Puts the new file on the disk, readable for its owner only."""
    fresh.chmod(stat.S_IRUSR | stat.S_IWUSR)
    files.sync(fresh)


def exchange(fresh: Path, path: Path) -> None:
    """Renames the new file to the closed one's name. Raises StoreError, also if that still has a log."""
    if files.size(files.beside(path, files.WAL)):
        raise StoreError(f"{path}: not rewritten, nothing was changed: its log could not be emptied")
    try:
        fresh.replace(path)
        files.sync(path.parent)
    except OSError as error:
        raise StoreError(f"{path}: not rewritten, nothing was changed: {error.strerror}") from None
    files.remove([files.beside(path, files.TEMPORARY)])


def tables(connection: duckdb.DuckDBPyConnection, catalog: str) -> list[str]:
    """The names of all tables, also of those that we did not make.

    Raises StoreError for what cannot be copied.
    """
    rows = connection.execute(
        "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = ? AND NOT temporary"
        " ORDER BY table_oid",
        [catalog],
    ).fetchall()
    foreign = [f"{schema}.{table}" for schema, table in rows if schema != "main"]
    if foreign:
        raise StoreError(f"{foreign[0]}: a table of another schema: drop it, the file is not rewritten")
    return [str(table) for _, table in rows]


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def explained(path: Path, error: duckdb.Error) -> StoreError:
    """Why the file was not rewritten."""
    text = str(error).lower()
    if "no space left" in text or "failed to write" in text or "could not write" in text:
        return StoreError(f"{path}: not rewritten, nothing was changed: no room for the new file: make room")
    return StoreError(f"{path}: not rewritten, nothing was changed: {one_line(error)}")


def copy_rows(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    table: str,
    among: RowNumbers,
    condition: RowCondition | None = None,
) -> int:
    """Copies the rows `among` these, but for those that `condition` leaves out.

    Returns how many. It copies slice by slice, so that memory is bounded whatever the table holds.
    """
    old, new = f"{quoted(source)}.main.{quoted(table)}", f"{CATALOG}.main.{quoted(table)}"
    size = _row_bytes(connection, source, table) if among[0] < among[1] else 1
    rows = max(min(ROWS_OF_A_GROUP, _SLICE_BYTES // size), 1)
    kept, params = "", list(condition.params) if condition is not None else []
    if condition is not None:
        kept = f" AND NOT coalesce(({condition.sql}), false)"
    copied = written = 0
    for first in range(*among, rows):
        between = f"rowid BETWEEN {first:d} AND {min(first + rows, among[1]) - 1:d}"
        sql = f"INSERT INTO {new} SELECT * FROM {old} WHERE {between}{kept}"
        added = int(connection.execute(sql, params or None).fetchall()[0][0])
        copied, written = copied + added, written + added * size
        if written >= _CHECKPOINT_BYTES:
            connection.execute(f"CHECKPOINT {CATALOG}")
            written = 0
    return copied


def _copy_table(
    connection: duckdb.DuckDBPyConnection, source: str, table: str, condition: RowCondition | None
) -> int:
    """Copies one table and returns how many rows were left out."""
    copied = copy_rows(connection, source, table, numbers(connection, source, table), condition)
    return count(connection, source, table) - copied


def count(connection: duckdb.DuckDBPyConnection, catalog: str, table: str) -> int:
    sql = f"SELECT count(*) FROM {quoted(catalog)}.main.{quoted(table)}"
    return int(connection.execute(sql).fetchall()[0][0])


def numbers(connection: duckdb.DuckDBPyConnection, source: str, table: str) -> RowNumbers:
    """All rows of a table; where it has none, from 0 to 0."""
    sql = f"SELECT min(rowid), max(rowid) + 1 FROM {quoted(source)}.main.{quoted(table)}"
    first, end = connection.execute(sql).fetchall()[0]
    return RowNumbers(0, 0) if first is None else RowNumbers(int(first), int(end))


def _row_bytes(connection: duckdb.DuckDBPyConnection, source: str, table: str) -> int:
    """About how many bytes a row takes: eight for a value, lists and texts as in the first rows."""
    columns = connection.execute(
        "SELECT column_name, data_type FROM duckdb_columns() WHERE database_name = ? AND table_name = ?",
        [source, table],
    ).fetchall()
    longer = [f"coalesce(8 * len({quoted(name)}), 0)" for name, kind in columns if str(kind).endswith("[]")]
    longer += [f"coalesce(strlen({quoted(name)}), 0)" for name, kind in columns if kind in _TEXTS]
    size = 8 * len(columns)
    if longer:
        sample = f"SELECT * FROM {quoted(source)}.main.{quoted(table)} LIMIT {_SAMPLE_ROWS}"
        rows = connection.execute(f"SELECT avg({' + '.join(longer)}) FROM ({sample})").fetchall()
        size += int(rows[0][0] or 0)
    return size


def _block_size(connection: duckdb.DuckDBPyConnection, source: str) -> int:
    rows = connection.execute(
        "SELECT block_size FROM pragma_database_size() WHERE database_name = ?", [source]
    ).fetchall()
    return int(rows[0][0])


def _text(path: Path) -> str:
    return str(path).replace("'", "''")
