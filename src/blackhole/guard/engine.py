"""The guard: `Batch` in, `GuardedBatch` out, with the reasons for what was left behind."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, Self

from blackhole import _core
from blackhole.catalogue.allow import ObservedMetric
from blackhole.catalogue.load import Catalogue
from blackhole.config import Config
from blackhole.guard.reasons import Reason
from blackhole.guard.resolver import Registry, Resolver
from blackhole.guard.windows import Windows
from blackhole.model.batch import GuardedBatch
from blackhole.model.ledger import LedgerEnd, LedgerRow
from blackhole.model.series import Finder, PointKey, PrivacyLevel, Recaller, SeriesRow, StreamState
from blackhole.model.signals import Verdict
from blackhole.model.times import AHEAD_NS
from blackhole.privacy.ledger import Clocks, Ledger, StoredLedger
from blackhole.privacy.scrub import clean_body, clean_name
from blackhole.runtime.clock import WentBack

IDLE_NS = 3600 * 10**9
MOST_METRICS_NAMED = 5
SECOND_NS = 10**9
NOTHING_STORED = StoredLedger()


class Store(Protocol):
    """What is asked of `blackhole.store.database.Database` at the start."""

    @property
    def created_ns(self) -> int: ...
    @property
    def next_stream(self) -> int: ...
    @property
    def recall(self) -> Recaller: ...
    def series(self) -> Sequence[SeriesRow]: ...
    def ledger_tail(self) -> Sequence[LedgerRow]: ...
    def head(self) -> LedgerEnd | None: ...


def recall_nothing(_: Sequence[bytes], __: Sequence[int] = ()) -> Mapping[bytes, StreamState]:
    """A `Recaller` of a store that is empty."""
    return {}


def find_nothing(_: Sequence[PointKey]) -> set[PointKey]:
    """A `Finder` of a store that is empty."""
    return set()


@dataclass(frozen=True, slots=True)
class StoredState:
    """What earlier runs have stored; by default nothing. `created_ns`: when the database was made."""

    created_ns: int
    series: Sequence[SeriesRow] = ()
    next_stream: int = 1
    ledger: StoredLedger = NOTHING_STORED
    recall: Recaller = recall_nothing
    find: Finder = find_nothing

    @classmethod
    def of(cls, store: Store, find: Finder) -> Self:
        """`find` also knows what is still to be committed. Raises QueryError, StoreError."""
        ledger = StoredLedger(store.ledger_tail(), store.head())
        return cls(store.created_ns, store.series(), store.next_stream, ledger, store.recall, find)


class Doubts(Protocol):
    """What the guard needs of `blackhole.runtime.clock.Clock`."""

    def doubted(self) -> bool: ...
    def created_ns(self, database_ns: int, /) -> int: ...
    def back(self) -> WentBack: ...


class NoDoubts:
    """The doubts about a clock that is right: none."""

    @staticmethod
    def doubted() -> bool:
        return False

    @staticmethod
    def created_ns(database_ns: int, /) -> int:
        return database_ns

    @staticmethod
    def back() -> WentBack:
        return WentBack()


@dataclass(frozen=True, slots=True)
class Refusal:
    """Points of one metric that were refused; `metric` is scrubbed."""

    metric: str
    reason: Reason
    points: int = field(repr=False)
    level: PrivacyLevel

    @property
    def secret(self) -> bool:
        """Whether only the sender may know the number of points."""
        return self.level.guarded


@dataclass(frozen=True, slots=True)
class Judgement:
    """What became of one request.

    `accepted`: points of the open path. `guarded`: whether there were guarded points, which are in no total.
    `refusals` leaves out highly sensitive metrics, since even one refusal would tell of somebody.
    """

    batch: GuardedBatch
    accepted: int
    refusals: tuple[Refusal, ...]
    verdict: Verdict
    guarded: bool = False

    @property
    def is_visible(self) -> bool:
        """Whether the request may be counted. One that held only guarded points may not."""
        shown = self.accepted or any(not refusal.secret for refusal in self.refusals)
        return bool(shown) or not (self.guarded or self.refusals)

    @property
    def is_empty(self) -> bool:
        """Whether the store has nothing to commit for this request."""
        return self.accepted == 0 and not self.batch.series and not self.batch.streams


class Guard:
    """One per service. Not thread-safe: batches are judged one by one, in the order of their commit."""

    def __init__(
        self,
        catalogue: Catalogue,
        config: Config,
        stored: StoredState,
        clocks: Clocks,
        doubts: Doubts | None = None,
    ) -> None:
        """`doubts`: of the wall clock; while there are some, no point is too old."""
        self._catalogue = catalogue
        self._clock_ns = clock_ns = clocks.wall
        self._retention_ns = int(config.retention_period * SECOND_NS)
        self._registry = Registry.of(stored.series, stored.next_stream)
        self.ledger = Ledger(stored.ledger, config, lambda: self._catalogue, clocks)
        self._resolver = Resolver(
            catalogue, config, self._registry, ledger=self.ledger, recall=stored.recall, find=stored.find
        )
        self._doubts = doubts or NoDoubts()
        self._made_ns = stored.created_ns
        self._back_ns = self._doubts.back().at_ns
        created_ns = self._created_ns = self._doubts.created_ns(stored.created_ns)
        now = clock_ns()
        self._table = _core.SeriesTable(max_series=config.max_series, created_ns=created_ns, started_ns=now)
        self._windows = Windows(
            self._table,
            self._resolver,
            self._registry,
            self.ledger,
            config,
            clock_ns=clock_ns,
            # If there was an earlier run, it may have released the current window, even if the database is
            # new.
            created_ns=0 if stored.ledger.rows or stored.ledger.head else created_ns,
            find=stored.find,
            ahead_ns=lambda: self._doubts.back().ahead_ns,
        )

    @staticmethod
    def scrub(bodies: Sequence[str]) -> list[str]:
        """The bodies of log records as they may be kept. It is slow, and safe in any thread."""
        return [clean_body(body) for body in bodies]

    def judge(self, batch: _core.Batch, bodies: Sequence[str] = (), *, repeatable: bool = True) -> Judgement:
        """Applies the treatments of its series to the points of one request. `bodies`: what `scrub` gave.

        `repeatable`: as in `GuardedBatch`.
        """
        now = self._clock_ns()
        self._windows.turn(now)
        self._follow_clock(now)
        outcome = self._table.apply(
            batch,
            self._resolver,
            now_ns=now,
            oldest_ns=0 if self._doubts.doubted() else now - self._retention_ns,
            newest_ns=now + AHEAD_NS,
        )
        series, streams = self._registry.take_new(outcome.columns)
        refusals = tuple(self._refusal(*refusal) for refusal in outcome.refusals)
        shown = tuple(refusal for refusal in refusals if refusal.level < PrivacyLevel.HIGHLY_SENSITIVE)
        records = None if outcome.kept is None else outcome.kept.scrubbed(bodies)
        warnings = self._take_warnings()
        return Judgement(
            GuardedBatch(outcome.columns, series, streams, records, repeatable),
            outcome.accepted,
            shown,
            Verdict(outcome.rejected, _message(outcome.rejected, refusals, warnings)),
            guarded=outcome.guarded > 0 or len(shown) < len(refusals),
        )

    @property
    def due_ns(self) -> int:
        """When a window has to be closed or published next."""
        return self._windows.due_ns

    @property
    def withheld_until_ns(self) -> int:
        """Until when nothing highly sensitive is released because the clock went back; 0 if it did not."""
        return self.ledger.withheld_until_ns

    @property
    def window_end_ns(self) -> int:
        """When the open window of sensitive metrics is due to close."""
        return self._windows.end_ns

    def take_closed(self) -> list[GuardedBatch]:
        """Closes the windows that are over, and returns those that may be published by now, in order."""
        now = self._clock_ns()
        self._windows.turn(now)
        return self._windows.take(now)

    def close_window(self) -> GuardedBatch | None:
        """Closes the open window of sensitive metrics early; None if it releases nothing."""
        return self._windows.close_sensitive(early=True)

    def stop(self) -> list[GuardedBatch]:
        """Closes all windows early, each under its own name. Returns what is still to be committed."""
        return self._windows.stop()

    def recatalogue(self, catalogue: Catalogue) -> None:
        """Judges by another catalogue from here on. The caller closes the open window first."""
        self._catalogue = catalogue
        self._resolver.recatalogue(catalogue)
        self._table.forget_rules()

    def nothing(self) -> GuardedBatch:
        """A batch without rows. When it is committed, so is everything before it."""
        return GuardedBatch(_core.Columns.of_window(0, []))

    def erase(
        self, gone: Collection[int], named: Callable[[str], bool], *, created_ns: int
    ) -> list[GuardedBatch]:
        """Forgets these output series, and what open windows hold of metrics that are `named`.

        Returns batches that were judged before, to be committed before the erasure. Cumulative streams of
        erased series began before `created_ns`, so their next value is a baseline.
        """
        batches = self._windows.take_all()
        self._registry.erase(gone)
        rules = self._resolver.erase(gone, named)
        self._table.erase(set(gone), rules, created_ns)
        self._made_ns = self._created_ns = created_ns
        return [*batches, self.nothing()]

    @property
    def catalogue(self) -> Catalogue:
        return self._catalogue

    @property
    def unknown(self) -> Mapping[str, ObservedMetric]:
        """Refused metrics that an entry of their own would admit, since the catalogue last changed."""
        return self._resolver.unknown

    def take_edges(self) -> bytes | None:
        """Calls between services since the last time, as a metrics request that is still to be judged."""
        return self._table.take_edges(self._clock_ns())

    def forget_idle(self) -> int:
        """Forgets series that sent nothing for an hour, and returns how many."""
        return self._table.evict(self._clock_ns() - IDLE_NS)

    def hold(self, held: bool) -> None:
        """While held, series that are not known yet are refused. Any thread may call it."""
        self._table.hold(held)

    def _follow_clock(self, now: int) -> None:
        """Follows the clock when it was set.

        After it went back, no stream is ahead of it. If nobody had confirmed it, streams that began before go
        on from a baseline.
        """
        back_ns, created_ns = self._doubts.back().at_ns, self._doubts.created_ns(self._made_ns)
        if back_ns != self._back_ns:
            self._back_ns = back_ns
            self._table.rewind(now, now + AHEAD_NS)
        if created_ns != self._created_ns:
            self._created_ns = created_ns
            self._table.erase(set(), set(), created_ns)

    def __len__(self) -> int:
        """How many raw series are known."""
        return len(self._table)

    def _refusal(self, metric: str, reason: int, points: int) -> Refusal:
        definition = self._resolver.releases.entry(metric) or self._catalogue.match(metric)
        level = PrivacyLevel.PUBLIC if definition is None else definition.level
        return Refusal(clean_name(metric), Reason(reason), points, level)

    def _take_warnings(self) -> list[str]:
        warnings = self._resolver.warnings[:MOST_METRICS_NAMED]
        self._resolver.warnings.clear()
        return warnings


def _message(rejected: int, refusals: Sequence[Refusal], warnings: Sequence[str]) -> str:
    """What the sender reads: at most five metrics, each with reason and remedy."""
    if not rejected:
        return "; ".join(f"warning: {warning}" for warning in warnings)
    named = [
        f"{r.metric} ({r.points}): {r.reason.words}: {r.reason.remedy}" for r in refusals[:MOST_METRICS_NAMED]
    ]
    more = len(refusals) - len(named)
    return f"refused {rejected}: " + "; ".join(named) + (f"; and {more} more metrics" if more > 0 else "")
