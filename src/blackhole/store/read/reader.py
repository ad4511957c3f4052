"""Turns one SELECT into a bounded table: rows, bytes and seconds each have a limit."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import duckdb

from blackhole.errors import QueryError
from blackhole.model.batch import ArrowExporter
from blackhole.store.read.cancellation import nobody_waits
from blackhole.store.read.supervisor import QueryEnd, QuerySupervisor, Question

MAX_BYTES = 64 * 2**20
_ENDLESS = 2**62
_CHUNK_BYTES = 512 * 1024
_MOST_ROWS = 1000
# A list takes four times as much memory in Python as in DuckDB.
_MOST_NESTED_ROWS = 4
_NESTED = ("[", "STRUCT", "MAP", "UNION")

# Rows that an Arrow stream holds at a time: one vector of DuckDB's.
_HANDED_ROWS = 2048

Row = tuple[Any, ...]
ArrowConsumer = Callable[[ArrowExporter], None]


@dataclass(frozen=True, slots=True)
class Table:
    """`types` are DuckDB's names. `truncated`: there were more rows than asked for."""

    columns: list[str]
    types: list[str]
    rows: list[tuple[Any, ...]] = field(repr=False)
    truncated: bool


class Reader:
    """A read-only snapshot of the database; one thread at a time."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, watch: QuerySupervisor, *, yields: bool
    ) -> None:
        """Begins the snapshot. Raises QueryError. `yields`: see `Question`."""
        self._connection = connection
        self._watch = watch
        self._yields = yields
        try:
            connection.execute("BEGIN TRANSACTION READ ONLY")
        except duckdb.Error as error:
            raise _as_query_error(error) from None

    def rows(
        self,
        sql: str,
        params: Sequence[Any] | dict[str, Any] = (),
        *,
        max_rows: int = 1_000_000,
        timeout: float = 10.0,
        max_bytes: int = MAX_BYTES,
    ) -> Table:
        """Runs one statement. Raises QueryError beyond `timeout` seconds, `max_bytes` or the memory limit."""
        rows: list[Row] = []
        size = 0
        with closing(self.chunks(sql, params, max_rows=max_rows + 1, timeout=timeout)) as chunks:
            for chunk in chunks:
                size += sum(_size(value) for row in chunk for value in row)
                if size > max_bytes:
                    raise too_large(max_bytes)
                rows += chunk
        description = self._connection.description or []
        return Table(
            columns=[str(column[0]) for column in description],
            types=[str(column[1]) for column in description],
            rows=rows[:max_rows],
            truncated=len(rows) > max_rows,
        )

    def each(self, sql: str, params: dict[str, Any], *, timeout: float) -> Iterator[Row]:
        """Yields the rows one by one; the caller bounds what it keeps. Raises QueryError as `rows` does."""
        with closing(self.chunks(sql, params, max_rows=_ENDLESS, timeout=timeout)) as chunks:
            for chunk in chunks:
                yield from chunk

    def chunks(
        self,
        sql: str,
        params: Sequence[Any] | dict[str, Any] = (),
        *,
        max_rows: int,
        timeout: float = 10.0,
    ) -> Generator[list[Row], None, None]:
        """Runs one statement and yields a few rows at a time, so that memory is bounded.

        Raises QueryError as `rows` does. The caller closes it unless it reads to the end.
        """
        with self._watch.over(self._connection.interrupt, timeout, yields=self._yields) as question:
            try:
                self._connection.execute(sql, params or None)
                yield from self._fetch(max_rows, question)
            except duckdb.Error as error:
                raise _ended(question, timeout) or _as_query_error(error) from None
            if question.end is not None:
                raise _ended(question, timeout) or QueryError("the query was ended")

    def hand(self, sql: str, params: dict[str, Any], door: ArrowConsumer, *, timeout: float = 10.0) -> None:
        """Runs one statement and gives its rows to `door` as an Arrow stream, which is read as it is made.

        `door` must read the stream to its end before it returns. It must release the interpreter meanwhile,
        or nothing could end the query. When the stream fails it raises ValueError with the stream's text.
        Raises QueryError as `rows`.
        """
        with self._watch.over(self._connection.interrupt, timeout, yields=self._yields) as question:
            try:
                door(_Handed(self._connection, sql, params))
            except duckdb.Error as error:
                raise _ended(question, timeout) or _as_query_error(error) from None
            except ValueError as error:
                raise _ended(question, timeout) or _as_query_error(_told(error)) from None
            if question.end is not None:
                raise _ended(question, timeout) or QueryError("the query was ended")

    def _fetch(self, left: int, question: Question) -> Iterator[list[Row]]:
        kinds = [str(column[1]) for column in self._connection.description or []]
        nested = any(mark in kind for kind in kinds for mark in _NESTED)
        most, count = _MOST_NESTED_ROWS if nested else _MOST_ROWS, 1
        while left > 0 and (chunk := self._connection.fetchmany(min(count, left))):
            largest = max(_row_size(row) for row in (chunk[0], chunk[-1]))
            count = max(min(2 * count, most, _CHUNK_BYTES // largest), 1)
            left -= len(chunk)
            yield chunk
            if question.end is not None:
                return


class _Handed:
    """A statement that runs when its stream is read."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, sql: str, params: dict[str, Any]) -> None:
        self._connection = connection
        self._sql = sql
        self._params = params

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        # A relation would be parsed and bound three times, 1.4 ms each, and make 131,072 rows at a time.
        submit = getattr(self._connection, "_submit", None)
        if submit is None:
            relation = self._connection.sql(self._sql, params=self._params or None)
            return relation.__arrow_c_stream__(requested_schema)
        return submit(self._sql, self._params or None, "stream", _HANDED_ROWS).arrow_capsule()


def too_large(max_bytes: int) -> QueryError:
    return QueryError(f"the answer is larger than {max_bytes >> 20} MiB: select fewer columns or rows")


def _row_size(row: Row) -> int:
    return 16 + sum(_size(value) for value in row)


def _size(value: object) -> int:
    if isinstance(value, str | bytes):
        return 16 + len(value)
    if isinstance(value, list) and value and isinstance(value[0], int | float):
        # DuckDB's lists hold one type, and samples come as long lists of numbers.
        return 16 + 16 * len(value)
    if isinstance(value, list | tuple):
        return 16 + sum(_size(item) for item in value)
    if isinstance(value, dict):
        return 16 + sum(_size(key) + _size(item) for key, item in value.items())
    return 16


def _ended(question: Question, timeout: float) -> QueryError | None:
    if question.end is QueryEnd.TIME:
        return QueryError(f"the query took longer than {timeout:g} s: narrow the time range")
    if question.end is QueryEnd.MEMORY:
        return short_of_memory()
    if question.end is QueryEnd.GONE:
        return nobody_waits()
    return None


def short_of_memory() -> QueryError:
    return QueryError(
        "the service has no memory left for questions: narrow the time range, or ask again later"
    )


def _as_query_error(error: duckdb.Error) -> QueryError:
    if isinstance(error, duckdb.OutOfMemoryException):
        return QueryError("the query needs more memory than the service may use: narrow the time range")
    if isinstance(error, duckdb.FatalException):
        return QueryError("the database is being reopened after a failure: ask again in a second")
    return QueryError(one_line(error))


def _told(error: ValueError) -> duckdb.Error:
    """The error of DuckDB behind the text that a stream has failed with."""
    text = one_line(error)
    return duckdb.OutOfMemoryException(text) if "Out of Memory" in text else duckdb.Error(text)


def one_line(error: BaseException) -> str:
    """The first line of what DuckDB says."""
    text = str(error).strip().split("\n", 1)[0]
    return text or type(error).__name__
