"""Turns what DuckDB says about a file into what is wrong with it, and what to do."""

import re
from pathlib import Path

import duckdb

from blackhole.errors import StoreError
from blackhole.store.file import files
from blackhole.store.read.reader import one_line

# The first bytes of every DuckDB log. DuckDB silently ignores a log that begins otherwise.
_WAL_START = b"\x64\x00\x62"
_DAMAGE = (
    "corrupt",
    "checksum",
    "could not read enough bytes",
    "failure while replaying wal",
    "serialization error",
    "failed to deserialize",
)
# Causes that are transient or external. They never count as damage, whatever else the message says.
_NO_DAMAGE = (
    "newer version",
    "out of memory",
    "no space left",
    "permission denied",
    "could not write",
    "failed to write",
    "conflicting lock",
)
# The log belongs to another state of the file, as when a backup was put beside a later log.
_OTHER_LOG = "wal checkpoint iteration does not match"
_FOREIGN = "not a valid duckdb database"


class DamagedError(StoreError):
    """The file is broken. `parts`: suffixes of the files to set aside, which may be the log alone."""

    def __init__(self, path: Path, error: duckdb.Error) -> None:
        only_log = "replaying wal" in str(error).lower()
        self.parts = (files.WAL,) if only_log else ("", files.WAL)
        broken = files.beside(path, files.WAL) if only_log else path
        super().__init__(
            f"{broken}: is damaged ({one_line(error)}): `blackhole serve` sets it aside and begins anew,"
            " or put a backup in its place"
        )


def refusal(path: Path, error: duckdb.Error) -> StoreError:
    """Why a file cannot be opened, and what to do."""
    if is_damage(path, error):
        return DamagedError(path, error)
    text = str(error)
    if path.is_dir():
        return StoreError(f"{path}: a directory, not a database: name another file with database_path")
    if "lock" in text.lower() and "conflicting" in text.lower():
        holder = re.search(r"PID (\d+)", text)
        who = f"process {holder[1]}" if holder else "another process"
        return StoreError(
            f"{path}: {who} is using it, probably a running service: stop it, or ask it with --url"
        )
    if _OTHER_LOG in text.lower():
        return StoreError(
            f"{files.beside(path, files.WAL)}: is the log of another state of the database than {path.name},"
            " which may be a backup: move it away, or put the database that it belongs to back"
        )
    if "not a valid DuckDB database" in text:
        return StoreError(f"{path}: not a database of Blackhole: name another file with database_path")
    return StoreError(f"{path}: cannot be opened: {one_line(error)}: choose a writable --data-dir")


def is_damage(database: Path, error: duckdb.Error) -> bool:
    """Whether DuckDB says that a file is broken: not missing, locked, unreadable, foreign or newer.

    A file that is no database at all was one of ours if there is a key beside it.
    """
    text = str(error).lower()
    if _FOREIGN in text:
        return files.beside(database, ".key").exists()
    return any(words in text for words in _DAMAGE) and not any(words in text for words in _NO_DAMAGE)


def is_damaged_log(database: Path) -> bool:
    """Whether the write-ahead log begins wrongly, so that DuckDB would ignore all of it."""
    try:
        with files.beside(database, files.WAL).open("rb") as log:
            start = log.read(len(_WAL_START))
    except OSError:
        return False
    return bool(start) and not _WAL_START.startswith(start) and start != _WAL_START


def is_orphaned_log(database: Path) -> bool:
    """Whether there is a log without its database: DuckDB would begin a new file and delete the log."""
    return not database.exists() and files.size(files.beside(database, files.WAL)) > 0
