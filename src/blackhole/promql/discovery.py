"""Answers what there is to ask for: series, labels, their values, and the metadata of metrics."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import promql_parser as tree

from blackhole.errors import ExpressionError
from blackhole.promql import syntax
from blackhole.promql.matching import Matcher, accepted, matchers_of
from blackhole.promql.names import LE, NAME, ORIGIN, Labels, label_name, labels_of, number_text
from blackhole.promql.selection import SeriesSource, families, select
from blackhole.promql.tree import bare
from blackhole.promql.values import Allowance, Key, key_of
from blackhole.store.read.reader import Reader
from blackhole.store.read.regexes import Regexes
from blackhole.store.read.samples import Samples

_KEYS = "SELECT DISTINCT unnest(json_keys(attributes)) FROM series"
_ATTRIBUTES = "SELECT DISTINCT {columns} FROM series"
_BOUNDS = """
SELECT DISTINCT unnest(bounds) FROM (
    SELECT DISTINCT bounds FROM histogram_chunks UNION SELECT DISTINCT bounds FROM recent_histogram_points
)
"""
# What the labels of the resource are made of, besides those that have its name.
_MADE_OF = {"job": ("service.name", "service.namespace"), "instance": ("service.instance.id",)}
_MAX_VALUES = 100_000


@dataclass(frozen=True, slots=True)
class SearchRange:
    """Milliseconds, both included."""

    start: int
    end: int


class Discovery:
    """Reads from one snapshot. Without `span` a series counts whenever it had samples."""

    def __init__(self, reader: Reader, allowance: Allowance) -> None:
        self._reader = reader
        self._allowance = allowance
        self._regexes = Regexes(reader, lambda: allowance.left)
        self._samples = Samples(reader, lambda: allowance.left)

    def series(self, selectors: Sequence[str], span: SearchRange | None) -> list[Labels]:
        """The labels of all series that match any of `selectors`, sorted. Raises QueryError."""
        found: dict[Key, Labels] = {}
        for selector in selectors:
            matchers = _matchers(selector)
            selection = select(self._reader, matchers, self._regexes)
            for labels in self._alive(selection.sources, selection.bucket_matchers, span):
                found[key_of(labels)] = labels
        return [found[key] for key in sorted(found)]

    def label_names(self, selectors: Sequence[str], span: SearchRange | None) -> list[str]:
        if selectors:
            return sorted({name for labels in self.series(selectors, span) for name in labels})
        keys = {key for (key,) in self._rows(_KEYS)}
        known = families(self._reader)
        names = {label_name(key) for key in keys}
        names |= {name for name, parts in _MADE_OF.items() if parts[0] in keys}
        names |= {LE} if any(family.part == "bucket" for family in known) else set()
        names |= {ORIGIN} if any(family.shared for family in known) else set()
        return sorted({name for name in names if name.strip("_")} | ({NAME} if known else set()))

    def label_values(self, name: str, selectors: Sequence[str], span: SearchRange | None) -> list[str]:
        if selectors:
            found = {labels.get(name, "") for labels in self.series(selectors, span)}
        elif name == NAME:
            found = {family.name for family in families(self._reader)}
        elif name == ORIGIN:
            found = {family.metric for family in families(self._reader) if family.shared}
        elif name == LE:
            found = {number_text(bound) for (bound,) in self._rows(_BOUNDS)} | {"+Inf"}
        else:
            found = set(self._values(name))
        return sorted(found - {""})

    def _values(self, name: str) -> Iterator[str]:
        stored = [key for (key,) in self._rows(_KEYS)]
        keys = [key for key in stored if label_name(key) == name or key in _MADE_OF.get(name, ())]
        if not keys:
            return
        columns = ", ".join(f"attributes -> ${place}" for place in range(1, len(keys) + 1))
        paths = [f"$.{msgspec.json.encode(key).decode()}" for key in keys]
        for row in self._reader.rows(
            _ATTRIBUTES.format(columns=columns), paths, max_rows=_MAX_VALUES, timeout=self._allowance.left
        ).rows:
            attributes = {
                key: msgspec.json.decode(value)
                for key, value in zip(keys, row, strict=True)
                if value is not None
            }
            yield labels_of(attributes).get(name, "")

    def _alive(
        self, sources: Sequence[SeriesSource], bucket_matchers: Sequence[Matcher], span: SearchRange | None
    ) -> Iterator[Labels]:
        """Series with samples in `span`; those of buckets one by one."""
        numbers = sorted({number for source in sources for number in source.ids})
        histograms = [source for source in sources if source.family.part == "bucket"]
        asked = sorted({number for source in histograms for number in source.ids})
        newest = self._allowance.newest
        after, until = (None, newest) if span is None else (span.start - 1, min(span.end, newest))
        alive = self._samples.alive(numbers, after, until)
        bounds = self._samples.bounds(asked, after, until)
        for source in sources:
            if source.family.part == "bucket":
                edges = {bound for number in source.ids for bound in bounds.get(number, ())}
                if edges or not alive.isdisjoint(source.ids):
                    yield from self._buckets(source, edges, bucket_matchers)
            elif not alive.isdisjoint(source.ids):
                yield source.labels

    def _buckets(
        self, source: SeriesSource, edges: set[float], matchers: Sequence[Matcher]
    ) -> Iterator[Labels]:
        every = [{**source.labels, LE: number_text(edge)} for edge in sorted(edges | {float("inf")})]
        fits = accepted(matchers, every, self._regexes)
        yield from (labels for labels, fit in zip(every, fits, strict=True) if fit)

    def _rows(self, sql: str) -> Iterable[tuple[Any]]:
        rows: Iterable[tuple[Any]] = self._reader.rows(
            sql, max_rows=_MAX_VALUES, timeout=self._allowance.left
        ).rows
        return rows


def metadata(reader: Reader, help_of: Callable[[str], str]) -> dict[str, list[dict[str, str]]]:
    """Type, unit and description of every metric, under the name that Prometheus has for it."""
    found: dict[str, list[dict[str, str]]] = {}
    for family in families(reader):
        name = family.name if family.part == "value" else family.name.removesuffix(f"_{family.part}")
        entry = {"type": family.kind, "help": help_of(family.metric), "unit": ""}
        if entry not in found.setdefault(name, []):
            found[name].append(entry)
    return found


def _matchers(selector: str) -> list[Matcher]:
    expr = bare(syntax.parse(selector))
    if not isinstance(expr, tree.VectorSelector) or expr.offset or expr.at:
        raise ExpressionError("match[] takes series selectors only")
    return matchers_of(expr)
