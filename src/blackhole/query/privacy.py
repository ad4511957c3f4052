"""Turns the privacy ledger and the catalogue into what was promised, what was spent, and what is left."""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from blackhole.catalogue.definition import Definition
from blackhole.config import Config
from blackhole.errors import QueryError, StoreError
from blackhole.model.ledger import LedgerRow
from blackhole.model.times import TimeRange, format_time
from blackhole.privacy.plan import Plan, period_at, plan
from blackhole.query.privacy_answers import (
    BudgetAnswer,
    LedgerHead,
    LedgerPage,
    MetricBudget,
    PrivacyNews,
    to_entry,
)
from blackhole.store.database import Database
from blackhole.store.read.reader import Reader
from blackhole.store.write import ledger

MAX_ROWS = 1000
_TRIES = 3
_PAST_ALL = 2**62

_NEWEST = "SELECT coalesce(max(sequence), 0), coalesce(epoch_ns(max(time)), 0) FROM privacy_ledger"
_CHARGED = """
SELECT metric,
    coalesce(sum(epsilon) FILTER (kind = 'release'), 0), coalesce(sum(rho) FILTER (kind = 'release'), 0),
    bool_or(kind = 'off'), bool_or(kind = 'spent')
FROM privacy_ledger
WHERE period_start >= make_timestamp_ns($start) AND period_start < make_timestamp_ns($end)
GROUP BY metric
"""
_RELEASED = "SELECT epoch_ns(max(window_end)) FROM privacy_ledger WHERE kind = 'release'"
_SHUT = """
SELECT epoch_ns(max(period_end)) FROM privacy_ledger
WHERE kind IN ('spent', 'off')
    AND period_start <= make_timestamp_ns($now) AND period_end > make_timestamp_ns($now)
"""


@dataclass(frozen=True, slots=True)
class _Account:
    """The plan in force, and what was charged under it by metric (ρ or ε)."""

    plan: Plan
    charged: dict[str, float]
    state: str


@dataclass(frozen=True, slots=True)
class _KnownMetric:
    """As of the ledger's row `newest`, by these entries."""

    newest: int
    catalogue: Iterable[Definition]
    account: _Account


class Privacy:
    """Answers from stored rows and the catalogue alone. Synchronous and thread-safe.

    `catalogue` gives the entries as they are when they are asked for.
    """

    def __init__(
        self,
        database: Database,
        catalogue: Callable[[], Iterable[Definition]],
        config: Config,
        now_ns: Callable[[], int],
    ) -> None:
        self._database = database
        self._catalogue = catalogue
        self._config = config
        self._now_ns = now_ns
        self._lock = threading.Lock()
        self._news: tuple[int, int, PrivacyNews] | None = None
        self._known: _KnownMetric | None = None

    def budget(self) -> BudgetAnswer:
        """The running budget period. Raises QueryError."""
        with self._lock, self._database.reader() as reader:
            account = self._unchanged(reader)
        running, total = account.plan, sum(account.charged.values())
        is_off = account.state == "off"
        return BudgetAnswer(
            epsilon=running.epsilon,
            delta=running.delta,
            spent=None if is_off else _epsilon(running, total),
            remaining=_remaining(account),
            period_begins=format_time(running.period.start_ns),
            period_ends=format_time(running.period.end_ns),
            state=account.state,
            measure=running.mechanism.measure,
            charged=None if is_off else total,
            total=running.total,
            metrics=[
                MetricBudget(
                    planned.definition.name,
                    planned.share,
                    _epsilon(running, account.charged.get(planned.definition.name, 0.0)),
                )
                for planned in running.metrics
            ],
        )

    def ledger(self, before: int | None = None, limit: int = 100) -> LedgerPage:
        """At most `limit` rows below the sequence `before`, the newest first. Raises QueryError."""
        if not 1 <= limit <= MAX_ROWS:
            raise QueryError(f"limit is from 1 to {MAX_ROWS:,}")
        below = _PAST_ALL if before is None else before
        page = LedgerPage([], 0, None)
        for _ in range(_TRIES):
            with self._database.reader() as reader:
                rows = ledger.before(reader, below, limit)
                newest = reader.rows(_NEWEST).rows[0][0]
            head = _head(self._database.path, newest)
            page = LedgerPage([to_entry(row) for row in rows], newest, head)
            # The head file is written first: between it and the commit it is ahead for a moment.
            if head is None or head.sequence == newest:
                break
        return page

    def news(self) -> PrivacyNews:
        """What readers of the stream are told; worked out anew when the ledger or the period has changed."""
        with self._lock, self._database.reader() as reader:
            newest, high_ns = reader.rows(_NEWEST).rows[0]
            known = self._news
            if known is not None and known[0] == newest and max(self._now_ns(), high_ns) < known[1]:
                return known[2]
            account = self._account(reader)
            released = reader.rows(_RELEASED).rows[0][0]
            ends = account.plan.period.end_ns
            news = PrivacyNews(
                _remaining(account), format_time(ends), None if released is None else format_time(released)
            )
            self._news = (newest, ends, news)
            return news

    def notes(self, reader: Reader) -> list[str]:
        """Why values may be absent, and when there will be some again."""
        ends = reader.rows(_SHUT, {"now": self._time(reader)}).rows[0][0]
        if ends is None:
            return []
        return [f"the privacy budget of this period is spent: nothing is released before {format_time(ends)}"]

    def _time(self, reader: Reader) -> int:
        """Now, and never earlier than what the ledger has seen."""
        return max(self._now_ns(), int(reader.rows(_NEWEST).rows[0][1]))

    def _unchanged(self, reader: Reader) -> _Account:
        """Worked out anew when the ledger, the entries or the period have changed."""
        newest, high_ns = reader.rows(_NEWEST).rows[0]
        catalogue, now, known = self._catalogue(), max(self._now_ns(), high_ns), self._known
        if known is not None and known.newest == newest and known.catalogue is catalogue:
            period = known.account.plan.period
            if period.start_ns <= now < period.end_ns:
                return known.account
        self._known = known = _KnownMetric(newest, catalogue, self._account(reader))
        return known.account

    def _account(self, reader: Reader) -> _Account:
        now = self._time(reader)
        running = self._plan_at(now, ledger.newest_period(reader))
        bound = {"start": running.period.start_ns, "end": running.period.end_ns}
        charged, off, spent = {}, not self._config.differential_privacy, False
        for metric, epsilon, rho, was_off, was_spent in reader.rows(_CHARGED, bound).rows:
            off, spent = off or was_off, spent or was_spent
            if metric is not None:
                charged[metric], _ = running.mechanism.charged(rho=rho, epsilon=epsilon)
        return _Account(running, charged, "off" if off else "spent" if spent else "open")

    def _plan_at(self, now: int, begun: LedgerRow | None) -> Plan:
        """The ledger's plan; before it has one for this time, that of the configuration."""
        if begun is not None and now < begun.period.end_ns:
            try:
                return msgspec.json.decode(begun.details, type=Plan)
            except (msgspec.DecodeError, ValueError):
                return self._planned(begun.period)
        after = 0 if begun is None else begun.period.end_ns
        return self._planned(period_at(now, self._config, after_ns=after))

    def _planned(self, period: TimeRange) -> Plan:
        try:
            return plan(self._catalogue(), self._config, period)
        except ValueError as error:
            raise QueryError(f"the catalogue cannot be planned: {error}") from None


def _head(database: Path, newest: int) -> LedgerHead | None:
    """What the head file says; None where there is none that can be read."""
    try:
        head = ledger.read_head(database)
    except StoreError:
        return None
    if head is None:
        return None
    pending = [to_entry(row) for row in head.pending if row.sequence > newest]
    return LedgerHead(head.sequence, head.hash, pending)


def _remaining(account: _Account) -> float:
    """What is left, as ε: nothing where no more is released."""
    if account.state != "open":
        return 0.0
    return max(account.plan.epsilon - _epsilon(account.plan, sum(account.charged.values())), 0.0)


def _epsilon(running: Plan, charged: float) -> float:
    """What was charged (ρ or ε) as ε at the plan's δ."""
    return running.mechanism.epsilon_at(charged, running.delta)
