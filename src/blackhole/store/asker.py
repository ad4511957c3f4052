"""Tells a question, wherever it is, whether somebody still waits for its answer."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Event

from blackhole.errors import QueryError

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


def nobody_waits() -> QueryError:
    return QueryError("who asked has gone: nobody waits for the answer")
