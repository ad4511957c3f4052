"""The ledger over restarts, crashes, clocks that are set, files that are lost: no window twice, no refund."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blackhole.catalogue.definition import Definition, PrivacyUnit
from blackhole.config import Config, Duration
from blackhole.errors import PrivacyError
from blackhole.model.ledger import LedgerEnd, LedgerKind, LedgerRow
from blackhole.model.series import MetricType
from blackhole.model.times import TimeRange
from blackhole.privacy.chain import check
from blackhole.privacy.ledger import Clocks, Ledger, StoredLedger

HOUR = 3600 * 10**9
DAY = 24 * HOUR
MIDNIGHT = 20_000 * DAY
NOON = MIDNIGHT + 12 * HOUR


def entry(name: str = "app.uses", **more: Any) -> Definition:
    given: dict[str, Any] = {
        "description": "d",
        "type": MetricType.COUNTER,
        "unit": "{use}",
        "privacy": "highly_sensitive",
        "purpose": "p",
        "bounds": (0.0, 1.0),
        "privacy_unit": PrivacyUnit("user", ("user.id",)),
    }
    return Definition(name=name, **(given | more))


@dataclass
class World:
    """Clocks, a catalogue, and a disk that takes the head before the rows."""

    now: int = NOON
    boot: int = 0
    definitions: list[Definition] = field(default_factory=lambda: [entry()])
    config: Config = field(default_factory=Config)
    rows: list[LedgerRow] = field(default_factory=list)
    head: LedgerEnd | None = None

    def start(self) -> Ledger:
        begun = [n for n, r in enumerate(self.rows) if r.kind in {LedgerKind.PERIOD, LedgerKind.OFF}]
        stored = StoredLedger(self.rows[begun[-1] if begun else 0 :], self.head)
        clocks = Clocks(lambda: self.now, lambda: self.boot)
        ledger = Ledger(stored, self.config, lambda: self.definitions, clocks)
        self.commit(ledger)
        return ledger

    def commit(self, ledger: Ledger, *, lost: bool = False) -> tuple[LedgerRow, ...]:
        """`lost`: killed when the head was on the disk and the rows were not."""
        rows = ledger.take()
        if rows:
            last = rows[-1]
            self.head = LedgerEnd(last.sequence, last.hash, last.time_ns, last.period.end_ns, rows)
            self.rows += () if lost else rows
        return rows

    def pass_time(self, length: int) -> None:
        self.now += length
        self.boot += length

    def of_kind(self, kind: LedgerKind) -> list[LedgerRow]:
        return [row for row in self.rows if row.kind is kind]


def release(ledger: Ledger) -> list[str]:
    """Releases the open window of all metrics that are open. Returns their names."""
    window, plan = ledger.window, ledger.plan
    if window is None or plan is None:
        return []
    open_terms = [planned.terms for planned in plan.metrics if ledger.is_open(planned.terms)]
    for terms in open_terms:
        ledger.charge(terms, window, b"{}")
    return [terms.metric for terms in open_terms]


def windows(ledger: Ledger, world: World, count: int) -> int:
    """Lets so many windows end one after the other. Returns how many releases there were."""
    released = 0
    for _ in range(count):
        end = ledger.window.end_ns if ledger.window is not None else ledger.end_ns
        world.pass_time(end - world.now)
        released += len(release(ledger))
        ledger.turn()
        world.commit(ledger)
    return released


def spent(rows: Sequence[LedgerRow]) -> float:
    return sum(row.cost_rho + row.cost_epsilon for row in rows)


def test_a_day_of_releases_costs_exactly_the_budget_and_the_next_day_begins_anew() -> None:
    world = World(now=MIDNIGHT)
    ledger = world.start()
    assert ledger.plan is not None
    assert windows(ledger, world, 24) == 24
    assert spent(world.of_kind(LedgerKind.RELEASE)) == pytest.approx(ledger.plan.total)
    assert [row.period.start_ns for row in world.of_kind(LedgerKind.PERIOD)] == [MIDNIGHT, MIDNIGHT + DAY]
    assert ledger.window == TimeRange(MIDNIGHT + DAY, MIDNIGHT + DAY + HOUR)
    check(world.rows)


def test_the_budget_is_split_by_the_catalogue_and_nothing_that_came() -> None:
    world = World(definitions=[entry("a", noise="low"), entry("b", noise="high"), entry("c", noise="medium")])
    plan = world.start().plan
    assert plan is not None
    assert [planned.share for planned in plan.metrics] == [4 / 7, 1 / 7, 2 / 7]


def test_a_window_is_released_once() -> None:
    world = World()
    ledger = world.start()
    assert ledger.plan is not None
    assert ledger.window is not None
    terms, window = ledger.plan.metrics[0].terms, ledger.window
    ledger.charge(terms, window, b"{}")
    with pytest.raises(PrivacyError, match="released already"):
        ledger.charge(terms, window, b"{}")


def test_more_than_its_share_is_refused_whatever_asks_for_it() -> None:
    world = World(now=MIDNIGHT)
    ledger = world.start()
    assert ledger.plan is not None
    terms = replace_cost(ledger.plan.metrics[0].terms, 2.0)
    hours = [TimeRange(MIDNIGHT + hour * HOUR, MIDNIGHT + (hour + 1) * HOUR) for hour in range(13)]
    for hour in hours[:12]:
        ledger.charge(terms, hour, b"{}")
    with pytest.raises(PrivacyError, match="more than its share"):
        ledger.charge(terms, hours[12], b"{}")


def replace_cost(terms: Any, factor: float) -> Any:
    return msgspec.structs.replace(terms, cost=terms.cost * factor)


def test_after_a_restart_what_comes_belongs_to_the_next_window() -> None:
    world = World(now=NOON + HOUR // 3)
    ledger = world.start()
    assert ledger.window == TimeRange(NOON, NOON + HOUR)
    release(ledger)
    ledger.stop(0)
    world.commit(ledger)
    world.pass_time(60)
    again = world.start()
    assert again.window == TimeRange(NOON + HOUR, NOON + 2 * HOUR)
    release(again)  # stopped once more, before its window even began
    again.stop(0)
    world.commit(again)
    assert world.start().window == TimeRange(NOON + 2 * HOUR, NOON + 3 * HOUR)


def test_after_a_crash_the_ledger_says_that_the_open_window_is_lost() -> None:
    world = World()
    world.start()
    world.pass_time(60)
    world.start()
    clean = [row.details for row in world.of_kind(LedgerKind.START)]
    assert '"clean":true' in clean[0]
    assert '"lost":"the window that was open' in clean[1]


def test_a_release_that_only_the_head_knows_is_charged_and_never_made_again() -> None:
    world = World()
    ledger = world.start()
    window = ledger.window
    world.pass_time(HOUR)
    release(ledger)
    world.commit(ledger, lost=True)
    again = world.start()
    assert [row.window for row in again.lost] == [window]
    assert [row.window for row in world.of_kind(LedgerKind.RELEASE)] == [window]
    assert again.may_release
    assert again.window is not None
    assert window is not None
    assert again.window.start_ns > window.start_ns
    check(world.rows)


@pytest.mark.parametrize("restored", [1, 2, 3])
def test_a_database_older_than_the_head_spends_the_period(restored: int) -> None:
    world = World(now=MIDNIGHT)
    ledger = world.start()
    windows(ledger, world, 3)
    del world.rows[-restored - 1 :]
    again = world.start()
    assert not again.may_release
    assert "older than the head" in world.of_kind(LedgerKind.SPENT)[0].details
    assert windows(again, world, 20) == 0
    assert not again.may_release
    windows(again, world, 1)
    assert again.may_release  # it is another period


def test_without_the_head_or_without_the_database_the_period_is_spent() -> None:
    for lost in ("head", "rows"):
        world = World()
        windows(world.start(), world, 2)
        setattr(world, lost, None if lost == "head" else [])
        again = world.start()
        assert (lost, again.may_release) == (lost, False)
        assert windows(again, world, 1) == 0
        # Nor does a further restart give it back.
        assert not world.start().may_release
        check(world.rows)


def test_a_deleted_database_and_a_clock_set_back_give_no_budget_back() -> None:
    world = World(now=MIDNIGHT + 20 * HOUR)
    windows(world.start(), world, 1)
    world.rows.clear()
    world.now = MIDNIGHT - 3 * DAY
    again = world.start()
    assert again.end_ns == MIDNIGHT + DAY
    assert not again.may_release


def test_setting_the_clock_back_stops_the_time() -> None:
    world = World(now=MIDNIGHT)
    ledger = world.start()
    windows(ledger, world, 3)
    world.now = MIDNIGHT
    assert ledger.now_ns() == MIDNIGHT + 3 * HOUR
    assert world.start().now_ns() == MIDNIGHT + 3 * HOUR


def test_setting_the_clock_forward_begins_no_new_period_before_this_one_has_lasted() -> None:
    world = World(now=MIDNIGHT)
    ledger = world.start()
    world.now += 5 * DAY
    assert ledger.now_ns() == MIDNIGHT + DAY - 1
    world.boot += DAY
    assert ledger.now_ns() == MIDNIGHT + 5 * DAY


def test_changes_of_the_catalogue_take_effect_in_the_next_period() -> None:
    world = World(now=MIDNIGHT)
    ledger = world.start()
    windows(ledger, world, 2)
    world.definitions = [entry("renamed"), entry("new")]
    again = world.start()
    assert again.plan is not None
    assert [planned.definition.name for planned in again.plan.metrics] == ["app.uses"]
    windows(again, world, 22)
    assert [planned.definition.name for planned in again.plan.metrics] == ["renamed", "new"]


@pytest.mark.parametrize(
    "changed",
    [
        {"privacy_budget": 50.0},
        {"budget_period": Duration(3600)},
        {"release_window": Duration(60)},
        {"privacy_delta": 0.0},
    ],
)
def test_another_budget_or_period_takes_effect_after_the_running_one(changed: dict[str, Any]) -> None:
    world = World(now=MIDNIGHT)
    before = world.start().plan
    world.config = Config(**changed)
    world.pass_time(60)
    again = world.start()
    assert again.plan == before
    assert again.end_ns == MIDNIGHT + DAY


def test_switching_it_off_costs_infinitely_much_and_the_rest_of_the_period() -> None:
    world = World(config=Config(differential_privacy=False))
    off = world.start()
    assert (off.plan, off.may_release, off.window) == (None, False, None)
    [row] = world.of_kind(LedgerKind.OFF)
    assert row.cost_epsilon == float("inf")
    world.config = Config()
    world.pass_time(HOUR)
    on = world.start()
    assert on.plan is not None
    assert (on.may_release, windows(on, world, 10)) == (False, 0)
    windows(on, world, 3)
    assert on.end_ns == MIDNIGHT + 2 * DAY
    check(world.rows)
    assert world.start().may_release


def test_off_is_said_once_a_period() -> None:
    world = World(config=Config(differential_privacy=False))
    for _ in range(3):
        world.start()
    assert len(world.of_kind(LedgerKind.OFF)) == 1
    world.pass_time(DAY)
    world.start()
    assert len(world.of_kind(LedgerKind.OFF)) == 2


def test_units_that_count_in_few_windows_pay_in_few_and_a_restart_gives_only_what_is_left() -> None:
    world = World(now=MIDNIGHT, definitions=[entry(max_windows_per_unit=3)])
    ledger = world.start()
    assert ledger.plan is not None
    terms = ledger.plan.metrics[0].terms
    assert ledger.allowance(terms) == 3
    windows(ledger, world, 2)
    again = world.start()
    assert again.allowance(terms) == 1
    assert windows(again, world, 5) == 5  # what was paid for goes on, for the units that are known
    assert [r.cost_rho > 0 for r in world.of_kind(LedgerKind.RELEASE)] == [True] * 3 + [False] * 4
    assert spent(world.of_kind(LedgerKind.RELEASE)) == pytest.approx(ledger.plan.total)
    last = world.start()
    assert not last.is_open(terms)
    assert windows(last, world, 3) == 0


def test_events_pay_once_and_need_no_memory_of_units() -> None:
    world = World(now=MIDNIGHT, definitions=[entry(privacy_unit="event")])
    windows(world.start(), world, 2)
    ledger = world.start()
    assert windows(ledger, world, 4) == 4
    assert [r.cost_rho > 0 for r in world.of_kind(LedgerKind.RELEASE)] == [True] + [False] * 5


def test_a_period_that_ends_while_nothing_runs_begins_anew() -> None:
    world = World(now=MIDNIGHT)
    windows(world.start(), world, 2)
    world.pass_time(3 * DAY)
    ledger = world.start()
    assert ledger.may_release
    assert ledger.window == TimeRange(MIDNIGHT + 3 * DAY + 2 * HOUR, MIDNIGHT + 3 * DAY + 3 * HOUR)


steps = st.sampled_from(
    ["window", "window", "stop", "crash", "lose", "back", "forward", "early", "off", "on"]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(steps, max_size=40), st.sampled_from([None, 1, 5]))
def test_whatever_happens_no_window_is_released_twice_and_no_period_costs_more(
    actions: list[str], most: int | None
) -> None:
    world = World(now=MIDNIGHT, definitions=[entry("a"), entry("b", max_windows_per_unit=most)])
    ledger = world.start()
    for action in actions:
        act(action, world, ledger)
        if action not in {"window", "early"}:
            ledger = world.start()
    check(world.rows)
    seen = [(row.metric, row.window) for row in world.of_kind(LedgerKind.RELEASE)]
    assert len(seen) == len(set(seen))
    total = plan_total()
    for period in {row.period for row in world.rows}:
        costs = [row for row in world.of_kind(LedgerKind.RELEASE) if row.period == period]
        assert spent(costs) <= total * (1 + 1e-9)


def plan_total() -> float:
    plan = World().start().plan
    assert plan is not None
    return plan.total


def act(action: str, world: World, ledger: Ledger) -> None:
    match action:
        case "window":
            windows(ledger, world, 1)
        case "stop" | "early":
            world.pass_time(HOUR // 7)
            if action == "stop":
                release(ledger)
                ledger.stop(0)
                world.commit(ledger)
        case "lose":
            world.pass_time(HOUR)
            release(ledger)
            ledger.turn()
            world.commit(ledger, lost=True)
        case "back" | "forward":
            world.now += (-9 if action == "back" else 9) * HOUR
        case "off" | "on":
            world.config = replace_config(world.config, on=action == "on")
        case _:
            world.pass_time(HOUR // 2)


def replace_config(config: Config, *, on: bool) -> Config:
    return msgspec.structs.replace(config, differential_privacy=on)
