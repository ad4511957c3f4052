"""Forgets what is stored while the service runs: settles what is under way, then rewrites the file."""

import asyncio
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from blackhole.errors import OverloadedError
from blackhole.model.erasure import Forget, Forgotten
from blackhole.pipeline import Pipeline
from blackhole.query.run import QueryService
from blackhole.store.database import Database
from blackhole.store.upkeep import erase


@dataclass(slots=True)
class Forgetting:
    """Forgets on the event loop, one request at a time. What threads do inside `free()` is not charged."""

    database: Database
    pipeline: Pipeline
    runner: QueryService
    free: Callable[[], AbstractContextManager[None]]
    clock_ns: Callable[[], int] = time.time_ns
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def forget(self, what: Forget) -> Forgotten:
        """Erases and proves it. Raises UsageError, StoreError, OverloadedError.

        What arrives after the series were found belongs to new series, and stays.
        """
        erase.check(what)
        if what.dry_run:
            return await asyncio.to_thread(self._count, what)
        async with self._turn:
            await _done(self.pipeline.settle(close_window=bool(what.where)))
            target = await asyncio.to_thread(erase.find, self.database, what)
            now = self.clock_ns()
            await _done(self.pipeline.erase(target.series, what.names, created_ns=now))
            answer = await asyncio.to_thread(self._erase, target, now)
            self.runner.forget(what.names)
            return answer

    def _count(self, what: Forget) -> Forgotten:
        with self.free():
            return erase.count(self.database, erase.find(self.database, what))

    def _erase(self, target: erase.ErasurePlan, now: int) -> Forgotten:
        with self.free():
            return erase.erase(self.database, target, created_ns=now)


async def _done(futures: Iterable[Future[None]]) -> None:
    for future in futures:
        try:
            await asyncio.wrap_future(future)
        except OverloadedError as error:
            words = "nothing was erased: what came before is not written: make room on the disk"
            raise OverloadedError(words, retry_after=error.retry_after) from None
