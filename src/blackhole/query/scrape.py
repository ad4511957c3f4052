"""Turns what public metrics came to since the service began into the families of a Prometheus page.

Counters and histograms are running totals of this run: each read adds what was committed since the one
before, so it never looks at older points, and no total falls.
"""

import math
import threading
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from blackhole.model.series import MetricType
from blackhole.model.written_times import SECOND, shown_until
from blackhole.promql.names import LE, Labels, number_text
from blackhole.promql.selection import Family, named
from blackhole.store.database import Database
from blackhole.store.read.reader import Reader
from blackhole.store.read.samples import positions
from blackhole.store.read.templates import template
from blackhole.store.write.commit_times import STEP_US, Epoch

MAX_SERIES = 2000
# As long as Prometheus takes a sample for the present.
_PRESENT_NS = 300 * SECOND
_PERIODS = 2.5
_USUAL_NS = 60 * SECOND
# The service's own stored metrics stand on the page already, as they are now.
_OWN = "blackhole."
_SERIES = """
SELECT id, metric, type, unit, privacy_level, attributes FROM series WHERE privacy_level = 0 ORDER BY id
"""
_STORED = "SELECT DISTINCT metric, type, unit, privacy_level FROM series ORDER BY ALL"

BucketBounds = tuple[float, ...]
ScrapedSample = tuple[str, Labels, float]


class Scraped(msgspec.Struct, frozen=True):
    """One family: `kind` is counter, gauge, histogram or summary; a sample: suffix, labels, value."""

    name: str
    kind: str
    help: str
    samples: list[ScrapedSample]


class Scrape(msgspec.Struct, frozen=True):
    """`left_out`: how many series there are beyond those."""

    families: list[Scraped]
    left_out: int = 0


class ScrapedValue(Protocol):
    """What a series has come to. `merged`: with another one that Prometheus cannot tell from it."""

    def merged(self, other: Any, /) -> "ScrapedValue": ...
    def samples(self, labels: Labels, *, buckets: bool) -> Iterator[ScrapedSample]: ...


@dataclass(frozen=True, slots=True)
class Total:
    """A counter's."""

    value: float

    def merged(self, other: "Total") -> "Total":
        return Total(self.value + other.value)

    def samples(self, labels: Labels, *, buckets: bool) -> Iterator[ScrapedSample]:
        del buckets
        yield "", labels, self.value


@dataclass(frozen=True, slots=True)
class ScrapedLevel:
    """`adds`: levels of several senders are parts of one."""

    time: int
    value: float
    adds: bool

    def merged(self, other: "ScrapedLevel") -> "ScrapedLevel":
        if self.adds:
            return ScrapedLevel(max(self.time, other.time), self.value + other.value, adds=True)
        return other if other.time >= self.time else self

    def samples(self, labels: Labels, *, buckets: bool) -> Iterator[ScrapedSample]:
        del buckets
        yield "", labels, self.value


@dataclass(slots=True)
class Distribution:
    """What a histogram counted: by bounds the count of each bucket. `sum`: None where it was never told."""

    count: float = 0.0
    sum: float | None = None
    cells: dict[BucketBounds, list[float]] = field(default_factory=dict)

    def add(self, bounds: BucketBounds, count: float, total: float | None, cells: list[float]) -> None:
        self.count += count
        if total is not None:
            self.sum = (self.sum or 0.0) + total
        known = self.cells.setdefault(bounds, [0.0] * len(cells))
        self.cells[bounds] = [one + other for one, other in zip(known, cells, strict=True)]

    def merged(self, other: "Distribution") -> "Distribution":
        both = Distribution()
        for one in (self, other):
            both.add((), one.count, one.sum, [0.0])
            for bounds, cells in one.cells.items():
                both.add(bounds, 0.0, None, cells)
        return both

    def samples(self, labels: Labels, *, buckets: bool) -> Iterator[ScrapedSample]:
        edges = sorted({edge for bounds in self.cells for edge in bounds if math.isfinite(edge)})
        for edge in edges if buckets else ():
            below = sum(sum(cells[: bisect_right(bounds, edge)]) for bounds, cells in self.cells.items())
            yield "_bucket", {**labels, LE: number_text(edge)}, below
        if buckets:
            yield "_bucket", {**labels, LE: "+Inf"}, self.count
        if self.sum is not None:
            yield "_sum", labels, self.sum
        yield "_count", labels, self.count


@dataclass(slots=True)
class _Totals:
    """Of this run, by number of the series. `since`: the epoch whose commits are not all in them yet.

    `seen`: the last commit of it that is in them, microseconds, by what is counted.
    """

    since: int = 0
    seen: dict[str, int] = field(default_factory=dict)
    counters: dict[int, float] = field(default_factory=dict)
    histograms: dict[int, Distribution] = field(default_factory=dict)

    def begin(self, epoch: Epoch, seen_us: int) -> None:
        self.since = epoch.number
        self.seen = dict.fromkeys(("counters", "histograms"), seen_us)


class Scraper:
    """Thread-safe. `help_of`: describes a metric."""

    def __init__(self, database: Database, now_ns: Callable[[], int], help_of: Callable[[str], str]) -> None:
        self._database = database
        self._now_ns = now_ns
        self._help_of = help_of
        self._lock = threading.Lock()
        self.forget()

    def forget(self) -> None:
        """Begins anew, with what is committed from now on."""
        epochs, last_us = self._database.commit_times.epochs()
        with self._lock:
            self._totals = _Totals()
            if epochs:
                self._totals.begin(epochs[-1], last_us)

    def count(self) -> None:
        """Adds what was committed, before it is sealed or deleted. Raises QueryError."""
        with self._counted():
            pass

    def read(self) -> Scrape:
        """Raises QueryError."""
        with self._counted() as reader:
            return self._told(reader)

    @contextmanager
    def _counted(self) -> Iterator[Reader]:
        """A snapshot of which all is in the totals."""
        with self._lock:
            epochs, _ = self._database.commit_times.epochs()
            with self._database.reader() as reader:
                self._add(reader, epochs)
                yield reader

    def _add(self, reader: Reader, epochs: Sequence[Epoch]) -> None:
        """All of an epoch is in the file before the next one begins."""
        totals = self._totals
        for epoch in epochs:
            if epoch.number < totals.since:
                continue
            if epoch.number > totals.since:
                totals.begin(epoch, epoch.after_us)
            self._count(reader, epoch.mark)
            self._observe(reader, epoch.mark)

    def _told(self, reader: Reader) -> Scrape:
        levels = _levels(reader, self._now_ns())
        counters = {number: Total(value) for number, value in self._totals.counters.items()}
        values: dict[int, ScrapedValue] = {**counters, **self._totals.histograms, **levels}
        return self._page(reader, values)

    def _count(self, reader: Reader, mark: int) -> None:
        totals = self._totals
        seen = {"seen": totals.seen["counters"], "mark": mark, "step": STEP_US}
        for series, grown, created in reader.rows(template("scrape_counters"), seen).rows:
            totals.counters[series] = totals.counters.get(series, 0.0) + (grown or 0.0)
            totals.seen["counters"] = max(totals.seen["counters"], created)

    def _observe(self, reader: Reader, mark: int) -> None:
        totals = self._totals
        seen = {"seen": totals.seen["histograms"], "mark": mark, "step": STEP_US}
        ((most,),) = reader.rows(template("scrape_most_buckets"), seen).rows
        cells = positions("sum(h.buckets[{}])", max(most, 1))
        for row in reader.rows(template("scrape_histograms").format(cells=cells), seen).rows:
            series, bounds, count, total, sums, created = row
            known = tuple(bounds or ())
            inside = [count] if bounds is None else [cell or 0.0 for cell in sums[: len(known) + 1]]
            inside += [0.0] * (len(known) + 1 - len(inside))
            totals.histograms.setdefault(series, Distribution()).add(known, count, total, inside)
            totals.seen["histograms"] = max(totals.seen["histograms"], created)

    def _page(self, reader: Reader, values: Mapping[int, ScrapedValue]) -> Scrape:
        bases = {family.stored_as: family for family in named(reader.rows(_STORED).rows)}
        pages: dict[str, _ScrapePage] = {}
        shown = left_out = 0
        for number, metric, kind, unit, level, attributes in reader.rows(_SERIES).rows:
            family = bases.get((metric, kind, unit, level))
            if number not in values or family is None or metric.startswith(_OWN):
                continue
            if shown == MAX_SERIES:
                left_out += 1
                continue
            shown += 1
            name = family.name.removesuffix(f"_{family.part}") if family.part != "value" else family.name
            page = pages.setdefault(name, _ScrapePage(family, metric))
            page.put(_safe(family.labels(attributes)), values[number])
        families = [
            Scraped(name, page.kind, self._help_of(page.metric), list(page.samples()))
            for name, page in sorted(pages.items())
        ]
        return Scrape(families, left_out)


class _ScrapePage:
    """The samples of one family by their labels; those that cannot be told apart count together."""

    def __init__(self, family: Family, metric: str) -> None:
        self.metric = metric
        self.kind = "summary" if family.type == MetricType.SUMMARY else family.kind
        self._found: dict[tuple[tuple[str, str], ...], ScrapedValue] = {}

    def put(self, labels: Labels, value: ScrapedValue) -> None:
        key = tuple(sorted(labels.items()))
        known = self._found.get(key)
        self._found[key] = value if known is None else known.merged(value)

    def samples(self) -> Iterator[ScrapedSample]:
        for key, value in sorted(self._found.items(), key=lambda found: found[0]):
            yield from value.samples(dict(key), buckets=self.kind == "histogram")


def _levels(reader: Reader, now_ns: int) -> dict[int, ScrapedLevel]:
    """Of gauges the newest value, of updowncounters what their streams that go on come to together."""
    found: dict[int, ScrapedLevel] = {}
    rows = reader.rows(
        template("scrape_levels"), {"since": now_ns - _PRESENT_NS, "until": shown_until(now_ns)}
    ).rows
    for series, adds, times, first, last, value in sorted(rows, key=lambda row: row[4], reverse=True):
        period = (last - first) / (times - 1) if times > 1 else _USUAL_NS
        if series not in found:
            found[series] = ScrapedLevel(last, value, adds)
        elif adds and now_ns - last <= _PERIODS * period:
            found[series] = found[series].merged(ScrapedLevel(last, value, adds))
    return found


def _safe(labels: Labels) -> Labels:
    """Without the name; what Prometheus keeps for itself has another one."""
    found: Labels = {}
    for name, text in sorted(labels.items()):
        if name == "__name__":
            continue
        free = f"key{name}" if name.startswith("__") else name
        found[free] = f"{found[free]};{text}" if free in found else text
    return found
