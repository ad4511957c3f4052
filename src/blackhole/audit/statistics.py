"""Turns counts of trials into bounds on probabilities, and statistics into p-values, in pure Python.

Sources: Clopper, Pearson, "The Use of Confidence or Fiducial Limits" (1934); Press et al., "Numerical
Recipes", 3rd edition, sections 6.2 and 6.4 (continued fractions of the incomplete gamma and beta functions).
"""

import math
from functools import lru_cache
from statistics import NormalDist

_TINY = 1e-300
_PRECISION = 1e-14
_MOST_TERMS = 10_000
_MOST_STEPS = 200
_CACHED = 200_000

NORMAL = NormalDist()


@lru_cache(_CACHED)
def lower(successes: int, trials: int, confidence: float) -> float:
    """The probability is above this, but for a chance of 1 - `confidence` (Clopper-Pearson, one side)."""
    if successes == 0:
        return 0.0
    return _beta_quantile(1 - confidence, successes, trials - successes + 1)


@lru_cache(_CACHED)
def upper(successes: int, trials: int, confidence: float) -> float:
    """The probability is below this, but for a chance of 1 - `confidence` (Clopper-Pearson, one side)."""
    if successes == trials:
        return 1.0
    return 1 - _beta_quantile(1 - confidence, trials - successes, successes + 1)


def incomplete_beta(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I_x(a, b)."""
    if x <= 0 or x >= 1:
        return min(max(x, 0.0), 1.0)
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    if x < (a + 1) / (a + b + 2):
        return front * _beta_fraction(x, a, b) / a
    return 1 - front * _beta_fraction(1 - x, b, a) / b


def chi_square_tail(statistic: float, degrees: int) -> float:
    """The chance of a χ² value above `statistic`."""
    a, x = degrees / 2, statistic / 2
    if x <= 0:
        return 1.0
    front = math.exp(a * math.log(x) - x - math.lgamma(a))
    return 1 - front * _gamma_series(a, x) if x < a + 1 else front * _gamma_fraction(a, x)


def normal_quantile(probability: float) -> float:
    """Φ⁻¹, with the infinite ends that NormalDist leaves out."""
    if probability <= 0:
        return -math.inf
    return math.inf if probability >= 1 else NORMAL.inv_cdf(probability)


def normal_tails(deviations: float) -> float:
    """The chance that a standard normal value is further from 0 than this."""
    return math.erfc(abs(deviations) / math.sqrt(2))


def _beta_quantile(probability: float, a: float, b: float) -> float:
    """Where I_x(a, b) reaches `probability`: Newton's steps, kept inside what is known to hold it."""
    low, high, x = 0.0, 1.0, _beta_quantile_about(probability, a, b)
    beta = math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
    for _ in range(_MOST_STEPS):
        excess = incomplete_beta(x, a, b) - probability
        low, high = (low, x) if excess > 0 else (x, high)
        density = math.exp((a - 1) * math.log(x) + (b - 1) * math.log1p(-x) - beta)
        step = x - excess / max(density, _TINY)
        x, before = step if low < step < high else (low + high) / 2, x
        if abs(x - before) <= _PRECISION * x:
            break
    return x


def _beta_quantile_about(probability: float, a: float, b: float) -> float:
    """The quantile within some per cent (Abramowitz, Stegun, 26.5.22), for a and b of 1 or more."""
    below = NORMAL.inv_cdf(probability)
    of_a, of_b = 1 / (2 * a - 1), 1 / (2 * b - 1)
    mean, curve = 2 / (of_a + of_b), (below * below - 3) / 6
    skew = (of_b - of_a) * (curve + 5 / 6 - 2 / (3 * mean))
    odds = math.exp(2 * (below * math.sqrt(max(mean + curve, 0.0)) / mean + skew)) * a / b
    return odds / (1 + odds)


def _beta_fraction(x: float, a: float, b: float) -> float:
    """The continued fraction of I_x(a, b), by Lentz's method."""
    c, d = 1.0, 1 / _away_from_zero(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, _MOST_TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / _away_from_zero(1 + term * d)
            c = _away_from_zero(1 + term / c)
            value *= c * d
        if abs(c * d - 1) < _PRECISION:
            break
    return value


def _gamma_series(a: float, x: float) -> float:
    term = total = 1 / a
    for n in range(1, _MOST_TERMS):
        term *= x / (a + n)
        total += term
        if term < total * _PRECISION:
            break
    return total


def _gamma_fraction(a: float, x: float) -> float:
    """The continued fraction of the upper incomplete gamma function, by Lentz's method."""
    b = x + 1 - a
    c, d = 1 / _TINY, 1 / b
    value = d
    for n in range(1, _MOST_TERMS):
        term = -n * (n - a)
        b += 2
        d = 1 / _away_from_zero(term * d + b)
        c = _away_from_zero(b + term / c)
        value *= c * d
        if abs(c * d - 1) < _PRECISION:
            break
    return value


def _away_from_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
