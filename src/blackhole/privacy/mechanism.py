"""The two kinds of noise: what it costs, how much of it there has to be, and how far it moves a value.

Sources: Canonne, Kamath, Steinke, "The Discrete Gaussian for Differential Privacy" (2020), for discrete noise
and ρ-zCDP; Bun, Steinke, "Concentrated Differential Privacy" (2016), for ρ as ε at δ.
"""

import math
from collections.abc import Sequence
from enum import StrEnum

from blackhole.privacy.budget import epsilon_of, rho_of
from blackhole.privacy.factorisation import column_norm, column_sum

# Half the width of a 95 % interval in standard deviations; of one Laplace value: sums of them need less.
GAUSSIAN_95 = 1.959964
LAPLACE_95 = math.log(20) / math.sqrt(2)


class Mechanism(StrEnum):
    """Costs are counted in ρ for Gaussian noise, in ε for Laplace noise.

    A scale is the standard deviation σ of Gaussian noise, and b of Laplace noise.
    """

    GAUSSIAN = "discrete_gaussian"
    LAPLACE = "discrete_laplace"

    @classmethod
    def of(cls, delta: float) -> "Mechanism":
        """Laplace noise keeps its promise without a δ."""
        return cls.GAUSSIAN if delta > 0 else cls.LAPLACE

    @property
    def counts_rho(self) -> bool:
        return self is Mechanism.GAUSSIAN

    @property
    def measure(self) -> str:
        """In what costs are counted."""
        return "rho" if self.counts_rho else "epsilon"

    @property
    def words(self) -> str:
        return "bell-shaped (Gaussian)" if self is Mechanism.GAUSSIAN else "Laplace"

    def total_cost(self, epsilon: float, delta: float) -> float:
        """What a whole period may cost."""
        return rho_of(epsilon, delta) if self.counts_rho else epsilon

    def epsilon_at(self, cost: float, delta: float) -> float:
        """What a cost is as ε at δ."""
        return epsilon_of(cost, delta) if self.counts_rho else cost

    def charged(self, *, rho: float, epsilon: float) -> tuple[float, float]:
        """Of both columns of a charge: the one in which costs are counted, and the one that stays zero."""
        return (rho, epsilon) if self.counts_rho else (epsilon, rho)

    def scale(self, sensitivity: float, groups: int, cost: float) -> float:
        """How much noise a release of this cost needs where a unit moves `groups` values by `sensitivity`."""
        if self is Mechanism.GAUSSIAN:
            return sensitivity * math.sqrt(groups / (2 * cost))
        return sensitivity * groups / cost

    @property
    def running_total_spread(self) -> float:
        """By how much more one contribution moves the noisy parts of a running total."""
        return column_norm() if self is Mechanism.GAUSSIAN else column_sum()

    def half_width(self, scales: Sequence[float]) -> float:
        """Half the width of the interval that holds a sum of values of these scales 95 times of 100."""
        variance = sum(scale * scale for scale in scales)
        if self is Mechanism.LAPLACE:
            return LAPLACE_95 * math.sqrt(2 * variance)
        return GAUSSIAN_95 * math.sqrt(variance)
