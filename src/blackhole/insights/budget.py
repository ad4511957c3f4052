"""Turns the privacy budget into a finding: it is spent, or runs out faster than the plan of its period."""

from collections.abc import Sequence
from datetime import datetime

from blackhole.insights.observation import Observation
from blackhole.model.insight import Insight
from blackhole.query.privacy_answers import BudgetAnswer

# By the plan the budget is all spent only when its period ends: being ahead of the plan is what is news.
NEARLY = 0.8
AHEAD = 0.15


def budget_nearly_spent(observation: Observation) -> Sequence[Insight]:
    """Metrics that are released without noise, or not at all, spend nothing."""
    budget = observation.budget
    if budget.state == "off" or budget.charged is None or not budget.metrics:
        return []
    ends = _clock(budget.period_ends)
    metrics = tuple(entry.metric for entry in budget.metrics)
    if budget.state == "spent":
        words = (
            f"Nothing more about people is shown before it refills at {ends} UTC. Privacy says what spent it."
        )
        return [Insight("budget_spent", "The privacy budget is spent", words, "warning", metrics)]
    used = budget.charged / budget.total if budget.total > 0 else 0.0
    if used < NEARLY or used - planned(observation) < AHEAD:
        return []
    words = (
        f"{used:.0%} of it is used, more than was planned up to now. It refills at {ends} UTC; "
        "when it is spent before, nothing more about people is shown until then."
    )
    return [Insight("budget_nearly_spent", "The privacy budget is nearly spent", words, "warning", metrics)]


def planned(observation: Observation) -> float:
    """The part of the budget that the releases up to now were to cost."""
    elapsed = _elapsed(observation.budget, observation.now)
    part = 0.0
    for entry in observation.budget.metrics:
        windows, charged = observation.windows.get(entry.metric, (1, 1))
        # A metric whose units count in few windows pays for these at once, and its later releases are free.
        part += entry.share * min(1.0, elapsed * windows / max(charged, 1))
    return min(part, 1.0)


def _elapsed(budget: BudgetAnswer, now: float) -> float:
    begins, ends = _seconds(budget.period_begins), _seconds(budget.period_ends)
    return min(max((now - begins) / max(ends - begins, 1.0), 0.0), 1.0)


def _seconds(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).timestamp()


def _clock(timestamp: str) -> str:
    return timestamp[11:16]
