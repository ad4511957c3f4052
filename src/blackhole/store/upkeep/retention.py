"""Deletes what is older than its policy allows, and the oldest of all when the file is too large."""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Protocol, Self

from blackhole.catalogue.definition import Definition
from blackhole.config import Config, size_words
from blackhole.model.times import TimeRange
from blackhole.store.database import Database
from blackhole.store.tables import TABLES
from blackhole.store.upkeep.aggregate import Strategy, aggregate
from blackhole.store.upkeep.seal import BLOCK_NS, DAY_NS, SECOND, block_of
from blackhole.store.write import arrival

DAY_S = 86400
# One transaction deletes so much time, so that commits never wait long.
SLICE_NS = BLOCK_NS
# The limit counts free blocks as well, so deleting begins before it is reached.
_FILL = 0.9
_ROUNDS = 20
_KEEP_STREAMS_S = 60 * DAY_S
_SLACK_S = 3600
_EXPIRING = {table.name: table for table in TABLES if table.expires}
# Tables whose rows belong to rows of another table, and are deleted after these.
_BESIDE = {
    "intervals": """
    AND NOT EXISTS (SELECT 1 FROM chunks AS c
        WHERE c.stream = intervals.stream AND intervals.time BETWEEN c.start AND c.last)
    AND NOT EXISTS (SELECT 1 FROM histogram_chunks AS c
        WHERE c.stream = intervals.stream AND intervals.time BETWEEN c.start AND c.last)
    """
}

log = logging.getLogger(__name__)

_OLDEST = "SELECT epoch_ns(min({time})) FROM {table} WHERE {time} < make_timestamp_ns($until) {only}"
_DELETE = "DELETE FROM {table} WHERE {time} < make_timestamp_ns($until) {only}"
_ONLY = "AND series IN (SELECT unnest($ids::UINTEGER[]))"
_STAYING = "AND rowid NOT IN (SELECT unnest($staying::BIGINT[]))"
# The quantile is computed in doubles, so for few rows it may lie before all of them.
_EARLY = """
SELECT greatest(approx_quantile(time, 0.1), min(time)) FROM (
    SELECT epoch_ns(time) AS time FROM recent_points
    WHERE rowid NOT IN (SELECT unnest($recent_points::BIGINT[]))
    UNION ALL SELECT epoch_ns(time) FROM recent_histogram_points
    WHERE rowid NOT IN (SELECT unnest($recent_histogram_points::BIGINT[]))
    UNION ALL SELECT epoch_ns(last) FROM chunks
    UNION ALL SELECT epoch_ns(last) FROM histogram_chunks)
"""
_FORGET_THINNED = "DELETE FROM thinned WHERE created_at < make_timestamp($before_us)"
_FORGET_AGGREGATES = "DELETE FROM metric_aggregates WHERE time_bucket < make_timestamp($before_us)"
_SILENT_STREAMS = """
DELETE FROM streams WHERE created_at < make_timestamp($before_us)
    AND id NOT IN (
        SELECT stream FROM recent_points UNION ALL SELECT stream FROM recent_histogram_points
        UNION ALL SELECT stream FROM chunks UNION ALL SELECT stream FROM histogram_chunks)
"""
_SERIES = "SELECT metric, list(id), max(privacy_level) >= 2 FROM series GROUP BY metric"
_POLICIES = "SELECT metric_pattern, retention_days, aggregation_strategy FROM retention_policies"

Policy = tuple[str, int, str | None]
Staying = Mapping[str, Sequence[int]]


class RetainedCatalogue(Protocol):
    """What is asked of `blackhole.catalogue.load.Catalogue`."""

    def match(self, name: str, /) -> Definition | None: ...


@dataclass(frozen=True, slots=True)
class RemovedEarly:
    """Rows, or chunks, from before `until_ns` that were deleted for `max_database_size` alone."""

    rows: int = 0
    until_ns: int = 0

    def add(self, rows: int, until_ns: int) -> Self:
        return replace(self, rows=self.rows + rows, until_ns=max(self.until_ns, until_ns))


class Retention:
    """Applies `retention_policies`, `retention_period` and `max_database_size` to the file."""

    def __init__(
        self,
        database: Database,
        catalogue: RetainedCatalogue,
        config: Config,
        *,
        doubted: Callable[[], bool] = lambda: False,
    ) -> None:
        """While the clock is `doubted`, only `max_database_size` deletes."""
        self._database = database
        self._catalogue = catalogue
        self._keep_s = float(config.retention_period)
        self._keep_aggregates_s = float(config.aggregate_retention_period)
        self._doubted = doubted
        self._told: set[str] = set()
        self._max_bytes = int(config.max_database_size)
        self.removed_early = RemovedEarly()

    def recatalogue(self, catalogue: RetainedCatalogue) -> None:
        """Uses another catalogue from here on."""
        self._catalogue = catalogue

    def apply(self) -> int:
        """Sums up and deletes beside commits; returns how many rows went. Raises StoreError, QueryError."""
        now_ns = self._database.now_ns()
        deleted = 0 if self._doubted() else self._apply_policies(now_ns)
        if deleted:
            self._database.checkpoint()
        deleted += self._shrink()
        if deleted:
            log.info("retention deleted %d rows", deleted)
        return deleted

    def notes(self) -> list[str]:
        """What was removed before its time in this run, and why, in a sentence."""
        removed = self.removed_early
        if not removed.rows:
            return []
        until = datetime.fromtimestamp(removed.until_ns // SECOND, UTC).strftime("%Y-%m-%d %H:%M UTC")
        why = (
            f"the database was near max_database_size ({size_words(self._max_bytes)}): raise it, or keep less"
        )
        return [f"{removed.rows:,} rows from before {until} were removed before their time: {why}"]

    def _apply_policies(self, now_ns: int) -> int:
        """All but the rows by which streams go on that have something later which came before."""
        deleted = 0
        with self._database.beside() as connection:
            staying = arrival.needed_rows(connection, self._database.back()[1])
        for (keep_s, strategy), ids in self._series_by_policy().items():
            until_ns = now_ns - round(keep_s * SECOND)
            if strategy is None:
                deleted += self._delete_before(until_ns, ids, staying)
            else:
                deleted += self._sum_up_before(until_ns, ids, strategy, staying)
        self._forget_silent_streams(now_ns)
        return deleted

    def _series_by_policy(self) -> dict[tuple[float, Strategy | None], list[int]]:
        """Series numbers by how many seconds their points stay, and by what becomes of the points then."""
        with self._database.beside() as connection:
            policies: list[Policy] = connection.execute(_POLICIES).fetchall()
            series = connection.execute(_SERIES).fetchall()
        groups: dict[tuple[float, Strategy | None], list[int]] = defaultdict(list)
        for metric, ids, guarded in series:
            definition = self._catalogue.match(metric)
            policy = policy_of(metric, definition.category if definition is not None else None, policies)
            if policy is None:
                groups[self._keep_s, None] += ids
                continue
            strategy = self._strategy(metric, policy, guarded=guarded)
            groups[min(policy[1] * DAY_S, self._keep_s), strategy] += ids
        return dict(groups)

    def _strategy(self, metric: str, policy: Policy, *, guarded: bool) -> Strategy | None:
        pattern, _, name = policy
        if not name:
            return None
        if name not in set(Strategy):
            self._tell(f"policy {pattern}: there is no {name}: old points are deleted, not summed up")
            return None
        if name == Strategy.DAILY_WITH_NOISE and not guarded:
            self._tell(
                f"policy {pattern}: {name} sums what was released with noise, and {metric} is not: its old "
                "points are deleted; for aggregates give it a policy with daily_aggregation"
            )
            return None
        return Strategy(name)

    def _tell(self, text: str) -> None:
        """Logs it once a run."""
        if text not in self._told:
            self._told.add(text)
            log.warning(text)

    def _sum_up_before(self, until_ns: int, ids: list[int], strategy: Strategy, staying: Staying) -> int:
        """Sums up whole days only. A day's points stay until all of them are old enough."""
        until_ns = until_ns // DAY_NS * DAY_NS
        deleted = 0
        while (oldest := self._oldest_of_all(until_ns, ids, staying)) is not None:
            first = oldest // DAY_NS * DAY_NS
            with self._database.beside() as connection:
                span = TimeRange(first, first + DAY_NS)
                now_us = self._database.now_ns() // 1000
                aggregate(connection, ids, span=span, width=strategy.width_ns, now_us=now_us, without=staying)
                for table in _EXPIRING:
                    sql, bound = _bind(_DELETE, table, first + DAY_NS, ids, staying.get(table, ()))
                    deleted += int(connection.execute(sql, bound).fetchall()[0][0])
        return deleted

    def _oldest_of_all(self, until_ns: int, ids: Sequence[int], staying: Staying) -> int | None:
        found = [self._oldest(table, until_ns, ids, staying.get(table, ())) for table in _EXPIRING]
        return min((oldest for oldest in found if oldest is not None), default=None)

    def _delete_before(
        self, until_ns: int, ids: Sequence[int] | None = None, staying: Staying | None = None
    ) -> int:
        deleted = 0
        for table, kind in _EXPIRING.items():
            last = until_ns // DAY_NS * DAY_NS if kind.chunks else until_ns
            rows = (staying or {}).get(table, ())
            while (oldest := self._oldest(table, last, ids, rows)) is not None:
                deleted += self._delete(table, min(block_of(oldest) + SLICE_NS, last), ids, rows)
        return deleted

    def _oldest(
        self, table: str, until_ns: int, ids: Sequence[int] | None, staying: Sequence[int] = ()
    ) -> int | None:
        sql, bound = _bind(_OLDEST, table, until_ns, ids, staying)
        with self._database.beside() as connection:
            oldest = connection.execute(sql, bound).fetchall()[0][0]
        return None if oldest is None else int(oldest)

    def _delete(
        self, table: str, until_ns: int, ids: Sequence[int] | None, staying: Sequence[int] = ()
    ) -> int:
        sql, bound = _bind(_DELETE, table, until_ns, ids, staying)
        with self._database.beside() as connection:
            rows = connection.execute(sql, bound).fetchall()
        return int(rows[0][0])

    def _forget_silent_streams(self, now_ns: int) -> None:
        """Deletes streams long after their last point.

        One that was deleted early would count in full again.
        """
        keep_s = max(2 * self._keep_s, _KEEP_STREAMS_S)
        with self._database.beside() as connection:
            connection.execute(_SILENT_STREAMS, _before(now_ns, keep_s))
            # A row is not older than its commit, except where a clock runs a little ahead.
            connection.execute(_FORGET_THINNED, _before(now_ns, self._keep_s + _SLACK_S))
            connection.execute(_FORGET_AGGREGATES, _before(now_ns, self._keep_aggregates_s))

    def _shrink(self) -> int:
        deleted = 0
        for _ in range(_ROUNDS):
            if self._database.used_bytes() <= _FILL * self._max_bytes:
                break
            # The write-ahead log counts as well, and may be all that exceeds the limit.
            self._database.checkpoint()
            if self._database.used_bytes() <= _FILL * self._max_bytes:
                break
            gone = self._remove_oldest()
            deleted += gone
            if not (self._database.checkpoint() and gone):
                break  # what questions hold is free when they have ended
        return deleted

    def _remove_oldest(self) -> int:
        """Deletes the oldest points, except rows whose place alone says that they came last."""
        ahead_ns = self._database.back().ahead_ns
        with self._database.beside() as connection:
            staying = {table: arrival.last_rows(connection, table, ahead_ns) for table in arrival.TABLES}
            early = connection.execute(_EARLY, staying).fetchall()[0][0]
        if early is None:
            return 0
        until_ns = self._whole(int(early) + 1)
        deleted = self._delete_before(until_ns, staying=staying)
        self.removed_early = self.removed_early.add(deleted, until_ns)
        log.warning("the database is near max_database_size: the oldest %d rows were removed", deleted)
        return deleted

    def _whole(self, until_ns: int) -> int:
        """Adds at least a day if there is nothing else left to delete."""
        with self._database.beside() as connection:
            sealed = connection.execute("SELECT epoch_ns(min(last)) FROM chunks").fetchall()[0][0]
        return until_ns if sealed is None else max(until_ns, int(sealed) // DAY_NS * DAY_NS + DAY_NS)


def _before(now_ns: int, seconds: float) -> dict[str, int]:
    return {"before_us": max(now_ns // 1000 - round(seconds * 10**6), 0)}


def policy_of(metric: str, category: str | None, policies: Iterable[Policy]) -> Policy | None:
    """The most specific policy for `metric` or `category.metric`; None without one."""
    names = (metric, f"{category}.{metric}") if category else (metric,)
    matching = [policy for policy in policies if any(fnmatchcase(name, policy[0]) for name in names)]
    return max(matching, key=lambda policy: (len(policy[0].replace("*", "")), policy[1]), default=None)


def _bind(
    sql: str, table: str, until_ns: int, ids: Sequence[int] | None, staying: Sequence[int] = ()
) -> tuple[str, dict[str, object]]:
    only = ("" if ids is None else _ONLY) + (_STAYING if staying else "") + _BESIDE.get(table, "")
    bound: dict[str, object] = {"until": until_ns} | ({} if ids is None else {"ids": list(ids)})
    bound |= {"staying": list(staying)} if staying else {}
    return sql.format(table=table, time=_EXPIRING[table].expires, only=only), bound
