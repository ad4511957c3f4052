"""The square root of the matrix of running totals: how noise is correlated so that totals stay accurate.

The lower-triangular matrix of ones is the square of the Toeplitz one with f₀ = 1, f_k = f_{k-1}·(2k-1)/(2k).
Source: Fichtenberger, Henzinger, Upadhyay, "Constant Matters" (2023).
"""

import math
from functools import cache

HORIZON = 1024
# One side is used in fixed point, so that what gets noise is a whole number.
PARTS = 2**40


@cache
def coefficients() -> tuple[float, ...]:
    """f₀ … of one horizon."""
    values = [1.0]
    for k in range(1, HORIZON):
        values.append(values[-1] * (2 * k - 1) / (2 * k))
    return tuple(values)


@cache
def fixed() -> tuple[int, ...]:
    """The coefficients in parts of `PARTS`."""
    return tuple(round(value * PARTS) for value in coefficients())


@cache
def column_norm() -> float:
    """How far one contribution of 1 moves all that gets noise, as a Euclidean norm, rounded up."""
    return math.sqrt(sum(value * value for value in fixed())) / PARTS * (1 + 1e-12)


@cache
def column_sum() -> float:
    """The same as the sum of absolute values."""
    return sum(fixed()) / PARTS


def row_norm(step: int) -> float:
    """The standard deviation of the total after `step` + 1 windows, for noise of deviation 1."""
    return math.sqrt(sum(value * value for value in coefficients()[: step + 1]))
