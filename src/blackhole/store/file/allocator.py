"""Turns memory that DuckDB has freed into memory of the system: its allocator keeps some of each thread's."""

import contextlib
import ctypes

import _duckdb

_ALL_ARENAS = b"arena.4096.purge"


def give_memory_back() -> bool:
    """Returns whether this DuckDB has the allocator that was expected (jemalloc); else nothing was done."""
    with contextlib.suppress(OSError, AttributeError):
        control = ctypes.CDLL(_duckdb.__file__).duckdb_je_mallctl
        return int(control(_ALL_ARENAS, None, None, None, ctypes.c_size_t(0))) == 0
    return False
