"""Looks again and again, and writes what the detectors find to the file; what is found again goes on."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime

from blackhole.errors import QueryError
from blackhole.insights.budget import budget_nearly_spent
from blackhole.insights.observation import Detector, Observation, Questions
from blackhole.insights.services import ErrorRate, beyond_limits, own_outages, silent_services
from blackhole.model.insight import Insight, StoredInsight
from blackhole.query.privacy_answers import BudgetAnswer
from blackhole.store.upkeep.findings import Findings, LastOutage

# What was not found again for so long is over.
HOLD_S = 60.0
# After an outage of ours, so long a finding that held before is the same one.
CARRIED_ON_S = 1800.0
_REMEMBERED = 200


class InsightEngine:
    """`look` is a chore for one thread; `found` may be asked by others."""

    def __init__(
        self,
        questions: Questions,
        findings: Findings,
        detectors: Sequence[Detector] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._questions = questions
        self._findings = findings
        self._detectors = (
            (silent_services, own_outages, beyond_limits, ErrorRate(), budget_nearly_spent)
            if detectors is None
            else detectors
        )
        self._now = now
        self._new: deque[StoredInsight] = deque(maxlen=_REMEMBERED)
        self._count = 0

    def look(self) -> int:
        """How many findings are new. Raises QueryError, StoreError."""
        observation = self._observe()
        found: list[Insight] = [one for detect in self._detectors for one in detect(observation)]
        outage = last_outage(observation)
        new = self._findings.keep(found, now=observation.now, hold=HOLD_S, outage=outage)
        self._new.extend(new)
        self._count += len(new)
        return len(new)

    def found(self, known: int) -> tuple[int, Sequence[StoredInsight]]:
        """How many this run has found, and those after the first `known`."""
        count, new = self._count, tuple(self._new)
        return count, new[max(len(new) - max(count - known, 0), 0) :]

    def _observe(self) -> Observation:
        health, budget = self._questions.health(), self._questions.privacy_budget()
        return Observation(self._now(), health, budget, self._windows(budget))

    def _windows(self, budget: BudgetAnswer) -> dict[str, tuple[int, int]]:
        windows = {}
        for entry in budget.metrics:
            try:
                promised = self._questions.explain(entry.metric)
            except QueryError:
                continue  # renamed since the period began
            count = promised.windows or 1
            one = 1 if promised.privacy_unit == "event" else promised.max_windows_per_unit or count
            windows[entry.metric] = (count, min(one, count))
        return windows


def last_outage(observation: Observation) -> LastOutage | None:
    """From when until when nobody looked, if that was lately: what held then has not ended for it."""
    for outage in observation.health.outages[:1]:
        begin, end = (datetime.fromisoformat(time).timestamp() for time in (outage.begin, outage.end))
        if observation.now - end < CARRIED_ON_S:
            return LastOutage(begin, end)
    return None
