"""Turns a request that may come in into a Payload for the intake; what the gRPC and HTTP receivers share."""

import asyncio
from collections import Counter
from functools import partial

from blackhole.config import OtlpConfig
from blackhole.model.signals import Intake, Payload, Verdict
from blackhole.receive.access import Access
from blackhole.receive.admission import Admission, Gate
from blackhole.receive.answers import Failure, failure


class Ingress:
    """`failures` counts refused requests by their google.rpc code."""

    def __init__(self, intake: Intake, otlp: OtlpConfig, gate: Gate | None) -> None:
        self._intake = intake
        self._under_way: set[asyncio.Task[Verdict]] = set()
        self.limit = int(otlp.max_request_size)
        self.access = Access(otlp)
        self.gate = gate or Gate.of(otlp)
        self.failures: Counter[str] = Counter()

    async def hand_over(self, payload: Payload, entry: Admission) -> Verdict:
        """Awaits the intake. A sender that leaves does not stop it halfway, and its place stays taken."""
        task = asyncio.get_running_loop().create_task(self._accept(payload))
        self._under_way.add(task)
        task.add_done_callback(partial(self._done, entry))
        try:
            return await asyncio.shield(task)
        finally:
            # Else an error, its traceback, this frame and the task keep each other, and the body, alive.
            del task

    async def accept(self, payload: Payload, entry: Admission) -> Verdict:
        """Awaits the intake, for who does not stop halfway."""
        try:
            return await self._intake.accept(payload)
        finally:
            entry.leave()

    def fail(self, error: BaseException) -> Failure:
        failed = failure(error)
        self.count(failed)
        return failed

    def count(self, failed: Failure, times: int = 1) -> None:
        self.failures[failed.code.name.lower()] += times

    async def drain(self, grace: float) -> None:
        """Waits for what the intake has not finished."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=grace)

    async def _accept(self, payload: Payload) -> Verdict:
        return await self._intake.accept(payload)

    def _done(self, entry: Admission, task: asyncio.Task[Verdict]) -> None:
        self._under_way.discard(task)
        entry.leave()
        if not task.cancelled():
            task.exception()  # or asyncio would log it, with its text, when the sender has left
