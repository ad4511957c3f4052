"""Turns released values and what they should be without noise into findings about the noise itself."""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from statistics import fmean

from blackhole.audit.noise import at_most
from blackhole.audit.samples import AuditFinding, AuditSample
from blackhole.audit.statistics import chi_square_tail, normal_tails
from blackhole.privacy.mechanism import Mechanism

# One check in a million of a sound engine fails.
LEAST_CHANCE = 1e-6
_MOST_BINS = 32
_LEAST_EXPECTED = 5


def on_grid(values: Sequence[float], exact: float, grid: float) -> list[int] | None:
    """The noise of each value in steps of the grid; None where a value is between two steps.

    Noise that was drawn as a float has bits below the grid, and its gaps tell the raw value.
    """
    steps = [(value - exact) / grid for value in values]
    return [round(step) for step in steps] if all(map(float.is_integer, steps)) else None


def noise_law(
    values: Sequence[float], exact: float, mechanism: Mechanism, scale: float, grid: float
) -> AuditFinding:
    """Whether the noise follows its exact law; the chance is that of a fit this bad."""
    steps = on_grid(values, exact, grid)
    if steps is None:
        return _finding("noise law", 0.0, "values lie between the steps of the grid: not the discrete law")
    statistic, degrees = _chi_square(steps, lambda step: at_most(mechanism, scale / grid, step))
    words = f"χ² of {statistic:.1f} with {degrees} degrees of freedom"
    return _finding("noise law", chi_square_tail(statistic, degrees) if degrees else 1.0, words)


def independence(first: Sequence[float], second: Sequence[float]) -> AuditFinding:
    """Whether noise at two places, or of two windows, is uncorrelated."""
    a, b = fmean(first), fmean(second)
    covariance = fmean((x - a) * (y - b) for x, y in zip(first, second, strict=True))
    spread = math.sqrt(fmean((x - a) ** 2 for x in first) * fmean((y - b) ** 2 for y in second))
    correlation = covariance / spread if spread else 1.0
    chance = normal_tails(correlation * math.sqrt(len(first)))
    return _finding("independent noise", chance, f"correlation of {correlation:.3f}")


def mean_shift(
    without: AuditSample, with_unit: AuditSample, expected: Sequence[float | None], total: float
) -> AuditFinding:
    """Whether one unit moves each mean as far as its clamped contribution, and all together by `total`.

    `expected`: None where the engine is free to choose which groups of the unit count.
    """
    moves = [_move("all values together", _sums(without), _sums(with_unit), total)]
    for place, shift in enumerate(expected):
        if shift is not None:
            moves.append(
                _move(f"value {place + 1}", _column(without, place), _column(with_unit, place), shift)
            )
    chance, words = min(moves)
    return _finding("mean shift", min(chance * len(moves), 1.0), words)


def _sums(sample: AuditSample) -> list[float]:
    return [math.fsum(value or 0.0 for value in outcome) for outcome in sample]


def _column(sample: AuditSample, place: int) -> list[float]:
    return [outcome[place] or 0.0 for outcome in sample]


def _move(name: str, low: Sequence[float], high: Sequence[float], shift: float) -> tuple[float, str]:
    """The chance of a move that far from `shift`, and words for it."""
    moved, error = _moved(low, high)
    chance = normal_tails((moved - shift) / error) if error else float(moved == shift)
    return chance, f"{name} moved by {moved:.6g} (± {error:.2g}), clamped contribution {shift:.6g}"


def _moved(low: Sequence[float], high: Sequence[float]) -> tuple[float, float]:
    """How far the mean moved, and the standard error of that."""
    means = fmean(low), fmean(high)
    variances = [
        fmean((value - mean) ** 2 for value in column)
        for column, mean in zip((low, high), means, strict=True)
    ]
    return means[1] - means[0], math.sqrt(variances[0] / len(low) + variances[1] / len(high))


def _finding(check: str, chance: float, words: str) -> AuditFinding:
    passed = chance >= LEAST_CHANCE
    return AuditFinding(check, chance, LEAST_CHANCE, passed, f"chance of {chance:.2g}: {words}")


def _chi_square(steps: Sequence[int], below: Callable[[int], float]) -> tuple[float, int]:
    """The statistic and its degrees of freedom, over bins that hold about the same share each."""
    bins = min(_MOST_BINS, len(steps) // (2 * _LEAST_EXPECTED))
    edges = sorted({_quantile(below, (i + 1) / bins) for i in range(bins - 1)})
    counts = Counter(bisect_left(edges, step) for step in steps)
    reached = [0.0, *map(below, edges), 1.0]
    cells = [(counts[i], len(steps) * (reached[i + 1] - reached[i])) for i in range(len(edges) + 1)]
    cells = [cell for cell in _merged(cells) if cell[1] > 0]
    statistic = math.fsum((seen - expected) ** 2 / expected for seen, expected in cells)
    return statistic, len(cells) - 1


def _merged(cells: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """Neighbours put together until each cell expects enough."""
    merged: list[tuple[int, float]] = []
    for seen, expected in cells:
        if merged and (merged[-1][1] < _LEAST_EXPECTED or expected < _LEAST_EXPECTED):
            merged[-1] = (merged[-1][0] + seen, merged[-1][1] + expected)
        else:
            merged.append((seen, expected))
    return merged


def _quantile(below: Callable[[int], float], share: float) -> int:
    """The first step that at least `share` of the noise is at or below."""
    reach = 1
    while below(-reach) >= share or below(reach) < share:
        reach *= 2
    low, high = -reach, reach
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if below(middle) >= share else (middle, high)
    return high
