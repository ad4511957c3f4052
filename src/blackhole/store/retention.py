"""Deletes what is older than its policy allows, and the oldest of all when the file is too large."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Protocol

from blackhole.catalogue.definition import Definition
from blackhole.config import Config
from blackhole.store.database import Database

SECOND = 10**9
DAY_S = 86400
# One transaction deletes what this much time holds, so that commits of new data never wait long.
SLICE_NS = 3600 * SECOND
# The cap is on the file, which keeps freed blocks: begin before it is reached.
_FILL = 0.9
_ROUNDS = 20
_KEEP_STREAMS_S = 60 * DAY_S
_TABLES = ("points", "histogram_points", "kept_spans", "kept_logs")

log = logging.getLogger(__name__)

_OLDEST = "SELECT epoch_ns(min(time)) FROM {table} WHERE time < make_timestamp_ns($until) {only}"
_DELETE = "DELETE FROM {table} WHERE time < make_timestamp_ns($until) {only}"
_ONLY = "AND series IN (SELECT unnest($ids::UINTEGER[]))"
_EARLY = """
SELECT approx_quantile(time, 0.1) FROM (
    SELECT epoch_ns(time) AS time FROM points UNION ALL SELECT epoch_ns(time) FROM histogram_points)
"""
_SLACK_S = 3600
_FORGET_THINNED = "DELETE FROM thinned WHERE created_at < make_timestamp($before_us)"
_SILENT_STREAMS = """
DELETE FROM streams WHERE created_at < make_timestamp($before_us)
    AND id NOT IN (SELECT stream FROM points) AND id NOT IN (SELECT stream FROM histogram_points)
"""


class Catalogue(Protocol):
    """What is asked of `blackhole.catalogue.load.Catalogue`."""

    def match(self, name: str, /) -> Definition | None: ...


class Retention:
    """Applies `retention_policies`, `retention_period` and `max_database_size` to the file."""

    def __init__(self, database: Database, catalogue: Catalogue, config: Config) -> None:
        self._database = database
        self._catalogue = catalogue
        self._keep_s = float(config.retention_period)
        self._max_bytes = int(config.max_database_size)

    def recatalogue(self, catalogue: Catalogue) -> None:
        """Goes by another catalogue from here on."""
        self._catalogue = catalogue

    def apply(self) -> int:
        """Deletes; returns how many points. Raises StoreError, QueryError."""
        now_ns = self._database.now_ns()
        deleted = sum(
            self._delete_before(now_ns - round(keep_s * SECOND), ids)
            for keep_s, ids in self._series_by_age().items()
        )
        self._forget_silent_streams(now_ns)
        deleted += self._shrink()
        if deleted:
            log.info("retention deleted %d points", deleted)
            self._database.checkpoint()
        return deleted

    def _series_by_age(self) -> dict[float, list[int]]:
        """The numbers of series by the seconds that their points are kept."""
        with self._database.reader() as reader:
            policies = reader.rows("SELECT metric_pattern, retention_days FROM retention_policies").rows
            series = reader.rows("SELECT metric, list(id) FROM series GROUP BY metric").rows
        ages: dict[float, list[int]] = defaultdict(list)
        for metric, ids in series:
            definition = self._catalogue.match(metric)
            category = definition.category if definition is not None else None
            days = retention_days(metric, category, policies)
            ages[self._keep_s if days is None else min(days * DAY_S, self._keep_s)] += ids
        return dict(ages)

    def _delete_before(self, until_ns: int, ids: Sequence[int] | None = None) -> int:
        deleted = 0
        for table in _TABLES:
            while (oldest := self._oldest(table, until_ns, ids)) is not None:
                deleted += self._delete(table, min(oldest + SLICE_NS, until_ns), ids)
        return deleted

    def _oldest(self, table: str, until_ns: int, ids: Sequence[int] | None) -> int | None:
        sql, bound = _bind(_OLDEST, table, until_ns, ids)
        with self._database.reader() as reader:
            oldest = reader.rows(sql, bound).rows[0][0]
        return None if oldest is None else int(oldest)

    def _delete(self, table: str, until_ns: int, ids: Sequence[int] | None) -> int:
        sql, bound = _bind(_DELETE, table, until_ns, ids)
        with self._database.write() as connection:
            rows = connection.execute(sql, bound).fetchall()
        return int(rows[0][0])

    def _forget_silent_streams(self, now_ns: int) -> None:
        """A stream that is forgotten too early would count in full again: wait far beyond its last point."""
        keep_s = max(2 * self._keep_s, _KEEP_STREAMS_S)
        with self._database.write() as connection:
            connection.execute(_SILENT_STREAMS, _before(now_ns, keep_s))
            # Rows are not older than their commits, but for clocks that run ahead a little.
            connection.execute(_FORGET_THINNED, _before(now_ns, self._keep_s + _SLACK_S))

    def _shrink(self) -> int:
        deleted = 0
        for _ in range(_ROUNDS):
            if self._database.used_bytes() <= _FILL * self._max_bytes:
                break
            # The write-ahead log counts too: it may be all that is too much.
            self._database.checkpoint()
            if self._database.used_bytes() <= _FILL * self._max_bytes:
                break
            with self._database.reader() as reader:
                early = reader.rows(_EARLY).rows[0][0]
            if early is None:
                break
            log.warning("the database is near max_database_size: deleting the oldest points")
            deleted += self._delete_before(int(early) + 1)
            self._database.checkpoint()
        return deleted


def _before(now_ns: int, seconds: float) -> dict[str, int]:
    return {"before_us": max(now_ns // 1000 - round(seconds * 10**6), 0)}


def retention_days(metric: str, category: str | None, policies: Iterable[tuple[str, int]]) -> int | None:
    """The days of the most specific policy for `metric` or `category.metric`; None without one."""
    names = (metric, f"{category}.{metric}") if category else (metric,)
    matching = [
        (len(pattern.replace("*", "")), days)
        for pattern, days in policies
        if any(fnmatchcase(name, pattern) for name in names)
    ]
    return max(matching)[1] if matching else None


def _bind(sql: str, table: str, until_ns: int, ids: Sequence[int] | None) -> tuple[str, dict[str, object]]:
    only = "" if ids is None else _ONLY
    bound: dict[str, object] = {"until": until_ns} | ({} if ids is None else {"ids": list(ids)})
    return sql.format(table=table, only=only), bound
