"""Sets up the service's own process: event loop, private memory, the run file."""

import asyncio
import contextlib
import ctypes
import functools
import json
import logging
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NoReturn

_PR_SET_DUMPABLE = 4
_M_ARENA_MAX = -8
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_MADV_DONTNEED = 4
_LARGE_LIBRARIES = ("_duckdb.",)
_ARENAS = 2
_TRIM_BYTES = 32 * 2**20
# Smaller blocks are cut from memory that is already mapped: mapping each anew costs page faults.
_MAPPED_BYTES = 8 * 2**20


def uptime() -> float:
    """Seconds since the machine started, sleep included. Nobody sets this clock."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def keep_memory_private() -> None:
    """Prevents core dumps and reading by other processes of this user: the open window is exact in memory."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def keep_files_private() -> None:
    """Lets only this user read new files, DuckDB's log and temporary files included."""
    os.umask(0o077)


def keep_memory_small() -> None:
    """Uses few malloc arenas and returns freed memory to the system: requests come in megabytes."""
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_ARENA_MAX, _ARENAS)
        libc.mallopt(_M_TRIM_THRESHOLD, _TRIM_BYTES)
        libc.mallopt(_M_MMAP_THRESHOLD, _MAPPED_BYTES)


def give_memory_back() -> None:
    """Returns freed memory to the system, and pages of code that large libraries ran once, at the start.

    Code that is still needed comes back page by page from the file system's cache, in microseconds.
    """
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.malloc_trim(0)
        for address, length in _code(_LARGE_LIBRARIES):
            libc.madvise(ctypes.c_void_p(address), ctypes.c_size_t(length), _MADV_DONTNEED)


@functools.cache
def _code(libraries: tuple[str, ...]) -> list[tuple[int, int]]:
    """Address and size of read-only code of these libraries, which Python never unloads."""
    found = []
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, mode, *_, path = line.split(maxsplit=5)
        if mode == "r-xp" and Path(path).name.startswith(libraries):
            begin, end = (int(address, 16) for address in span.split("-"))
            found.append((begin, end - begin))
    return found


def leave(code: int) -> NoReturn:
    """Ends the process after an orderly stop, without tearing the interpreter down.

    DuckDB's bindings would report every object that is left then, and nothing is left to be saved.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def event_loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """A factory of uvloop if it is installed: it saves a fifth of the CPU of small requests."""
    try:
        import uvloop  # noqa: PLC0415
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def run_file(data_dir: Path) -> Path:
    """The file in which a running service says how it is reached."""
    return data_dir / "blackhole.run"


@contextlib.contextmanager
def announced(path: Path, addresses: Mapping[str, object]) -> Iterator[None]:
    """Writes the run file (mode 0600) and prints the ready line. The file is removed at the end."""
    line = json.dumps(addresses, separators=(",", ":"))
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_suffix(".run.new")
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:  # noqa: PTH123
        file.write(line)
    temporary.replace(path)
    sys.stdout.write(f"ready {line}\n")
    sys.stdout.flush()
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
