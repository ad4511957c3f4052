"""The write path: `Payload → Batch → GuardedBatch → committed`, one stage after the other."""

import asyncio
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from types import MappingProxyType
from typing import Any, Protocol

from blackhole.catalogue.allow import ObservedMetric
from blackhole.catalogue.load import Catalogue
from blackhole.decode import Batch, Decoder
from blackhole.errors import IntakeError, OverloadedError
from blackhole.guard.engine import Guard, Judgement, Refusal
from blackhole.guard.reasons import ALLOWED_BY_NAME, Reason
from blackhole.model.batch import GuardedBatch
from blackhole.model.signals import Encoding, Payload, Signal, Verdict

RETRY_AFTER = 1.0
# The clock may be set while the windows wait for it.
LONGEST_SLEEP = 5.0
INLINE_BYTES = {Encoding.PROTOBUF: 256 * 1024, Encoding.JSON: 16 * 1024}
MOST_REFUSED_METRICS = 500


class Sink(Protocol):
    """Where guarded batches are committed, in the order in which they were submitted."""

    @property
    def pending_rows(self) -> int: ...
    @property
    def max_pending_rows(self) -> int: ...
    def submit(self, batch: GuardedBatch) -> Future[None]: ...


class Durations:
    """How many took how long: `buckets` has one count more than `bounds` (seconds, upper-inclusive)."""

    bounds = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

    def __init__(self) -> None:
        self.buckets = [0] * (len(self.bounds) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        self.buckets[bisect_left(self.bounds, seconds)] += 1
        self.total += seconds

    def snapshot(self) -> dict[str, Any]:
        return {"bounds": list(self.bounds), "buckets": list(self.buckets), "sum": self.total}


class Statistics:
    """Counts of what came in. Guarded metrics are in none of them, nor requests that held nothing else."""

    def __init__(self) -> None:
        self.requests: Counter[Signal] = Counter()
        self.failed_requests: Counter[str] = Counter()
        self.accepted: Counter[Signal] = Counter()
        self.request_durations = Durations()
        self.commits = 0
        self.committed_rows = 0
        self.commit_durations = Durations()
        self._refused: dict[tuple[str, Reason], int] = {}
        self._secretly_refused: dict[tuple[str, Reason], None] = {}

    def count(self, signal: Signal, judgement: Judgement) -> None:
        self.requests[signal] += judgement.is_visible
        self.accepted[signal] += judgement.accepted
        for refusal in judgement.refusals:
            self._count_refusal(refusal)

    def count_commit(self, rows: int, seconds: float) -> None:
        self.commits += 1
        self.committed_rows += rows
        self.commit_durations.add(seconds)

    def snapshot(self, unknown: Mapping[str, ObservedMetric] = MappingProxyType({})) -> dict[str, Any]:
        """Plain data; `count` is null for guarded metrics. `unknown`: what allowing by name would mend."""
        return {
            "requests": {str(s): self.requests[s] for s in Signal},
            "failed_requests": dict(self.failed_requests),
            "accepted": {str(s): self.accepted[s] for s in Signal},
            "refused": [
                {
                    "metric": metric,
                    "reason": reason.words,
                    "remedy": reason.remedy,
                    "count": count,
                    "allows": _allows(unknown.get(metric), reason),
                }
                for (metric, reason), count in (*self._refused.items(), *self._secretly_refused.items())
            ],
            "commits": self.commits,
            "committed_rows": self.committed_rows,
            "commit_seconds": self.commit_durations.total,
            "commit_durations": self.commit_durations.snapshot(),
            "request_durations": self.request_durations.snapshot(),
        }

    def _count_refusal(self, refusal: Refusal) -> None:
        known = self._secretly_refused if refusal.secret else self._refused
        key = (refusal.metric, refusal.reason)
        if key not in known and len(known) >= MOST_REFUSED_METRICS:
            key = ("(more metrics)", refusal.reason)
        if refusal.secret:
            self._secretly_refused[key] = None
        else:
            self._refused[key] = self._refused.get(key, 0) + refusal.points


def _allows(came: ObservedMetric | None, reason: Reason) -> str | None:
    return came.type.value if came is not None and reason in ALLOWED_BY_NAME else None


class Pipeline:
    """An `Intake`. Judging and submitting happen in one step of the event loop, so commits keep its order."""

    def __init__(self, decoder: Decoder, guard: Guard, sink: Sink, statistics: Statistics) -> None:
        self._decoder = decoder
        self._guard = guard
        self._sink = sink
        self._statistics = statistics

    async def accept(self, payload: Payload) -> Verdict:
        """See `blackhole.model.signals.Intake`: returns when all of the open path is committed."""
        began = time.monotonic()
        try:
            self._refuse_when_full()
            batch, bodies = await self._decode(payload)
            self._refuse_when_full()  # again: what is judged is counted, and must not be sent back
            judgement, committed = self._store(payload.signal, batch, bodies)
        except IntakeError as error:
            self._statistics.requests[payload.signal] += 1
            self._statistics.failed_requests[_kind(error)] += 1
            raise
        self._statistics.count(payload.signal, judgement)
        try:
            if committed is not None:
                await asyncio.wrap_future(committed)
        except IntakeError as error:
            self._statistics.failed_requests[_kind(error)] += 1
            raise
        if judgement.is_visible:
            self._statistics.request_durations.add(time.monotonic() - began)
        return judgement.verdict

    def record(self, payload: Payload) -> Future[None] | None:
        """Stores what the service says about itself; nobody's request, so in no count.

        None when nothing of it was stored: too much of others' waits.
        """
        if self._is_full():
            return None
        return self._store(payload.signal, self._decoder.decode(payload), ())[1]

    def record_edges(self) -> Future[None] | None:
        """Stores the calls between services since the last time; they wait while the store is behind."""
        body = None if self._is_full() else self._guard.take_edges()
        return None if body is None else self.record(Payload(Signal.METRICS, Encoding.PROTOBUF, body))

    def publish(self) -> list[Future[None]]:
        """Stores the windows that are over, as soon as they may be seen."""
        return [self._sink.submit(batch) for batch in self._guard.take_closed()]

    def close_windows(self) -> list[Future[None]]:
        """Closes the open windows before the service stops, and stores them."""
        return [self._sink.submit(batch) for batch in self._guard.stop()]

    def recatalogue(self, renew: Callable[[], Catalogue]) -> None:
        """Judges by what `renew` gives from here on. Raises OverloadedError before anything was changed.

        The open window is closed first: it belongs to the entries under which it was gathered. On the event
        loop only, as everything that judges.
        """
        self._refuse_when_full()
        catalogue = renew()
        closed = self._guard.close_window()
        if closed is not None:
            self._sink.submit(closed)
        self._guard.recatalogue(catalogue)

    def settle(self, *, close_window: bool) -> list[Future[None]]:
        """Done when all that was judged is committed. Raises OverloadedError before anything was changed.

        `close_window`: that of sensitive metrics is closed before it is over.
        """
        self._refuse_when_full()
        closed = self._guard.close_window() if close_window else None
        batches = [self._guard.nothing()] if closed is None else [closed, self._guard.nothing()]
        return [self._sink.submit(batch) for batch in batches]

    def erase(
        self, gone: Collection[int], named: Callable[[str], bool], *, created_ns: int
    ) -> list[Future[None]]:
        """As `Guard.erase`; done when nothing more can come of the erased series. Raises OverloadedError."""
        self._refuse_when_full()
        batches = self._guard.erase(gone, named, created_ns=created_ns)
        return [self._sink.submit(batch) for batch in batches]

    def forget_idle(self) -> int:
        """Lets go of series that were not heard of for an hour; returns how many."""
        return self._guard.forget_idle()

    async def run_windows(self, clock_ns: Callable[[], int] = time.time_ns) -> None:
        """Closes and publishes every window when it is due, until cancelled."""
        while True:
            await asyncio.sleep(min(max((self._guard.due_ns - clock_ns()) / 1e9, 0.05), LONGEST_SLEEP))
            self.publish()

    def _store(
        self, signal: Signal, batch: Batch, bodies: Sequence[str]
    ) -> tuple[Judgement, Future[None] | None]:
        judgement = self._guard.judge(batch, bodies, repeatable=signal is Signal.METRICS)
        return judgement, None if judgement.is_empty else self._sink.submit(judgement.batch)

    async def _decode(self, payload: Payload) -> tuple[Batch, list[str]]:
        """The batch, and what of its log records' bodies may be kept."""
        if len(payload.body) <= INLINE_BYTES[payload.encoding]:
            batch = self._decoder.decode(payload)
        else:
            batch = await asyncio.to_thread(self._decoder.decode, payload)
        bodies = batch.bodies
        return batch, await asyncio.to_thread(self._guard.scrub, bodies) if bodies else []

    def _is_full(self) -> bool:
        return self._sink.pending_rows > self._sink.max_pending_rows

    def _refuse_when_full(self) -> None:
        if self._is_full():
            raise OverloadedError(
                "too many points wait to be stored: send again in a moment", retry_after=RETRY_AFTER
            )


def _kind(error: IntakeError) -> str:
    return type(error).__name__.removesuffix("Error").lower()
