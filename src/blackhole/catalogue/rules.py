"""What must hold between the keys of one entry: each rule yields (key, problem and remedy)."""

import itertools
import math
import re
from collections.abc import Callable, Iterator

from blackhole.catalogue.definition import SERVICE, Definition, PrivacyUnit
from blackhole.model.series import MetricType

Problems = Iterator[tuple[str, str]]

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_./-]{0,254}")
_COUNT_UNIT = re.compile(r"1|\{[^{}]*\}|connections|events|operations|requests|errors")
_WORD = re.compile(r"[^\W\d_]{3,}")
_SAYS_NOTHING = frozenset(
    {
        "todo",
        "tbd",
        "tba",
        "fixme",
        "xxx",
        "none",
        "unknown",
        "nothing",
        "later",
        "purpose",
        "yes",
        "true",
        "okay",
    }
)
MOST_GROUPS = 10_000
MOST_UNIT_KEYS = 16
LONGEST_KEY = 255


def name_is_valid(entry: Definition) -> Problems:
    plain = entry.name.removesuffix(".*") if entry.name.endswith(".*") else entry.name.removeprefix("*.")
    if not _NAME.fullmatch(plain):
        yield (
            "name",
            "not a metric name: write a letter, then letters, digits, `_ . - /`; or `prefix.*` or `*.suffix`",
        )


def purpose_is_said(entry: Definition) -> Problems:
    if not _says_something(entry.purpose):
        yield "purpose", "says nothing: write the question that the metric answers; no purpose, no metric"


def reason_is_said(entry: Definition) -> Problems:
    if entry.same_events_ok is not None and not _says_something(entry.same_events_ok):
        yield "same_events_ok", "says nothing: write why the same events may be counted openly"


def release_names_one_metric(entry: Definition) -> Problems:
    """A pattern would split the budget by what arrives."""
    if entry.privacy == "highly_sensitive" and entry.is_pattern:
        yield (
            "name",
            "a highly_sensitive entry is for exactly one metric: write an entry for each, without `*`",
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
    if not isinstance(unit, PrivacyUnit):
        return
    if not (unit.name.strip() and unit.keys):
        yield (
            "privacy_unit",
            "names no unit: give a name and the keys that carry its id, or write `event`",
        )
    if len(unit.keys) > MOST_UNIT_KEYS:
        yield (
            "privacy_unit",
            f"has {len(unit.keys)} keys, at most {MOST_UNIT_KEYS} are looked at: name the usual ones",
        )
    if not all(key.strip() and len(key) <= LONGEST_KEY for key in unit.keys):
        yield (
            "privacy_unit",
            f"has a key that is empty or over {LONGEST_KEY} characters: write the attribute's name",
        )
    stored = {*entry.kept_keys, SERVICE} & {*unit.keys}
    if stored:
        key = min(stored)
        yield ("keep", f"would store the id of the privacy unit: take `{key}` out, or name another key")


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


def event_counts_at_most_once(entry: Definition) -> Problems:
    if entry.privacy_unit == "event" and entry.bounds is not None:
        lower, upper = entry.bounds
        if lower < 0 or upper > 1:
            yield "bounds", "an event counts at most once: write [0, 1], or name the keys of a unit"


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
    missing = [key for key in entry.kept_keys if key not in entry.values]
    if not missing:
        return
    problem = f"a highly_sensitive metric keeps only declared values: list those of `{missing[0]}`"
    if entry.keep is None:
        problem += f" (kept by `aggregation: {entry.aggregation}`), or say in `keep` which keys are meant"
    yield "values", problem


def released_groups_are_few(entry: Definition) -> Problems:
    """Every declared group is released in every window, also when it is empty."""
    if entry.privacy == "highly_sensitive" and (groups := entry.declared_groups) > MOST_GROUPS:
        problem = f"{groups} groups are declared (values and `other`, times buckets)"
        yield (
            "values",
            f"{problem}, at most {MOST_GROUPS} can be released: keep fewer keys, values or buckets",
        )


def values_are_listed(entry: Definition) -> Problems:
    for key, values in entry.values.items():
        if not values or len(set(values)) != len(values):
            yield "values", f"`{key}` needs one or more different values"
        if entry.keep is not None and key not in entry.keep and key != SERVICE:
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


def first_value_is_of_a_count(entry: Definition) -> Problems:
    if entry.first != "counts" and entry.type not in {MetricType.COUNTER, MetricType.HISTOGRAM}:
        yield "first", f"a {entry.type} has no increments: take the key out, or write the type `counter`"


def _says_something(text: str) -> bool:
    return bool({word.lower() for word in _WORD.findall(text)} - _SAYS_NOTHING)


RULES: tuple[Callable[[Definition], Problems], ...] = (
    name_is_valid,
    release_names_one_metric,
    purpose_is_said,
    reason_is_said,
    type_can_be_collected,
    unit_is_bounded,
    privacy_unit_is_named,
    event_unit_is_a_count,
    bounds_are_ordered,
    event_counts_at_most_once,
    buckets_are_sorted,
    guarded_histogram_has_buckets,
    released_groups_are_declared,
    released_groups_are_few,
    values_are_listed,
    limits_are_positive,
    running_total_can_be_released,
    first_value_is_of_a_count,
)
