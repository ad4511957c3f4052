"""Opens the one DuckDB file and hands out reading and writing, never the handle."""

import logging
import stat
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

import duckdb

from blackhole.errors import OverloadedError, PreemptedError, QueriesPreemptedError, QueryError, StoreError
from blackhole.model.ledger import LedgerEnd, LedgerRow
from blackhole.model.series import MetricType, PointKey, PrivacyLevel, SeriesRow, StreamState
from blackhole.runtime.clock import WentBack
from blackhole.store.file import checkpoint_undo as spare
from blackhole.store.file import damage as trouble
from blackhole.store.file import files, migrate, opening, rewrite
from blackhole.store.file import key as secret
from blackhole.store.file.checkpoint_undo import UndoFile
from blackhole.store.file.checkpoints import Checkpoints
from blackhole.store.file.compact import OnlineCopy
from blackhole.store.file.damage import DamagedError
from blackhole.store.file.rewrite import RewritePlan, RewriteResult
from blackhole.store.maintenance import MaintenanceLock
from blackhole.store.read.cancellation import take_place
from blackhole.store.read.reader import Reader, one_line, short_of_memory
from blackhole.store.read.supervisor import QuerySupervisor
from blackhole.store.write import commit_times, ledger
from blackhole.store.write.recall import find, recall

MEMORY_LIMIT = 64 * 2**20
MAX_READERS = 2
READER_WAIT_S = 10.0
_LOOK_S = 0.02
_READ_ALL_S = 600.0
# The share of DuckDB's memory that one query may use before it spills to disk. Commits need the rest.
_QUESTION_SHARE = 3

log = logging.getLogger(__name__)


class Database:
    """One open database file: one writer at a time, at most two readers."""

    def __init__(
        self, path: Path, *, memory_limit: int, clock: Callable[[], int], read_only: bool, schema: Path
    ) -> None:
        """Use `open`."""
        self.path = path
        self.read_only = read_only
        self.created_ns = 0
        self.key = b""
        # Counts up before and after each maintenance commit. Only such a commit changes what is sealed.
        self.tended = 0
        self.back: Callable[[], WentBack] = WentBack
        self.commit_times = commit_times.CommitTimes()
        self._memory_limit = memory_limit
        self._clock = clock
        self._schema = schema
        self._root: duckdb.DuckDBPyConnection | None = None
        self._writing: duckdb.DuckDBPyConnection | None = None
        self._handles = threading.Lock()
        self._write_lock = threading.RLock()
        self._chores = MaintenanceLock(self._write_lock)
        self._readers = threading.BoundedSemaphore(MAX_READERS)
        self._recalling = threading.Lock()
        self._watch = QuerySupervisor()
        self._doubtful = False
        self._checkpoints = Checkpoints(path, self._checkpoint)
        self._spare: UndoFile | None = None

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        memory_limit: int = MEMORY_LIMIT,
        clock: Callable[[], int] = time.time_ns,
        read_only: bool = False,
        schema: Path = migrate.SCHEMA,
        set_aside: bool = False,
    ) -> Self:
        """Opens, creates or migrates the file. Raises StoreError: unwritable, foreign, newer, or in use.

        `clock`: nanoseconds since the epoch. `read_only` never creates a file and needs no key.
        `set_aside`: a damaged file is renamed, and a new one begun; else it raises DamagedError.
        `schema`: the directory of the numbered schema files.
        """
        database = cls(path, memory_limit=memory_limit, clock=clock, read_only=read_only, schema=schema)
        if read_only:
            database._open_to_read()
        else:
            database._open_to_write(set_aside=set_aside)
        return database

    def series(self) -> list[SeriesRow]:
        """All output series, oldest first."""
        with self.reader() as reader:
            rows = reader.rows(
                "SELECT id, metric, type, unit, attributes, privacy_level FROM series ORDER BY id"
            ).rows
        return [
            SeriesRow(number, metric, MetricType(kind), unit, attributes, PrivacyLevel(level))
            for number, metric, kind, unit, attributes, level in rows
        ]

    @property
    def next_stream(self) -> int:
        """The first unused stream number; 0 is reserved for window values."""
        with self.reader() as reader:
            return int(reader.rows("SELECT coalesce(max(id), 0) + 1 FROM streams").rows[0][0])

    def recall(self, keys: Sequence[bytes], kins: Sequence[int] = ()) -> dict[bytes, StreamState]:
        """The last committed state of known streams and of kin (a `blackhole.model.series.Recaller`).

        It is a part of writing, so it does not wait for people's queries. Raises OverloadedError.
        """
        with self._remembering() as reader:
            return recall(reader, keys, kins, now_ns=self._clock(), back=self.back())

    def find(self, points: Sequence[PointKey]) -> set[PointKey]:
        """Those of `points` that are stored. It is a part of writing, like `recall`.

        Raises OverloadedError.
        """
        with self._remembering() as reader:
            return find(reader, points)

    def next_created_us(self) -> int:
        """A time for the next commit. As `recall`, part of writing. Raises OverloadedError."""
        return self.commit_times.next_us(self._clock() // 1000, self._marks)

    def _marks(self, after_us: int) -> set[int]:
        with self._remembering() as reader:
            return commit_times.marks(reader, after_us)

    def ledger_tail(self) -> list[LedgerRow]:
        """The rows of the privacy ledger since the last budget period began, oldest first."""
        with self.reader() as reader:
            return ledger.tail(reader)

    def ledger_rows(self, after: int = 0, most: int = 1_000_000) -> list[LedgerRow]:
        """At most `most` rows of the privacy ledger after the sequence `after`, oldest first."""
        with self.reader() as reader:
            return ledger.page(reader, after, most)

    def head(self) -> LedgerEnd | None:
        """The end of the privacy ledger as the file beside the database has it. Raises StoreError."""
        return ledger.read_head(self.path)

    def size(self) -> int:
        """Bytes on disk: the file and its write-ahead log."""
        return sum(files.size(path) for path in (self.path, files.beside(self.path, files.WAL)))

    def now_ns(self) -> int:
        return self._clock()

    @contextmanager
    def reader(self, *, yields: bool = False) -> Iterator[Reader]:
        """A read-only snapshot. Raises QueryError when two queries are running and do not end.

        `yields`: true for people's queries. They end with QueryError when writing needs their memory.
        """
        if not take_place(self._readers, READER_WAIT_S):
            raise QueryError(f"{MAX_READERS} queries are already running: ask again when they have ended")
        try:
            if yields and not self._watch.has_memory():
                raise short_of_memory()
            with self._snapshot(yields=yields) as reader:
                yield reader
        finally:
            self._readers.release()

    def yield_when(self, short: Callable[[], bool]) -> None:
        """`short` says whether memory is short. Any thread may ask it, a hundred times a second."""
        self._watch.short = short

    @contextmanager
    def write(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """One transaction. It is committed at the end, and undone when anything is raised. Raises StoreError.

        The file is opened anew when the COMMIT fails, or when DuckDB has given the file up (FATAL).
        """
        with self._write_lock:
            connection = self._writing_connection()
            committing = False
            try:
                connection.execute("BEGIN")
                yield connection
                committing = True
                connection.execute("COMMIT")
                self._watch.committed()
            except duckdb.Error as error:
                raise self._undone(error, committing=committing) from None
            except BaseException:
                self._drop_writing_connection()
                raise
            self._chores.if_free(self._checkpoints.when_due)

    @contextmanager
    def beside(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A maintenance transaction: it works while others commit. Raises StoreError.

        There is one at a time, because a row that two transactions delete makes the later one fail.
        """
        with self._chores.turn():
            if self._doubtful:
                raise StoreError(f"{self.path}: is to be opened anew: it is tried again")
            connection = self._cursor()
            try:
                with self._chores.running(connection):
                    connection.execute("BEGIN")
                    yield connection
                    with self._chores.commits():
                        self.tended += 1
                        self._commit_beside(connection)
                        self.tended += 1
                        self._checkpoints.when_due()
            except duckdb.Error as error:
                self._doubtful = self._doubtful or isinstance(error, duckdb.FatalException)
                kind = PreemptedError if isinstance(error, duckdb.InterruptException) else StoreError
                raise kind(f"{self.path}: not written: {one_line(error)}") from None
            finally:
                connection.close()

    def checkpoint(self) -> bool:
        """Moves the write-ahead log into the file and frees what was deleted. Raises StoreError.

        Commits and queries wait. Returns False when a query did not end: then rows that it may read are not
        freed.
        """
        with self._chores.turn(), self._without_questions(needed=False) as alone:
            self._checkpoint()
            return alone

    def rewrite(self, rewriting: RewritePlan) -> RewriteResult:
        """Replaces this file by a fresh one without the rows that are to be left out.

        Commits wait until it is done, queries only while the files are exchanged. A kill at any point leaves
        either the old file or the new one, whole. Raises StoreError; then nothing was changed.
        """
        with self._chores.turn(), self._chores.commits(), files.fresh(self.path) as fresh:
            before = self.size()
            left_out = self._copy(fresh, rewriting)
            rewriting.check(fresh)
            self._reopen(lambda: rewrite.exchange(fresh, self.path))
            self._read_created()
        return RewriteResult(left_out, before, self.size())

    def compact(self, block_size: int = opening.BLOCK_BYTES) -> RewriteResult:
        """Replaces this file by a smaller one with all rows.

        Commits go on, and wait only for the exchange.
        """
        with self._chores.turn(), files.fresh(self.path) as fresh:
            before = self.size()
            copying = OnlineCopy(self._cursor(), self._cursor(), fresh)
            try:
                with self._chores.running(copying):
                    copying.copy(block_size)
                    copying.catch_up()
                    # A checkpoint now leaves less to do at the exchange. After an UPDATE there is none before
                    # the snapshot ends.
                    with suppress(StoreError):
                        self._checkpoint()
                    self._take(copying, fresh)
            except duckdb.Error as error:
                raise rewrite.explained(self.path, error) from None
            finally:
                copying.close()
        return RewriteResult({}, before, self.size())

    @contextmanager
    def held_still(self) -> Iterator[None]:
        """Holds commits back, with all of them in the file and not in the log. Raises StoreError."""
        with self._chores.turn(), self._chores.commits():
            if not self.read_only:
                self._checkpoint()
            yield

    def used_bytes(self) -> int:
        """Bytes of the file that hold data; the rest is free for what comes next."""
        with self.reader() as reader:
            row = reader.rows("SELECT block_size, used_blocks FROM pragma_database_size()").rows[0]
        return int(row[0]) * int(row[1]) + files.size(files.beside(self.path, files.WAL))

    def read_all(self) -> int:
        """Reads every row of every table and returns their number. Raises QueryError where one is damaged."""
        with self.reader() as reader:
            names = reader.rows("SELECT table_name FROM duckdb_tables() WHERE NOT temporary").rows
            return sum(
                int(reader.rows(rewrite.READ_ALL.format(table=name), timeout=_READ_ALL_S).rows[0][0])
                for (name,) in names
            )

    def close(self) -> None:
        """Checkpoints and closes the file."""
        self._watch.close()
        self._close_file()

    def _close_file(self) -> None:
        with self._write_lock, self._chores.ended(READER_WAIT_S), self._handles:
            self._drop_writing_connection()
            self._close_root(checkpoint=not (self.read_only or self._doubtful))

    def _checkpoint(self) -> None:
        """Called with the maintenance lock held. Nobody writes meanwhile."""
        with self._chores.commits(), self._cursor() as cursor:
            try:
                spare.checkpoint(cursor, self._spare)
            except (duckdb.Error, OSError) as error:
                raise StoreError(f"{self.path}: no checkpoint: {one_line(error)}") from None

    def _commit_beside(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Called with the commit lock held. After a COMMIT that failed only the file tells what is stored."""
        try:
            connection.execute("COMMIT")
        except duckdb.Error:
            connection.close()
            self._reopen()
            raise

    def _take(self, copying: OnlineCopy, fresh: Path) -> None:
        """Exchanges the files. Queries end before that, so that commits wait for nothing else."""
        with self._without_questions(), self._chores.commits():
            began = time.perf_counter()
            copying.finish()
            copying.close()
            self._open_anew(lambda: rewrite.exchange(fresh, self.path))
            self._read_created()
            log.info("commits waited %.2f s while the files were exchanged", time.perf_counter() - began)

    def _close_root(self, *, checkpoint: bool) -> None:
        root, self._root = self._root, None
        if root is None:
            return
        if checkpoint:
            with suppress(duckdb.Error, OSError):  # the log has it all
                spare.checkpoint(root, self._spare)
        root.close()
        if self._spare is not None:
            self._spare.close()
            self._spare = None

    def _undone(self, error: duckdb.Error, *, committing: bool) -> StoreError:
        ended = 0
        if committing or isinstance(error, duckdb.FatalException):
            # DuckDB may keep rows of a COMMIT that failed for want of memory, and write them with the next
            # checkpoint. So the file is opened anew: it alone tells what is stored.
            ended = self._watch.end_for_commit()
            self._reopen()
        else:
            self._drop_writing_connection()
            if isinstance(error, duckdb.OutOfMemoryException):
                ended = self._watch.end_for_commit()
        kind = QueriesPreemptedError if ended else StoreError
        return kind(f"{self.path}: not written: {one_line(error)}")

    def _writing_connection(self) -> duckdb.DuckDBPyConnection:
        """The connection of all commits. It is replaced after a transaction that failed."""
        if self._doubtful:
            self._reopen()
        if self._writing is None:
            try:
                self._writing = self._cursor()
            except QueryError:
                self._reopen()
                self._writing = self._cursor()
        return self._writing

    def _drop_writing_connection(self) -> None:
        if self._writing is not None:
            self._writing.close()
            self._writing = None

    @contextmanager
    def _remembering(self) -> Iterator[Reader]:
        try:
            with self._recalling, self._snapshot() as reader:
                yield reader
        except QueryError:
            raise OverloadedError("the store is busy: send again in a moment", retry_after=1.0) from None

    @contextmanager
    def _snapshot(self, *, yields: bool = False) -> Iterator[Reader]:
        cursor = self._cursor()
        try:
            if yields:
                cursor.execute(f"SET operator_memory_limit = '{self._memory_limit // _QUESTION_SHARE}B'")
            yield Reader(cursor, self._watch, yields=yields)
        finally:
            cursor.close()

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        with self._handles:
            if self._root is None:
                raise QueryError("the database is closed: ask again when it is open")
            return self._root.cursor()

    def _copy(self, fresh: Path, rewriting: RewritePlan) -> dict[str, int]:
        with self._cursor() as cursor:
            try:
                return rewrite.copy(cursor, fresh, rewriting)
            except duckdb.Error as error:
                raise rewrite.explained(self.path, error) from None

    def _reopen(self, exchange: Callable[[], None] | None = None) -> None:
        """Opens the file anew, without what is in memory. Raises StoreError while somebody still reads.

        `exchange` is called while the file is closed. With it, what is in memory is written to the old file
        first.
        """
        if exchange is None:
            log.warning("%s: opening the database anew", self.path)
            self._doubtful = True
        self._drop_writing_connection()
        self._watch.end_questions()
        with self._chores.ended(READER_WAIT_S), self._without_questions():
            self._open_anew(exchange)

    def _open_anew(self, exchange: Callable[[], None] | None) -> None:
        """Called while nobody commits, queries or does maintenance."""
        self._drop_writing_connection()
        with self._recalling, self._handles:
            self._close_root(checkpoint=exchange is not None)
            try:
                if exchange is not None:
                    exchange()
            finally:
                self._root = self._connect()
        self._doubtful = False

    @contextmanager
    def _without_questions(self, *, needed: bool = True) -> Iterator[bool]:
        """Holds new queries back until the running ones have ended.

        Yields whether all have ended. If `needed`, it raises StoreError when they do not.
        """
        until = time.monotonic() + READER_WAIT_S
        held = 0
        try:
            while held < MAX_READERS and time.monotonic() < until:
                held += self._readers.acquire(timeout=_LOOK_S)
                self._chores.give_way()
            if needed and held < MAX_READERS:
                raise StoreError(f"{self.path}: not opened anew while questions run: wait for them to end")
            yield held == MAX_READERS
        finally:
            for _ in range(held):
                self._readers.release()

    def _open_to_read(self) -> None:
        if not self.path.exists():
            raise StoreError(f"{self.path}: no such database: start the service first, or name --data-dir")
        self._root = self._connect()
        self._close_on_error(
            lambda: self._take_over(migrate.version_of(self._connection, self.path, self._schema))
        )

    def _take_over(self, version: int) -> None:
        if version < len(migrate.steps(self._schema)):
            raise StoreError(f"{self.path}: schema {version} is old: start the service once to migrate it")
        self._read_created()

    def _open_to_write(self, *, set_aside: bool) -> None:
        opening.make_directory(self.path)
        for attempt in range(3):  # the log, then the file, may be damaged
            fresh = not self.path.exists()
            try:
                self._root = self._connect()
                self._close_on_error(self._prepare)
            except DamagedError as error:
                if not set_aside or attempt == 2:  # noqa: PLR2004
                    raise
                moved = files.put_aside(self.path, error.parts)
                log.error("%s; it is now %s", error, " and ".join(map(str, moved)))  # noqa: TRY400
                continue
            if fresh:
                self.path.chmod(stat.S_IRUSR | stat.S_IWUSR)
            return

    def _prepare(self) -> None:
        version = migrate.version_of(self._connection, self.path, self._schema)
        if 0 < version < len(migrate.steps(self._schema)):
            self._close_file()
            copy = migrate.back_up(self.path, version)
            log.warning("%s: migrating from schema %d; the old file is kept as %s", self.path, version, copy)
            self._root = self._connect()
        if version < len(migrate.steps(self._schema)):
            migrate.migrate(self._connection, version, self._schema, self._clock())
        key = secret.read_key(self.path)
        if key is None:
            opening.forget_streams(self._connection, self.path, self._clock())
            key = secret.create_key(self.path)
        self.key = key
        files.remove(files.leftovers(self.path))
        self._read_created()
        opening.read_needed(self._connection)

    def _read_created(self) -> None:
        # A result that is not read to its end keeps its snapshot, so that deleted rows are never freed.
        rows = self._connection.execute("SELECT min(created_ns) FROM schema_version").fetchall()
        self.created_ns = int(rows[0][0])

    @property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        if self._root is None:
            raise StoreError(f"{self.path}: the database is closed")
        return self._root

    def _connect(self) -> duckdb.DuckDBPyConnection:
        root = opening.connect(self.path, memory_limit=self._memory_limit, read_only=self.read_only)
        if not self.read_only:
            self._spare = UndoFile(self.path)
        return root

    def _close_on_error(self, action: Callable[[], None]) -> None:
        try:
            action()
        except duckdb.Error as error:
            self._doubtful = True  # nothing is written to a file that cannot be read
            self._close_file()
            self._doubtful = False
            if trouble.is_damage(self.path, error):
                raise DamagedError(self.path, error) from None
            raise StoreError(f"{self.path}: {one_line(error)}: restore a copy or name another file") from None
        except BaseException:
            self.close()
            raise
