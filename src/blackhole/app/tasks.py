"""Runs what the service does by itself, again and again."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field

from blackhole.errors import BlackholeError, PreemptedError

_log = logging.getLogger("blackhole")


@dataclass(frozen=True, slots=True)
class Task:
    """A function that a thread calls every `every` seconds; the first time at once if `at_once`.

    `at_stop` is called once nothing is written any more.
    """

    name: str
    every: float
    run: Callable[[], object]
    at_once: bool = False
    at_stop: Callable[[], object] | None = None


@dataclass(slots=True)
class Background:
    """All tasks of one service. `loops` run on the event loop until they are cancelled."""

    tasks: Sequence[Task]
    loops: Sequence[Callable[[], Coroutine[None, None, None]]] = ()
    _running: list[asyncio.Task[None]] = field(default_factory=list)

    def start(self) -> None:
        """Starts all tasks. Call it on the event loop."""
        work = [*(loop() for loop in self.loops), *map(_repeat, self.tasks)]
        self._running = [asyncio.create_task(one) for one in work]

    async def stop(self) -> None:
        for running in self._running:
            running.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def leave(self) -> None:
        """Calls what tasks do at a stop, in their order."""
        for task in self.tasks:
            if task.at_stop is not None:
                attempt(task.name, task.at_stop)


def attempt(name: str, run: Callable[[], object]) -> None:
    """Runs it; a failure is logged, and does not end the service."""
    try:
        run()
    except PreemptedError:
        _log.info("%s was given up", name)
    except Exception as error:  # noqa: BLE001  (whatever it is, the service goes on)
        # Known errors are told in their own words. Of any other only the type is: its text may quote data.
        words = error if isinstance(error, BlackholeError) else type(error).__name__
        _log.warning("%s failed and will be tried again: %s", name, words)


async def _repeat(task: Task) -> None:
    if not task.at_once:
        await asyncio.sleep(task.every)
    while True:
        await asyncio.to_thread(attempt, task.name, task.run)
        await asyncio.sleep(task.every)
