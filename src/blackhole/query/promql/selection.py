"""Turns the stored series into those that Prometheus would have, and picks the ones that match."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import msgspec

from blackhole.errors import EvaluationError
from blackhole.query.promql.matching import Matcher, Regexes, accepted
from blackhole.query.promql.names import LE, NAME, Labels, kind_of, labels_of, metric_name
from blackhole.query.promql.values import key_of
from blackhole.records import MetricType, PrivacyLevel
from blackhole.store.reader import Reader

MAX_SERIES = 10_000
_FAMILIES = "SELECT DISTINCT metric, type, unit, privacy_level FROM series ORDER BY ALL"
_SERIES = """
SELECT id, metric, type, unit, privacy_level, attributes
FROM series WHERE metric IN (SELECT unnest($metrics)) ORDER BY id
"""


@dataclass(frozen=True, slots=True)
class Family:
    """Series of one metric, type, unit and level under the name that Prometheus has for a part of them.

    `part`: value, or of a histogram bucket, sum or count.
    """

    metric: str
    type: str
    unit: str
    level: PrivacyLevel
    name: str
    part: str

    @property
    def kind(self) -> str:
        return kind_of(self.type, self.level)

    @property
    def stored_as(self) -> tuple[str, str, str, int]:
        return self.metric, self.type, self.unit, self.level


@dataclass(frozen=True, slots=True)
class Source:
    """One series of Prometheus, or all buckets of one, and the stored series that it is made of."""

    family: Family
    labels: Labels
    ids: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Selection:
    """`bucket_matchers`: what is asked of `le`, which only the samples tell."""

    sources: list[Source]
    bucket_matchers: list[Matcher]

    @property
    def guarded(self) -> list[Source]:
        return [source for source in self.sources if source.family.level.guarded]


def families(reader: Reader) -> list[Family]:
    """Everything that is stored, under the names of Prometheus. Raises QueryError."""
    return [family for row in reader.rows(_FAMILIES).rows for family in _families(*row)]


def _families(metric: str, kind: str, unit: str, level: int) -> Iterator[Family]:
    name = metric_name(metric, kind, unit, level)
    parts = {MetricType.HISTOGRAM: ("bucket", "sum", "count"), MetricType.SUMMARY: ("sum", "count")}
    for part in parts.get(MetricType(kind), ("value",)):
        full = name if part == "value" else f"{name}_{part}"
        if name:
            yield Family(metric, kind, unit, PrivacyLevel(level), full, part)


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


def _sources(reader: Reader, chosen: Iterable[Family]) -> Iterator[Source]:
    by_stored: dict[tuple[str, str, str, int], list[Family]] = {}
    for family in chosen:
        by_stored.setdefault(family.stored_as, []).append(family)
    if not by_stored:
        return
    rows = reader.rows(_SERIES, {"metrics": sorted({stored[0] for stored in by_stored})}).rows
    known: dict[tuple[str, Any], Source] = {}
    for number, metric, kind, unit, level, attributes in rows:
        for family in by_stored.get((metric, kind, unit, level), ()):
            labels = {**_labels(attributes), NAME: family.name}
            source = known.setdefault((family.kind, key_of(labels)), Source(family, labels))
            source.ids.append(number)
    yield from known.values()


@lru_cache(maxsize=8192)
def _labels(attributes: str) -> Labels:
    return labels_of(msgspec.json.decode(attributes))
