"""What the detectors look at: one moment, as the query layer answers it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from blackhole.model.insight import Insight
from blackhole.privacy.explain import Explanation
from blackhole.query.privacy_answers import BudgetAnswer
from blackhole.query.reports import HealthReport


class Questions(Protocol):
    """What is asked of `blackhole.query.run.QueryService`."""

    def health(self) -> HealthReport: ...
    def privacy_budget(self) -> BudgetAnswer: ...
    def explain(self, metric: str, /) -> Explanation: ...


@dataclass(frozen=True, slots=True)
class Observation:
    """`now`: Unix seconds. `windows`: by metric, how many releases a period has, and how many are charged."""

    now: float
    health: HealthReport
    budget: BudgetAnswer
    windows: Mapping[str, tuple[int, int]]


class Detector(Protocol):
    """Finds what is the case now; it is asked again and again, and what it finds again goes on."""

    def __call__(self, observation: Observation, /) -> Sequence[Insight]: ...
