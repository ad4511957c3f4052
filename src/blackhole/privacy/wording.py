"""Turns a catalogue entry and the terms of its release into sentences that a newcomer understands."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from blackhole.catalogue.definition import Definition, PrivacyUnit
from blackhole.config import Config, duration_words
from blackhole.model.series import MetricType, PrivacyLevel
from blackhole.privacy.terms import Terms

_MOST_NAMES = 3
_LENGTHS = {"day": 86400, "hour": 3600, "minute": 60, "second": 1}


def of_open(definition: Definition, keep: Sequence[str], config: Config) -> Iterator[str]:
    """What happens to a public or internal metric."""
    kept = _length(config.retention_period)
    yield f"Every point of {definition.name} is kept as it was sent, for {kept}."
    if keep:
        yield (
            f"Of the attributes {', '.join(keep)} and service.name are kept, with identities taken out of"
            " them; all others are dropped on arrival."
        )
    else:
        yield "No attribute is kept but service.name, with identities taken out of it."
    if definition.level is PrivacyLevel.PUBLIC:
        yield "Plugins that you switch on may send it on."
    else:
        yield "It never leaves this node."
    yield "Nobody is protected by this level: it is for numbers that say nothing about people."
    if definition.same_events_ok:
        yield (
            "It counts the same events as a guarded metric, which is accepted because:"
            f" {definition.same_events_ok}."
        )


def of_windowed(definition: Definition, config: Config) -> Iterator[str]:
    """What happens to a sensitive metric, or to a highly sensitive one without differential privacy."""
    unit, k = unit_name(definition), config.k_anonymity
    if definition.level is PrivacyLevel.HIGHLY_SENSITIVE:
        yield "differential_privacy is off: there is no noise and no budget, only what sensitive metrics get."
    yield (
        f"Points are added up in memory and become one value every {_each(config.sensitive_window)}"
        " and group; single ones are never stored."
    )
    yield (
        f"What one {unit} adds to a group and window is cut to {_bounds(definition)}, in at most"
        f" {definition.max_groups_per_unit} groups."
    )
    yield (
        f"Groups with fewer than {k} {unit}s are merged into `other`; if that is still too small,"
        " nothing is stored."
    )
    yield _regions(config)
    yield (
        "There is no noise and no formal guarantee: who knows all others of a group, or watches it for long,"
        " can learn about one from the differences."
    )


def of_released(
    definition: Definition, terms: Terms, config: Config, *, cost: float, error: float, period_error: float
) -> Iterator[str]:
    """What happens to a highly sensitive metric. Cost as ε; errors as half a 95 % interval's width."""
    unit, period = unit_name(definition), _length(config.budget_period)
    what = {MetricType.HISTOGRAM: "the count of each bucket", MetricType.GAUGE: "a sum and a count"}
    yield (
        f"{definition.name} is never stored as it comes. It is added up in memory, and every"
        f" {_each(config.release_window)} {what.get(terms.type, 'one number')} is published for each"
        f" of the {terms.groups} groups that the catalogue declares, whether or not anything came."
    )
    if terms.by_event:
        yield "Each event counts as one. The data carry no ids, so nobody knows whose events they are."
    else:
        yield (
            f"What one {unit} adds to a value is cut to {_bounds(definition)}, in at most"
            f" {terms.groups_per_unit} of them in a window, and in at most {terms.charged_windows} of the"
            f" {terms.windows} windows of {period}."
        )
    yield (
        f"Random {terms.mechanism.words} noise of scale {terms.scale:.3g} is added to each number, so that"
        f" nobody who reads all that is published can be sure whether one {unit} was there."
        " A value can be negative."
    )
    yield (
        f"Expect errors of up to ±{error:.3g} in 19 of 20 values, and of up to ±{period_error:.3g} in a"
        f" group's sum over {period}. Small numbers drown in it; that is the point."
    )
    yield (
        f"All releases of {period} together cost one {unit} at most ε = {cost:.3g}"
        f" (δ = {_power(config.privacy_delta)}); all metrics together cost at most"
        f" ε = {config.privacy_budget:g}. When that is spent, values are absent until the next period begins."
    )


def release_assumptions(definition: Definition, config: Config) -> Iterator[str]:
    """What must be true for the promise to hold, and where it ends."""
    yield from unit_assumptions(definition)
    period = _length(config.budget_period)
    yield (
        f"the promise is for one UTC period of {period}: a stretch as long that crosses the end of one can"
        " cost 2ε, and d periods d·ε"
    )
    yield "who reads files, answers, logs and the stream does not see the memory of the process"
    yield "how much the bounds cut off is not known: intervals are of the clamped total; clamp bias unknown"


def _length(seconds: float) -> str:
    """A length of time as people say it: `a day`, `5 minutes`."""
    for word, size in _LENGTHS.items():
        if seconds >= size and seconds % size == 0:
            article = "an" if word == "hour" else "a"
            return f"{article} {word}" if seconds == size else f"{seconds // size:g} {word}s"
    return duration_words(seconds)


def _power(value: float) -> str:
    """`1e-9` for 1e-09."""
    return f"{value:g}".replace("e-0", "e-")


def _each(seconds: float) -> str:
    """What follows `every`."""
    return _length(seconds).removeprefix("an ").removeprefix("a ")


def unit_assumptions(definition: Definition) -> Iterator[str]:
    """Who is protected, if what the sender says is true."""
    unit = definition.privacy_unit
    if isinstance(unit, PrivacyUnit):
        yield (
            f"the sender says truly who a {unit.name} is, by the first of {', '.join(unit.keys)} that is"
            f" present; points without any of them count together as one {unit.name}"
        )
        if any("peer" in word for word in (unit.name, *unit.keys)):
            yield "a peer id is not a person: each id of somebody with several is protected by itself"
        else:
            yield f"a {unit.name} is one person: each id of somebody with several is protected by itself"
    elif unit is not None:
        yield "events carry no ids, so what is protected is one event, not a person"
        many = definition.max_events_per_unit
        if many is not None:
            yield (
                f"a person causes at most {many} events a period: ε per event, {many}·ε per person if true"
                f" ({many * many}\u03c1 for Gaussian noise); nothing checks it"
            )


def same_events(reasons: Mapping[str, str]) -> Iterator[str]:
    """One sentence a reason. `reasons`: by metric, why an open one may count what a guarded one counts."""
    named: dict[str, list[str]] = defaultdict(list)
    for name, reason in reasons.items():
        named[reason].append(name)
    for reason, names in named.items():
        more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
        yield (
            f"open metrics count events that a guarded one may count too ({', '.join(names[:_MOST_NAMES])}"
            f"{more}), because: {reason}"
        )


def unit_name(definition: Definition) -> str:
    unit = definition.privacy_unit
    return unit.name if isinstance(unit, PrivacyUnit) else "event"


def _regions(config: Config) -> str:
    least = config.min_region_population
    known = [name for name, people in config.region_populations.items() if people >= least]
    return (
        f"A region that region_populations gives fewer than {least} people, or does not name, counts as"
        f" `other` (shown as they are: {', '.join(known) or 'none yet'})."
    )


def _bounds(definition: Definition) -> str:
    lower, upper = definition.bounds or (0.0, 0.0)
    return f"between {lower:g} and {upper:g}"
