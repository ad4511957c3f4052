"""Writes findings into the table `insights`: new ones are added, known ones are prolonged."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import duckdb
import msgspec

from blackhole.model.insight import Insight, StoredInsight
from blackhole.store.database import Database

KEEP_S = 30 * 86400.0
MOST_ROWS = 2000

_HOLD = """
UPDATE insights SET description = $3, severity = $4, expires_at = make_timestamp($5::BIGINT)
WHERE insight_type = $1 AND title = $2 AND (expires_at > make_timestamp($6::BIGINT)
    OR expires_at BETWEEN make_timestamp($7::BIGINT) AND make_timestamp($8::BIGINT))
"""
_ADD = """
INSERT INTO insights (id, insight_type, title, description, severity, metrics, generated_at, expires_at)
SELECT coalesce(max(id), 0) + 1, $1, $2, $3, $4, $5, make_timestamp($6::BIGINT), make_timestamp($7::BIGINT)
FROM insights
"""
_NEWEST = """
SELECT id, strftime(generated_at, '%Y-%m-%dT%H:%M:%SZ'), strftime(expires_at, '%Y-%m-%dT%H:%M:%SZ')
FROM insights ORDER BY id DESC LIMIT 1
"""
_FORGET = """
DELETE FROM insights WHERE expires_at < make_timestamp($1::BIGINT)
    OR id NOT IN (SELECT id FROM insights ORDER BY id DESC LIMIT $2)
"""


class LastOutage(NamedTuple):
    """When nobody looked, in Unix seconds."""

    begin: float
    end: float


class Findings:
    """One writer at a time. While it holds, a finding is known by its type and title."""

    def __init__(self, database: Database, doubted: Callable[[], bool] = lambda: False) -> None:
        """While the clock is `doubted`, rows are deleted only for their number."""
        self._database = database
        self._doubted = doubted

    def keep(
        self,
        found: Sequence[Insight],
        *,
        now: float,
        hold: float,
        outage: LastOutage | None = None,
    ) -> list[StoredInsight]:
        """Stores findings and returns the new ones. Raises StoreError.

        Each holds for `hold` seconds from `now`. `outage`: a time in which nobody looked; a finding that
        ended in it for that reason goes on.
        """
        if not found:
            return []
        begin, end = outage or (now + hold, now)
        times = [round(time * 1e6) for time in (now + hold, now, begin, end + hold)]
        until, moment = times[:2]
        new: list[StoredInsight] = []
        with self._database.write() as connection:
            new += [
                _added(connection, one, moment, until) for one in found if not _held(connection, one, times)
            ]
            if new:
                before = 0 if self._doubted() else round((now - KEEP_S) * 1e6)
                connection.execute(_FORGET, [before, MOST_ROWS])
        return new


def _held(connection: duckdb.DuckDBPyConnection, one: Insight, times: list[int]) -> bool:
    bound = [one.kind, one.title, one.description, one.severity, *times]
    return bool(_first(connection, _HOLD, bound)[0])


def _added(connection: duckdb.DuckDBPyConnection, one: Insight, moment: int, until: int) -> StoredInsight:
    metrics = msgspec.json.encode(one.metrics).decode()
    connection.execute(_ADD, [one.kind, one.title, one.description, one.severity, metrics, moment, until])
    number, generated, expires = _first(connection, _NEWEST, [])
    return StoredInsight(
        number, one.kind, one.title, one.description, one.severity, one.metrics, generated, expires
    )


def _first(connection: duckdb.DuckDBPyConnection, sql: str, bound: list[Any]) -> tuple[Any, ...]:
    return connection.execute(sql, bound).fetchall()[0]
