"""Keeps what is known of the wall clock beside the database, so that a doubt survives a restart."""

import logging
from pathlib import Path

import msgspec

from blackhole.errors import StoreError
from blackhole.runtime.clock import Memory, Why
from blackhole.store.database import Database
from blackhole.store.file import files
from blackhole.store.file.key import write_durably

CLOCK = ".clock"

_NEWEST = """
SELECT epoch_ns(max(time)) FROM (
    SELECT max(time) AS time FROM recent_points UNION ALL SELECT max(time) FROM recent_histogram_points
    UNION ALL SELECT max(last) FROM chunks UNION ALL SELECT max(last) FROM histogram_chunks)
"""

log = logging.getLogger(__name__)


def newest_ns(database: Database) -> int | None:
    """The time of the newest point that is stored; None without one. Raises QueryError."""
    with database.reader() as reader:
        newest = reader.rows(_NEWEST).rows[0][0]
    return None if newest is None else int(newest)


def memory_path(database: Path) -> Path:
    return files.beside(database, CLOCK)


def read_memory(database: Path) -> Memory | None:
    """Reads the file; None if there is none. One that cannot be read counts as a doubt."""
    path = memory_path(database)
    try:
        return msgspec.json.decode(path.read_bytes(), type=Memory)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        log.warning("%s: cannot be read (%s): the clock is doubted", path, type(error).__name__)
        return Memory(Why.UNKNOWN)


def keep_memory(database: Path, memory: Memory) -> None:
    """Writes the file. A failure is logged, and this run goes on with what it knows."""
    try:
        write_durably(memory_path(database), msgspec.json.encode(memory))
    except StoreError as error:
        log.warning("%s", error)
