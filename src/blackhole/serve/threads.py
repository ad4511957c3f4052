"""Lets blocking calls run beside the event loop, a few at a time; more than that are asked to come again."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

import anyio
import anyio.to_thread

from blackhole.errors import OverloadedError

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

    async def call(self, function: Callable[[], T]) -> T:
        """Runs `function` in a thread. Raises OverloadedError at once when the line is full."""
        if self._taken >= self._places:
            raise OverloadedError("too many questions at once: ask again in a second", retry_after=1)
        self._taken += 1
        try:
            return await anyio.to_thread.run_sync(self._run, function, limiter=self._limiter)
        finally:
            self._taken -= 1

    def _run(self, function: Callable[[], T]) -> T:
        with self._around():
            return function()
