"""Gives memory that DuckDB has freed back to the system: its allocator keeps some for each thread."""

import contextlib
import ctypes

import _duckdb

_ALL_ARENAS = b"arena.4096.purge"


def give_memory_back() -> bool:
    """Purges DuckDB's allocator. Returns False if this DuckDB has another one than jemalloc."""
    with contextlib.suppress(OSError, AttributeError):
        control = ctypes.CDLL(_duckdb.__file__).duckdb_je_mallctl
        return int(control(_ALL_ARENAS, None, None, None, ctypes.c_size_t(0))) == 0
    return False
