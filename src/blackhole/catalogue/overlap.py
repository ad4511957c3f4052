"""Finds open metrics that count the same events as a guarded one, from what their entries say alone."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from blackhole.catalogue.definition import Definition, PrivacyUnit
from blackhole.model.series import MetricType

# What the decoder makes of spans and log records: they count whatever a service does.
DERIVED = ("traces.span.metrics.", "traces.service.graph.", "log.record.")
# The conventions' names for calls: even without a method they are the calls of one `service.name`.
CALLS = ("http.server.", "http.client.", "rpc.", "grpc.")
OPERATION_KEYS = frozenset(
    (
        "endpoint",
        "event.name",
        "grpc.method",
        "handler",
        "http.method",
        "http.request.method",
        "http.route",
        "operation.type",
        "operation_type",
        "procedure",
        "route",
        "rpc.method",
        "span.name",
        "url.template",
    )
)
# In metrics of category p2p these are the protocol's own: a method of discovery, say.
_AMBIGUOUS_KEYS = frozenset({"action", "method", "operation"})

_EVENTS = frozenset({MetricType.COUNTER, MetricType.HISTOGRAM})
_THINGS = re.compile(r"\{[^{}]+\}|[a-z]{5,}")
_MORE_THAN_A_NUMBER = frozenset({"bytes", "percent", "ratio", "seconds", "celsius"})
_SPLIT = re.compile(r"[._/-]+")
_SAYS_NOTHING = frozenset({"total", "count", "number", "sum", "bucket"})
_FEWEST_WORDS = 2

Words = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Overlap:
    """An open entry, the key that is at fault, and what to do about it."""

    name: str
    key: str
    problem: str


def overlaps(entries: Iterable[Definition]) -> Iterator[Overlap]:
    """Every open entry that is at fault in a catalogue of these entries, once."""
    known = list(entries)
    guarded = [entry for entry in known if entry.level.guarded]
    for entry in known:
        found = _fault(entry, guarded)
        if found is not None:
            yield Overlap(entry.name, *found)


def _fault(entry: Definition, guarded: list[Definition]) -> tuple[str, str] | None:
    if entry.level.guarded:
        return None
    for other in guarded:
        identifying = _unit_keys(other) & {*entry.kept_keys}
        if identifying:
            key = min(identifying)
            return "keep", f"`{key}` is the id of a {_unit_name(other)} of `{other.name}`: take it out"
    if entry.same_events_ok is not None:
        return None
    for other in guarded:
        why = _why_the_same(entry, other)
        if why is not None:
            remedy = "protect it alike, or say why not in `same_events_ok`"
            return "same_events_ok", f"is missing: {why} `{other.name}`, which is {other.privacy}: {remedy}"
    return None


def _why_the_same(entry: Definition, other: Definition) -> str | None:
    """How the open entry may count the events of the guarded one; None if nothing says so."""
    if _counts(entry) and _is_beside(entry.name, other.name):
        return "by its name it counts the events of"
    if other.category == "p2p" or not _counts(other):
        return None
    if entry.name.startswith(DERIVED):
        return "spans and log records count the events of"
    if entry.type in _EVENTS and entry.name.startswith(CALLS) and "connection" not in _words(entry.name):
        return "the calls of a service are the events of"
    keys = _operation_keys(entry)
    if keys and entry.type is not MetricType.GAUGE:
        return f"by `{min(keys)}` it tells operations of a service apart, as does"
    return None


def _counts(entry: Definition) -> bool:
    """A gauge counts only if its unit is a thing."""
    if entry.type is not MetricType.GAUGE:
        return True
    return bool(_THINGS.fullmatch(entry.unit)) and entry.unit not in _MORE_THAN_A_NUMBER


def _operation_keys(entry: Definition) -> set[str]:
    judged = OPERATION_KEYS if entry.category == "p2p" else OPERATION_KEYS | _AMBIGUOUS_KEYS
    return {*entry.kept_keys} & judged


def _is_beside(name: str, guarded: str) -> bool:
    """Whether a name has the guarded one's first words, all but the last, or no word that it has not."""
    if guarded.startswith("*."):
        return _words(name)[-len(_words(guarded[2:])) :] == _words(guarded[2:])
    domain = _words(guarded)[:-1] if not guarded.endswith(".*") else _words(guarded[:-2])
    if name.startswith("*."):
        return domain[1:] == _words(name[2:])[: len(domain) - 1] and bool(domain)
    words = _words(name.removesuffix(".*"))
    if name.endswith(".*") and words == domain[: len(words)]:
        return True
    if domain and words[: len(domain)] == domain:
        return True
    said = {*words} - _SAYS_NOTHING
    return len(said) >= _FEWEST_WORDS and said <= {*_words(guarded)}


def _words(name: str) -> Words:
    """In small letters and the singular."""
    return tuple(
        word[:-1] if word.endswith("s") and not word.endswith("ss") else word
        for word in _SPLIT.split(name.lower())
        if word
    )


def _unit_keys(entry: Definition) -> set[str]:
    return {*entry.privacy_unit.keys} if isinstance(entry.privacy_unit, PrivacyUnit) else set()


def _unit_name(entry: Definition) -> str:
    return entry.privacy_unit.name if isinstance(entry.privacy_unit, PrivacyUnit) else "unit"
