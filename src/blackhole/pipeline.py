"""The write path: `Payload → Batch → GuardedBatch → committed`, one stage after the other."""

import asyncio
import logging
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Protocol

from blackhole.decode import Batch, Decoder
from blackhole.errors import IntakeError, OverloadedError
from blackhole.guard.engine import Guard, Judgement, Refusal
from blackhole.guard.reasons import Reason
from blackhole.records import Encoding, GuardedBatch, Payload, Signal, Verdict

RETRY_AFTER = 1.0
INLINE_BYTES = {Encoding.PROTOBUF: 256 * 1024, Encoding.JSON: 16 * 1024}
MOST_REFUSED_METRICS = 500

_log = logging.getLogger(__name__)


class Sink(Protocol):
    """Where guarded batches are committed, in the order in which they were submitted."""

    @property
    def pending_rows(self) -> int: ...
    @property
    def max_pending_rows(self) -> int: ...
    def submit(self, batch: GuardedBatch) -> Future[None]: ...


class Statistics:
    """Counts of what came in. Guarded metrics are in none of them."""

    def __init__(self) -> None:
        self.requests: Counter[Signal] = Counter()
        self.failed_requests: Counter[str] = Counter()
        self.accepted: Counter[Signal] = Counter()
        self.commits = 0
        self.committed_rows = 0
        self.commit_seconds = 0.0
        self._refused: OrderedDict[tuple[str, Reason], int | None] = OrderedDict()

    def count(self, signal: Signal, judgement: Judgement) -> None:
        self.accepted[signal] += judgement.accepted
        for refusal in judgement.refusals:
            self._count_refusal(refusal)

    def count_commit(self, rows: int, seconds: float) -> None:
        self.commits += 1
        self.committed_rows += rows
        self.commit_seconds += seconds

    def snapshot(self) -> dict[str, Any]:
        """Plain data; `count` is null for guarded metrics."""
        return {
            "requests": {str(s): self.requests[s] for s in Signal},
            "failed_requests": dict(self.failed_requests),
            "accepted": {str(s): self.accepted[s] for s in Signal},
            "refused": [
                {"metric": metric, "reason": reason.words, "remedy": reason.remedy, "count": count}
                for (metric, reason), count in self._refused.items()
            ],
            "commits": self.commits,
            "committed_rows": self.committed_rows,
            "commit_seconds": self.commit_seconds,
        }

    def _count_refusal(self, refusal: Refusal) -> None:
        key = (refusal.metric, refusal.reason)
        if key not in self._refused and len(self._refused) >= MOST_REFUSED_METRICS:
            key = ("(more metrics)", refusal.reason)
        before = self._refused.get(key)
        self._refused[key] = None if refusal.secret else (before or 0) + refusal.points


class Pipeline:
    """An `Intake`. Judging and submitting happen in one step of the event loop, so commits keep its order."""

    def __init__(self, decoder: Decoder, guard: Guard, sink: Sink, statistics: Statistics) -> None:
        self._decoder = decoder
        self._guard = guard
        self._sink = sink
        self._statistics = statistics

    async def accept(self, payload: Payload) -> Verdict:
        """See `blackhole.records.Intake`: returns when all of the open path is committed."""
        self._statistics.requests[payload.signal] += 1
        try:
            self._refuse_when_full()
            batch = await self._decode(payload)
            self._refuse_when_full()  # again: what is judged is counted, and must not be sent back
            judgement = self._guard.judge(batch)
            committed = None if judgement.is_empty else self._sink.submit(judgement.batch)
            self._statistics.count(payload.signal, judgement)
            if committed is not None:
                await asyncio.wrap_future(committed)
        except IntakeError as error:
            self._statistics.failed_requests[type(error).__name__.removesuffix("Error").lower()] += 1
            raise
        return judgement.verdict

    def close_window(self) -> Future[None] | None:
        """Releases the open window; None when there was nothing to release."""
        batch = self._guard.close_window()
        return None if batch is None else self._sink.submit(batch)

    def forget_idle(self) -> int:
        """Lets go of series that were not heard of for an hour; returns how many."""
        return self._guard.forget_idle()

    async def run_windows(self, clock_ns: Callable[[], int] = time.time_ns) -> None:
        """Closes every window when it is due, until cancelled."""
        while True:
            await asyncio.sleep(max((self._guard.window_end_ns - clock_ns()) / 1e9, 0.05))
            if clock_ns() >= self._guard.window_end_ns:
                self.close_window()

    async def _decode(self, payload: Payload) -> Batch:
        if len(payload.body) <= INLINE_BYTES[payload.encoding]:
            return self._decoder.decode(payload)
        return await asyncio.to_thread(self._decoder.decode, payload)

    def _refuse_when_full(self) -> None:
        if self._sink.pending_rows > self._sink.max_pending_rows:
            raise OverloadedError(
                "too many points wait to be stored: send again in a moment", retry_after=RETRY_AFTER
            )
