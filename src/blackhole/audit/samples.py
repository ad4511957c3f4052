"""The values of many trials, and what is claimed of them: what the checks are handed."""

from collections.abc import Sequence
from dataclasses import dataclass

from blackhole.privacy.mechanism import Mechanism

# What one trial released, one value a coordinate; None: nothing was released there.
Outcome = tuple[float | None, ...]
AuditSample = Sequence[Outcome]


@dataclass(frozen=True, slots=True)
class Claim:
    """How much one unit may change what is released: μ = √(2ρ) of Gaussian noise, or ε of Laplace noise."""

    mechanism: Mechanism
    bound: float

    @property
    def symbol(self) -> str:
        return "μ" if self.mechanism == Mechanism.GAUSSIAN else "ε"


@dataclass(frozen=True, slots=True)
class AuditFinding:
    """One check: what was measured, what is allowed, and in words how it was seen."""

    check: str
    measured: float
    allowed: float
    passed: bool
    words: str
