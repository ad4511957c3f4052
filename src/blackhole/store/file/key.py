"""Keeps the key of the raw-series hash in a file of its own, so that the database alone confirms no guess."""

import os
import secrets
from pathlib import Path

from blackhole.errors import StoreError
from blackhole.store.file import files

KEY_BYTES = 16


def key_path(database: Path) -> Path:
    return database.with_name(database.name + ".key")


def read_key(database: Path) -> bytes | None:
    """The key, or None when there is no such file. Raises StoreError when it is not a key."""
    path = key_path(database)
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror}: give it to the service's user") from None
    if len(key) != KEY_BYTES:
        raise StoreError(
            f"{path}: not a key of {KEY_BYTES} bytes: restore it, or remove it to begin new series"
        )
    return key


def create_key(database: Path) -> bytes:
    """Writes a new key. It survives a crash right afterwards."""
    key = secrets.token_bytes(KEY_BYTES)
    write_durably(key_path(database), key)
    return key


def write_durably(path: Path, content: bytes) -> None:
    """Replaces a file atomically, with mode 0600, and returns when it is on the disk. Raises StoreError."""
    partial = path.with_name(path.name + ".new")
    try:
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:  # noqa: PTH123
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        files.sync(path.parent)
    except OSError as error:
        raise StoreError(
            f"{path}: cannot be written: {error.strerror}: choose a writable data directory"
        ) from None
