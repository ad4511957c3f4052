"""Turns an empty, older or current database file into one of the current schema, or refuses it."""

import shutil
from pathlib import Path

import duckdb

from blackhole.errors import StoreError

SCHEMA = Path(__file__).parents[1] / "schema"


def steps(schema: Path) -> list[Path]:
    """The schema files in order; the number of a file is the version it leads to."""
    return sorted(schema.glob("[0-9]*.sql"))


def version_of(connection: duckdb.DuckDBPyConnection, path: Path, schema: Path) -> int:
    """The schema version of the file, 0 when empty. Raises StoreError for foreign and newer files."""
    tables = {name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    if not tables:
        return 0
    if "schema_version" not in tables:
        raise StoreError(f"{path}: a DuckDB file of something else: name another file with database_path")
    rows = connection.execute("SELECT coalesce(max(version), 0) FROM schema_version").fetchall()
    version = int(rows[0][0])
    if version > len(steps(schema)):
        known = f"schema {version}, this one knows {len(steps(schema))}"
        raise StoreError(f"{path}: written by a newer Blackhole ({known}): upgrade Blackhole")
    return version


def back_up(path: Path, version: int) -> Path:
    """Copies the closed file and its write-ahead log beside it. Returns the copy's path."""
    copy = path.with_name(f"{path.name}.schema-{version}.bak")
    try:
        shutil.copy2(path, copy)
        log = path.with_name(path.name + ".wal")
        if log.exists():
            shutil.copy2(log, copy.with_name(copy.name + ".wal"))
    except OSError as error:
        raise StoreError(
            f"{copy}: no copy before migrating: {error.strerror}: make room or move it"
        ) from None
    return copy


def migrate(connection: duckdb.DuckDBPyConnection, version: int, schema: Path, now_ns: int) -> None:
    """Applies the steps above `version` in one transaction."""
    connection.execute("BEGIN")
    try:
        if version == 0:
            connection.execute(
                "CREATE TABLE schema_version (version INTEGER NOT NULL, created_ns BIGINT NOT NULL)"
            )
        for number, step in enumerate(steps(schema)[version:], start=version + 1):
            connection.execute(step.read_text())
            connection.execute("INSERT INTO schema_version VALUES (?, ?)", [number, now_ns])
        connection.execute("COMMIT")
    except duckdb.Error:
        connection.execute("ROLLBACK")
        raise
