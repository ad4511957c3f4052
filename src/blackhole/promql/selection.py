"""Turns the stored series into those that Prometheus would have, and picks the ones that match."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from blackhole.errors import EvaluationError
from blackhole.model.series import MetricType, PrivacyLevel
from blackhole.promql.matching import Matcher, accepted
from blackhole.promql.names import LE, NAME, ORIGIN, Labels, beside, kind_of, labels_of, metric_name
from blackhole.promql.values import key_of
from blackhole.store.read.reader import Reader
from blackhole.store.read.regexes import Regexes

MAX_SERIES = 20_000
_FAMILIES = "SELECT DISTINCT metric, type, unit, privacy_level FROM series ORDER BY ALL"
_SERIES = """
SELECT id, metric, type, unit, privacy_level, attributes
FROM series WHERE metric IN (SELECT unnest($metrics)) ORDER BY id
"""


_PARTS: dict[str, tuple[str, ...]] = {
    MetricType.HISTOGRAM: ("bucket", "sum", "count"),
    MetricType.SUMMARY: ("sum", "count"),
}
_RESERVED = frozenset((LE, "quantile"))


@dataclass(frozen=True, slots=True)
class Family:
    """Series of one metric, type, unit and level under the name that Prometheus has for a part of them.

    `part`: value, or of a histogram bucket, sum or count. `shared`: other metrics have this name too.
    """

    metric: str
    type: str
    unit: str
    level: PrivacyLevel
    name: str
    part: str
    shared: bool = False

    @property
    def kind(self) -> str:
        return kind_of(self.type, self.level)

    @property
    def counts(self) -> bool:
        """Whether it is the running sum of what is stored."""
        return self.kind in {"counter", "histogram"}

    def labels(self, attributes: str) -> Labels:
        """Of a series with these attributes (JSON); `le` of a histogram is what Prometheus says of it."""
        labels = {f"key{name}" if name == NAME else name: text for name, text in _labels(attributes).items()}
        if self.part != "value":
            for taken in _RESERVED & labels.keys():
                labels = {
                    f"exported_{name}" if name == taken else name: text for name, text in labels.items()
                }
        origin = {ORIGIN: self.metric} if self.shared else {}
        return {**labels, **origin, NAME: self.name}

    @property
    def stored_as(self) -> tuple[str, str, str, int]:
        return self.metric, self.type, self.unit, self.level


@dataclass(frozen=True, slots=True)
class SeriesSource:
    """One series of Prometheus, or all buckets of one, and the stored series that it is made of."""

    family: Family
    labels: Labels
    ids: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Selection:
    """`bucket_matchers`: what is asked of `le`, which only the samples tell."""

    sources: list[SeriesSource]
    bucket_matchers: list[Matcher]

    @property
    def guarded(self) -> list[SeriesSource]:
        return [source for source in self.sources if source.family.level.guarded]

    @property
    def asked_edges(self) -> list[float]:
        """Bounds that are asked for by name."""
        plain = (one.value for one in self.bucket_matchers if not one.pattern and not one.negated)
        return [edge for text in plain if (edge := _edge(text)) is not None]


def _edge(text: str) -> float | None:
    try:
        edge = float(text)
    except ValueError:
        return None
    return edge if math.isfinite(edge) else None


class StoredName(NamedTuple):
    """What a metric is stored as; `level` as a number."""

    metric: str
    kind: str
    unit: str
    level: int


def families(reader: Reader) -> list[Family]:
    """Everything that is stored, under the names of Prometheus. Raises QueryError."""
    return named(reader.rows(_FAMILIES).rows)


def named(stored: Iterable[tuple[str, str, str, int]]) -> list[Family]:
    """Metric, type, unit and level under the name that Prometheus has for them, or for parts of them.

    Where metrics of different types would have one name, the later ones have their type behind it; where
    several of one type do, they are told apart by a label.
    """
    owners: dict[str, tuple[str, str]] = {}
    bases: list[tuple[StoredName, str]] = []
    sharing: dict[str, set[str]] = {}
    for row in map(StoredName._make, stored):
        base = _own_name(row, owners)
        if base:
            bases.append((row, base))
            sharing.setdefault(base, set()).add(row.metric)
    return [family for row, base in bases for family in _parts(row, base, shared=len(sharing[base]) > 1)]


def _own_name(row: StoredName, owners: dict[str, tuple[str, str]]) -> str:
    """A name that is used for nothing of another type, its parts neither; empty where there is none."""
    metric, kind, unit, level = row
    base = metric_name(metric, kind, unit, level)
    word = _type_word(kind, level)
    while base:
        names = {base, *(f"{base}_{part}" for part in _PARTS.get(kind, ()))}
        if all(owners.get(name, (base, word)) == (base, word) for name in names):
            owners.update(dict.fromkeys(names, (base, word)))
            return base
        base = beside(base, word)
    return ""


def _type_word(kind: str, level: int) -> str:
    return "summary" if kind == MetricType.SUMMARY else kind_of(kind, level)


def _parts(row: StoredName, base: str, *, shared: bool) -> Iterator[Family]:
    metric, kind, unit, level = row
    for part in _PARTS.get(kind, ("value",)):
        full = base if part == "value" else f"{base}_{part}"
        yield Family(metric, kind, unit, PrivacyLevel(level), full, part, shared)


def select(reader: Reader, matchers: Sequence[Matcher], regexes: Regexes) -> Selection:
    """Raises QueryError; EvaluationError beyond `MAX_SERIES`."""
    by_name = [matcher for matcher in matchers if matcher.label == NAME]
    known = families(reader)
    named = accepted(by_name, [{NAME: family.name} for family in known], regexes)
    chosen = [family for family, fits in zip(known, named, strict=True) if fits]
    others = [matcher for matcher in matchers if matcher.label not in {NAME, LE}]
    of_le = [matcher for matcher in matchers if matcher.label == LE]
    found = list(_sources(reader, chosen))
    labels = [source.labels for source in found]
    without_le = [source.family.part == "bucket" for source in found]
    fits = [
        fit and (plain or deferred)
        for fit, plain, deferred in zip(
            accepted(others, labels, regexes), accepted(of_le, labels, regexes), without_le, strict=True
        )
    ]
    sources = [source for source, fit in zip(found, fits, strict=True) if fit]
    if len(sources) > MAX_SERIES:
        raise EvaluationError(f"more than {MAX_SERIES:,} series: add label matchers")
    return Selection(sources, of_le)


def _sources(reader: Reader, chosen: Iterable[Family]) -> Iterator[SeriesSource]:
    by_stored: dict[tuple[str, str, str, int], list[Family]] = {}
    for family in chosen:
        by_stored.setdefault(family.stored_as, []).append(family)
    if not by_stored:
        return
    wanted = {"metrics": sorted({stored[0] for stored in by_stored})}
    known: dict[tuple[str, Any], SeriesSource] = {}
    for number, metric, kind, unit, level, attributes in reader.each(_SERIES, wanted, timeout=10.0):
        for family in by_stored.get((metric, kind, unit, level), ()):
            labels = family.labels(attributes)
            source = known.setdefault((family.kind, key_of(labels)), SeriesSource(family, labels))
            source.ids.append(number)
    yield from known.values()


@lru_cache(maxsize=8192)
def _labels(attributes: str) -> Labels:
    return labels_of(msgspec.json.decode(attributes))
