"""Turns CPU seconds spent into a pace for senders: let in, let wait, or told when to come again."""

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable

from blackhole.errors import OverloadedError

BURST_S = 30.0
PATIENCE_S = 1.0
TOGETHER_S = 0.5
MOST_WAITING = 64
MOST_DEBT_S = 20.0
LEAST_EVERY_S = 0.1
LONGEST_RETRY_S = 30.0
SHORTEST_RETRY_S = 0.25
_FIRST_GUESS_S = 0.001
_WEIGHT = 0.1
_SOONEST_S = 0.002
AT_LIMIT = "the service is at max_cpu_usage: send again when asked to"

ClosedPace = Callable[[], str | None]


class CpuTokenBucket:
    """A bucket of CPU seconds: it fills with `share` a second and is charged with what was spent.

    Its size is `BURST_S` seconds' worth, so that a node's usual exports find it full and never wait. When it
    is empty requests wait in line for up to `PATIENCE_S`; who would wait longer is refused at once, before
    the body is read, with the time at which it is due. Those times follow one another at the pace that the
    bucket allows, so senders that heed them come one by one, and a refusal costs little.

    Half of the share is the senders' whatever was spent: a service that spends all of it on itself, on a
    machine that is slow for a while, would else hear nobody, and take all of them for dead.

    `spent`: CPU seconds charged so far.
    Used by one event loop.
    """

    def __init__(
        self,
        share: float,
        spent: Callable[[], float],
        *,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._share = share
        self._spent = spent
        self._closed: ClosedPace = lambda: None
        self._clock = clock
        self._chance = chance
        self._level = share * BURST_S
        self._at = clock()
        self._counted = spent()
        self._under_way = 0
        self._left = 0
        self._cost = _FIRST_GUESS_S
        self._cost_from = self._counted
        self._booked = self._at
        self._let_in_at = self._at
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._delayed = 0
        self._refused = 0

    def close_when(self, closed: ClosedPace) -> None:
        """`closed`: asked at each request why nothing at all is taken now; None when it is."""
        self._closed = closed

    async def admit(self) -> None:
        """Returns when the request may be read. Raises OverloadedError. `leave` must follow."""
        reason = self._closed()
        if reason is not None:
            raise self._later(reason, LONGEST_RETRY_S / 2)
        if not self._waiting and (self._available() > 0 or self._is_owed_one()):
            self._let_in()
            return
        await self._wait()

    def leave(self) -> None:
        """A request that was admitted is done."""
        self._under_way -= 1
        self._left += 1
        if not self._under_way:
            self._learn_cost(self._spent())  # before the service goes on with what is its own

    def restart(self) -> None:
        """Forgets what was spent until now: starting up is not charged."""
        self._counted = self._cost_from = self._spent()
        self._at = self._clock()
        self._level = self._share * BURST_S

    def take_pressure(self) -> tuple[int, int]:
        """How many requests had to wait, and were refused, since this was asked last."""
        taken = self._delayed, self._refused
        self._delayed = self._refused = 0
        return taken

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    async def _wait(self) -> None:
        wait = self._until(len(self._waiting) + 1)
        if wait > PATIENCE_S or len(self._waiting) >= MOST_WAITING:
            raise self._refusal(wait)
        self._delayed += 1
        place = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        self._set_timer()
        try:
            # Twice: what others cost may have been guessed too low.
            async with asyncio.timeout(2 * PATIENCE_S):
                await place
        except TimeoutError:
            self._give_up(place)
            raise self._refusal(self._until(len(self._waiting) + 1)) from None
        except asyncio.CancelledError:
            self._give_up(place)
            raise

    def _let_in(self) -> None:
        self._under_way += 1
        self._let_in_at = self._clock()

    def _is_owed_one(self) -> bool:
        """So seldom that what is let in for this takes half of the share at most."""
        seldom = max(LEAST_EVERY_S, 2 * self._cost / self._share)
        return self._clock() - self._let_in_at >= seldom

    def _give_up(self, place: asyncio.Future[None]) -> None:
        if place.done() and not place.cancelled():
            self._under_way -= 1
        elif place in self._waiting:
            self._waiting.remove(place)

    def _pump(self) -> None:
        """Lets in together who wait: they share a commit, which is most of what a request costs."""
        self._timer = None
        left = self._available()
        owed = self._is_owed_one()
        if owed or left >= self._enough():
            left = max(left, self._cost) if owed else left
            while self._waiting and left > 0:
                place = self._waiting.popleft()
                if not place.done():
                    self._let_in()
                    left -= self._cost
                    place.set_result(None)
        if self._waiting:
            self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is None:
            delay = (self._enough() - self._available()) / self._share
            delay = min(max(delay, _SOONEST_S), PATIENCE_S)
            self._timer = asyncio.get_running_loop().call_later(delay, self._pump)

    def _enough(self) -> float:
        """CPU seconds for all who wait, or for what half a second allows."""
        return min(len(self._waiting) * self._cost, self._share * TOGETHER_S)

    def _refusal(self, wait: float) -> OverloadedError:
        """Books the next free time, and asks to come so much earlier that the line never runs dry."""
        self._refused += 1
        now = self._clock()
        self._booked = max(self._booked, now + wait) + self._cost / self._share
        if self._booked > now + LONGEST_RETRY_S:
            # More senders than can be lined up: they come at random, not all at the end of the line.
            self._booked = now + LONGEST_RETRY_S
            return self._later(AT_LIMIT, LONGEST_RETRY_S * (0.5 + 0.4 * self._chance()))
        return self._later(AT_LIMIT, self._booked - now - PATIENCE_S / 2)

    def _later(self, reason: str, seconds: float) -> OverloadedError:
        spread = max(seconds, SHORTEST_RETRY_S) * (1 + 0.2 * (self._chance() - 0.5))
        return OverloadedError(reason, retry_after=spread)

    def _until(self, places: int) -> float:
        """Seconds until `places` requests can have been let in."""
        return (places * self._cost - self._available()) / self._share

    def _available(self) -> float:
        """What the bucket holds beyond the cost of those under way, which is not spent yet."""
        now, spent = self._clock(), self._spent()
        level = self._level + (now - self._at) * self._share - (spent - self._counted)
        self._level = max(min(level, self._share * BURST_S), -self._share * MOST_DEBT_S)
        self._at, self._counted = now, spent
        self._learn_cost(spent)
        return self._level - self._under_way * self._cost

    def _learn_cost(self, spent: float) -> None:
        """Of one request, with its share of commits and refusals; what an idle service spends is left out."""
        if self._left:
            cost = max(spent - self._cost_from, 0.0) / self._left
            self._cost += min(_WEIGHT * self._left, 1.0) * (cost - self._cost)
        if self._left or not self._under_way:
            self._cost_from, self._left = spent, 0
