"""Stores the spans and log records that the owner keeps, and deletes them when their time is over."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from blackhole.config import Config
from blackhole.store.database import Database

# Beyond this the oldest are deleted early: an owner looks at minutes, not at millions of rows.
MOST_SPANS = 1_000_000
MOST_LOGS = 200_000
MOST_BODY_BYTES = 64 * 2**20

_EVER_US = 2**62

log = logging.getLogger(__name__)

INSERT_SPANS = """
INSERT INTO kept_spans
SELECT series, time, duration_ns, trace, span, parent, make_timestamp($1::BIGINT) FROM incoming_spans
"""
INSERT_LOGS = """
INSERT INTO kept_logs SELECT series, time, body, make_timestamp($1::BIGINT) FROM incoming_logs
"""

_SIZE = "SELECT count(*), {bytes}, epoch_us(min(created_at)) FROM {table}"
_BODY_BYTES = "coalesce(sum(strlen(body)), 0)"
_EARLY = "SELECT CAST(approx_quantile(epoch_us(created_at), {share:f}) AS BIGINT) FROM {table}"
_DELETE = "DELETE FROM {table} WHERE created_at <= make_timestamp($until::BIGINT)"


@dataclass(frozen=True, slots=True)
class _KeptRecords:
    """One table, how many seconds its rows stay, and how much it may hold."""

    table: str
    seconds: float
    most_rows: int
    bytes_sql: str = "0"


class RawRecordRetention:
    """Holds the tables to `keep_spans` and `keep_logs`, counted from arrival on our clock."""

    def __init__(
        self,
        database: Database,
        config: Config,
        *,
        most_spans: int = MOST_SPANS,
        most_logs: int = MOST_LOGS,
        doubted: Callable[[], bool] = lambda: False,
    ) -> None:
        """While the clock is `doubted`, rows are deleted only for their number, or when keeping is off."""
        self._database = database
        self._doubted = doubted
        self._kept = (
            _KeptRecords("kept_spans", float(config.keep_spans), most_spans),
            _KeptRecords("kept_logs", float(config.keep_logs), most_logs, _BODY_BYTES),
        )

    def apply(self) -> int:
        """Deletes what is due and returns how many rows. Raises StoreError, QueryError."""
        deleted = sum(self._hold(kept) for kept in self._kept)
        if deleted:
            log.info("%d spans and log records were deleted: their time is over", deleted)
        return deleted

    def _hold(self, kept: _KeptRecords) -> int:
        rows, size, oldest_us = self._size(kept)
        until_us = self._database.now_ns() // 1000 - round(kept.seconds * 1e6) if kept.seconds else _EVER_US
        is_over = oldest_us is not None and oldest_us <= until_us
        is_over = is_over and not (kept.seconds and self._doubted())
        deleted = self._delete(kept, until_us) if is_over else 0
        rows, size, _ = self._size(kept) if deleted else (rows, size, None)
        too_much = max(1 - kept.most_rows / max(rows, 1), 1 - MOST_BODY_BYTES / max(size, 1))
        if too_much > 0:
            with self._database.reader() as reader:
                early = reader.rows(_EARLY.format(table=kept.table, share=too_much)).rows[0][0]
            deleted += self._delete(kept, int(early))
        return deleted

    def _size(self, kept: _KeptRecords) -> tuple[int, int, int | None]:
        sql = _SIZE.format(table=kept.table, bytes=kept.bytes_sql)
        with self._database.reader() as reader:
            rows, size, oldest_us = reader.rows(sql).rows[0]
        return int(rows), int(size), oldest_us

    def _delete(self, kept: _KeptRecords, until_us: int) -> int:
        with self._database.beside() as connection:
            rows = connection.execute(_DELETE.format(table=kept.table), {"until": until_us}).fetchall()
        return int(rows[0][0])
