"""Opens the one DuckDB file and hands out reading and writing, never the handle."""

import logging
import stat
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import duckdb

from blackhole.errors import OverloadedError, QueryError, StoreError
from blackhole.records import Head, LedgerRow, MetricType, Point, PrivacyLevel, SeriesRow, StreamState
from blackhole.store import files, ledger, migrate, rewrite, secret, trouble
from blackhole.store.reader import Reader, one_line, short_of_memory
from blackhole.store.recall import find, recall
from blackhole.store.rewrite import Rewriting, Rewritten
from blackhole.store.trouble import DamagedError
from blackhole.store.watch import Watch

MEMORY_LIMIT = 64 * 2**20
MAX_READERS = 2
# A checkpoint of 16 MiB takes about 50 ms on a slow core and happens once in 400,000 rows.
CHECKPOINT_THRESHOLD = "16MiB"
MAX_TEMPORARY = "256MiB"
READER_WAIT_S = 10.0
_READ_ALL_S = 600.0
_NEEDED = """
SELECT table_name FROM duckdb_tables()
WHERE table_name IN ('series', 'streams', 'privacy_ledger', 'releases')
"""
# What sorts and joins of one question may take of DuckDB's memory before they go to disk: commits need some.
_QUESTION_SHARE = 3
# Memory that the answer before took comes back within a moment.
_MEMORY_WAIT_S = 3.0

log = logging.getLogger(__name__)


class QuestionsEndedError(StoreError):
    """Not written for want of memory; questions that had it were ended, so it is worth another try."""


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
        self._memory_limit = memory_limit
        self._clock = clock
        self._schema = schema
        self._root: duckdb.DuckDBPyConnection | None = None
        self._writing: duckdb.DuckDBPyConnection | None = None
        self._handles = threading.Lock()
        self._write_lock = threading.RLock()
        self._readers = threading.BoundedSemaphore(MAX_READERS)
        self._recalling = threading.Lock()
        self._watch = Watch()
        self._doubtful = False

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

    def recall(self, keys: Sequence[bytes]) -> dict[bytes, StreamState]:
        """The last committed state of known streams (a `blackhole.records.Recaller`).

        Part of writing: it does not wait for people's queries. Raises OverloadedError.
        """
        with self._remembering() as reader:
            return recall(reader, keys, now_ns=self._clock())

    def find(self, points: Sequence[Point]) -> set[Point]:
        """Those of `points` that are stored. As `recall`, part of writing. Raises OverloadedError."""
        with self._remembering() as reader:
            return find(reader, points)

    def ledger_tail(self) -> list[LedgerRow]:
        """The rows of the privacy ledger since the last budget period began, oldest first."""
        with self.reader() as reader:
            return ledger.tail(reader)

    def ledger_rows(self, after: int = 0, most: int = 1_000_000) -> list[LedgerRow]:
        """At most `most` rows of the privacy ledger after the sequence `after`, oldest first."""
        with self.reader() as reader:
            return ledger.page(reader, after, most)

    def head(self) -> Head | None:
        """The end of the privacy ledger as the file beside the database has it. Raises StoreError."""
        return ledger.read_head(self.path)

    def size(self) -> int:
        """Bytes on disk: the file and its write-ahead log."""
        return sum(_file_size(path) for path in (self.path, files.beside(self.path, files.WAL)))

    def now_ns(self) -> int:
        return self._clock()

    @contextmanager
    def reader(self, *, yields: bool = False) -> Iterator[Reader]:
        """A read-only snapshot. Raises QueryError when two queries are running and do not end.

        `yields`: for people's questions, whose memory writing may take: they end with QueryError then.
        """
        if not self._readers.acquire(timeout=READER_WAIT_S):
            raise QueryError(f"{MAX_READERS} queries are already running: ask again when they have ended")
        try:
            if yields:
                self._wait_for_memory()
            with self._snapshot(yields=yields) as reader:
                yield reader
        finally:
            self._readers.release()

    def yield_when(self, short: Callable[[], bool]) -> None:
        """`short`: asked a hundred times a second while people's questions run; any thread."""
        self._watch.short = short

    @contextmanager
    def write(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """One transaction: committed at the end, undone when anything is raised. Raises StoreError.

        When its COMMIT fails, or DuckDB has given the file up (FATAL), the file is opened anew.
        """
        with self._write_lock:
            connection = self._writing_connection()
            committing = False
            try:
                connection.execute("BEGIN")
                yield connection
                committing = True
                connection.execute("COMMIT")
                self._watch.written()
            except duckdb.Error as error:
                raise self._undone(error, committing=committing) from None
            except BaseException:
                self._drop_writing_connection()
                raise

    def checkpoint(self) -> None:
        """Moves the write-ahead log into the file and frees what was deleted. Raises StoreError."""
        with self._write_lock:
            cursor = self._cursor()
            try:
                cursor.execute("CHECKPOINT")
            except duckdb.Error as error:
                raise StoreError(f"{self.path}: no checkpoint: {one_line(error)}") from None
            finally:
                cursor.close()

    def rewrite(self, rewriting: Rewriting) -> Rewritten:
        """Puts a fresh file in the place of this one, with all rows but those that are to be left out.

        Commits wait meanwhile, questions only while the files are exchanged. Killed at any point, either the
        old file is there, whole, or the new one. Raises StoreError; then nothing was changed.
        """
        with self._write_lock:
            fresh = files.beside(self.path, files.FRESH)
            files.remove(files.leftovers(self.path))
            before = self.size()
            try:
                left_out = self._copy(fresh, rewriting)
                rewriting.check(fresh)
                self._reopen(lambda: self._exchange(fresh))
            finally:
                files.remove(files.leftovers(self.path))
            self._read_created()
            return Rewritten(left_out, before, self.size())

    @contextmanager
    def held_still(self) -> Iterator[None]:
        """All that is committed is in the file, and nothing is written to it. Raises StoreError."""
        with self._write_lock:
            if not self.read_only:
                self.checkpoint()
            yield

    def used_bytes(self) -> int:
        """Bytes of the file that hold data; the rest is free for what comes next."""
        with self.reader() as reader:
            row = reader.rows("SELECT block_size, used_blocks FROM pragma_database_size()").rows[0]
        return int(row[0]) * int(row[1]) + _file_size(files.beside(self.path, files.WAL))

    def read_all(self) -> int:
        """Reads every row of every table; how many there are. Raises QueryError where one is damaged."""
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
        with self._write_lock, self._handles:
            self._drop_writing_connection()
            self._close_root(checkpoint=not (self.read_only or self._doubtful))

    def _close_root(self, *, checkpoint: bool) -> None:
        root, self._root = self._root, None
        if root is None:
            return
        if checkpoint:
            with suppress(duckdb.Error):  # the log has it all
                root.execute("CHECKPOINT")
        root.close()

    def _undone(self, error: duckdb.Error, *, committing: bool) -> StoreError:
        ended = 0
        if committing or isinstance(error, duckdb.FatalException):
            # DuckDB may keep rows of a COMMIT that failed for want of memory, and write them with the next
            # checkpoint: only the file, and its log, tell what is stored.
            ended = self._watch.make_way()
            self._reopen()
        else:
            self._drop_writing_connection()
            if isinstance(error, duckdb.OutOfMemoryException):
                ended = self._watch.make_way()
        kind = QuestionsEndedError if ended else StoreError
        return kind(f"{self.path}: not written: {one_line(error)}")

    def _writing_connection(self) -> duckdb.DuckDBPyConnection:
        """Kept from one transaction to the next; one whose transaction failed is not used again."""
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

    def _wait_for_memory(self) -> None:
        until = time.monotonic() + _MEMORY_WAIT_S
        while not self._watch.may_begin:
            if time.monotonic() >= until:
                raise short_of_memory()
            time.sleep(_MEMORY_WAIT_S / 60)

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

    def _copy(self, fresh: Path, rewriting: Rewriting) -> dict[str, int]:
        cursor = self._cursor()
        try:
            return rewrite.copy(cursor, fresh, rewriting)
        except duckdb.Error as error:
            raise rewrite.explained(self.path, error) from None
        finally:
            cursor.close()

    def _exchange(self, fresh: Path) -> None:
        """The closed file is whole, without a log, when the new one takes its place."""
        if _file_size(files.beside(self.path, files.WAL)):
            raise StoreError(f"{self.path}: not rewritten, nothing was changed: its log could not be emptied")
        try:
            fresh.replace(self.path)
            files.sync(self.path.parent)
        except OSError as error:
            raise StoreError(f"{self.path}: not rewritten, nothing was changed: {error.strerror}") from None
        files.remove([files.beside(self.path, files.TEMPORARY)])

    def _reopen(self, exchange: Callable[[], None] | None = None) -> None:
        """From the file, with nothing of what is in memory. Raises StoreError while somebody still reads.

        `exchange` is called while the file is closed; then what is in memory goes to the file before.
        """
        if exchange is None:
            log.warning("%s: opening the database anew", self.path)
            self._doubtful = True
        self._drop_writing_connection()
        self._watch.end_questions()
        permits = [self._readers.acquire(timeout=READER_WAIT_S) for _ in range(MAX_READERS)]
        try:
            if not all(permits):
                raise StoreError(f"{self.path}: not opened anew while questions run: wait for them to end")
            with self._recalling, self._handles:
                self._close_root(checkpoint=exchange is not None)
                try:
                    if exchange is not None:
                        exchange()
                finally:
                    self._root = self._connect()
            self._doubtful = False
        finally:
            for held in permits:
                if held:
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
        self._make_directory()
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
            self._forget_streams()
            key = secret.create_key(self.path)
        self.key = key
        files.remove(files.leftovers(self.path))
        self._read_created()
        # What a start needs is read now: where that is damaged, nothing good can come.
        for (table,) in self._connection.execute(_NEEDED).fetchall():
            self._connection.execute(rewrite.READ_ALL.format(table=table)).fetchall()

    def _forget_streams(self) -> None:
        """Without the key no stream is known again: what runs on must begin with a baseline, not in full."""
        if self._connection.execute("SELECT count(*) FROM streams").fetchall() == [(0,)]:
            return
        log.warning("%s: the key file is gone: every cumulative series begins anew", self.path)
        self._connection.execute("BEGIN")
        self._connection.execute("UPDATE streams SET key = ''::BLOB")
        self._connection.execute("UPDATE schema_version SET created_ns = ?", [self._clock()])
        self._connection.execute("COMMIT")

    def _read_created(self) -> None:
        # An answer that is not read to its end keeps its snapshot, and with it whatever is deleted later.
        rows = self._connection.execute("SELECT min(created_ns) FROM schema_version").fetchall()
        self.created_ns = int(rows[0][0])

    @property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        if self._root is None:
            raise StoreError(f"{self.path}: the database is closed")
        return self._root

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

    def _make_directory(self) -> None:
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{self.path.parent}: {error.strerror}: choose a writable --data-dir") from None

    def _connect(self) -> duckdb.DuckDBPyConnection:
        if trouble.is_damaged_log(self.path):
            raise DamagedError(
                self.path, duckdb.Error("Failure while replaying WAL: it does not begin as one")
            )
        try:
            connection = duckdb.connect(str(self.path), read_only=self.read_only, config=self._settings())
        except duckdb.Error as error:
            raise trouble.refusal(self.path, error) from None
        connection.execute("SET GLOBAL TimeZone = 'UTC'")
        connection.execute("PRAGMA disable_checkpoint_on_shutdown")  # `close` does it, `_reopen` must not
        connection.execute("SET allowed_configs = ['operator_memory_limit']")
        connection.execute("SET lock_configuration = true")
        return connection

    def _settings(self) -> dict[str, Any]:
        return {
            "memory_limit": f"{self._memory_limit}B",
            # Queries and commits run on their callers' threads: a pool beside them only costs memory and CPU.
            "threads": 1,
            "temp_directory": str(files.beside(self.path, files.TEMPORARY)),
            "max_temp_directory_size": MAX_TEMPORARY,
            "checkpoint_threshold": CHECKPOINT_THRESHOLD,
            "python_enable_replacements": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
        }


def _file_size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
