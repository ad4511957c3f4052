"""Copies the blocks that a checkpoint overwrites, and puts them back after one that was killed.

DuckDB writes data to free blocks. Its metadata goes into free parts of blocks that are in use. A process that
is killed in such a write leaves half of it, and then the file cannot be opened.
"""

import fcntl
import hashlib
import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import duckdb

from blackhole.store.file import files

SUFFIX = ".blocks"
# DuckDB's file: two headers (checksum, iteration, two pointers, number of blocks, their size), then blocks.
_HEADERS = (4096, 8192)
_HEADER = struct.Struct("<QQQQQQ")
_FIRST_BLOCK = 12_288
# Which file, iteration, size of a block, how many blocks.
_KEPT = struct.Struct("<QQQQ")
_DIGEST = 32
_NUMBERS = "SELECT DISTINCT block_id FROM pragma_metadata_info() WHERE block_id >= 0 ORDER BY 1"


class UndoFile:
    """The undo file of one open database.

    Its descriptor stays open as long as the database, because closing it would release DuckDB's lock.
    """

    def __init__(self, path: Path) -> None:
        self._copy = files.beside(path, SUFFIX)
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    @contextmanager
    def kept(self, connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
        """Keeps copies while the block makes a checkpoint. They stay if it fails."""
        numbers = [int(row[0]) for row in connection.execute(_NUMBERS).fetchall()]
        _write(self._copy, _packed(self._descriptor, numbers))
        yield
        self._copy.unlink(missing_ok=True)

    def close(self) -> None:
        """Call it after the database is closed."""
        os.close(self._descriptor)


def checkpoint(connection: duckdb.DuckDBPyConnection, spare: UndoFile | None) -> None:
    """Makes a checkpoint that can be undone if `spare` is given. Raises duckdb.Error, OSError."""
    with nullcontext() if spare is None else spare.kept(connection):
        connection.execute("CHECKPOINT")


def restore(path: Path) -> bool:
    """Undoes a checkpoint that was cut off, and returns whether there was one. Call it before opening."""
    copy = files.beside(path, SUFFIX)
    if not copy.exists() or not path.is_file():
        return False
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False  # a running service's, which is at it
        undone = _put_back(descriptor, copy.read_bytes())
        copy.unlink()
        return undone
    finally:
        os.close(descriptor)


def _packed(descriptor: int, numbers: Sequence[int]) -> bytes:
    which, iteration, size = _state(descriptor)
    parts = [
        _KEPT.pack(which, iteration, size, len(numbers)),
        *(number.to_bytes(8, "little") for number in numbers),
    ]
    # A block beyond the end of the file has no older content.
    parts += [
        os.pread(descriptor, size, _FIRST_BLOCK + number * size).ljust(size, b"\0") for number in numbers
    ]
    content = b"".join(parts)
    return hashlib.sha256(content).digest() + content


def _put_back(descriptor: int, packed: bytes) -> bool:
    digest, content = packed[:_DIGEST], packed[_DIGEST:]
    if hashlib.sha256(content).digest() != digest:
        return False  # killed before the checkpoint began
    which, iteration, size, count = _KEPT.unpack_from(content)
    if _state(descriptor) != (which, iteration, size):
        return False  # it has come to its end, or is another file
    numbers = [int.from_bytes(content[_KEPT.size + 8 * n :][:8], "little") for n in range(count)]
    blocks = _KEPT.size + 8 * count
    for nth, number in enumerate(numbers):
        block = content[blocks + nth * size :][:size]
        if any(block):
            os.pwrite(descriptor, block, _FIRST_BLOCK + number * size)
    os.fsync(descriptor)
    return True


def _state(descriptor: int) -> tuple[int, int, int]:
    """Identifies the file, its last complete checkpoint, and the size of a block."""
    headers = [_HEADER.unpack(os.pread(descriptor, _HEADER.size, place)) for place in _HEADERS]
    _, iteration, _, _, _, size = max(headers, key=lambda header: header[1])
    return os.fstat(descriptor).st_ino, iteration, size


def _write(path: Path, content: bytes) -> None:
    with suppress(FileNotFoundError):
        path.unlink()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
