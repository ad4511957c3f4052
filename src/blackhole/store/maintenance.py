"""Runs maintenance one task at a time beside commits, and ends it when the file is to be closed."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

import duckdb

from blackhole.errors import PreemptedError, StoreError

_LOOK_S = 0.02


class Interruptible(Protocol):
    def interrupt(self) -> None: ...


class MaintenanceLock:
    """Held by whoever seals, deletes or copies.

    `commit_lock` is the lock of those who commit. Lock order: who holds the commit lock may wait for this one
    (`ended`). So a maintenance task must take the commit lock through `commits`, which gives up when the file
    is to be closed.
    """

    def __init__(self, commit_lock: threading.RLock) -> None:
        self._commit_lock = commit_lock
        self._turn = threading.RLock()
        self._ending = threading.Event()
        self._running: Interruptible | None = None

    @contextmanager
    def turn(self) -> Iterator[None]:
        with self._turn:
            self.give_way()
            yield

    def if_free(self, action: Callable[[], None]) -> None:
        """Called with the commit lock held. Runs the action only if no maintenance is under way."""
        if self._turn.acquire(blocking=False):
            try:
                action()
            finally:
                self._turn.release()

    @contextmanager
    def running(self, connection: Interruptible) -> Iterator[None]:
        """Called with this lock held. `connection` is interrupted when the file is to be closed."""
        before, self._running = self._running, connection
        try:
            yield
        finally:
            self._running = before

    @contextmanager
    def commits(self) -> Iterator[None]:
        """Called with this lock held. Takes the commit lock.

        Raises PreemptedError when the file is to be closed.
        """
        while not self._commit_lock.acquire(timeout=_LOOK_S):
            self.give_way()
        try:
            yield
        finally:
            self._commit_lock.release()

    @contextmanager
    def ended(self, timeout: float) -> Iterator[None]:
        """Preempts maintenance and keeps others from starting it. Raises StoreError when it does not end."""
        until = time.monotonic() + timeout
        self._ending.set()
        try:
            while not self._turn.acquire(timeout=_LOOK_S):
                if time.monotonic() > until:
                    raise StoreError("what is done beside commits does not end: try again")
                running = self._running
                if running is not None:
                    with suppress(duckdb.Error):  # closed by now
                        running.interrupt()
        finally:
            self._ending.clear()
        try:
            yield
        finally:
            self._turn.release()

    def give_way(self) -> None:
        """Called while a maintenance task waits. Raises PreemptedError when the file is to be closed."""
        if self._ending.is_set():
            raise PreemptedError("given up, since the file is closed or opened anew: it is tried again")
