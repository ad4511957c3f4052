"""Turns the rows of the privacy ledger into all that is wrong with them, each fault with its place."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import msgspec

from blackhole.errors import PrivacyError
from blackhole.model.ledger import LedgerKind, LedgerRow
from blackhole.model.times import TimeRange
from blackhole.privacy import chain
from blackhole.privacy.plan import Plan

# Costs are added up again here, in another order than the engine's.
_ROUNDING = 1e-9

VerifiedHead = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Fault:
    """`sequence`: the row of the ledger; None where the fault is not in a row."""

    sequence: int | None
    words: str

    def __str__(self) -> str:
        return self.words if self.sequence is None else f"row {self.sequence}: {self.words}"


@dataclass(slots=True)
class Replay:
    """What was counted on the way; `faults` is empty where the ledger keeps its promise."""

    rows: int = 0
    periods: int = 0
    releases: int = 0
    faults: list[Fault] = field(default_factory=list)


def verify(rows: Iterable[LedgerRow], head: VerifiedHead | None) -> Replay:
    """Replays all rows, the oldest first. `head`: sequence and hash of the head file; None when missing.

    After a break of the chain nothing that follows can be believed, so the replay ends there.
    """
    replay, books, last = Replay(), _Books(), None
    for row in rows:
        try:
            chain.check((row,), after=last)
        except PrivacyError as error:
            replay.faults.append(Fault(None, str(error)))
            return replay
        replay.faults.extend(Fault(row.sequence, words) for words in books.enter(row))
        replay.rows += 1
        replay.periods += row.kind is LedgerKind.PERIOD
        replay.releases += row.kind is LedgerKind.RELEASE
        last = row
    replay.faults.extend(Fault(None, words) for words in _head_faults(last, head))
    return replay


class _Books:
    """What was spent so far, row by row."""

    def __init__(self) -> None:
        self._time_ns = 0
        self._period: TimeRange | None = None
        self._plan: Plan | None = None
        self._spent: dict[str, float] = {}
        self._closed_until = 0
        self._released: dict[str, int] = {}
        self._exhausted: set[str] = set()

    def enter(self, row: LedgerRow) -> Iterator[str]:
        if row.time_ns < self._time_ns:
            yield "is earlier than the row before it"
        self._time_ns = max(self._time_ns, row.time_ns)
        if row.kind is LedgerKind.PERIOD:
            yield from self._begin(row)
        elif row.kind is LedgerKind.RELEASE:
            yield from self._release(row)
        elif row.kind is LedgerKind.EPOCH:
            yield from self._begin_epoch(row)
        elif row.kind in (LedgerKind.SPENT, LedgerKind.OFF):
            self._closed_until = max(self._closed_until, row.period.end_ns)

    def _begin(self, row: LedgerRow) -> Iterator[str]:
        if self._period is not None and row.period.start_ns < self._period.end_ns:
            # A budget cannot be had twice: what begins within a period may release nothing before its end.
            self._closed_until = max(self._closed_until, self._period.end_ns)
        self._period, self._plan, self._spent = row.period, None, {}
        self._exhausted.clear()
        try:
            plan = msgspec.json.decode(row.details, type=Plan)
        except (msgspec.DecodeError, ValueError):
            yield "has no plan that can be read"
            return
        self._plan = plan
        if plan.period != row.period:
            yield "has the plan of another period"
        planned = sum(metric.terms.cost * metric.terms.charged_windows for metric in plan.metrics)
        if _exceeds(planned, plan.total):
            yield f"plans to spend {planned:g}, more than the budget of {plan.total:g}"

    def _begin_epoch(self, row: LedgerRow) -> Iterator[str]:
        """Units are forgotten: they may count only in the windows that are not paid for yet."""
        planned = None if self._plan is None else self._plan.metric(row.metric or "")
        if planned is None or row.metric is None:
            yield "is an epoch of a metric that the period's plan does not have"
            return
        terms = planned.terms
        left = terms.charged_windows - round(self._spent.get(row.metric, 0.0) / terms.cost)
        if msgspec.json.decode(row.details) != {"windows": left}:
            yield f"leaves {row.metric} other than the {left} windows that are not paid for"
        if left == 0:
            self._exhausted.add(row.metric)

    def _release(self, row: LedgerRow) -> Iterator[str]:
        if row.metric is None or row.window is None:
            yield "is a release without a metric or a window"
            return
        if row.window.start_ns <= self._released.get(row.metric, -1):
            yield f"releases a window of {row.metric} a second time"
        self._released[row.metric] = row.window.start_ns
        if self._period != row.period:
            yield f"releases {row.metric} in a period that the ledger has not begun"
            return
        if row.window.start_ns < self._closed_until or row.metric in self._exhausted:
            yield f"releases {row.metric} where the budget is spent or differential privacy is off"
        if not row.period.start_ns <= row.window.start_ns < row.window.end_ns <= row.period.end_ns:
            yield f"releases a window of {row.metric} that is not of its period"
        yield from self._charge(row, row.metric)

    def _charge(self, row: LedgerRow, metric: str) -> Iterator[str]:
        plan = self._plan
        planned = None if plan is None else plan.metric(metric)
        if plan is None or planned is None:
            yield f"releases {metric}, which the period's plan does not have"
            return
        cost, other = plan.mechanism.charged(rho=row.cost_rho, epsilon=row.cost_epsilon)
        if other or not math.isfinite(cost) or cost < 0:
            yield f"charges {metric} in another measure than the plan's, or less than nothing"
            return
        if cost and not math.isclose(cost, planned.terms.cost, rel_tol=_ROUNDING):
            yield f"charges {metric} {cost:g} where the plan says {planned.terms.cost:g}"
        self._spent[metric] = spent = self._spent.get(metric, 0.0) + cost
        share = planned.terms.cost * planned.terms.charged_windows
        if not cost and _exceeds(share, spent):
            yield f"releases {metric} free of charge before its share is paid"
        if _exceeds(spent, share):
            yield f"spends {spent:g} on {metric}, more than its share of {share:g}"
        if _exceeds(sum(self._spent.values()), plan.total):
            yield f"spends more than the period's budget of {plan.total:g}"


def _head_faults(last: LedgerRow | None, head: VerifiedHead | None) -> Iterator[str]:
    if head is None:
        if last is not None:
            yield "the head file is missing or unreadable: an older copy of the database would look the same"
        return
    sequence, digest = head
    written = 0 if last is None else last.sequence
    if sequence > written:
        yield (
            f"the ledger ends at row {written} and its head file at row {sequence}: the database was put back"
            " from an older copy, or lost what it had"
        )
    elif sequence < written:
        yield f"the head file ends at row {sequence} and the ledger at row {written}: the head was replaced"
    elif last is not None and digest != last.hash:
        yield f"row {written} has another hash in the head file: one of them was replaced"


def _exceeds(value: float, limit: float) -> bool:
    return value > limit * (1 + _ROUNDING)
