"""Turns a range selector into values with sums from SQL, where its windows are made of whole steps."""

import math
from collections.abc import Iterator, Sequence

from blackhole.query.promql.names import Labels
from blackhole.query.promql.runs import Runs, cells_below, edges_of
from blackhole.query.promql.selection import Selection, Source
from blackhole.query.promql.stepped import OF_COUNTERS, OF_GAUGES, Strides
from blackhole.query.promql.values import Allowance, Series, Vector
from blackhole.query.samples import Before, Samples
from blackhole.query.steps import Steps, Tiles, Tiling
from blackhole.records import MetricType
from blackhole.store.reader import Reader

# Below this a step holds about as many samples as its sums are numbers.
LEAST_STEP = 60_000
# Of a window. What is longer than all that is stored would be made of steps without samples.
MOST_STEPS = 20_000
_IN_HISTOGRAMS = {"count": ("count::DOUBLE", "cumulative_count"), "sum": ("sum", "cumulative_sum")}

# Tiles of None: the series must be had from its samples.
Found = Iterator[tuple[Source, Labels, Tiles | None]]


def tiling_of(ends: Sequence[int], step: int, length: int) -> tuple[Tiling, int] | None:
    """How windows of `length` are made of tiles, and of how many each; None where they are not."""
    if len(ends) == 1:
        return Tiling(ends[0] - length, length, 1, length), 1
    if step < LEAST_STEP or (length > step and length % step) or length > step * MOST_STEPS:
        return None
    width = max(1, length // step)
    return Tiling(ends[0] - width * step, step, len(ends) + width - 1, length), width


class Summed:
    """Evaluates range functions of series that a single stream feeds, without their samples."""

    def __init__(self, reader: Reader, allowance: Allowance, samples: Samples, runs: Runs) -> None:
        self._steps = Steps(reader, lambda: allowance.left)
        self._allowance = allowance
        self._samples = samples
        self._runs = runs

    def evaluate(
        self, name: str, selection: Selection, tiling: Tiling, width: int
    ) -> tuple[Vector, Selection]:
        """The values of all series that can be had so, and what is left of the selection."""
        tried = [source for source in selection.sources if _fits(name, source)]
        left = [source for source in selection.sources if not _fits(name, source)]
        answers: Vector = []
        self._allowance.take(len(tried) * tiling.count)
        for source, labels, tiles in self._tiles(tried, selection, tiling):
            if tiles is None:
                left.append(source)
                continue
            self._allowance.breathe()
            function = OF_GAUGES[name] if source.family.kind == "gauge" else OF_COUNTERS[name]
            values = function(Strides(tiles, tiling, width))
            if any(value is not None for value in values):
                answers.append(Series(labels, values))
        return answers, Selection(left, selection.bucket_matchers)

    def _tiles(self, sources: Sequence[Source], selection: Selection, tiling: Tiling) -> Found:
        by_part: dict[tuple[str, str], list[Source]] = {}
        for source in sources:
            by_part.setdefault((source.family.kind, source.family.part), []).append(source)
        for (kind, part), found in by_part.items():
            if kind == "gauge":
                yield from self._numbers(found, tiling)
            elif kind == "counter":
                before = self._samples.before([source.ids[0] for source in found], tiling.origin)
                for source, labels, tiles in self._numbers(found, tiling):
                    if tiles is not None:
                        tiles.before = before.get(source.ids[0], 0.0)
                    yield source, labels, tiles
            else:
                yield from self._histograms(part, found, selection, tiling)

    def _numbers(self, sources: Sequence[Source], tiling: Tiling, **stored: str) -> Found:
        by_id = {source.ids[0]: source for source in sources}
        for series, tiles in self._steps.numbers(sorted(by_id), tiling, **stored):
            source = by_id[series]
            yield source, source.labels, tiles if tiles is not None and _is_finite(tiles) else None

    def _histograms(
        self, part: str, sources: Sequence[Source], selection: Selection, tiling: Tiling
    ) -> Found:
        before = self._samples.before_histograms([source.ids[0] for source in sources], tiling.origin)
        if part == "bucket":
            yield from self._buckets(sources, before, selection, tiling)
            return
        value, sent = _IN_HISTOGRAMS[part]
        stored = {"table": "histogram_points", "value": value, "sent": sent}
        for source, labels, tiles in self._numbers(sources, tiling, **stored):
            if tiles is not None:
                old = before.get(source.ids[0], ())
                tiles.before = sum(entry.count if part == "count" else entry.sum for entry in old)
            yield source, labels, tiles

    def _buckets(
        self,
        sources: Sequence[Source],
        before: dict[int, list[Before]],
        selection: Selection,
        tiling: Tiling,
    ) -> Found:
        by_id = {source.ids[0]: source for source in sources}
        for series, bounds, stack in self._steps.buckets(sorted(by_id), tiling):
            source, old = by_id[series], before.get(series, [])
            if stack is None or any(entry.bounds != bounds for entry in old):
                yield source, source.labels, None
                continue
            edges = edges_of([bounds])
            wanted = self._runs.wanted_edges(source, edges, selection)
            self._allowance.take(len(wanted) * tiling.count)
            for place, labels in wanted:
                tiles = stack[place]
                tiles.before = sum(sum(entry.cells[: cells_below(bounds, edges[place])]) for entry in old)
                yield source, labels, tiles


def _fits(name: str, source: Source) -> bool:
    """Whether the function of such a series can be had from sums.

    Not of updowncounters: a change that comes late is stored a nanosecond after the newest level, and only
    the last sample of a millisecond counts.
    """
    known = OF_GAUGES if source.family.kind == "gauge" else OF_COUNTERS
    if source.family.type == MetricType.UPDOWNCOUNTER:
        return False
    return name in known and len(source.ids) == 1 and not source.family.level.guarded


def _is_finite(tiles: Tiles) -> bool:
    """Infinities and NaN do not sum up as they do sample by sample."""
    return all(map(math.isfinite, tiles.totals))
