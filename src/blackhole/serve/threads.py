"""Lets blocking calls run beside the event loop, a few at a time; more than that are asked to come again."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

import anyio
import anyio.to_thread
from starlette.types import Receive

from blackhole.errors import OverloadedError
from blackhole.store.read.cancellation import asked_by, nobody_waits

T = TypeVar("T")


class Threads:
    """`running` calls at once, `waiting` more in line; each inside `around()`."""

    def __init__(
        self, running: int, waiting: int, around: Callable[[], AbstractContextManager[None]] = nullcontext
    ) -> None:
        self._around = around
        self._limiter = anyio.CapacityLimiter(running)
        self._places = running + waiting
        self._taken = 0

    async def call(self, function: Callable[[], T], receive: Receive | None = None) -> T:
        """Runs `function` in a thread. Raises OverloadedError at once when the line is full.

        `receive`: of the request, whose body has been read: when its client goes away, the call leaves the
        line, or the question that it runs is ended.
        """
        if self._taken >= self._places:
            raise OverloadedError("too many questions at once: ask again in a second", retry_after=1)
        self._taken += 1
        try:
            if receive is None:
                return await anyio.to_thread.run_sync(self._run, function, limiter=self._limiter)
            return await self._while_awaited(function, receive)
        finally:
            self._taken -= 1

    async def _while_awaited(self, function: Callable[[], T], receive: Receive) -> T:
        gone = threading.Event()
        answer: Future[T] = Future()

        def run() -> None:
            with asked_by(gone):
                try:
                    answer.set_result(self._run(function))
                except Exception as error:  # noqa: BLE001 - raised where the answer is taken
                    answer.set_exception(error)

        async with anyio.create_task_group() as both:
            both.start_soon(_set_when_gone, receive, gone, both.cancel_scope)
            await anyio.to_thread.run_sync(run, limiter=self._limiter)
            both.cancel_scope.cancel()
        if not answer.done():
            raise nobody_waits()
        return answer.result()

    def _run(self, function: Callable[[], T]) -> T:
        with self._around():
            return function()


async def _set_when_gone(receive: Receive, gone: threading.Event, line: anyio.CancelScope) -> None:
    """Also when the service ends: then nobody waits any more."""
    try:
        while (await receive())["type"] != "http.disconnect":
            pass
    finally:
        gone.set()
    line.cancel()
