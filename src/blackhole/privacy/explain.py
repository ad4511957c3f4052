"""Turns a catalogue entry and the configuration into what is promised about a metric, in plain words."""

from collections.abc import Iterable, Iterator
from itertools import chain, repeat
from typing import Any, Literal, Protocol

import msgspec

from blackhole.catalogue.definition import Definition, PrivacyUnit
from blackhole.config import Config, duration_words
from blackhole.errors import QueryError, UnknownMetricError
from blackhole.model.series import PrivacyLevel
from blackhole.privacy import plan as planning
from blackhole.privacy import wording
from blackhole.privacy.factorisation import HORIZON, coefficients, row_norm
from blackhole.privacy.scrub import clean_name
from blackhole.privacy.terms import Terms


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """All of it follows from the catalogue and the configuration; nothing that was received is looked at.

    `epsilon`, `rho`: what one release costs one unit. `scale`, `count_scale`: of the noise of each value, in
    the metric's unit. `expected_error_95`: half the width of the interval about one released value;
    `expected_error_95_period`: about the sum of one group over a budget period. `cost`: the most that all
    releases of a period cost one unit, as ε at `delta`. `same_events`: open metrics that count events which
    a guarded one may count too, with the reason. Null where nothing of the kind is done.
    """

    metric: str
    privacy: str
    keep: list[str]
    aggregation: str | None
    privacy_unit: PrivacyUnit | Literal["event"] | None
    bounds: tuple[float, float] | None
    max_groups_per_unit: int
    max_windows_per_unit: int | None
    mechanism: str | None = None
    epsilon: float | None = None
    delta: float | None = None
    rho: float | None = None
    scale: float | None = None
    count_scale: float | None = None
    window: str | None = None
    expected_error_95: float | None = None
    expected_error_95_period: float | None = None
    groups: int | None = None
    windows: int | None = None
    share: float | None = None
    cost: float | None = None
    running_total: bool = False
    k_anonymity: int | None = None
    same_events: dict[str, str] = {}
    assumptions: list[str]
    words: str


class ExplainedCatalogue(Protocol):
    def match(self, name: str, /) -> Definition | None: ...
    def near(self, name: str, /) -> list[str]: ...
    def __iter__(self) -> Iterator[Definition]: ...


def explain_name(metric: str, catalogue: ExplainedCatalogue, config: Config) -> Explanation:
    """What is promised about a metric. Raises QueryError, UnknownMetricError."""
    definition = next((entry for entry in catalogue if entry.name == metric), None) or catalogue.match(metric)
    if definition is None:
        near = ", ".join(catalogue.near(metric))
        hint = f"did you mean {near}?" if near else "see `blackhole catalogue list`"
        raise UnknownMetricError(f"{clean_name(metric)}: not in the catalogue, so it is refused: {hint}")
    try:
        return msgspec.structs.replace(explain(definition, catalogue, config), metric=metric)
    except ValueError as error:
        raise QueryError(f"the catalogue cannot be planned: {error}") from None


def explain(definition: Definition, catalogue: Iterable[Definition], config: Config) -> Explanation:
    """`catalogue`: all entries, since the budget is shared among them. Raises ValueError as `plan` does."""
    entries = list(catalogue)
    level = definition.level
    facts: dict[str, Any] = {
        "metric": definition.name,
        "privacy": level.word,
        "keep": _kept(definition, config),
        "aggregation": definition.aggregation,
        "privacy_unit": definition.privacy_unit,
        "bounds": definition.bounds,
        "max_groups_per_unit": definition.max_groups_per_unit,
        "max_windows_per_unit": definition.max_windows_per_unit,
        "same_events": _same_events(entries if level.guarded else (definition,)),
    }
    if level is PrivacyLevel.HIGHLY_SENSITIVE and config.differential_privacy:
        return _released(definition, entries, config, facts)
    if level.guarded:
        return _windowed(definition, config, facts)
    return _open(definition, config, facts)


def _kept(definition: Definition, config: Config) -> list[str]:
    if definition.level is PrivacyLevel.HIGHLY_SENSITIVE and config.differential_privacy:
        return list(definition.released_keys)
    return list(definition.kept_keys)


def _same_events(entries: Iterable[Definition]) -> dict[str, str]:
    """Open metrics that count what a guarded one also counts, with the reason why that is right."""
    return {entry.name: entry.same_events_ok for entry in entries if entry.same_events_ok}


def _open(definition: Definition, config: Config, facts: dict[str, Any]) -> Explanation:
    words = wording.of_open(definition, facts["keep"], config)
    said = ["the metric says nothing about people: nothing here checks that"]
    return Explanation(**facts, assumptions=said, words="\n".join(words))


def _windowed(definition: Definition, config: Config, facts: dict[str, Any]) -> Explanation:
    said = [*wording.unit_assumptions(definition), *wording.same_events(facts["same_events"])]
    return Explanation(
        **facts,
        window=duration_words(config.sensitive_window),
        k_anonymity=config.k_anonymity,
        assumptions=said,
        words="\n".join(wording.of_windowed(definition, config)),
    )


def _released(
    definition: Definition, entries: Iterable[Definition], config: Config, facts: dict[str, Any]
) -> Explanation:
    whole = planning.plan(entries, config, planning.period_at(0, config))
    planned = whole.metric(definition.name)
    if planned is None:
        raise ValueError(f"{definition.name}: is not in the catalogue's plan")
    terms, delta = planned.terms, whole.delta
    cost = terms.mechanism.epsilon_at(terms.cost * terms.charged_windows, delta)
    error, whole_error = expected_error(terms), period_error(terms)
    words = wording.of_released(definition, terms, config, cost=cost, error=error, period_error=whole_error)
    return Explanation(
        **facts,
        mechanism=terms.mechanism,
        epsilon=terms.mechanism.epsilon_at(terms.cost, delta),
        delta=delta,
        rho=terms.rho,
        scale=terms.scale,
        count_scale=terms.count_scale,
        window=duration_words(config.release_window),
        expected_error_95=error,
        expected_error_95_period=whole_error,
        groups=terms.groups,
        windows=terms.windows,
        share=planned.share,
        cost=cost,
        running_total=terms.running_total,
        assumptions=[
            *wording.release_assumptions(definition, config),
            *wording.same_events(facts["same_events"]),
        ],
        words="\n".join(words),
    )


def expected_error(terms: Terms) -> float:
    """Half the width of the 95 % interval about one released value; of a gauge, about its noisy sum."""
    return terms.mechanism.half_width([terms.scale * (_increment_norm() if terms.running_total else 1.0)])


def period_error(terms: Terms) -> float:
    """The same about the sum of one group's values over a whole period."""
    if not terms.running_total:
        return terms.mechanism.half_width([terms.scale] * terms.windows)
    full, rest = divmod(terms.windows, HORIZON)
    runs = chain(repeat(HORIZON, full), (rest,) if rest else ())
    return terms.mechanism.half_width([terms.scale * row_norm(steps - 1) for steps in runs])


def _increment_norm() -> float:
    """The largest deviation of one increment of a running total, for noise of deviation 1."""
    factors = coefficients()
    return float((1 + sum((a - b) ** 2 for a, b in zip(factors[1:], factors, strict=False))) ** 0.5)
