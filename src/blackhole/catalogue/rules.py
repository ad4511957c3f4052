"""What must hold between the keys of one entry: each rule yields (key, problem and remedy)."""

import itertools
import math
import re
from collections.abc import Callable, Iterator

from blackhole.catalogue.definition import Definition, PrivacyUnit
from blackhole.records import MetricType

Problems = Iterator[tuple[str, str]]

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_./-]{0,254}")
_COUNT_UNIT = re.compile(r"1|\{[^{}]*\}|connections|events|operations|requests|errors")
_COUNTERS = (MetricType.COUNTER, MetricType.UPDOWNCOUNTER)


def name_is_valid(entry: Definition) -> Problems:
    plain = entry.name.removesuffix(".*") if entry.name.endswith(".*") else entry.name.removeprefix("*.")
    if not _NAME.fullmatch(plain):
        yield (
            "name",
            "not a metric name: write a letter, then letters, digits, `_ . - /`; or `prefix.*` or `*.suffix`",
        )


def type_can_be_collected(entry: Definition) -> Problems:
    if entry.type is MetricType.SUMMARY:
        yield "type", "summaries cannot be added up: write counter, updowncounter, gauge or histogram"


def unit_is_bounded(entry: Definition) -> Problems:
    if not entry.level.guarded:
        return
    if entry.privacy_unit is None:
        yield (
            "privacy_unit",
            "is missing: whose share is bounded, `{name: user, keys: [user.id]}` or `event`",
        )
    if entry.bounds is None:
        yield "bounds", "are missing: what one unit may add in a window, e.g. [0, 1]"


def privacy_unit_is_named(entry: Definition) -> Problems:
    unit = entry.privacy_unit
    if isinstance(unit, PrivacyUnit) and not (unit.name and unit.keys):
        yield (
            "privacy_unit",
            "names no unit: give a name and the keys that carry its id, or write `event`",
        )
    if isinstance(unit, PrivacyUnit) and set(unit.keys) & set(entry.keep or ()):
        yield "keep", "would store the id of the privacy unit: take that key out"


def event_unit_is_a_count(entry: Definition) -> Problems:
    """Without ids one event must not weigh more than one (PRIVACY: Δ = 1)."""
    if entry.privacy_unit != "event":
        return
    counts = entry.type is MetricType.COUNTER and _COUNT_UNIT.fullmatch(entry.unit)
    if not counts and not (entry.type is MetricType.HISTOGRAM and entry.buckets):
        yield (
            "privacy_unit",
            "`event` is for counters of things and histograms with declared buckets: name the keys of a unit",
        )


def bounds_are_ordered(entry: Definition) -> Problems:
    if entry.bounds is None:
        return
    lower, upper = entry.bounds
    if not (math.isfinite(lower) and math.isfinite(upper) and lower <= upper):
        yield "bounds", "must be two finite numbers, the lower first, e.g. [0, 1]"
    elif lower == upper == 0:
        yield "bounds", "[0, 0] would clamp everything to nothing: raise the upper one"


def buckets_are_sorted(entry: Definition) -> Problems:
    buckets = entry.buckets
    if buckets is None:
        return
    if not buckets or not all(map(math.isfinite, buckets)):
        yield "buckets", "must be one or more finite numbers; the last bucket to infinity is implied"
    elif any(a >= b for a, b in itertools.pairwise(buckets)):
        yield "buckets", "must rise: sort them and leave each one once"


def guarded_histogram_has_buckets(entry: Definition) -> Problems:
    if entry.level.guarded and entry.type is MetricType.HISTOGRAM and not entry.buckets:
        yield "buckets", f"a {entry.privacy} histogram needs declared boundaries, e.g. [10, 100, 1000]"


def released_groups_are_declared(entry: Definition) -> Problems:
    if entry.privacy != "highly_sensitive":
        return
    missing = [key for key in entry.keep or () if key not in entry.values]
    if missing:
        yield "values", f"a highly_sensitive metric keeps only declared values: list those of `{missing[0]}`"


def released_name_is_exact(entry: Definition) -> Problems:
    if entry.privacy == "highly_sensitive" and entry.is_pattern:
        yield (
            "name",
            "is a pattern, and the budget is fixed before anything comes: name each highly_sensitive metric",
        )


def values_are_listed(entry: Definition) -> Problems:
    for key, values in entry.values.items():
        if not values or len(set(values)) != len(values):
            yield "values", f"`{key}` needs one or more different values"
        if entry.keep is not None and key not in entry.keep:
            yield "values", f"`{key}` is not in `keep`: add it there, or take its values out"


def limits_are_positive(entry: Definition) -> Problems:
    for key in ("max_groups_per_unit", "max_windows_per_unit", "max_events_per_unit"):
        limit = getattr(entry, key)
        if limit is not None and limit < 1:
            yield key, "must be at least 1"


def running_total_can_be_released(entry: Definition) -> Problems:
    if entry.release != "running_total":
        return
    if entry.type is not MetricType.COUNTER:
        yield "release", "`running_total` is for counters: write `windows`"
    elif entry.privacy_unit != "event" and entry.max_windows_per_unit != 1:
        yield "release", "`running_total` needs `privacy_unit: event` or `max_windows_per_unit: 1`"


RULES: tuple[Callable[[Definition], Problems], ...] = (
    name_is_valid,
    type_can_be_collected,
    unit_is_bounded,
    privacy_unit_is_named,
    event_unit_is_a_count,
    bounds_are_ordered,
    buckets_are_sorted,
    guarded_histogram_has_buckets,
    released_groups_are_declared,
    released_name_is_exact,
    values_are_listed,
    limits_are_positive,
    running_total_can_be_released,
)
