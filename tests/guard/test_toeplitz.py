"""The square root of the matrix of running totals is one, and totals stay far more accurate with it."""

import math

import pytest

from blackhole.privacy.factorisation import (
    HORIZON,
    PARTS,
    coefficients,
    column_norm,
    column_sum,
    fixed,
    row_norm,
)


def test_the_matrix_times_itself_is_the_matrix_of_running_totals() -> None:
    """The product of two Toeplitz matrices is one too: all its entries below the diagonal must be 1."""
    f = coefficients()
    for distance in (*range(20), 100, 500, HORIZON - 1):
        assert math.fsum(f[k] * f[distance - k] for k in range(distance + 1)) == pytest.approx(1, abs=1e-12)


def test_the_coefficients_are_the_central_binomial_ones() -> None:
    for k in (0, 1, 2, 10, 200):
        assert coefficients()[k] == pytest.approx(math.comb(2 * k, k) / 4**k, rel=1e-12)


def test_the_norms_are_those_of_the_fixed_point_coefficients_rounded_up() -> None:
    exact_square = sum(value * value for value in fixed())
    assert (column_norm() * PARTS) ** 2 >= exact_square
    assert column_norm() == pytest.approx(math.sqrt(exact_square) / PARTS, rel=1e-11)
    assert column_sum() == sum(fixed()) / PARTS
    assert all(
        abs(part / PARTS - value) <= 0.5 / PARTS for part, value in zip(fixed(), coefficients(), strict=True)
    )


def test_one_contribution_never_moves_the_rest_further_than_the_first_column() -> None:
    """A later column is the first one, cut off."""
    squares = [value * value for value in coefficients()]
    assert all(
        math.sqrt(sum(squares[: HORIZON - t])) <= column_norm() * (1 + 1e-6) for t in (0, 1, 500, 1023)
    )


@pytest.mark.parametrize(("windows", "least"), [(1000, 7.0), (1024, 7.0), (100, 2.0)])
def test_totals_have_several_times_less_noise_than_fresh_noise_would_give(windows: int, least: float) -> None:
    """Root mean square over the windows, for a unit that counts in one: 7.2 times at 1,000."""
    fresh = math.sqrt(sum(t + 1 for t in range(windows)) / windows)
    correlated = column_norm() * math.sqrt(sum(row_norm(t) ** 2 for t in range(windows)) / windows)
    assert fresh / correlated > least
    if windows == 1000:
        assert fresh / correlated == pytest.approx(7.2, abs=0.1)


def test_the_noise_of_a_total_grows_slower_than_the_logarithm() -> None:
    assert row_norm(0) == 1
    assert row_norm(1023) < 1 + math.log(1024) / math.pi
    assert all(row_norm(t) < row_norm(t + 1) for t in range(0, 1000, 50))
