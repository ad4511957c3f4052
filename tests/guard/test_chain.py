"""The ledger's hash chain: whatever is changed, dropped or moved is found, with its place."""

import dataclasses
import hashlib

import pytest

from blackhole.errors import PrivacyError
from blackhole.model.ledger import LedgerKind, LedgerRow
from blackhole.model.times import TimeRange
from blackhole.privacy.chain import GENESIS, check, hash_of, make_row

PERIOD = TimeRange(0, 86400 * 10**9)
WINDOW = TimeRange(0, 3600 * 10**9)


def a_chain() -> list[LedgerRow]:
    first = make_row(None, time_ns=1, kind=LedgerKind.START, period=PERIOD)
    second = make_row(first, time_ns=2, kind=LedgerKind.PERIOD, period=PERIOD, details='{"plan":"é"}')
    third = make_row(
        second,
        time_ns=3,
        kind=LedgerKind.RELEASE,
        period=PERIOD,
        metric="a.b",
        window=WINDOW,
        cost_rho=0.1,
    )
    return [first, second, third]


def test_a_hash_can_be_computed_with_nothing_but_sha256() -> None:
    row = a_chain()[2]

    said = f'[3,3,"release",0,{PERIOD.end_ns},"a.b",0,{WINDOW.end_ns},"0.0","0.1","{{}}"]'

    assert row.hash == hashlib.sha256(f"{row.previous}\n{said}".encode()).hexdigest()
    assert a_chain()[0].previous == GENESIS


def test_a_chain_as_it_was_written_is_right() -> None:
    rows = a_chain()

    check(rows)
    check(rows[1:], after=rows[0])
    check([])


@pytest.mark.parametrize(
    "change",
    [
        {"time_ns": 4},
        {"kind": LedgerKind.EPOCH},
        {"period": TimeRange(0, 1)},
        {"metric": None},
        {"window": None},
        {"cost_epsilon": 0.5},
        {"cost_rho": 0.05},
        {"details": "{ }"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_row_that_was_changed_is_named(change: dict[str, object]) -> None:
    first, second, third = a_chain()

    with pytest.raises(PrivacyError, match="row 3: was changed"):
        check([first, second, dataclasses.replace(third, **change)])  # type: ignore[arg-type]


def test_a_row_that_was_changed_and_hashed_again_breaks_the_next_one() -> None:
    first, second, third = a_chain()
    forged = dataclasses.replace(second, details="{}")
    forged = dataclasses.replace(forged, hash=hash_of(forged))

    with pytest.raises(PrivacyError, match="row 3: does not follow"):
        check([first, forged, third])


def test_rows_that_are_missing_or_moved_are_named() -> None:
    first, second, third = a_chain()

    with pytest.raises(PrivacyError, match="row 2: is missing"):
        check([first, third])
    with pytest.raises(PrivacyError, match="row 1: is missing"):
        check([second, third])
    with pytest.raises(PrivacyError, match="row 1: is missing"):
        check([second, first, third])
    with pytest.raises(PrivacyError, match="row 4: is missing"):
        check([*a_chain(), third])
