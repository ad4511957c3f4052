"""(ε, δ) and ρ: monotone, each way undoes the other, and both agree with other people's accountants."""

import math
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from blackhole.privacy.budget import delta_of, epsilon_of, rho_of

epsilons = st.floats(0.01, 20)
deltas = st.floats(-14, -2).map(lambda power: 10.0**power)
rhos = st.floats(-5, 1).map(lambda power: 10.0**power)


def exact_delta(rho: float, epsilon: float) -> Any:
    """Proposition 12 of Canonne, Kamath, Steinke with fifty digits; the order is found by golden section."""
    mpmath = pytest.importorskip("mpmath", reason="needs `make build-tests`")
    with mpmath.workdps(50):
        r, e = mpmath.mpf(rho), mpmath.mpf(epsilon)

        def exponent(log_order: Any) -> Any:
            a = 1 + mpmath.exp(log_order)
            return (a - 1) * (a * r - e) + (a - 1) * mpmath.log1p(-1 / a) - mpmath.log(a)

        low, high, ratio = mpmath.mpf(-30), mpmath.mpf(30), (mpmath.sqrt(5) - 1) / 2
        for _ in range(150):
            left, right = high - ratio * (high - low), low + ratio * (high - low)
            low, high = (low, right) if exponent(left) < exponent(right) else (left, high)
        return mpmath.exp(exponent((low + high) / 2))


@given(epsilons, deltas)
def test_the_rho_of_a_budget_stays_within_it_and_wastes_less_than_a_millionth(
    epsilon: float, delta: float
) -> None:
    rho = rho_of(epsilon, delta)
    assert delta_of(rho, epsilon) <= delta
    assert delta_of(rho * (1 + 1e-6), epsilon) > delta


@given(epsilons, deltas)
def test_there_and_back_is_the_same_epsilon_and_never_a_smaller_one(epsilon: float, delta: float) -> None:
    back = epsilon_of(rho_of(epsilon, delta), delta)
    assert back == pytest.approx(epsilon, rel=1e-6)


@given(rhos, deltas)
def test_the_epsilon_of_a_rho_covers_it(rho: float, delta: float) -> None:
    epsilon = epsilon_of(rho, delta)
    assert delta_of(rho, epsilon) <= delta
    assert epsilon <= rho + 2 * math.sqrt(rho * math.log(1 / delta)) * (1 + 1e-6)  # the textbook's bound


@given(epsilons, deltas, st.floats(1.001, 10))
def test_more_budget_is_more_rho(epsilon: float, delta: float, factor: float) -> None:
    assume(delta * factor < 0.5)
    rho = rho_of(epsilon, delta)
    assert rho < rho_of(epsilon * factor, delta)
    assert rho < rho_of(epsilon, delta * factor)


@given(rhos, deltas, st.floats(1.001, 10))
def test_more_rho_costs_more(rho: float, delta: float, factor: float) -> None:
    assert epsilon_of(rho, delta) <= epsilon_of(rho * factor, delta)
    assert delta_of(rho, 1.0) <= delta_of(rho * factor, 1.0)


def test_nothing_costs_nothing_and_everything_costs_everything() -> None:
    assert epsilon_of(0, 1e-9) == 0
    assert delta_of(0, 1) == 0
    assert epsilon_of(math.inf, 1e-9) == math.inf
    assert delta_of(math.inf, 1) == 1
    assert epsilon_of(1, 0) == math.inf


@pytest.mark.parametrize(("epsilon", "delta"), [(0, 1e-9), (1, 0), (1, 1), (-1, 0.1), (math.nan, 0.1)])
def test_a_budget_that_has_no_rho_is_refused(epsilon: float, delta: float) -> None:
    with pytest.raises(ValueError, match="epsilon must be above 0"):
        rho_of(epsilon, delta)


@settings(deadline=None, max_examples=25)
@given(rhos, st.floats(0.05, 10))
def test_delta_is_that_of_fifty_digits(rho: float, epsilon: float) -> None:
    exact = exact_delta(rho, epsilon)
    assume(1e-250 < exact < 1)
    assert delta_of(rho, epsilon) == pytest.approx(float(exact), rel=1e-6)


BUDGETS = [(1.0, 1e-9), (0.1, 1e-6), (5.0, 1e-9), (1.0, 1e-5), (10.0, 1e-12)]


@pytest.mark.parametrize(("epsilon", "delta"), BUDGETS)
def test_the_accountant_of_dp_accounting_gives_the_same_epsilon(epsilon: float, delta: float) -> None:
    """Its orders are a grid, so it may be a trifle above; the best order is near 30 for the defaults."""
    accountant = pytest.importorskip(
        "dp_accounting.rdp.rdp_privacy_accountant", reason="needs `make build-tests`"
    )
    rho = rho_of(epsilon, delta)
    orders = [1 + 10 ** (power / 2000) for power in range(-4000, 8001)]
    found, _ = accountant.compute_epsilon(orders, [order * rho for order in orders], delta)
    assert epsilon * (1 - 1e-6) <= found <= epsilon * (1 + 1e-5)


@pytest.mark.parametrize(("epsilon", "delta"), BUDGETS)
def test_gaussian_noise_of_that_rho_truly_costs_no_more(epsilon: float, delta: float) -> None:
    """By the privacy loss distribution of the Gaussian mechanism, which knows nothing of ρ."""
    pld = pytest.importorskip(
        "dp_accounting.pld.privacy_loss_distribution", reason="needs `make build-tests`"
    )
    deviation = math.sqrt(1 / (2 * rho_of(epsilon, delta)))
    loss = pld.from_gaussian_mechanism(deviation, value_discretization_interval=1e-3)
    assert 0.85 * epsilon < loss.get_epsilon_for_delta(delta) <= epsilon
