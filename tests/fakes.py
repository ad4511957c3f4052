"""Stand-ins for the stages, so that one stage can be tested alone."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from blackhole.model.signals import Payload, Verdict


class RecordingIntake:
    """An Intake that keeps every payload, and answers `verdict` or raises `error`. Usable across threads."""

    def __init__(self) -> None:
        self.payloads: list[Payload] = []
        self.verdict = Verdict()
        self.error: BaseException | None = None
        self.finished = 0
        self.most_at_once = 0
        self._at_once = 0
        self._open = threading.Event()
        self._open.set()

    @property
    def under_way(self) -> int:
        return self._at_once

    async def accept(self, payload: Payload) -> Verdict:
        self.payloads.append(payload)
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            if not self._open.is_set():
                await asyncio.to_thread(self._open.wait)
        finally:
            self._at_once -= 1
        if self.error is not None:
            raise self.error
        self.finished += 1
        return self.verdict

    @contextmanager
    def held(self) -> Iterator[None]:
        """Inside, no request is answered."""
        self._open.clear()
        try:
            yield
        finally:
            self._open.set()
