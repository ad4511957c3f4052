"""Turns one SELECT into a bounded table: rows, bytes and seconds each have a limit."""

import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import duckdb

from blackhole.errors import QueryError

MAX_BYTES = 64 * 2**20
_CHUNK = 1000


@dataclass(frozen=True, slots=True)
class Table:
    """`types` are DuckDB's names. `truncated`: there were more rows than asked for."""

    columns: list[str]
    types: list[str]
    rows: list[tuple[Any, ...]] = field(repr=False)
    truncated: bool


class Reader:
    """A read-only snapshot of the database; one thread at a time."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Begins the snapshot. Raises QueryError."""
        self._connection = connection
        try:
            connection.execute("BEGIN TRANSACTION READ ONLY")
        except duckdb.Error as error:
            raise _as_query_error(error, math.inf) from None

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
        with self._limited(timeout):
            self._connection.execute(sql, params or None)
            return self._fetch(max_rows, max_bytes)

    def each(self, sql: str, params: dict[str, Any], *, timeout: float) -> Iterator[tuple[Any, ...]]:
        """The rows one by one, for those who bound what they keep. To be read before the next statement.

        Raises QueryError beyond `timeout` seconds or the memory limit.
        """
        with self._limited(timeout):
            self._connection.execute(sql, params)
            while (row := self._connection.fetchone()) is not None:
                yield row

    @contextmanager
    def _limited(self, timeout: float) -> Iterator[None]:
        expired = threading.Event()
        clock = threading.Timer(timeout, self._interrupt, (expired,))
        clock.daemon = True
        clock.start()
        try:
            yield
        except duckdb.Error as error:
            raise _as_query_error(error, timeout if expired.is_set() else math.inf) from None
        finally:
            clock.cancel()

    def _interrupt(self, expired: threading.Event) -> None:
        expired.set()
        self._connection.interrupt()

    def _fetch(self, max_rows: int, max_bytes: int) -> Table:
        description = self._connection.description or []
        rows: list[tuple[Any, ...]] = []
        size = 0
        while len(rows) <= max_rows and (chunk := self._connection.fetchmany(_CHUNK)):
            size += sum(_size(value) for row in chunk for value in row)
            if size > max_bytes:
                raise QueryError(
                    f"the answer is larger than {max_bytes >> 20} MiB: select fewer columns or rows"
                )
            rows += chunk
        return Table(
            columns=[str(column[0]) for column in description],
            types=[str(column[1]) for column in description],
            rows=rows[:max_rows],
            truncated=len(rows) > max_rows,
        )


def _size(value: object) -> int:
    if isinstance(value, str | bytes):
        return 16 + len(value)
    if isinstance(value, list | tuple):
        return 16 + sum(_size(item) for item in value)
    if isinstance(value, dict):
        return 16 + sum(_size(key) + _size(item) for key, item in value.items())
    return 16


def _as_query_error(error: duckdb.Error, timeout: float) -> QueryError:
    if math.isfinite(timeout):
        return QueryError(f"the query took longer than {timeout:g} s: narrow the time range")
    if isinstance(error, duckdb.OutOfMemoryException):
        return QueryError("the query needs more memory than the service may use: narrow the time range")
    if isinstance(error, duckdb.FatalException):
        return QueryError("the database is being reopened after a failure: ask again in a second")
    return QueryError(one_line(error))


def one_line(error: BaseException) -> str:
    """The first line of what DuckDB says."""
    text = str(error).strip().split("\n", 1)[0]
    return text or type(error).__name__
