"""Turns work beside commits into turns, one at a time, which end when the file is to be closed."""

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
    """Whoever seals, deletes or copies has the turn. `commit_lock`: of those who commit.

    Who holds that lock may wait for the turn (`ended`): who has the turn takes it by `commits` only.
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
        """For who holds the lock of commits: does it when nobody does anything beside."""
        if self._turn.acquire(blocking=False):
            try:
                action()
            finally:
                self._turn.release()

    @contextmanager
    def running(self, connection: Interruptible) -> Iterator[None]:
        """With the turn: `connection` is interrupted when the file is to be closed."""
        before, self._running = self._running, connection
        try:
            yield
        finally:
            self._running = before

    @contextmanager
    def commits(self) -> Iterator[None]:
        """With the turn: nobody else commits. Raises StoreError when the file is to be closed."""
        while not self._commit_lock.acquire(timeout=_LOOK_S):
            self.give_way()
        try:
            yield
        finally:
            self._commit_lock.release()

    @contextmanager
    def ended(self, timeout: float) -> Iterator[None]:
        """Nobody does anything beside commits, and what was being done is given up. Raises StoreError."""
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
        """For who has the turn and waits for something. Raises GivenUpError when the file is to be closed."""
        if self._ending.is_set():
            raise PreemptedError("given up, since the file is closed or opened anew: it is tried again")
