import ctypes
from typing import Any

import pytest
from tests.clock.clock_fakes import DAY, HOUR, NOON, SECOND, Machine

from blackhole.runtime.clock import Why, kernel_synchronised


@pytest.mark.parametrize(("apart", "why"), [(31 * DAY, Why.AHEAD), (-3 * DAY, Why.BEHIND), (-DAY, None)])
def test_a_start_over_two_days_from_the_newest_row_is_doubted(apart: int, why: Why | None) -> None:
    clock = Machine().start(NOON - apart)
    assert clock.look().why == why
    assert clock.doubted() == (why is not None)


def test_a_start_with_an_empty_database_is_not_doubted() -> None:
    assert not Machine().start(None).doubted()


@pytest.mark.parametrize("by", [11 * 60 * SECOND, -11 * 60 * SECOND, 40 * 365 * DAY])
def test_a_clock_that_is_set_in_a_run_is_doubted_at_once(by: int) -> None:
    machine = Machine()
    clock = machine.start(NOON)
    machine.passes(HOUR)
    assert not clock.doubted()
    machine.wall += by
    assert clock.doubted()
    assert machine.disk is not None
    assert machine.disk.why is Why.LEAPT


def test_small_steps_and_sleep_are_no_doubt() -> None:
    machine = Machine()
    clock = machine.start(NOON)
    machine.wall += 5 * 60 * SECOND
    machine.passes(3 * DAY)  # the clock since boot counts sleep, too
    assert not clock.doubted()


def test_a_doubt_ends_when_the_kernel_calls_the_clock_synchronised() -> None:
    machine = Machine()
    clock = machine.start(NOON - 31 * DAY)
    machine.synchronised = True
    machine.passes(6 * SECOND)
    assert not clock.doubted()
    assert not machine.start(NOON).doubted()
    assert not Machine(synchronised=True).start(NOON - 31 * DAY).doubted()


def test_a_doubt_ends_when_both_clocks_ran_evenly_for_a_day() -> None:
    machine = Machine()
    clock = machine.start(NOON - 31 * DAY)
    machine.passes(23 * HOUR)
    assert clock.doubted()
    machine.wall -= HOUR
    assert clock.doubted()
    machine.passes(23 * HOUR)
    assert clock.doubted()  # a day since it was set last, not since the doubt began
    machine.passes(HOUR + SECOND)
    assert not clock.doubted()


def test_a_restart_does_not_clear_a_doubt_nor_begin_its_day_anew() -> None:
    machine = Machine()
    machine.start(NOON - 31 * DAY)
    for _ in range(3):
        machine.passes(7 * HOUR)
        assert machine.start(machine.wall).doubted()
    machine.passes(4 * HOUR)
    assert not machine.start(machine.wall).doubted()


def test_the_day_begins_anew_when_the_machine_was_started_or_its_clock_set_between_runs() -> None:
    machine = Machine()
    machine.start(NOON - 31 * DAY)
    machine.passes(23 * HOUR)
    machine.boot = HOUR
    assert machine.start(machine.wall).doubted()
    machine.passes(23 * HOUR)
    assert machine.start(machine.wall).doubted()
    machine.wall += HOUR
    assert machine.start(machine.wall).doubted()
    machine.passes(2 * HOUR)
    assert machine.start(machine.wall).doubted()


def test_one_line_says_what_is_in_force() -> None:
    machine = Machine()
    clock = machine.start(NOON - 31 * DAY)
    (note,) = clock.notes()
    assert "at a start it was 31 days after the newest row" in note
    assert "nothing is deleted by age; max_database_size still holds" in note
    machine.passes(DAY)
    assert clock.notes() == []


def test_a_database_made_by_a_clock_that_was_years_back_counts_from_when_it_was_set() -> None:
    machine = Machine()
    made = machine.wall
    clock = machine.start(None)
    machine.passes(HOUR)
    assert clock.created_ns(made) == made
    machine.wall += 26 * 365 * DAY
    set_at = machine.wall
    assert clock.created_ns(made) == set_at
    machine.passes(2 * DAY)
    assert machine.start(set_at).created_ns(made) == set_at


def test_a_clock_that_was_set_between_the_first_two_runs_counts_from_the_second() -> None:
    machine = Machine()
    made = machine.wall
    machine.start(None)
    machine.boot, machine.wall = HOUR, made + 26 * 365 * DAY
    assert machine.start(made).created_ns(made) == machine.wall


def test_a_database_whose_clock_was_confirmed_counts_from_when_it_was_made() -> None:
    machine = Machine()
    made = machine.wall
    clock = machine.start(None)
    machine.passes(25 * HOUR)
    assert not clock.doubted()
    machine.wall += 3 * DAY
    assert clock.created_ns(made) == made
    # What was erased later is counted from then.
    assert clock.created_ns(machine.wall) == machine.wall


class FakeKernel:
    def __init__(self, answer: int, status: int, seconds: int) -> None:
        self.answer, self.status, self.seconds = answer, status, seconds

    def adjtimex(self, state: Any) -> int:
        state._obj.status = self.status
        state._obj.seconds = self.seconds
        return self.answer


@pytest.mark.parametrize(
    ("kernel", "said"),
    [
        (FakeKernel(0, 0x2001, NOON // SECOND), True),
        (FakeKernel(0, 0x2041, NOON // SECOND), False),
        (FakeKernel(5, 0, NOON // SECOND), False),
        (FakeKernel(-1, 0, NOON // SECOND), False),
        (FakeKernel(0, 0, NOON // SECOND - 31 * 86400), False),  # its word is about another clock
        (object(), False),
    ],
)
def test_the_kernels_word_counts_only_where_it_gives_it(kernel: object, said: bool) -> None:
    assert kernel_synchronised(lambda: NOON, kernel) is said


def test_the_kernel_can_be_asked_here() -> None:
    assert kernel_synchronised() in (True, False)
    assert ctypes.sizeof(ctypes.c_long) in (4, 8)


def test_one_line_says_what_waits_for_the_clock_to_come_there_again() -> None:
    machine = Machine(synchronised=True)
    clock = machine.start(NOON)
    machine.wall += 3 * DAY
    clock.look()
    assert clock.notes() == []
    machine.wall -= 3 * DAY
    (note,) = clock.notes(machine.wall + 2 * DAY)
    assert note.startswith("The clock went back: ")
    assert "withheld until the ledger's time, 2027-01-17 08:00:00 UTC" in note
    assert "points of up to 2027-01-18 08:00:00 UTC are shown when their time has come" in note
    (note,) = clock.notes()
    assert "withheld" not in note
    machine.passes(3 * DAY)
    assert clock.notes(machine.wall) == []


def test_how_far_it_ran_ahead_is_kept_over_smaller_leaps_and_restarts() -> None:
    machine = Machine()
    clock = machine.start(NOON)
    for ahead in (30 * DAY, HOUR):
        machine.wall += ahead
        clock.look()
        machine.wall -= ahead
        clock.look()
    machine.passes(HOUR)
    assert machine.start(NOON).back()[1] >= NOON + 30 * DAY
    assert Machine().start(NOON).back() == (0, 0)
