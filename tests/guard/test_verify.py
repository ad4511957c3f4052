"""Replaying the ledger: a right one passes, and each way to overspend is found at its row."""

import dataclasses
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.guard.ledger_fakes import DAY, ENTRIES, HOUR, START, Book, a_day, entry
from tests.guard.test_ledger import World, act, steps
from tests.guard.test_ledger import entry as ledger_entry

from blackhole.config import Config
from blackhole.model.ledger import LedgerKind, LedgerRow
from blackhole.model.times import TimeRange
from blackhole.privacy.chain import make_row
from blackhole.privacy.verify import Replay, verify


def replay(book: Book) -> Replay:
    last = book.rows[-1]
    return verify(book.rows, (last.sequence, last.hash))


def words(book: Book) -> list[str]:
    return [str(fault) for fault in replay(book).faults]


@pytest.mark.parametrize("delta", [1e-9, 0.0])
def test_whole_periods_as_planned_are_right(delta: float) -> None:
    book = a_day(config=Config(privacy_delta=delta))
    book.begin(START + DAY)
    book.release("user.active", 0)

    found = replay(book)

    assert found.faults == []
    assert (found.rows, found.periods, found.releases) == (52, 2, 49)


def test_an_empty_ledger_without_a_head_is_right() -> None:
    assert verify((), None).faults == []


def test_releases_of_events_are_free_once_they_are_paid() -> None:
    book = Book(entries=(entry("page.views", privacy_unit="event"),))
    book.begin()
    book.release("page.views", 0)
    book.release("page.views", 1, cost=0.0)
    assert words(book) == []


def test_switching_off_and_on_leaves_a_spent_period() -> None:
    book = a_day(range(3))
    book.off()
    book.begin(START + 4 * HOUR)
    book.write(LedgerKind.SPENT)
    book.begin(START + DAY)
    book.release("user.active", 0)
    assert words(book) == []


def overspend(book: Book) -> None:
    book.release("user.active", 0)
    book.release("user.active", 1, cost=1.0)


def twice(book: Book) -> None:
    book.release("user.active", 5)
    book.release("user.active", 5)


def free(book: Book) -> None:
    book.release("user.active", 0, cost=0.0)


def negative(book: Book) -> None:
    book.release("user.active", 0, cost=-1.0)


def after_spent(book: Book) -> None:
    book.write(LedgerKind.SPENT)
    book.release("user.active", 0)


def after_off(book: Book) -> None:
    book.off()
    book.release("user.active", 0)


def a_second_budget(book: Book) -> None:
    book.release("user.active", 0)
    book.begin(START + 2 * HOUR)
    book.release("user.active", 2)


def another_metric(book: Book) -> None:
    book.release("user.active", 0, named="not.planned")


def another_period(book: Book) -> None:
    book.release("user.active", 30)


def another_measure(book: Book) -> None:
    book.release("user.active", 0, cost_epsilon=0.1)


def without_period(book: Book) -> None:
    book.period = TimeRange(START + DAY, START + 2 * DAY)
    book.release("user.active", 0)


def without_plan(book: Book) -> None:
    book.write(LedgerKind.PERIOD, details="{}")


def greedy_plan(book: Book) -> None:
    assert book.plan is not None
    greedy = msgspec.structs.replace(book.plan, total=book.plan.total / 2)
    book.period = TimeRange(START + DAY, START + 2 * DAY)
    greedy = msgspec.structs.replace(greedy, period=book.period)
    book.write(LedgerKind.PERIOD, details=msgspec.json.encode(greedy).decode())


def back_in_time(book: Book) -> None:
    book.time_ns = START - 1
    book.write(LedgerKind.STOP)


def nameless(book: Book) -> None:
    book.write(LedgerKind.RELEASE)


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        (overspend, "row 4: charges user.active 1 where"),
        (twice, "row 4: releases a window of user.active a second time"),
        (free, "row 3: releases user.active free of charge"),
        (negative, "row 3: charges user.active in another measure"),
        (after_spent, "row 4: releases user.active where the budget is spent"),
        (after_off, "row 4: releases user.active where the budget is spent"),
        (a_second_budget, "row 5: releases user.active where the budget is spent"),
        (another_metric, "row 3: releases not.planned, which the period's plan does not have"),
        (another_period, "row 3: releases a window of user.active that is not of its period"),
        (another_measure, "row 3: charges user.active in another measure"),
        (without_period, "row 3: releases user.active in a period that the ledger has not begun"),
        (without_plan, "row 3: has no plan"),
        (greedy_plan, "row 3: plans to spend"),
        (back_in_time, "row 3: is earlier than the row before it"),
        (nameless, "row 3: is a release without a metric"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_every_way_to_overspend_is_found(wrong: Callable[[Book], None], expected: str) -> None:
    book = a_day(())
    wrong(book)
    assert any(found.startswith(expected) for found in words(book)), words(book)


def capped() -> Book:
    book = Book(entries=(*ENTRIES, entry("few.windows", max_windows_per_unit=2)))
    book.begin()
    book.release("few.windows", 0)
    return book


def test_a_restart_leaves_units_the_windows_that_are_not_paid_for() -> None:
    book = capped()
    book.write(LedgerKind.EPOCH, metric="few.windows", details='{"windows":1}')
    book.release("few.windows", 1)
    book.release("few.windows", 2, cost=0.0)
    assert words(book) == []

    book.write(LedgerKind.EPOCH, metric="few.windows", details='{"windows":0}')
    assert words(book) == []
    book.release("few.windows", 3, cost=0.0)
    assert words(book) == [
        "row 7: releases few.windows where the budget is spent or differential privacy is off"
    ]


def test_an_epoch_that_leaves_too_much_is_found() -> None:
    book = capped()
    book.write(LedgerKind.EPOCH, metric="few.windows", details='{"windows":2}')
    assert words(book) == ["row 3: leaves few.windows other than the 1 windows that are not paid for"]


def test_a_broken_chain_ends_the_replay_at_its_row() -> None:
    book = a_day(range(2))
    rows = book.rows
    rows[3] = dataclasses.replace(rows[3], cost_rho=0.0)
    found = verify(rows, (rows[-1].sequence, rows[-1].hash))
    assert [str(fault) for fault in found.faults] == [
        "privacy ledger, row 4: was changed after it was written"
    ]
    assert found.rows == 3


def head_of(rows: list[LedgerRow]) -> tuple[int, str]:
    return rows[-1].sequence, rows[-1].hash


def test_a_database_that_was_put_back_is_found_by_the_head() -> None:
    book = a_day(range(2))
    (fault,) = verify(book.rows[:-1], head_of(book.rows)).faults
    assert "ends at row 5 and its head file at row 6" in str(fault)


def test_a_head_that_is_missing_older_or_of_another_ledger_is_found() -> None:
    book = a_day(range(2))
    (missing,) = verify(book.rows, None).faults
    (older,) = verify(book.rows, head_of(book.rows[:-1])).faults
    (other,) = verify(book.rows, (len(book.rows), "0" * 64)).faults
    assert "missing" in str(missing)
    assert "head was replaced" in str(older)
    assert "another hash" in str(other)


def test_a_shorter_ledger_that_was_hashed_anew_is_found_by_the_head() -> None:
    book = a_day(range(2))
    last = book.rows[-2]
    again = make_row(last, time_ns=book.time_ns, kind=LedgerKind.STOP, period=book.period)
    (fault,) = verify([*book.rows[:-1], again], head_of(book.rows)).faults
    assert "another hash" in str(fault)


@settings(max_examples=60, deadline=None)
@given(st.lists(steps, max_size=40), st.sampled_from([None, 1, 5]), st.sampled_from([0.0, 1e-9]))
def test_whatever_happens_to_the_engine_its_ledger_is_right(
    actions: list[str], most: int | None, delta: float
) -> None:
    world = World(
        now=START,
        definitions=[ledger_entry("a"), ledger_entry("b", max_windows_per_unit=most)],
        config=Config(privacy_delta=delta),
    )
    ledger = world.start()
    for action in actions:
        act(action, world, ledger)
        if action not in {"window", "early"}:
            ledger = world.start()
    assert world.head is not None
    pending = [row for row in world.head.pending if row.sequence > len(world.rows)]
    found = verify([*world.rows, *pending], (world.head.sequence, world.head.hash))
    assert found.faults == []
