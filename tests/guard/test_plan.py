"""The plan of a period: fixed by the catalogue, never above the budget, and every moment is in one window."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackhole.catalogue.definition import Definition, PrivacyUnit
from blackhole.catalogue.load import load
from blackhole.config import Config, Duration
from blackhole.model.series import MetricType
from blackhole.model.times import TimeRange
from blackhole.privacy.budget import epsilon_of
from blackhole.privacy.plan import SECOND_NS, period_at, plan

HOUR = 3600 * SECOND_NS
DAY = 24 * HOUR
MIDNIGHT = 20_000 * DAY
PERIOD = TimeRange(MIDNIGHT, MIDNIGHT + DAY)


def entry(name: str, **keys: Any) -> Definition:
    settings: dict[str, Any] = {
        "description": "d",
        "type": MetricType.COUNTER,
        "unit": "{operation}",
        "privacy": "highly_sensitive",
        "purpose": "p",
        "bounds": (0.0, 1.0),
        "privacy_unit": PrivacyUnit("user", ("user.id",)),
    }
    return Definition(name=name, **{**settings, **keys})


@given(
    st.lists(st.sampled_from(["low", "medium", "high"]), min_size=1, max_size=8),
    st.floats(0.1, 5),
    st.sampled_from([0.0, 1e-9, 1e-6]),
    st.integers(1, 30),
)
def test_all_releases_of_a_period_together_cost_no_more_than_the_budget(
    noises: list[str], epsilon: float, delta: float, capped: int
) -> None:
    made = [entry(f"m{i}", noise=noise, max_windows_per_unit=capped) for i, noise in enumerate(noises)]
    planned = plan(made, Config(privacy_budget=epsilon, privacy_delta=delta), PERIOD)
    spent = sum(metric.terms.cost * metric.terms.charged_windows for metric in planned.metrics)
    assert spent <= planned.total * (1 + 1e-9)
    if delta:
        assert epsilon_of(planned.total, delta) <= epsilon * (1 + 1e-8)
    else:
        assert planned.total == epsilon


def test_only_highly_sensitive_entries_get_a_share() -> None:
    planned = plan(
        [entry("a"), entry("b", privacy="sensitive"), entry("c", privacy="public")], Config(), PERIOD
    )
    assert [metric.definition.name for metric in planned.metrics] == ["a"]
    assert planned.metric("a") is planned.metrics[0]
    assert planned.metric("b") is None


def test_the_built_in_catalogue_can_be_planned_with_both_mechanisms() -> None:
    for delta in (0.0, 1e-9):
        assert plan(load(), Config(privacy_delta=delta), PERIOD).metrics


def test_an_entry_without_bounds_stops_the_plan() -> None:
    with pytest.raises(ValueError, match="bounds"):
        plan([entry("a", bounds=None)], Config(), PERIOD)


@given(st.integers(MIDNIGHT, MIDNIGHT + DAY - 1), st.sampled_from([1, 3600, 7 * 3600, 86400]))
def test_every_moment_of_a_period_is_in_one_window_of_it(now: int, window_s: int) -> None:
    planned = plan([entry("a")], Config(release_window=Duration(window_s)), PERIOD)
    window = planned.window_at(now)
    assert window.start_ns <= now < window.end_ns
    assert PERIOD.start_ns <= window.start_ns
    assert window.end_ns <= PERIOD.end_ns
    assert planned.window_at(window.start_ns) == window == planned.window_at(window.end_ns - 1)


@given(st.integers(MIDNIGHT, MIDNIGHT + 10 * DAY))
def test_periods_begin_at_midnight_and_follow_one_another(now: int) -> None:
    period = period_at(now, Config())
    assert period.start_ns <= now < period.end_ns
    assert period.start_ns % DAY == 0
    assert period_at(period.end_ns, Config()).start_ns == period.end_ns


def test_a_period_never_begins_before_the_one_that_runs_has_ended() -> None:
    period = period_at(MIDNIGHT + 5 * HOUR, Config(), after_ns=MIDNIGHT + 3 * HOUR)
    assert period == TimeRange(MIDNIGHT + 3 * HOUR, MIDNIGHT + DAY)
