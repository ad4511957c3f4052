"""What a release costs and how much noise it gets: the formula, and the table of expected errors."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackhole.catalogue.definition import Definition, PrivacyUnit
from blackhole.model.series import MetricType
from blackhole.privacy.factorisation import column_norm, column_sum
from blackhole.privacy.mechanism import Mechanism
from blackhole.privacy.terms import SCALE_PARTS, Terms, declared_groups, shares, terms_of, window_count

DAY_TOTAL = 24_000.0  # 1,000 users a window, each adds 1
USER = PrivacyUnit("user", ("user.id",))


def entry(**keys: Any) -> Definition:
    settings: dict[str, Any] = {
        "name": "content.operations",
        "description": "d",
        "type": MetricType.COUNTER,
        "unit": "{operation}",
        "privacy": "highly_sensitive",
        "purpose": "p",
        "keep": ("type",),
        "values": {"type": ("upload", "download", "delete")},
        "bounds": (0.0, 1.0),
        "privacy_unit": USER,
        "max_groups_per_unit": 2,
    }
    return Definition(**{**settings, **keys})


def day(terms: Terms) -> float:
    """± at 95 % of the day's total over all groups, as a share of it; sums of many are normal."""
    deviation = terms.scale * (math.sqrt(2) if terms.mechanism == Mechanism.LAPLACE else 1)
    return 1.96 * deviation * math.sqrt(terms.groups * terms.windows) / DAY_TOTAL


@pytest.mark.parametrize(
    ("delta", "metrics", "windows", "keys", "percent"),
    [
        (1e-9, 1, 24, {}, 3.2),
        (1e-9, 8, 24, {}, 9.1),
        (1e-9, 8, 24, {"max_windows_per_unit": 6}, 4.5),
        (1e-9, 8, 6, {}, 2.3),
        (1e-9, 8, 24, {"privacy_unit": "event"}, 1.3),
        (0.0, 1, 24, {}, 5.5),
        (0.0, 8, 24, {}, 43.0),
    ],
    ids=[
        "one",
        "eight equal",
        "eight, W = 6",
        "eight, 4 h",
        "eight, by event",
        "one, Laplace",
        "eight, Laplace",
    ],
)
def test_a_days_total_is_as_accurate_as_the_design_says(
    delta: float, metrics: int, windows: int, keys: dict[str, Any], percent: float
) -> None:
    cost = Mechanism.of(delta).total_cost(1.0, delta) / metrics
    terms = terms_of(entry(**keys), cost, windows, Mechanism.of(delta))
    assert terms.groups == 4
    assert 100 * day(terms) == pytest.approx(percent, rel=0.02)


@given(
    rho=st.floats(1e-4, 5),
    windows=st.integers(1, 100),
    most=st.integers(1, 4),
    upper=st.integers(1, 1000),
    capped=st.one_of(st.none(), st.integers(1, 200)),
)
def test_the_scale_is_the_formula_and_never_less(
    rho: float, windows: int, most: int, upper: int, capped: int | None
) -> None:
    made = entry(max_groups_per_unit=most, bounds=(0.0, float(upper)), max_windows_per_unit=capped)
    charged = min(windows, capped or windows)
    gaussian = terms_of(made, rho, windows, Mechanism.GAUSSIAN)
    exact = upper * math.sqrt(most * charged / (2 * rho))
    assert exact * (1 - 1e-12) <= gaussian.scale <= exact + 1 / SCALE_PARTS
    assert gaussian.cost * charged == pytest.approx(rho)
    laplace = terms_of(made, rho, windows, Mechanism.LAPLACE)
    exact = upper * most * charged / rho
    assert exact * (1 - 1e-12) <= laplace.scale <= exact + 1 / SCALE_PARTS


def test_a_unit_that_moves_values_down_counts_by_the_larger_bound() -> None:
    terms = terms_of(entry(type=MetricType.UPDOWNCOUNTER, bounds=(-7.0, 3.0)), 0.5, 1, Mechanism.GAUSSIAN)
    assert terms.sensitivity == 7


def test_more_groups_than_there_are_cost_nothing() -> None:
    assert terms_of(entry(max_groups_per_unit=50), 0.5, 1, Mechanism.GAUSSIAN).groups_per_unit == 4


def test_a_buckets_of_a_histogram_count_as_groups() -> None:
    made = entry(type=MetricType.HISTOGRAM, unit="ms", buckets=(10.0, 100.0), max_groups_per_unit=50)
    terms = terms_of(made, 0.5, 1, Mechanism.GAUSSIAN)
    assert (terms.groups, terms.values, terms.groups_per_unit, terms.grid) == (4, 12, 12, 1.0)


def test_a_gauge_is_a_sum_and_a_count_for_half_of_the_cost_each() -> None:
    made = entry(type=MetricType.GAUGE, unit="ms", bounds=(0.0, 100.0), max_groups_per_unit=1)
    terms = terms_of(made, 0.5, 1, Mechanism.GAUSSIAN)
    assert terms.scale == pytest.approx(100 * math.sqrt(1 / (2 * 0.25)), rel=1e-3)
    assert terms.count_scale == pytest.approx(math.sqrt(1 / (2 * 0.25)), rel=1e-3)
    assert terms.values == 8


def test_what_is_not_whole_has_a_grid_of_a_power_of_two_far_below_its_bound() -> None:
    terms = terms_of(entry(unit="kWh", bounds=(0.0, 2.5)), 0.5, 1, Mechanism.GAUSSIAN)
    assert math.frexp(terms.grid)[0] == 0.5
    assert 2.5 / terms.grid >= 2**20
    assert terms.sensitivity * terms.grid <= 2.5 < (terms.sensitivity + 1) * terms.grid
    assert terms_of(entry(bounds=(0.0, 5.0)), 0.5, 1, Mechanism.GAUSSIAN).grid == 1.0


@pytest.mark.parametrize(
    ("mechanism", "spread"), [(Mechanism.GAUSSIAN, column_norm()), (Mechanism.LAPLACE, column_sum())]
)
def test_a_running_total_pays_for_all_that_one_contribution_moves(
    mechanism: Mechanism, spread: float
) -> None:
    made = entry(privacy_unit="event", release="running_total")
    plain = terms_of(entry(privacy_unit="event"), 0.5, 24, mechanism)
    terms = terms_of(made, 0.5, 24, mechanism)
    assert terms.running_total
    assert terms.scale == pytest.approx(plain.scale * spread, rel=1e-3)


def test_events_are_charged_once_whatever_the_entry_bounds() -> None:
    terms = terms_of(entry(privacy_unit="event", bounds=(0.0, 50.0)), 0.5, 24, Mechanism.GAUSSIAN)
    assert (terms.sensitivity, terms.groups_per_unit, terms.charged_windows, terms.cost) == (1, 1, 1, 0.5)
    assert not terms.remembers_units


def test_units_are_remembered_only_where_they_may_take_part_less_often() -> None:
    assert terms_of(entry(max_windows_per_unit=6), 0.5, 24, Mechanism.GAUSSIAN).remembers_units
    assert not terms_of(entry(max_windows_per_unit=30), 0.5, 24, Mechanism.GAUSSIAN).remembers_units
    assert not terms_of(entry(), 0.5, 24, Mechanism.GAUSSIAN).remembers_units


@pytest.mark.parametrize("missing", ["privacy_unit", "bounds"])
def test_an_entry_that_bounds_nobody_is_refused(missing: str) -> None:
    with pytest.raises(ValueError, match="needs `privacy_unit` and `bounds`"):
        terms_of(entry(**{missing: None}), 0.5, 1, Mechanism.GAUSSIAN)


def test_every_combination_of_declared_values_is_a_group_and_so_is_the_rest() -> None:
    made = entry(keep=("type", "tier"), values={"type": ("a", "b"), "tier": ("x", "other")})
    groups = [tuple(group.values()) for group in declared_groups(made)]
    assert groups == [(t, u) for t in ("a", "b", "other") for u in ("x", "other")]
    assert list(declared_groups(entry(keep=(), values={}))) == [{}]


def test_shares_follow_the_weights_of_noise_and_add_up_to_one() -> None:
    made = [entry(name="a", noise="low"), entry(name="b"), entry(name="c", noise="high")]
    made.append(entry(name="d", privacy="sensitive"))
    assert shares(made) == {"a": 4 / 7, "b": 2 / 7, "c": 1 / 7}


def test_the_interval_of_a_value_has_95_percent_of_the_noise_in_it() -> None:
    assert Mechanism.GAUSSIAN.half_width([3.0, 4.0]) == pytest.approx(1.96 * 5, rel=1e-4)
    assert math.exp(-Mechanism.LAPLACE.half_width([7.0]) / 7) == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("period", "window", "windows"), [(86400, 3600, 24), (3600, 3600, 1), (86400, 50000, 2), (60, 0.1, 600)]
)
def test_the_last_window_of_a_period_may_be_shorter(period: float, window: float, windows: int) -> None:
    assert window_count(period, window) == windows
