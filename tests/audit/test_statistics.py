"""Bounds and tails against exact sums."""

import math

import pytest

from blackhole.audit.statistics import (
    chi_square_tail,
    incomplete_beta,
    lower,
    normal_quantile,
    normal_tails,
    upper,
)


def at_least(successes: int, trials: int, probability: float) -> float:
    """P(Binomial ≥ successes), summed exactly."""
    return math.fsum(
        math.comb(trials, k) * probability**k * (1 - probability) ** (trials - k)
        for k in range(successes, trials + 1)
    )


@pytest.mark.parametrize("trials", [1, 7, 50, 250])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.5, 0.97, 1.0])
def test_the_bounds_are_where_the_exact_binomial_tail_has_the_missing_confidence(
    trials: int, share: float
) -> None:
    successes = round(trials * share)
    low, high = lower(successes, trials, 0.999), upper(successes, trials, 0.999)
    assert low <= successes / trials <= high
    if successes:
        assert at_least(successes, trials, low) == pytest.approx(0.001, rel=1e-6)
    if successes < trials:
        assert 1 - at_least(successes + 1, trials, high) == pytest.approx(0.001, rel=1e-6)


def test_nothing_seen_and_everything_seen_have_the_known_closed_forms() -> None:
    assert lower(0, 5000, 0.999) == 0.0
    assert upper(5000, 5000, 0.999) == 1.0
    assert upper(0, 5000, 0.999) == pytest.approx(1 - 0.001 ** (1 / 5000), rel=1e-9)
    assert lower(5000, 5000, 0.999) == pytest.approx(0.001 ** (1 / 5000), rel=1e-9)


@pytest.mark.parametrize(("x", "a", "b"), [(0.3, 2, 5), (0.9, 4, 3), (0.02, 1, 40), (0.5, 30, 30)])
def test_the_incomplete_beta_function_is_the_binomial_tail(x: float, a: int, b: int) -> None:
    assert incomplete_beta(x, a, b) == pytest.approx(at_least(a, a + b - 1, x), rel=1e-12)


@pytest.mark.parametrize("degrees", [2, 4, 10, 60])
@pytest.mark.parametrize("statistic", [0.5, 5.0, 20.0, 90.0])
def test_the_chi_square_tail_of_even_degrees_is_a_sum_of_poisson_terms(
    degrees: int, statistic: float
) -> None:
    half = statistic / 2
    exact = math.exp(-half) * math.fsum(half**k / math.factorial(k) for k in range(degrees // 2))
    assert chi_square_tail(statistic, degrees) == pytest.approx(exact, rel=1e-9)


def test_the_chi_square_tail_of_one_degree_is_that_of_a_squared_normal_value() -> None:
    assert chi_square_tail(9.0, 1) == pytest.approx(normal_tails(3.0), rel=1e-9)
    assert normal_tails(1.959964) == pytest.approx(0.05, rel=1e-6)


def test_quantiles_of_certain_events_are_infinite() -> None:
    assert normal_quantile(0.0) == -math.inf
    assert normal_quantile(1.0) == math.inf
    assert normal_quantile(0.975) == pytest.approx(1.959964, rel=1e-6)
