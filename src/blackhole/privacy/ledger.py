"""Turns time and releases into rows of the privacy ledger, and refuses whatever the budget does not hold.

No I/O: rows are handed out to be committed with what they pay for, and come back at the next start.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

import blackhole
from blackhole.catalogue.definition import Definition
from blackhole.config import Config
from blackhole.errors import PrivacyError
from blackhole.model.ledger import LedgerEnd, LedgerKind, LedgerRow
from blackhole.model.times import TimeRange
from blackhole.privacy.chain import check, make_row
from blackhole.privacy.plan import Plan, period_at, plan
from blackhole.privacy.terms import Terms
from blackhole.runtime.clock import boot_ns

_TOLERANCE = 1e-9
# Clocks are set by a little all the time.
_MOST_BEHIND_NS = 120 * 10**9
_encode = msgspec.json.Encoder(order="sorted").encode


@dataclass(frozen=True, slots=True)
class StoredLedger:
    """What an earlier run left: the rows since the last budget period began, and the head."""

    rows: Sequence[LedgerRow] = ()
    head: LedgerEnd | None = None


@dataclass(frozen=True, slots=True)
class Clocks:
    """Nanoseconds: of the wall, and of a clock that nobody sets (CLOCK_BOOTTIME)."""

    wall: Callable[[], int]
    boot: Callable[[], int] = boot_ns


class Ledger:
    """What was spent, and what may still be. Not thread-safe."""

    def __init__(
        self,
        stored: StoredLedger,
        config: Config,
        definitions: Callable[[], Iterable[Definition]],
        clocks: Clocks,
    ) -> None:
        """Continues from `stored`. What is to be committed first is in `take`.

        `definitions`: the catalogue's entries as they are when a budget period begins.
        """
        self._config = config
        self._definitions = definitions
        self._clocks = clocks
        self._last: LedgerRow | None = None
        self._new: list[LedgerRow] = []
        self._high = 0
        self._charged: Counter[str] = Counter()
        self._spent = False
        self._off = False
        self._end_ns = 0
        self._opened: tuple[int, int] | None = None
        self._released: dict[str, int] = {}
        self._exhausted: set[str] = set()
        self._allowances: dict[str, int] = {}
        self.plan: Plan | None = None
        self.window: TimeRange | None = None
        self.sensitive_until_ns = 0
        self.lost: tuple[LedgerRow, ...] = ()
        self._resume(stored)

    @property
    def may_release(self) -> bool:
        return self.plan is not None and not self._spent

    @property
    def end_ns(self) -> int:
        """When the budget period ends, and the next one begins with a new budget."""
        return self._end_ns

    @property
    def withheld_until_ns(self) -> int:
        """The time that has to come again, since the clock is behind it; 0: it is not."""
        return 0 if self.plan is None else _ahead(self._high, self._clocks.wall())

    def now_ns(self) -> int:
        """Never earlier than before, and within the period until that has lasted as long as it must."""
        now = max(self._clocks.wall(), self._high)
        if self._end_ns and now >= self._end_ns and not self._has_lasted():
            now = max(self._end_ns - 1, self._high)
        self._high = now
        return now

    def take(self) -> tuple[LedgerRow, ...]:
        """The rows that are not committed yet, in order."""
        rows = tuple(self._new)
        self._new.clear()
        return rows

    def allowance(self, terms: Terms) -> int:
        """In how many windows a unit counts, from the start of the period or this run; 0: in all."""
        if not terms.remembers_units:
            return 0
        return self._allowances.get(terms.metric, terms.charged_windows)

    def is_open(self, terms: Terms) -> bool:
        """Whether the metric may still be released in this period."""
        return self.may_release and terms.metric not in self._exhausted

    def cost_of(self, terms: Terms) -> float:
        """What the next release of the metric costs (ρ or ε); 0 once each unit is paid for."""
        return terms.cost if self._charged[terms.metric] < terms.charged_windows else 0.0

    def charge(self, terms: Terms, window: TimeRange, receipt: bytes) -> LedgerRow:
        """Charges one release. Raises PrivacyError where the budget does not hold it."""
        if not self.is_open(terms) or self.plan is None:
            raise PrivacyError(f"{terms.metric}: its budget for this period is spent")
        if window.start_ns <= self._released.get(terms.metric, -1):
            raise PrivacyError(f"{terms.metric}: this window was released already")
        cost = self.cost_of(terms)
        planned = self.plan.metric(terms.metric)
        spent = (self._charged[terms.metric] + 1) * cost
        if planned is None or spent > planned.share * self.plan.total * (1 + _TOLERANCE):
            raise PrivacyError(f"{terms.metric}: this release is more than its share of the budget")
        self._charged[terms.metric] += cost > 0
        self._released[terms.metric] = window.start_ns
        in_rho = terms.mechanism.counts_rho
        return self._write(
            LedgerKind.RELEASE,
            due_ns=window.end_ns,
            metric=terms.metric,
            window=window,
            cost_rho=cost if in_rho else 0.0,
            cost_epsilon=0.0 if in_rho else cost,
            details=receipt,
        )

    def turn(self) -> bool:
        """Goes on to the window of now. True where a new budget period began with it."""
        now = self.now_ns()
        if now >= self._end_ns:
            self._begin(now)
            return True
        if self.plan is not None:
            self.window = self.plan.window_at(now)
        return False

    def stop(self, sensitive_until_ns: int) -> None:
        """The run ends in order; nothing is lost. Sensitive windows were released up to then."""
        self._write(LedgerKind.STOP, details=_encode({"sensitive_until_ns": sensitive_until_ns}))

    def _has_lasted(self) -> bool:
        if self._opened is None:
            return True
        boot, since = self._opened
        return self._clocks.boot() - boot >= self._end_ns - since

    def _resume(self, stored: StoredLedger) -> None:
        rows = list(stored.rows)
        check(rows[1:], after=rows[0] if rows else None)
        reason, pending = _reconcile(rows, stored.head)
        self.lost = tuple(pending)
        self._new += pending
        rows += pending
        self._read(rows, stored.head)
        known = self._last
        now = self.now_ns()
        self._write(LedgerKind.START, details=_encode(_said(known)))
        if self._end_ns <= now or (self.plan is None) == self._config.differential_privacy:
            self._begin(now, why_spent=reason or UNFIT)
        if reason is not None and not self._off:
            self._spend(reason)
        self._opened = (self._clocks.boot(), now)
        self._choose_first_window(now, known)
        self._begin_epochs(known)

    def _read(self, rows: Sequence[LedgerRow], head: LedgerEnd | None) -> None:
        """Takes over the state that the rows of the last period leave."""
        if head is not None:
            self._high, self._end_ns = head.time_ns, head.period_end_ns
        for row in rows:
            self._last = row
            self._high = max(self._high, row.time_ns)
            match row.kind:
                case LedgerKind.PERIOD:
                    self._take_plan(msgspec.json.decode(row.details, type=Plan))
                case LedgerKind.OFF:
                    self.plan, self._off, self._end_ns = None, True, row.period.end_ns
                case LedgerKind.SPENT:
                    self._spent = True
                case LedgerKind.STOP:
                    until = msgspec.json.decode(row.details).get("sensitive_until_ns", 0)
                    self.sensitive_until_ns = max(self.sensitive_until_ns, until)
                case LedgerKind.RELEASE if row.metric is not None and row.window is not None:
                    self._charged[row.metric] += (row.cost_rho + row.cost_epsilon) > 0
                    self._released[row.metric] = row.window.start_ns
                case _:
                    pass

    def _take_plan(self, new: Plan) -> None:
        self.plan, self._end_ns = new, new.period.end_ns
        self._spent = self._off = False
        self._charged.clear()
        self._released.clear()
        self._exhausted.clear()
        self._allowances.clear()

    def _begin(self, now: int, why_spent: str = "") -> None:
        """Begins the budget period of now, or goes on with the running one under other rules."""
        was_off, running = self._off, now < self._end_ns
        end = self._end_ns
        period = (
            TimeRange(self._period_start(now), end) if running else period_at(now, self._config, after_ns=end)
        )
        if not self._config.differential_privacy:
            self.plan, self._off, self._end_ns, self.window = None, True, period.end_ns, None
            self._write(LedgerKind.OFF, due_ns=period.start_ns, cost_epsilon=math.inf)
            return
        new = plan(self._definitions(), self._config, period)
        self._take_plan(new)
        self._write(LedgerKind.PERIOD, due_ns=period.start_ns, details=_encode(new))
        if running:
            self._spend(SWITCHED_OFF if was_off else why_spent)
        self._opened = (self._clocks.boot(), now)
        self.window = new.window_at(now)

    def _period_start(self, now: int) -> int:
        return self._last.period.start_ns if self._last is not None else period_at(now, self._config).start_ns

    def _spend(self, reason: str) -> None:
        if not self._spent:
            self._spent = True
            self._write(LedgerKind.SPENT, details=_encode({"reason": reason}))

    def _choose_first_window(self, now: int, known: LedgerRow | None) -> None:
        """A window in which an earlier run was there is left to it: what comes now is of the next one."""
        self.window = None
        if self.plan is None:
            return
        window = self.plan.window_at(now)
        taken = max(self._released.values(), default=-1)
        while window.start_ns <= taken or (known is not None and window.start_ns <= known.time_ns):
            if window.end_ns >= self.plan.period.end_ns:
                return  # nothing is collected until the next period begins
            window = self.plan.window_at(window.end_ns)
        self.window = window

    def _begin_epochs(self, known: LedgerRow | None) -> None:
        """Who counted before the restart is forgotten: of each unit's windows only what is left remains."""
        if self.plan is None or known is None:
            return
        for planned in self.plan.metrics:
            terms = planned.terms
            if terms.remembers_units and self._charged[terms.metric]:
                left = max(terms.charged_windows - self._charged[terms.metric], 0)
                self._allowances[terms.metric] = left
                self._write(LedgerKind.EPOCH, metric=terms.metric, details=_encode({"windows": left}))
                if not left:
                    self._exhausted.add(terms.metric)

    def _write(
        self, kind: LedgerKind, *, due_ns: int | None = None, details: bytes = b"{}", **more: Any
    ) -> LedgerRow:
        """`due_ns`: when it was to be. The moment in which it is done may be that of somebody's request."""
        period, time_ns = self._current_period(), self.now_ns()
        if due_ns is not None:
            time_ns = max(min(time_ns, due_ns), 0 if self._last is None else self._last.time_ns)
        said = details.decode()
        row = make_row(self._last, time_ns=time_ns, kind=kind, period=period, details=said, **more)
        self._last = row
        self._new.append(row)
        return row

    def _current_period(self) -> TimeRange:
        if self.plan is not None:
            return self.plan.period
        if self._last is not None and self._last.period.end_ns == self._end_ns:
            return self._last.period
        period = period_at(self._high, self._config)
        return TimeRange(period.start_ns, max(period.end_ns, self._end_ns))


def withheld_until(rows: Sequence[LedgerRow], now_ns: int) -> int:
    """As `Ledger.withheld_until_ns`, by the rows since a period began, where nobody continues them now."""
    return 0 if not rows or rows[0].kind is LedgerKind.OFF else _ahead(rows[-1].time_ns, now_ns)


def _ahead(high_ns: int, now_ns: int) -> int:
    return high_ns if high_ns - now_ns > _MOST_BEHIND_NS else 0


SWITCHED_OFF = "differential privacy was switched off earlier in this period"
UNFIT = "the ledger and its head do not belong together"


def _reconcile(rows: Sequence[LedgerRow], head: LedgerEnd | None) -> tuple[str | None, list[LedgerRow]]:
    """Why the period is spent (None: it is not), and the rows that only the head has yet."""
    if not rows and head is None:
        return None, []
    if head is None:
        return "the head file of the ledger is missing", []
    if not rows:
        # Killed before the very first commit: all there ever was is in the head.
        return _replay(None, head)
    last = rows[-1]
    if (head.sequence, head.hash) == (last.sequence, last.hash):
        return None, []
    if head.sequence <= last.sequence:
        return "the head file of the ledger is older than the database", []
    return _replay(last, head)


def _replay(last: LedgerRow | None, head: LedgerEnd) -> tuple[str | None, list[LedgerRow]]:
    pending = list(head.pending)
    try:
        check(pending, after=last)
    except PrivacyError:
        return "the database is older than the head file of the ledger", []
    if not pending or (pending[-1].sequence, pending[-1].hash) != (head.sequence, head.hash):
        return "the database is older than the head file of the ledger", []
    return None, pending


def _said(known: LedgerRow | None) -> dict[str, object]:
    clean = known is None or known.kind is LedgerKind.STOP
    words = {} if clean else {"lost": "the window that was open when the service ended"}
    return {"version": blackhole.__version__, "clean": clean, **words}
