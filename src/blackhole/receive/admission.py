"""Turns away what would not fit: bounds the requests, and the bytes of their bodies, in flight at once."""

import asyncio
from collections import deque

from blackhole.config import OtlpConfig
from blackhole.errors import OverloadedError
from blackhole.model.signals import Throttle

PATIENCE = 1.0
RETRY_AFTER = 1.0
WAITING_PER_PLACE = 4

_Waiter = tuple[asyncio.Future[None], int, int, int]


class Gate:
    """Places for `requests` bodies of `volume` bytes together; who finds it full waits `patience` seconds.

    One body alone always fits. Those inside that grow go before those outside: else each waits for the other.
    """

    def __init__(
        self, *, requests: int, volume: int, patience: float = PATIENCE, throttle: Throttle | None = None
    ) -> None:
        self._requests = requests
        self._volume = volume
        self._patience = patience
        self._throttle = throttle
        self._growing: deque[_Waiter] = deque()
        self._entering: deque[_Waiter] = deque()
        self.requests = 0
        self.volume = 0

    @classmethod
    def of(cls, otlp: OtlpConfig, throttle: Throttle | None = None) -> "Gate":
        """One of the largest bodies beside smaller ones: two would not fit a small node's memory."""
        volume = otlp.max_request_size * 3 // 2
        return cls(requests=otlp.max_concurrency, volume=volume, throttle=throttle)

    async def enter(self, volume: int) -> "Admission":
        """Raises OverloadedError when the throttle says so, or there is no room in time."""
        if self._throttle is not None:
            await self._throttle.admit()
        try:
            await self._acquire(self._entering, 1, volume, 0)
        except BaseException:
            self._end()
            raise
        return Admission(self, volume)

    def leave(self, volume: int) -> None:
        """The end of a request that entered and holds `volume`."""
        self.give_back(1, volume)
        self._end()

    async def grow(self, volume: int, own: int) -> None:
        """`own`: the bytes that this request has already."""
        await self._acquire(self._growing, 0, volume, own)

    def give_back(self, requests: int, volume: int) -> None:
        self.requests -= requests
        self.volume -= volume
        for queue in (self._growing, self._entering):
            while queue:
                future, more_requests, more_volume, own = queue[0]
                if not self._fits(more_requests, more_volume, own):
                    return
                queue.popleft()
                if not future.done():
                    self.requests += more_requests
                    self.volume += more_volume
                    future.set_result(None)

    def _end(self) -> None:
        if self._throttle is not None:
            self._throttle.leave()

    async def _acquire(self, queue: deque[_Waiter], requests: int, volume: int, own: int) -> None:
        if not self._growing and not self._entering and self._fits(requests, volume, own):
            self.requests += requests
            self.volume += volume
            return
        if len(queue) >= WAITING_PER_PLACE * self._requests:
            raise _overloaded()
        waiter = (asyncio.get_running_loop().create_future(), requests, volume, own)
        queue.append(waiter)
        try:
            async with asyncio.timeout(self._patience):
                await waiter[0]
        except TimeoutError:
            self._leave_queue(queue, waiter)
            raise _overloaded() from None
        except asyncio.CancelledError:
            self._leave_queue(queue, waiter)
            raise

    def _leave_queue(self, queue: deque[_Waiter], waiter: _Waiter) -> None:
        future, requests, volume, _ = waiter
        if future.done() and not future.cancelled():
            self.give_back(requests, volume)
            return
        if waiter in queue:
            queue.remove(waiter)
        self.give_back(0, 0)

    def _fits(self, requests: int, volume: int, own: int) -> bool:
        return self.requests + requests <= self._requests and (
            self.volume == own or self.volume + volume <= self._volume
        )


class Admission:
    """One request inside the gate."""

    __slots__ = ("_gate", "_volume")

    def __init__(self, gate: Gate, volume: int) -> None:
        self._gate: Gate | None = gate
        self._volume = volume

    async def grow(self, volume: int) -> None:
        """Makes room for `volume` more bytes. Raises OverloadedError when there is none in time."""
        if self._gate is not None:
            await self._gate.grow(volume, self._volume)
            self._volume += volume

    def settle(self, volume: int) -> None:
        """The body is `volume` bytes, now that it is known."""
        if self._gate is not None:
            self._volume, freed = volume, self._volume - volume
            self._gate.give_back(0, freed)

    def leave(self) -> None:
        gate, self._gate = self._gate, None
        if gate is not None:
            gate.leave(self._volume)


def _overloaded() -> OverloadedError:
    return OverloadedError("too many requests at once: send again later", retry_after=RETRY_AFTER)
