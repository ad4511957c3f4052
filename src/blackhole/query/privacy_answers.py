"""The shapes of what is told about the privacy budget and its ledger."""

import math

import msgspec

from blackhole.model.ledger import LedgerKind, LedgerRow
from blackhole.model.times import TimeRange, format_time
from blackhole.model.written_times import parse_time


class MetricBudget(msgspec.Struct, frozen=True):
    """`share`: its part of the budget, all add up to 1. `spent`: ε that its releases alone have cost."""

    metric: str
    share: float
    spent: float


class BudgetAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What one unit has been charged in the running budget period, as ε at `delta`.

    `state`: `open`; `spent` (nothing more is released in it); `off` (differential privacy was or is off, so
    that there is no bound, and `spent` is null). `charged`, `total`: the same in the ledger's own `measure`.
    """

    epsilon: float
    delta: float
    spent: float | None
    remaining: float
    period_begins: str
    period_ends: str
    state: str
    measure: str
    charged: float | None
    total: float
    metrics: list[MetricBudget]


class PrivacyNews(msgspec.Struct, frozen=True):
    """`remaining` as ε. `released`: the end of the newest window that was released."""

    remaining: float
    period_ends: str
    released: str | None


class LedgerEntry(msgspec.Struct, frozen=True):
    """One row of the ledger; null for `epsilon` or `rho` is infinite. `details` is JSON as it was hashed."""

    sequence: int
    time: str
    kind: str
    period_start: str
    period_end: str
    metric: str | None
    window_start: str | None
    window_end: str | None
    epsilon: float | None
    rho: float | None
    details: str
    previous: str
    hash: str


class LedgerHead(msgspec.Struct, frozen=True):
    """What the head file says: the newest row that was ever meant to be written.

    `pending`: rows that the database lacks, since the service was killed before it had them.
    """

    sequence: int
    hash: str
    pending: list[LedgerEntry] = []


class LedgerPage(msgspec.Struct, frozen=True):
    """Rows, the newest first. `newest`: the last sequence there is. `head`: null where there is no file."""

    rows: list[LedgerEntry]
    newest: int
    head: LedgerHead | None


def to_entry(row: LedgerRow) -> LedgerEntry:
    start, end = (None, None) if row.window is None else (row.window.start_ns, row.window.end_ns)
    return LedgerEntry(
        sequence=row.sequence,
        time=format_time(row.time_ns),
        kind=str(row.kind),
        period_start=format_time(row.period.start_ns),
        period_end=format_time(row.period.end_ns),
        metric=row.metric,
        window_start=None if start is None else format_time(start),
        window_end=None if end is None else format_time(end),
        epsilon=row.cost_epsilon if math.isfinite(row.cost_epsilon) else None,
        rho=row.cost_rho if math.isfinite(row.cost_rho) else None,
        details=row.details,
        previous=row.previous,
        hash=row.hash,
    )


def to_row(entry: LedgerEntry) -> LedgerRow:
    """The row that was meant. Raises QueryError or ValueError for what is none."""
    window = None
    if entry.window_start is not None and entry.window_end is not None:
        window = TimeRange(
            parse_time(entry.window_start, "window_start"), parse_time(entry.window_end, "window_end")
        )
    return LedgerRow(
        sequence=entry.sequence,
        time_ns=parse_time(entry.time, "time"),
        kind=LedgerKind(entry.kind),
        period=TimeRange(
            parse_time(entry.period_start, "period_start"), parse_time(entry.period_end, "period_end")
        ),
        metric=entry.metric,
        window=window,
        cost_epsilon=math.inf if entry.epsilon is None else entry.epsilon,
        cost_rho=math.inf if entry.rho is None else entry.rho,
        details=entry.details,
        previous=entry.previous,
        hash=entry.hash,
    )
