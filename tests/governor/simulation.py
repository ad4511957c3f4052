"""An event loop whose time passes only when everybody waits, and senders and a service that live in it."""

import asyncio
import random
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from blackhole.errors import OverloadedError
from blackhole.governor.pace import CpuTokenBucket

T = TypeVar("T")


class SimulatedLoop(asyncio.SelectorEventLoop):
    """Jumps to the next timer instead of waiting for it."""

    now = 0.0

    def time(self) -> float:
        return self.now

    def _run_once(self) -> None:
        timers: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]
        if not self._ready and timers:  # type: ignore[attr-defined]
            self.now = max(self.now, timers[0].when())
        super()._run_once()  # type: ignore[misc]


def run(simulation: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        return runner.run(simulation)


def now() -> float:
    return asyncio.get_running_loop().time()


@dataclass
class Service:
    """Spends `cost` CPU seconds a request, and `refusal` for each that it sends away."""

    cost: float
    refusal: float = 0.0003
    spent: float = 0.0
    taken: dict[int, int] = field(default_factory=dict)
    refused: int = 0

    async def receive(self, pace: CpuTokenBucket, sender: int) -> None:
        try:
            await pace.admit()
        except OverloadedError:
            self.spent += self.refusal
            self.refused += 1
            raise
        try:
            await asyncio.sleep(0.02)
            self.spent += self.cost
            self.taken[sender] = self.taken.get(sender, 0) + 1
        finally:
            pace.leave()


async def listening_sender(
    service: Service, pace: CpuTokenBucket, number: int, period: float, until: float
) -> None:
    """Sends every `period`; when refused it comes again when it was asked to."""
    await asyncio.sleep(period * random.Random(number).random())
    while now() < until:
        began = now()
        try:
            await service.receive(pace, number)
        except OverloadedError as error:
            await asyncio.sleep(error.retry_after)
        else:
            await asyncio.sleep(max(0.0, began + period - now()))


def pace_of(service: Service, share: float, seed: int = 1) -> CpuTokenBucket:
    chance = random.Random(seed).random
    return CpuTokenBucket(share, lambda: service.spent, clock=asyncio.get_running_loop().time, chance=chance)
