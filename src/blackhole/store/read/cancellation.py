"""Tells a query, wherever it runs, whether somebody still waits for its answer."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Event, Semaphore

from blackhole.errors import QueryError

# How often a query that waits for a place looks whether it was cancelled.
_LOOK_EVERY_S = 0.05

_GONE: ContextVar[Event | None] = ContextVar("gone", default=None)


@contextmanager
def asked_by(gone: Event) -> Iterator[None]:
    """Queries of the block are cancelled when `gone` is set. The block runs in one thread."""
    token = _GONE.set(gone)
    try:
        yield
    finally:
        _GONE.reset(token)


def asker() -> Event | None:
    """The event that is set when the client has gone; None outside a request."""
    return _GONE.get()


def check_asker() -> None:
    """Raises QueryError when the client has gone."""
    gone = _GONE.get()
    if gone is not None and gone.is_set():
        raise nobody_waits()


def take_place(places: Semaphore, seconds: float) -> bool:
    """Waits for one of `places`; False after `seconds`. Raises QueryError when the client has gone."""
    until = time.monotonic() + seconds
    while not places.acquire(timeout=_LOOK_EVERY_S):
        check_asker()
        if time.monotonic() >= until:
            return False
    return True


def nobody_waits() -> QueryError:
    return QueryError("who asked has gone: nobody waits for the answer")
