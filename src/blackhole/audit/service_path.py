"""Turns lines into answers by the whole service: OTLP bytes, pipeline, database file, query."""

import asyncio
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import msgspec

from blackhole.audit.guard_path import Release, SteppedClock, outcome, values_in
from blackhole.audit.lines import AuditLine, requests
from blackhole.audit.samples import AuditSample
from blackhole.audit.subjects import AuditSubject
from blackhole.catalogue.load import Catalogue
from blackhole.decode import Decoder
from blackhole.errors import UsageError
from blackhole.guard.engine import Guard, StoredState
from blackhole.guard.windows import GRACE_NS
from blackhole.model.series import MetricType
from blackhole.model.signals import Payload
from blackhole.pipeline import Pipeline, Statistics
from blackhole.privacy.ledger import Clocks
from blackhole.privacy.terms import declared_groups
from blackhole.query.language import MAX_POINTS, MAX_POINTS_A_SERIES, Query
from blackhole.query.run import QueryService
from blackhole.store.database import Database
from blackhole.store.writer import Writer

SECOND_NS = 10**9
_STEP_NS = 10**6
_MOST_COMMITS = 64
_CLOSE_S = 60.0
# One of so many trials is made.
_COMMITTED, _RESTARTED, _FEWEST = 5, 20, 200

_LISTS = """
SELECT epoch_ns(l.time), s.attributes, l.noisy
FROM released_lists AS l JOIN series AS s ON s.id = l.series
WHERE s.metric = '{metric}' AND l.time >= make_timestamp_ns({start}) AND l.time < make_timestamp_ns({end})
"""

# By the start of a window and a group's attributes as JSON.
ServicePathValues = dict[tuple[int, bytes], tuple[float, ...]]


class ServicePath:
    """A `blackhole.audit.suite.Path` through everything but the sockets."""

    name = "service"

    def affordable(self, subject: AuditSubject, trials: int) -> int:
        """Each window waits for the disk, and of a running total each trial for a restart as well."""
        return max(trials // (_RESTARTED if subject.terms.running_total else _COMMITTED), _FEWEST)

    def sample(
        self, subject: AuditSubject, windows: Sequence[Sequence[AuditLine]], trials: int
    ) -> AuditSample:
        groups = [dict(group) for group in declared_groups(subject.definition)]
        width = values_in(subject.definition)
        with TemporaryDirectory(prefix="blackhole-audit-") as directory:
            service = _AuditedService(subject, Path(directory) / "audit.duckdb")
            with service:
                asyncio.run(service.run(windows, trials))
                starts = service.starts
                found = service.values(groups)
        releases = [_release(found, start, groups) for start in starts]
        size = len(windows)
        return [outcome(releases[at : at + size], groups, width) for at in range(0, len(releases), size)]


def _release(found: ServicePathValues, start: int, groups: Sequence[Mapping[str, Any]]) -> Release:
    named = [(group, found.get((start, _text(group)))) for group in groups]
    return [(group, values) for group, values in named if values is not None]


class _AuditedService:
    """What `blackhole.app.service` wires, with a clock that is told the time."""

    def __init__(self, subject: AuditSubject, path: Path) -> None:
        self.starts: list[int] = []
        self._subject = subject
        self._catalogue = Catalogue([(subject.definition, "audit")])
        self._window_ns = round(subject.config.release_window * SECOND_NS)
        period_ns = round(subject.config.budget_period * SECOND_NS)
        now = time.time_ns()
        self._clock = SteppedClock(now - now % period_ns)
        self._path = path
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._database = Database.open(self._path, clock=self._clock)
        self._stack.callback(self._database.close)
        self._writer = Writer(self._database, commit_wait=0.0, batch_size=1, max_pending_rows=10_000)
        self._writer.start()
        self._stack.callback(self._writer.close, _CLOSE_S)
        self._decoder = Decoder(self._database.key, clock_ns=self._clock)
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    async def run(self, windows: Sequence[Sequence[AuditLine]], trials: int) -> None:
        """Raises UsageError for lines that the guard refuses."""
        definition = self._subject.definition
        bodies = [requests(definition.name, definition, lines) for lines in windows]
        waiting: deque[Future[None]] = deque()
        for trial in range(trials):
            if trial and definition.release == "running_total":
                await self._restart()
            for payloads in bodies:
                waiting += await self._window(payloads)
                while len(waiting) > _MOST_COMMITS:
                    await asyncio.wrap_future(waiting.popleft())
        await asyncio.gather(*map(asyncio.wrap_future, waiting))

    def values(self, groups: Sequence[Mapping[str, Any]]) -> ServicePathValues:
        """All that was released, as the API tells it."""
        self._runner = QueryService(
            self._database,
            self._catalogue,
            windows=self._subject.config,
            now=lambda: self._clock() / SECOND_NS,
        )
        windows = min(MAX_POINTS_A_SERIES, MAX_POINTS // len(groups) // 2)
        found: ServicePathValues = {}
        first, last = self.starts[0], self.starts[-1] + self._window_ns
        for start in range(first, last, windows * self._window_ns):
            end = min(start + windows * self._window_ns, last)
            found.update(self._lists(start, end) if self._has_lists else self._numbers(start, end))
        return found

    @property
    def _has_lists(self) -> bool:
        return self._subject.definition.type in (MetricType.HISTOGRAM, MetricType.GAUGE)

    async def _window(self, payloads: Sequence[Payload]) -> list[Future[None]]:
        start = self._clock.now_ns - self._clock.now_ns % self._window_ns
        self.starts.append(start)
        for payload in payloads:
            self._clock.now_ns += _STEP_NS
            verdict = await self._pipeline.accept(payload)
            if verdict.rejected:
                raise UsageError(verdict.message)
        self._clock.now_ns = start + self._window_ns + GRACE_NS
        return self._pipeline.publish()

    async def _restart(self) -> None:
        """A new run of the service at the start of a period: what totals remember is gone."""
        for done in self._pipeline.close_windows():
            await asyncio.wrap_future(done)
        period_ns = round(self._subject.config.budget_period * SECOND_NS)
        self._clock.now_ns += period_ns - self._clock.now_ns % period_ns
        self._start()

    def _start(self) -> None:
        database = self._database
        guard = Guard(
            self._catalogue,
            self._subject.config,
            StoredState.of(database, self._writer.find),
            Clocks(self._clock, self._clock),
        )
        self._pipeline = Pipeline(self._decoder, guard, self._writer, Statistics())

    def _numbers(self, start: int, end: int) -> Iterator[tuple[tuple[int, bytes], tuple[float, ...]]]:
        query = Query(
            self._subject.definition.name,
            start_time=start // SECOND_NS,
            end_time=end // SECOND_NS,
            aggregation="sum",
            interval=self._window_ns // SECOND_NS,
            group_by=list(self._subject.definition.released_keys),
        )
        for series in self._runner.query(query).series:
            for point in series.points:
                moment = datetime.fromisoformat(point.timestamp)
                if point.value is not None:
                    yield (round(moment.timestamp()) * SECOND_NS, _text(series.attributes)), (point.value,)

    def _lists(self, start: int, end: int) -> Iterator[tuple[tuple[int, bytes], tuple[float, ...]]]:
        statement = _LISTS.format(metric=self._subject.definition.name, start=start, end=end)
        for time_ns, attributes, noisy in self._runner.sql(statement, MAX_POINTS // 2).rows:
            yield (time_ns, _text(msgspec.json.decode(attributes))), tuple(noisy)


def _text(group: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode(group, order="sorted")
