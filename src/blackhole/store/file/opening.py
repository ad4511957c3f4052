"""Turns the path of a database into a connection to it, or into the reason why there is none."""

import logging
from pathlib import Path
from typing import Any

import duckdb

from blackhole.errors import StoreError
from blackhole.store.file import checkpoint_undo as spare
from blackhole.store.file import damage as trouble
from blackhole.store.file import files, rewrite
from blackhole.store.file.damage import DamagedError
from blackhole.store.tables import TABLES

# DuckDB's automatic checkpoints come at any COMMIT. This is out of reach, so only ours are made, unless they
# are late.
_OWN_CHECKPOINT = "1GiB"
BLOCK_BYTES = 65_536
MAX_TEMPORARY = "256MiB"

_THERE = "SELECT table_name FROM duckdb_tables()"

log = logging.getLogger(__name__)


def make_directory(path: Path) -> None:
    """Makes the directory of the file. Raises StoreError."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{path.parent}: {error.strerror}: choose a writable --data-dir") from None


def connect(path: Path, *, memory_limit: int, read_only: bool) -> duckdb.DuckDBPyConnection:
    """Raises StoreError: unwritable, damaged, foreign, or in use."""
    if trouble.is_damaged_log(path):
        raise DamagedError(path, duckdb.Error("Failure while replaying WAL: it does not begin as one"))
    if trouble.is_orphaned_log(path):
        raise DamagedError(path, duckdb.Error("Failure while replaying WAL: its database is gone"))
    if not read_only and spare.restore(path):
        log.warning("%s: a checkpoint was cut off: it is undone, the log has what it moved", path)
    try:
        connection = duckdb.connect(str(path), read_only=read_only, config=_settings(path, memory_limit))
    except duckdb.Error as error:
        raise trouble.refusal(path, error) from None
    connection.execute("SET GLOBAL TimeZone = 'UTC'")
    # `Database.close` makes it. When the file is opened anew there must be none.
    connection.execute("PRAGMA disable_checkpoint_on_shutdown")
    connection.execute("SET allowed_configs = ['operator_memory_limit']")
    connection.execute("SET lock_configuration = true")
    return connection


def read_needed(connection: duckdb.DuckDBPyConnection) -> None:
    """Reads the tables that a start needs, so that damage shows now. Raises duckdb.Error."""
    there = {name for (name,) in connection.execute(_THERE).fetchall()}
    for table in (one.name for one in TABLES if one.needed and one.name in there):
        connection.execute(rewrite.READ_ALL.format(table=table)).fetchall()


def forget_streams(connection: duckdb.DuckDBPyConnection, path: Path, now_ns: int) -> None:
    """Forgets all streams: without the key none is recognised, so what runs on must begin with a baseline."""
    if connection.execute("SELECT count(*) FROM streams").fetchall() == [(0,)]:
        return
    log.warning("%s: the key file is gone: every cumulative series begins anew", path)
    connection.execute("BEGIN")
    connection.execute("UPDATE streams SET key = ''::BLOB")
    connection.execute("UPDATE schema_version SET created_ns = ?", [now_ns])
    connection.execute("COMMIT")


def _settings(path: Path, memory_limit: int) -> dict[str, Any]:
    return {
        "memory_limit": f"{memory_limit}B",
        # Queries and commits run on their callers' threads. DuckDB's own pool would only cost memory and CPU.
        "threads": 1,
        # Small blocks waste less: the last block of every column is partly empty.
        "default_block_size": BLOCK_BYTES,
        "temp_directory": str(files.beside(path, files.TEMPORARY)),
        "max_temp_directory_size": MAX_TEMPORARY,
        "checkpoint_threshold": _OWN_CHECKPOINT,
        # Commits wait for checkpoints, so checkpoints do not merge row groups: where rows are lists that
        # takes seconds. `seal.Sealer` and compaction do it beside commits.
        "max_vacuum_tasks": 0,
        "python_enable_replacements": False,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "allow_community_extensions": False,
    }
