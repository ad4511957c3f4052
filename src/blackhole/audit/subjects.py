"""Turns a catalogue entry and a mechanism into what is audited: configuration, terms and claim."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from blackhole.audit.samples import Claim
from blackhole.catalogue.definition import Definition, PrivacyUnit
from blackhole.config import Config, Duration
from blackhole.model.series import MetricType
from blackhole.model.times import TimeRange
from blackhole.privacy.budget import epsilon_of
from blackhole.privacy.mechanism import Mechanism
from blackhole.privacy.plan import Plan, plan
from blackhole.privacy.terms import Terms, terms_of

MECHANISMS: tuple[Mechanism, ...] = (Mechanism.GAUSSIAN, Mechanism.LAPLACE)
WINDOW_S = 60
# The budget of one trial. Smaller ones are as well kept, but only far more trials could show it.
_RHO = 2.0
_EPSILON = 2.0
_DELTA = 1e-9
# With less the discrete law gives more away by single values than the continuous one that μ belongs to.
_LEAST_STEPS = 2.0
_MOST_WINDOWS = 4


@dataclass(frozen=True, slots=True)
class AuditSubject:
    """One metric under one mechanism. A trial is a budget period of its own, with all its windows."""

    name: str
    definition: Definition
    config: Config
    terms: Terms
    claim: Claim


def subject(definition: Definition, mechanism: Mechanism, windows: int = 1) -> AuditSubject:
    """Everything as in the catalogue, but for the budget, which is one that an audit can see."""
    settings: dict[str, Any] = {"privacy_budget": _EPSILON, "privacy_delta": 0.0}
    if mechanism == Mechanism.GAUSSIAN:
        rho = _visible_rho(definition, windows)
        settings = {"privacy_budget": epsilon_of(rho, _DELTA), "privacy_delta": _DELTA}
    config = msgspec.structs.replace(
        Config(),
        **settings,
        release_window=Duration(WINDOW_S),
        budget_period=Duration(WINDOW_S * windows),
    )
    planned = _plan(definition, config)
    bound = math.sqrt(2 * planned.total) if mechanism == Mechanism.GAUSSIAN else planned.total
    return AuditSubject(
        definition.name, definition, config, planned.metrics[0].terms, Claim(mechanism, bound)
    )


def of_metric(definition: Definition) -> tuple[Definition, int]:
    """An entry of the catalogue, and for how many windows a period: one more than it counts in, if few."""
    if definition.release == "running_total":
        return definition, _MOST_WINDOWS
    capped = definition.max_windows_per_unit
    return definition, 1 if capped is None else min(capped + 1, _MOST_WINDOWS)


def _plan(definition: Definition, config: Config) -> Plan:
    return plan([definition], config, TimeRange(0, round(config.budget_period) * 10**9))


def _visible_rho(definition: Definition, windows: int) -> float:
    """As much as leaves the noise a few steps wide."""
    terms = terms_of(definition, 1.0, windows, Mechanism.GAUSSIAN)
    steps = min(terms.steps, terms.count_scale or math.inf)
    return min(_RHO, (steps / _LEAST_STEPS) ** 2)


def built_in() -> Iterator[tuple[Definition, int]]:
    """One entry of every kind, and for how many windows a period: what `privacy audit` tries unasked."""
    user = PrivacyUnit("user", ("user.id", "enduser.id"))
    ms = {"unit": "ms", "buckets": (10.0, 100.0)}
    by_user = {"privacy_unit": user, "bounds": (0.0, 20.0)}
    by_event = {"privacy_unit": "event", "bounds": (0.0, 1.0)}
    watched = {"release": "running_total"}
    yield _entry("counter", MetricType.COUNTER, by_user, max_groups_per_unit=2), 1
    yield _entry("counter_by_event", MetricType.COUNTER, by_event), 1
    yield _entry("counter_of_few_windows", MetricType.COUNTER, by_user, max_windows_per_unit=2), 3
    yield _entry("level", MetricType.UPDOWNCOUNTER, {**by_user, "bounds": (-20.0, 5.0)}), 1
    yield _entry("gauge", MetricType.GAUGE, {**by_user, "unit": "ms", "bounds": (0.0, 50.0)}), 1
    yield _entry("histogram", MetricType.HISTOGRAM, {**by_user, **ms}, max_groups_per_unit=2), 1
    yield _entry("histogram_by_event", MetricType.HISTOGRAM, {**by_event, **ms}), 1
    yield _entry("total_by_event", MetricType.COUNTER, {**by_event, **watched}), 4
    yield _entry("total", MetricType.COUNTER, {**by_user, **watched}, max_windows_per_unit=1), 4


def _entry(name: str, kind: MetricType, keys: dict[str, Any], **more: Any) -> Definition:
    settings = {"unit": "{thing}", **keys, **more}
    return Definition(
        name=f"audit.{name}",
        description="An input of `blackhole privacy audit`",
        type=kind,
        privacy="highly_sensitive",
        purpose="Does the engine keep its promise?",
        keep=("kind",),
        values={"kind": ("a", "b", "c")},
        **settings,
    )
