"""Turns how busy the event loop is into how much slower all goes: a busy machine gets a calmer network.

Without it messages would queue up in libp2p faster than a starved process reads them, for as long as it runs.
"""

import trio

_LOOK_S = 1.0
_BUSY, _IDLE = 0.7, 0.5
_HARDER, _EASIER = 1.3, 0.95
# Where nothing is known yet of the machine, and at most.
_FIRST, SLOWEST = 4.0, 10.0
_PATIENCE = 4.0


class Pace(trio.abc.Instrument):  # type: ignore[misc]
    """`stretch`: by how much every pause is longer than planned, from 1 to SLOWEST."""

    def __init__(self) -> None:
        self.stretch = _FIRST
        self._idle = 0.0
        self._slept = 0.0

    def judge(self, busy: float) -> None:
        """Told for which share of the time the loop had something to do, or waited for the processor."""
        wanted = self.stretch * (_HARDER if busy > _BUSY else _EASIER if busy < _IDLE else 1.0)
        self.stretch = min(max(wanted, 1.0), SLOWEST)

    async def watch(self) -> None:
        trio.lowlevel.add_instrument(self)
        while True:
            began, self._idle = trio.current_time(), 0.0
            await trio.sleep(_LOOK_S)
            self.judge(1.0 - self._idle / (trio.current_time() - began))

    async def sleep(self, seconds: float) -> None:
        await trio.sleep(seconds * self.stretch)

    def timeout(self, seconds: float) -> float:
        """What takes longer only because everything does has not failed."""
        return seconds * min(self.stretch, _PATIENCE)

    def before_io_wait(self, timeout: float) -> None:
        del timeout
        self._slept = trio.current_time()

    def after_io_wait(self, timeout: float) -> None:
        """Only where it was to wait is it idle, and no longer than that: the rest is the machine's."""
        self._idle += min(timeout, trio.current_time() - self._slept)
