"""Turns guarded batches into committed rows: many batches a commit, in order, nothing dropped."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import duckdb

from blackhole.errors import OverloadedError, QueriesPreemptedError
from blackhole.model.batch import ArrowExporter, GuardedBatch, PointBatch, RawRecords, WithIntervals
from blackhole.model.ledger import NO_ENTRY, LedgerCommit, NoisyList
from blackhole.model.series import PointKey, SeriesRow, StreamRow
from blackhole.store.database import Database
from blackhole.store.upkeep import raw_records as keep
from blackhole.store.write import ledger

RETRY_MIN_S = 0.1
RETRY_MAX_S = 5.0
# More than this many batches' worth of rows in one transaction gains nothing and holds the memory longer.
_GROUP_BATCHES = 8
# Where rows are thinned, waiting longer lets more of a stream come together; senders wait with it.
_LONGEST_WAIT_S = 0.1
# The service's own metrics are fewer, and come less often.
_FEW_ROWS = 100
_BUSY_S = 2.0

log = logging.getLogger(__name__)

_INSERT_POINTS = """
INSERT INTO recent_points
SELECT series, stream, time, value, cumulative, make_timestamp($1::BIGINT) FROM incoming_points
"""

_INSERT_HISTOGRAMS = """
INSERT INTO recent_histogram_points
SELECT series, stream, time, count, sum, min, max, bounds, buckets,
    cumulative_count, cumulative_sum, cumulative_bounds, cumulative_buckets, make_timestamp($1::BIGINT)
FROM incoming_histograms
"""

_INSERT_INTERVALS = """
INSERT INTO intervals
SELECT series, stream, time, since, value, total, estimated, period, make_timestamp($1::BIGINT)
FROM incoming_intervals
"""

_INSERT_SERIES = """
INSERT INTO series
SELECT unnest($1::UINTEGER[]), unnest($2::VARCHAR[]), unnest($3::VARCHAR[]), unnest($4::VARCHAR[]),
    unnest($5::VARCHAR[]), unnest($6::INTEGER[]), NULL, make_timestamp($7::BIGINT)
"""

_INSERT_STREAMS = """
INSERT INTO streams
SELECT unnest($1::UINTEGER[]), unnest($2::BLOB[]), unnest($3::UINTEGER[]), make_timestamp($8::BIGINT),
    unnest($4::UBIGINT[]), unnest($5::UBIGINT[]), make_timestamp_ns(unnest($6::BIGINT[])),
    unnest($7::BOOLEAN[])
"""

_INSERT_THINNED = "INSERT INTO thinned VALUES (make_timestamp($1::BIGINT), $2::FLOAT)"

_STORED = """
SELECT EXISTS (FROM recent_points WHERE created_at = make_timestamp($1::BIGINT))
    OR EXISTS (FROM recent_histogram_points WHERE created_at = make_timestamp($1::BIGINT))
    OR EXISTS (FROM streams WHERE created_at = make_timestamp($1::BIGINT))
    OR EXISTS (FROM series WHERE created_at = make_timestamp($1::BIGINT))
"""


@dataclass(frozen=True, slots=True)
class CommitReport:
    """One commit: its rows, the seconds it took, and how many series were new."""

    rows: int
    seconds: float
    series: int


@dataclass(slots=True)
class _Submission:
    batch: GuardedBatch
    rows: int
    arrived: float
    done: Future[None] = field(default_factory=Future)


@dataclass(slots=True)
class _CommitGroup:
    """What goes into one commit. `created_us`, unlike any other, tells whether it is in the file."""

    created_us: int
    factor: int
    rows: PointBatch
    count: int
    series: list[SeriesRow]
    streams: list[StreamRow]
    records: RawRecords | None
    waiting: list[_Submission]
    lists: Sequence[NoisyList] = ()
    entry: LedgerCommit = NO_ENTRY
    failures: int = 0

    @property
    def is_empty(self) -> bool:
        return not (self.count or self.series or self.streams or self.lists or self.entry.ledger)


class Writer:
    """One thread that commits. Rows that it has taken are kept until they are in the file.

    `commit_wait`: seconds a commit waits for company; `batch_size`: rows that end the wait.
    `max_pending_rows`: with more than these waiting, ask nobody for more; a request that was applied already
    would be lost if it were refused, so `submit` refuses from twice as many only.
    `factor`: how many rows of a stream are to become one, a power of two; above 1 commits wait longer, too.
    """

    def __init__(
        self,
        database: Database,
        *,
        commit_wait: float,
        batch_size: int,
        max_pending_rows: int,
        on_commit: Callable[[CommitReport], None] = lambda _: None,
        factor: Callable[[], int] = lambda: 1,
    ) -> None:
        self._database = database
        self._commit_wait = commit_wait
        self._batch_size = batch_size
        self._max_pending_rows = max_pending_rows
        self._on_commit = on_commit
        self._factor = factor
        self._queue: deque[_Submission] = deque()
        self._queued_rows = 0
        self._head: _CommitGroup | None = None
        self._inlet = ArrowBinding()
        self._busy_at = float("-inf")
        self._changed = threading.Condition()
        self._closing = False
        self._deadline = float("inf")
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)

    @property
    def max_pending_rows(self) -> int:
        return self._max_pending_rows

    @property
    def pending_rows(self) -> int:
        """Rows taken and not yet committed."""
        with self._changed:
            return self._pending()

    @property
    def busy(self) -> bool:
        """Whether more rows than the service's own were committed in the last seconds, or wait to be."""
        return time.monotonic() - self._busy_at < _BUSY_S or self.pending_rows > _FEW_ROWS

    @property
    def doubtful(self) -> bool:
        """Whether a commit failed and is to be tried again: its rows may be in the file already."""
        head = self._head
        return head is not None and head.failures > 0

    def start(self) -> None:
        self._thread.start()

    def submit(self, batch: GuardedBatch) -> Future[None]:
        """Queues the batch. The future is done after the commit of it and of everything before it.

        It fails with OverloadedError when a commit fails; the rows stay, and a later attempt commits them.
        What must not be sent again waits for that attempt.
        """
        waiting = _Submission(batch, _rows(batch), time.monotonic())
        waiting.done.set_running_or_notify_cancel()
        with self._changed:
            if batch.created_us is None or self._closing:  # a closed window is asked for by nobody again
                self._refuse_when_full()
            self._queue.append(waiting)
            self._queued_rows += waiting.rows
            self._changed.notify_all()
        return waiting.done

    def find(self, points: Sequence[PointKey]) -> set[PointKey]:
        """Those of `points` that are stored or wait to be (a `blackhole.model.series.Finder`).

        What is committed in between is seen by the database, as that is asked last.
        """
        with self._changed:
            waiting = [one.batch.rows for one in self._queue]
            if self._head is not None:
                waiting.append(self._head.rows)
        found = {point for rows in waiting for point in rows.find(points)}
        return found | self._database.find(points)

    def close(self, timeout: float) -> None:
        """Commits what is queued and stops; what is not committed after `timeout` seconds is given up."""
        with self._changed:
            self._closing = True
            self._deadline = time.monotonic() + timeout
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout + RETRY_MAX_S)
        self._inlet.forget()
        with self._changed:
            lost = self._pending()
            _fail(self._waiting(), OverloadedError("the service is stopping: send again", retry_after=1.0))
        if lost:
            log.error("%d rows were not committed before the service stopped", lost)

    def _pending(self) -> int:
        return self._queued_rows + (self._head.count if self._head is not None else 0)

    def _refuse_when_full(self) -> None:
        if self._closing:
            raise OverloadedError("the service is stopping: send again in a moment", retry_after=1.0)
        if self._pending() >= 2 * self._max_pending_rows:
            raise OverloadedError(
                "too many points wait to be stored: send again in a moment", retry_after=1.0
            )

    def _run(self) -> None:
        while self._take():
            self._settle()

    def _take(self) -> bool:
        """Waits for a group and makes it the head. False when there is nothing left and the writer closes."""
        with self._changed:
            if self._head is not None:
                return self._wait_to_retry(self._head)
            while not self._queue:
                if self._closing:
                    return False
                self._changed.wait()
            self._wait_for_company()
            created_us = self._created_us(self._queue[0].batch)
            if created_us is None:
                return False
            self._head = self._next_group(created_us)
            return True

    def _wait_to_retry(self, head: _CommitGroup) -> bool:
        until = time.monotonic() + min(RETRY_MIN_S * 2 ** (head.failures - 1), RETRY_MAX_S)
        while (left := min(until, self._deadline) - time.monotonic()) > 0:
            self._changed.wait(left)
        return time.monotonic() < self._deadline

    def _wait_for_company(self) -> None:
        wait = max(self._commit_wait, min(self._commit_wait * self._factor(), _LONGEST_WAIT_S))
        until = self._queue[0].arrived + wait
        while not self._closing and 0 < self._queued_rows < self._batch_size:
            left = until - time.monotonic()
            if left <= 0:
                return
            self._changed.wait(left)

    def _created_us(self, leading: GuardedBatch) -> int | None:
        """Its own, or the next one; None when the store has not told one before the writer must stop."""
        while leading.created_us is None:
            try:
                return self._database.next_created_us()
            except OverloadedError:
                if time.monotonic() >= self._deadline:
                    return None
                self._changed.wait(RETRY_MIN_S)
        return leading.created_us

    def _next_group(self, created_us: int) -> _CommitGroup:
        taken: list[_Submission] = []
        rows = 0
        while self._queue and (not taken or self._may_join(rows, taken[0].batch, self._queue[0])):
            taken.append(self._queue.popleft())
            rows += taken[-1].rows
        self._queued_rows -= rows
        leading = taken[0].batch
        merged = _together([one.batch for one in taken if one.rows] or [leading])
        factor = 1 if leading.created_us is not None else self._factor()  # closed windows are never thinned
        return _CommitGroup(
            created_us=created_us,
            factor=factor,
            rows=merged.thin(factor) if factor > 1 else merged,
            count=rows,
            series=[row for one in taken for row in one.batch.series],
            streams=[row for one in taken for row in one.batch.streams],
            records=_merged([one.batch.records for one in taken if one.batch.records is not None]),
            waiting=taken,
            lists=leading.lists,
            entry=leading.entry,
        )

    def _may_join(self, rows: int, leading: GuardedBatch, following: _Submission) -> bool:
        """What has a time of its own is committed alone."""
        alone = leading.created_us is not None or following.batch.created_us is not None
        return not alone and rows + following.rows <= _GROUP_BATCHES * self._batch_size

    def _settle(self) -> None:
        """Commits the head, or leaves it there for the next attempt and tells everybody who waits."""
        head = self._head
        if head is None:
            return
        began = time.perf_counter()
        try:
            self._commit(head)
        except Exception as error:  # noqa: BLE001 - whatever it is, the rows are kept and tried again
            self._failed(head, error)
            return
        if head.count > _FEW_ROWS:
            self._busy_at = time.monotonic()
        report = CommitReport(rows=head.count, seconds=time.perf_counter() - began, series=len(head.series))
        with self._changed:
            self._head = None
        for one in head.waiting:
            if not one.done.done():
                one.done.set_result(None)
        if not head.is_empty:
            self._report(report)

    def _report(self, report: CommitReport) -> None:
        try:
            self._on_commit(report)
        except Exception:
            log.exception("a commit could not be reported")

    def _failed(self, head: _CommitGroup, error: Exception) -> None:
        with self._changed:
            head.failures += 1
            self._inlet.forget()
            if head.failures == 1 and isinstance(error, QueriesPreemptedError):
                log.info("questions were ended for a commit of %d rows, which failed: %s", head.count, error)
                return
            log.warning("a commit of %d rows failed and will be tried again: %s", head.count, error)
            told = [one for one in self._waiting() if one.batch.repeatable]
            _fail(told, OverloadedError("the points are not stored yet: send again", retry_after=1.0))

    def _waiting(self) -> list[_Submission]:
        return [*(self._head.waiting if self._head is not None else ()), *self._queue]

    def _commit(self, group: _CommitGroup) -> None:
        if group.is_empty:
            return
        with self._database.write() as connection:
            # A commit that reported a failure may still have reached the file.
            if group.failures and _is_stored(connection, group):
                return
            insert(
                connection,
                group.rows,
                group.series,
                group.streams,
                created_us=group.created_us,
                sampling_rate=1 / group.factor,
                inlet=self._inlet,
            )
            if group.records is not None:
                insert_records(connection, group.records, created_us=group.created_us, inlet=self._inlet)
            if group.lists:
                ledger.insert_lists(connection, group.lists, created_us=group.created_us)
            if group.entry.ledger:
                ledger.insert(connection, group.entry)
                ledger.write_head(self._database.path, group.entry.ledger)


class ArrowBinding:
    """Where a connection reads an Arrow stream from.

    Naming it to DuckDB, and having a statement parsed and planned, cost more than half of a small commit:
    both are done once a connection.
    """

    def __init__(self) -> None:
        self._stream: object = None
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._names: set[str] = set()

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self._stream

    def run(
        self,
        connection: duckdb.DuckDBPyConnection,
        name: str,
        sql: str,
        exporter: ArrowExporter,
        created_us: int,
    ) -> None:
        """Runs `sql` with `created_us` as $1; it reads `name`, which is what `exporter` gives.

        `sql` is the same each time. DuckDB asks for the stream more than once.
        """
        if connection is not self._connection:
            self._connection, self._names = connection, set()
        self._stream = exporter.__arrow_c_stream__()
        try:
            if name not in self._names:
                connection.register(name, self)
                connection.execute(f"PREPARE insert_{name} AS {sql}")
                self._names.add(name)
            connection.execute(f"EXECUTE insert_{name}({created_us:d})")
        except BaseException:
            # What was named within a transaction is gone when that is undone.
            self._connection = None
            raise
        finally:
            self._stream = None

    def forget(self) -> None:
        """Names everything anew next time."""
        self._connection = None


def insert(
    connection: duckdb.DuckDBPyConnection,
    rows: PointBatch,
    series: Sequence[SeriesRow],
    streams: Sequence[StreamRow],
    *,
    created_us: int,
    sampling_rate: float = 1.0,
    inlet: ArrowBinding | None = None,
) -> None:
    """Adds rows and their new series and streams within the open transaction.

    `inlet` is kept by those who add often on one connection.
    """
    inlet = ArrowBinding() if inlet is None else inlet
    if sampling_rate < 1:
        connection.execute(_INSERT_THINNED, [created_us, sampling_rate])
    if series:
        columns = [
            [row.id for row in series],
            [row.metric for row in series],
            [row.type.value for row in series],
            [row.unit for row in series],
            [row.attributes for row in series],
            [int(row.privacy_level) for row in series],
        ]
        connection.execute(_INSERT_SERIES, [*columns, created_us])
    if streams:
        told = [(s.id, s.key, s.series, s.raw, s.kin, s.start_ns, s.delta) for s in streams]
        columns = [list(column) for column in zip(*told, strict=True)]
        connection.execute(_INSERT_STREAMS, [*columns, created_us])
    if rows.points:
        inlet.run(connection, "incoming_points", _INSERT_POINTS, rows.point_stream(), created_us)
    if rows.histograms:
        inlet.run(connection, "incoming_histograms", _INSERT_HISTOGRAMS, rows.histogram_stream(), created_us)
    if isinstance(rows, WithIntervals) and rows.intervals:
        inlet.run(connection, "incoming_intervals", _INSERT_INTERVALS, rows.interval_stream(), created_us)


def insert_records(
    connection: duckdb.DuckDBPyConnection, records: RawRecords, *, created_us: int, inlet: ArrowBinding
) -> None:
    """Adds spans and log records within the open transaction."""
    if records.spans:
        inlet.run(connection, "incoming_spans", keep.INSERT_SPANS, records.span_stream(), created_us)
    if records.logs:
        inlet.run(connection, "incoming_logs", keep.INSERT_LOGS, records.log_stream(), created_us)


def _rows(batch: GuardedBatch) -> int:
    records = batch.records
    kept = 0 if records is None else records.spans + records.logs
    return batch.rows.points + batch.rows.histograms + kept


def _together(batches: Sequence[GuardedBatch]) -> PointBatch:
    """All rows; of spans and log records, which were counted request by request, one row a stream."""
    counted = [batch.rows for batch in batches if not batch.repeatable]
    rows = [batch.rows for batch in batches if batch.repeatable]
    if counted:
        rows.append(_joined(counted).gather() if len(counted) > 1 else counted[0])
    return _joined(rows)


def _joined(rows: Sequence[PointBatch]) -> PointBatch:
    first, *others = rows
    return first.merge(others) if others else first


def _merged(records: Sequence[RawRecords]) -> RawRecords | None:
    return records[0].merge(records[1:]) if records else None


def _fail(waiting: Sequence[_Submission], error: OverloadedError) -> None:
    """Answers those who wait; their rows stay."""
    for one in waiting:
        if not one.done.done():
            one.done.set_exception(error)


def _is_stored(connection: duckdb.DuckDBPyConnection, group: _CommitGroup) -> bool:
    if group.entry.ledger:
        return ledger.is_stored(connection, group.entry)
    return connection.execute(_STORED, [group.created_us]).fetchall() == [(True,)]
