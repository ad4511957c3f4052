"""Tells a question, wherever it is, whether somebody still waits for its answer."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Event, Semaphore

from blackhole.errors import QueryError

# So often a question that waits for a place looks whether somebody waits for it.
_LOOK_EVERY_S = 0.05

_GONE: ContextVar[Event | None] = ContextVar("gone", default=None)


@contextmanager
def asked_by(gone: Event) -> Iterator[None]:
    """Questions of the block, which is one thread's, end when `gone` is set."""
    token = _GONE.set(gone)
    try:
        yield
    finally:
        _GONE.reset(token)


def asker() -> Event | None:
    """What is set when who asked has gone; None where that cannot be known."""
    return _GONE.get()


def check_asker() -> None:
    """Raises QueryError when who asked has gone."""
    gone = _GONE.get()
    if gone is not None and gone.is_set():
        raise nobody_waits()


def take_place(places: Semaphore, seconds: float) -> bool:
    """Waits for one of `places`, for as long as who asked waits too. Raises QueryError."""
    until = time.monotonic() + seconds
    while not places.acquire(timeout=_LOOK_EVERY_S):
        check_asker()
        if time.monotonic() >= until:
            return False
    return True


def nobody_waits() -> QueryError:
    return QueryError("who asked has gone: nobody waits for the answer")
