"""Stores what the engine would release of known truths, with noise of the exact laws, from a seed."""

import random
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from math import exp, floor, log

from tests.query.query_fakes import Desk

from blackhole.privacy.factorisation import coefficients

HOUR = 3600 * 10**9
GAUSSIAN = "discrete_gaussian"
LAPLACE = "discrete_laplace"


@cache
def _gaussian_law(scale: float) -> tuple[list[int], list[float]]:
    values = list(range(-int(12 * scale) - 2, int(12 * scale) + 3))
    return values, list(accumulate(exp(-value * value / (2 * scale * scale)) for value in values))


@dataclass(frozen=True)
class Law:
    """Noise of whole multiples of `grid`; `scale` in the metric's unit."""

    mechanism: str
    scale: float
    grid: float = 1.0

    def draw(self, chance: random.Random) -> float:
        steps = self.scale / self.grid
        if self.mechanism == LAPLACE:
            return self.grid * (_geometric(chance, steps) - _geometric(chance, steps))
        if steps > 1000:  # far finer than the noise: as good as continuous
            return self.grid * round(chance.gauss(0, steps))
        values, weights = _gaussian_law(steps)
        return self.grid * values[bisect_left(weights, chance.random() * weights[-1])]


def _geometric(chance: random.Random, scale: float) -> int:
    return floor(log(1 - chance.random()) / (-1 / scale))


@dataclass(frozen=True)
class Window:
    """One release: by group the value, or [sum, count], or bucket counts."""

    start: int
    law: Law
    values: Sequence[object]
    count_scale: float | None = None
    factorisation: str | None = None
    step: int | None = None
    lost: bool = False


def add_series(asked: Desk, metric: str, kind: str, groups: Sequence[str], first: int = 1) -> None:
    with asked.database.write() as connection:
        for number, group in enumerate(groups, first):
            connection.execute(
                "INSERT INTO series VALUES (?, ?, ?, '1', ?, 3, NULL, make_timestamp(0))",
                [number, metric, kind, f'{{"type":"{group}"}}'],
            )


def add_releases(asked: Desk, metric: str, windows: Sequence[Window]) -> None:
    rows = [
        (w.start, w.law.mechanism, w.law.scale, w.count_scale, w.factorisation, w.step, w.lost)
        for w in windows
    ]
    with asked.database.write() as connection:
        connection.execute(
            "INSERT INTO releases SELECT 1, $metric, make_timestamp_ns(unnest($start)),"
            f" make_timestamp_ns(unnest($start) + {HOUR}), 'user', unnest($mechanism), 1, 1e-9, NULL,"
            " unnest($scale), unnest($count_scale), unnest($factorisation), unnest($step), '{}',"
            " unnest($lost), make_timestamp(0)",
            {
                "metric": metric,
                **dict(
                    zip(
                        ("start", "mechanism", "scale", "count_scale", "factorisation", "step", "lost"),
                        (list(column) for column in zip(*rows, strict=True)),
                        strict=True,
                    )
                ),
            },
        )


def add_values(asked: Desk, windows: Sequence[Window], first: int = 1) -> None:
    """Values of counters and levels, one a series."""
    cells = [(first + n, w.start, v) for w in windows if not w.lost for n, v in enumerate(w.values)]
    with asked.database.write() as connection:
        connection.execute(
            "INSERT INTO recent_points BY NAME SELECT unnest($1) AS series, 0 AS stream,"
            " make_timestamp_ns(unnest($2)) AS time,"
            " unnest($3)::DOUBLE AS value, make_timestamp(0) AS created_at",
            [list(column) for column in zip(*cells, strict=True)],
        )


def add_lists(asked: Desk, windows: Sequence[Window], bounds: Sequence[float] | None, first: int = 1) -> None:
    cells = [(first + n, w.start, v) for w in windows if not w.lost for n, v in enumerate(w.values)]
    numbers, times, lists = (list(column) for column in zip(*cells, strict=True))
    with asked.database.write() as connection:
        connection.execute(
            "INSERT INTO released_lists SELECT unnest($1), make_timestamp_ns(unnest($2)), $3::DOUBLE[],"
            " unnest($4::DOUBLE[][]), make_timestamp(0)",
            [numbers, times, None if bounds is None else list(bounds), lists],
        )


def running_total(chance: random.Random, law: Law, increments: Sequence[float]) -> list[float]:
    """The increments as released: of totals whose noise is correlated by the factorisation."""
    factors = coefficients()
    fresh = [law.draw(chance) for _ in increments]
    noise = [sum(factors[t - s] * fresh[s] for s in range(t + 1)) for t in range(len(increments))]
    return [true + noise[t] - (noise[t - 1] if t else 0.0) for t, true in enumerate(increments)]
