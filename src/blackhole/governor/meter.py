"""Turns the CPU time of the process into what collecting is charged with: people's questions are not."""

import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from starlette.types import Receive, Scope, Send

T = TypeVar("T")

_Application = Callable[[Scope, Receive, Send], Coroutine[Any, Any, None]]


class Meter:
    """`charged` is the CPU seconds of all threads, without what ran inside `free`."""

    def __init__(
        self,
        process_clock: Callable[[], float] = time.process_time,
        thread_clock: Callable[[int], Callable[[], float]] | None = None,
    ) -> None:
        self._process_clock = process_clock
        self._thread_clock = thread_clock or _clock_of
        self._lock = threading.Lock()
        self._running: dict[int, tuple[Callable[[], float], float]] = {}
        self._free = 0.0

    def charged(self) -> float:
        """Counts questions that still run as free already: a long one must not slow the senders meanwhile."""
        with self._lock:
            running = sum(clock() - began for clock, began in self._running.values())
            return self._process_clock() - self._free - running

    def free(self) -> AbstractContextManager[None]:
        """What this thread does inside is not charged. Nested ones count once."""
        return _Free(self)

    def enter(self, thread: int) -> bool:
        if thread in self._running:
            return False
        clock = self._thread_clock(thread)
        with self._lock:
            self._running[thread] = (clock, clock())
        return True

    def leave(self, thread: int) -> None:
        with self._lock:
            clock, began = self._running.pop(thread)
            self._free += clock() - began


class _Free:
    __slots__ = ("_entered", "_meter", "_thread")

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._thread = 0
        self._entered = False

    def __enter__(self) -> None:
        self._thread = threading.get_ident()
        self._entered = self._meter.enter(self._thread)

    def __exit__(self, *_: object) -> None:
        if self._entered:
            self._meter.leave(self._thread)


def _clock_of(thread: int) -> Callable[[], float]:
    """The CPU clock of a thread that lives, readable from any other."""
    clock = time.pthread_getcpuclockid(thread)
    return lambda: time.clock_gettime(clock)


class Stepwise(Awaitable[T]):
    """Awaits a coroutine with each of its steps inside `around()`, and nothing of what runs between them."""

    def __init__(
        self, coroutine: Coroutine[Any, Any, T], around: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self._coroutine = coroutine
        self._around = around

    def __await__(self) -> Generator[Any, Any, T]:
        coroutine, around = self._coroutine, self._around
        step = _sender(coroutine, None)
        while True:
            try:
                with around():
                    waiting = step()
            except StopIteration as done:
                result: T = done.value
                return result
            try:
                sent = yield waiting
            except GeneratorExit:
                coroutine.close()
                raise
            except BaseException as error:  # noqa: BLE001  (cancellation too is the coroutine's to handle)
                step = _thrower(coroutine, error)
            else:
                step = _sender(coroutine, sent)


def _thrower(coroutine: Coroutine[Any, Any, Any], error: BaseException) -> Callable[[], Any]:
    return lambda: coroutine.throw(error)


def _sender(coroutine: Coroutine[Any, Any, Any], value: object) -> Callable[[], Any]:
    return lambda: coroutine.send(value)


def free_app(app: _Application, free: Callable[[], AbstractContextManager[None]]) -> _Application:
    """An ASGI application whose work in the event loop is not charged."""

    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        await Stepwise(app(scope, receive, send), free)

    return served
