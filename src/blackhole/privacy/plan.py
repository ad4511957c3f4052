"""Turns the catalogue and the budget into the plan of one budget period: what each release will cost."""

from collections.abc import Iterable

import msgspec

from blackhole.catalogue.definition import Definition
from blackhole.config import Config
from blackhole.model.times import TimeRange
from blackhole.privacy.mechanism import Mechanism
from blackhole.privacy.terms import Terms, shares, terms_of, window_count

SECOND_NS = 10**9


class PlannedMetric(msgspec.Struct, frozen=True):
    """`share`: its part of the budget. The entry is kept, since changes take effect in the next period."""

    definition: Definition
    share: float
    terms: Terms


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a budget period may cost, fixed at its start from the catalogue alone.

    `total`: ρ (where δ is above 0) or ε of all releases of the period together.
    """

    period: TimeRange
    window_ns: int
    epsilon: float
    delta: float
    total: float
    mechanism: Mechanism
    metrics: tuple[PlannedMetric, ...] = ()

    def metric(self, name: str) -> PlannedMetric | None:
        return next((planned for planned in self.metrics if planned.definition.name == name), None)

    def window_at(self, time_ns: int) -> TimeRange:
        """The window of this period that holds `time_ns`, which must lie in the period."""
        start = time_ns - (time_ns - self.period.start_ns) % self.window_ns
        return TimeRange(start, min(start + self.window_ns, self.period.end_ns))


def plan(definitions: Iterable[Definition], config: Config, period: TimeRange) -> Plan:
    """The plan for all highly sensitive entries. Raises ValueError where one cannot be released."""
    private = [entry for entry in definitions if entry.privacy == "highly_sensitive"]
    share_of = shares(private)
    mechanism = Mechanism.of(config.privacy_delta)
    total = mechanism.total_cost(config.privacy_budget, config.privacy_delta)
    windows = window_count(config.budget_period, config.release_window)

    def planned(entry: Definition) -> PlannedMetric:
        share = share_of[entry.name]
        return PlannedMetric(entry, share, terms_of(entry, total * share, windows, mechanism))

    return Plan(
        period=period,
        window_ns=round(config.release_window * SECOND_NS),
        epsilon=config.privacy_budget,
        delta=config.privacy_delta,
        total=total,
        mechanism=mechanism,
        metrics=tuple(map(planned, private)),
    )


def period_at(time_ns: int, config: Config, *, after_ns: int = 0) -> TimeRange:
    """The budget period that holds `time_ns`.

    Periods begin at multiples of their length since the epoch (UTC), and none before `after_ns`.
    """
    length = round(config.budget_period * SECOND_NS)
    start = time_ns - time_ns % length
    return TimeRange(max(start, after_ns), start + length)
