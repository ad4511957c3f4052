"""Names the files beside the database, and renames or removes them."""

import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from blackhole.errors import StoreError

WAL = ".wal"
TEMPORARY = ".tmp"
FRESH = ".rewriting"
DAMAGED = ".damaged-"


def beside(database: Path, suffix: str) -> Path:
    return database.with_name(database.name + suffix)


def copies(database: Path) -> list[Path]:
    """Copies that migrations and damage have left: they still hold old data."""
    return sorted({path for path in (*migrated(database), *set_aside(database)) if path.is_file()})


def migrated(database: Path) -> list[Path]:
    """Copies of the database from before migrations."""
    return sorted(database.parent.glob(f"{_literal(database.name)}.schema-*.bak*"))


def set_aside(database: Path) -> list[Path]:
    """Damaged files that were set aside, oldest first."""
    return sorted(database.parent.glob(f"{_literal(database.name)}{DAMAGED}*"))


def leftovers(database: Path) -> list[Path]:
    """What a rewriting that was cut off has left."""
    fresh = beside(database, FRESH)
    return [path for path in (fresh, beside(fresh, WAL)) if path.exists()]


@contextmanager
def fresh(database: Path) -> Iterator[Path]:
    """A path for a new file. Whatever is there afterwards is removed. Raises StoreError."""
    remove(leftovers(database))
    try:
        yield beside(database, FRESH)
    finally:
        remove(leftovers(database))


def size(path: Path) -> int:
    """Bytes, 0 without such a file."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def remove(paths: Iterable[Path]) -> None:
    """Removes files that exist. Raises StoreError."""
    for path in paths:
        try:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"{path}: cannot be removed: {error.strerror}: remove it by hand") from None


def put_aside(database: Path, suffixes: Iterable[str]) -> list[Path]:
    """Renames the database (suffix "") or its log, so that nothing writes to it. Returns the new paths."""
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    moved = []
    for suffix in suffixes:
        path = beside(database, suffix)
        if not path.exists():
            continue
        aside = _unused(beside(database, f"{DAMAGED}{stamp}"), suffix)
        try:
            path.rename(aside)
        except OSError as error:
            raise StoreError(
                f"{path}: is damaged and cannot be set aside: {error.strerror}: move it by hand"
            ) from None
        moved.append(aside)
    return moved


def _unused(aside: Path, suffix: str) -> Path:
    number = 1
    found = beside(aside, suffix)
    while found.exists():
        number += 1
        found = beside(aside, f"-{number}{suffix}")
    return found


def sync(path: Path) -> None:
    """Returns when a file or directory is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _literal(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)
