"""Copies the database with its key and head file into an empty directory, also while the service runs."""

import os
import stat
import subprocess
import sys
from pathlib import Path

from blackhole.errors import StoreError, UsageError
from blackhole.model.erasure import BackupAnswer, BackupFile
from blackhole.store.database import Database
from blackhole.store.file import files
from blackhole.store.file import key as secret
from blackhole.store.write import ledger

_PATIENCE_S = 3600
# Closing a file releases all locks that its process has on it. So a child process makes the copy.
_COPY = """
import os, shutil, sys
source, copy = sys.argv[1:]
with open(source, "rb") as old, open(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as new:
    try:
        shutil.copyfileobj(old, new, 1 << 20)
        new.flush()
        os.fsync(new.fileno())
    except OSError as error:
        sys.exit(error.strerror)
"""


def back_up(database: Database, directory: Path) -> BackupAnswer:
    """Copies the state of one moment. Commits wait meanwhile. Raises StoreError, UsageError.

    `directory` is empty and belongs to the user of this process, because the key is copied, too.
    """
    check(directory)
    made: list[Path] = []
    try:
        with database.held_still():
            for source in _sources(database.path):
                copy = directory / source.name
                made.append(copy)
                _copy(source, copy)
        files.sync(directory)
        _prove(directory / database.path.name)
    except BaseException:
        files.remove(made)
        raise
    return BackupAnswer([BackupFile(str(copy), copy.stat().st_size) for copy in made])


def check(directory: Path) -> None:
    """Raises UsageError unless a backup may be written there."""
    if not directory.is_absolute() or "\0" in str(directory):
        raise UsageError(f"{str(directory)!r}: name the whole path of the directory")
    try:
        status = directory.stat()
        used = any(directory.iterdir())
    except OSError as error:
        raise UsageError(
            f"{directory}: {error.strerror}: make it on the machine of the service, as its user"
        ) from None
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise UsageError(f"{directory}: belongs to another user than the service: make it as that user")
    if used:
        raise UsageError(f"{directory}: is not empty, and a backup overwrites nothing: name a new directory")


def _sources(path: Path) -> list[Path]:
    candidates = (
        path,
        files.beside(path, files.WAL),
        secret.key_path(path),
        ledger.head_path(path),
    )
    return [source for source in candidates if source.exists()]


def _copy(source: Path, copy: Path) -> None:
    command = [sys.executable, "-I", "-S", "-c", _COPY, str(source), str(copy)]
    try:
        done = subprocess.run(  # noqa: S603  (our own interpreter and text)
            command, capture_output=True, text=True, check=False, timeout=_PATIENCE_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StoreError(f"{copy}: not copied: {error.__class__.__name__}: try again") from None
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
        raise StoreError(f"{copy}: not copied: {reason[0]}: make room, or name another directory")


def _prove(copy: Path) -> None:
    """Checks that the copy opens and that its ledger agrees with its head file."""
    opened = Database.open(copy, read_only=True)
    try:
        tail, head = opened.ledger_tail(), opened.head()
    finally:
        opened.close()
    last = tail[-1].sequence if tail else 0
    known = head.sequence if head is not None else 0
    pending = {row.sequence for row in head.pending} if head is not None else set()
    if last != known and (last > known or last + 1 not in pending):
        raise StoreError(f"{copy}: ledger and head do not belong together: see `blackhole privacy verify`")
