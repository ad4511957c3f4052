"""Turns what the privacy ledger is to say into rows that hash the row before, and checks such a chain."""

import dataclasses
import hashlib
from collections.abc import Iterable

import msgspec

from blackhole.errors import PrivacyError
from blackhole.model.ledger import LedgerKind, LedgerRow
from blackhole.model.times import TimeRange

FIRST = 1
GENESIS = "0" * 64


def make_row(
    before: LedgerRow | None,
    *,
    time_ns: int,
    kind: LedgerKind,
    period: TimeRange,
    metric: str | None = None,
    window: TimeRange | None = None,
    cost_epsilon: float = 0.0,
    cost_rho: float = 0.0,
    details: str = "{}",
) -> LedgerRow:
    """The row that follows `before` (None: the first one)."""
    row = LedgerRow(
        sequence=FIRST if before is None else before.sequence + 1,
        time_ns=time_ns,
        kind=kind,
        period=period,
        metric=metric,
        window=window,
        cost_epsilon=float(cost_epsilon),
        cost_rho=float(cost_rho),
        details=details,
        previous=GENESIS if before is None else before.hash,
        hash="",
    )
    return dataclasses.replace(row, hash=hash_of(row))


def hash_of(row: LedgerRow) -> str:
    """What `row.hash` must be: SHA-256 over the hash before, a line feed and the row as compact JSON.

    Costs stand as Python's repr of a double: the shortest decimal that reads back as the same number.
    """
    window = (None, None) if row.window is None else (row.window.start_ns, row.window.end_ns)
    said = [
        row.sequence,
        row.time_ns,
        str(row.kind),
        row.period.start_ns,
        row.period.end_ns,
        row.metric,
        *window,
        repr(row.cost_epsilon),
        repr(row.cost_rho),
        row.details,
    ]
    return hashlib.sha256(row.previous.encode() + b"\n" + msgspec.json.encode(said)).hexdigest()


def check(rows: Iterable[LedgerRow], *, after: LedgerRow | None = None) -> None:
    """Raises PrivacyError, naming the sequence, where a row does not follow the one before.

    `after`: the row before the first of `rows`; None means that they begin with the first row of all.
    """
    before = after
    for row in rows:
        _check_follows(before, row)
        before = row


def _check_follows(before: LedgerRow | None, row: LedgerRow) -> None:
    expected = FIRST if before is None else before.sequence + 1
    if row.sequence != expected:
        raise PrivacyError(
            f"privacy ledger, row {expected}: is missing (row {row.sequence} stands in its place)"
        )
    if row.previous != (GENESIS if before is None else before.hash):
        raise PrivacyError(f"privacy ledger, row {row.sequence}: does not follow the row before it")
    if row.hash != hash_of(row):
        raise PrivacyError(f"privacy ledger, row {row.sequence}: was changed after it was written")
