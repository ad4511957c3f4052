"""Turns what is stored of chosen series into samples as Prometheus would have them.

Counters and histograms are running sums of their increments; what is guarded is a gauge, as it was released.
"""

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import TypeVar

from blackhole.query.increments import Column, as_sent, run_on
from blackhole.query.promql.matching import Regexes, accepted
from blackhole.query.promql.names import LE, Labels, number_text
from blackhole.query.promql.selection import Selection, Source
from blackhole.query.promql.values import Run
from blackhole.query.samples import Block, Bounds, History, Samples, Sent
from blackhole.records import PrivacyLevel

T = TypeVar("T")


class Runs:
    """Reads the samples of a selection in the range (after, until], milliseconds."""

    def __init__(self, samples: Samples, regexes: Regexes) -> None:
        self._samples = samples
        self._regexes = regexes

    def read(self, selection: Selection, after: int, until: int) -> Iterator[Run]:
        """Series without samples in the range are left out. Raises QueryError."""
        plain = [source for source in selection.sources if source.family.part == "value"]
        counters = [source for source in plain if source.family.kind == "counter"]
        gauges = [source for source in plain if source.family.kind != "counter"]
        histograms = [source for source in selection.sources if source.family.part != "value"]
        columns = self._samples.increments(_ids(counters), after, until)
        for source, found in _gathered(counters, columns, lambda column: column.series):
            yield _running(source.labels, found)
        for source, found in _gathered(gauges, self._levels(gauges, after, until), lambda c: c.series):
            yield Run(source.labels, *_interleaved(found))
        for source, histories in _gathered(
            histograms, self._histories(histograms, after, until), lambda history: history.series
        ):
            yield from map(_last_of_each, self._parts(source, histories, selection))

    def _levels(self, sources: Sequence[Source], after: int, until: int) -> Iterator[Column]:
        """A highly sensitive gauge is stored as a noisy sum and a noisy count, the others as numbers."""
        yield from self._samples.levels(_ids(sources), after, until)
        released = [source for source in sources if source.family.level is PrivacyLevel.HIGHLY_SENSITIVE]
        for history in self._samples.releases(_ids(released), after, until):
            means = [
                (time, block.cells[2 * place] / block.cells[2 * place + 1])
                for block in history.blocks
                if not block.bounds and len(block.cells) == 2 * len(block.times)
                for place, time in enumerate(block.times)
                if block.cells[2 * place + 1] > 0
            ]
            if means:
                times, values = zip(*means, strict=True)
                yield Column(history.series, array("q", times), array("d", values))

    def _histories(self, sources: Sequence[Source], after: int, until: int) -> Iterator[History]:
        """Each series once, however many parts of it are asked for."""
        by_level = {
            True: [s for s in sources if s.family.level is PrivacyLevel.HIGHLY_SENSITIVE],
            False: [s for s in sources if s.family.level is PrivacyLevel.SENSITIVE],
            None: [s for s in sources if not s.family.level.guarded],
        }
        yield from self._samples.releases(_ids(by_level[True]), after, until)
        yield from self._samples.histograms(_ids(by_level[False]), after, until, running=False)
        yield from self._samples.histograms(_ids(by_level[None]), after, until)

    def _parts(self, source: Source, histories: list[History], selection: Selection) -> Iterator[Run]:
        running = not source.family.level.guarded
        if source.family.part == "bucket":
            yield from self._buckets(source, histories, selection, running=running)
            return
        part = source.family.part
        samples = [
            (time, value)
            for history in histories
            for block in history.blocks
            for time, value in zip(block.times, block.counts if part == "count" else block.sums, strict=True)
            if value is not None
        ]
        if not samples:
            return
        samples.sort(key=_time_of)
        before = (
            old.count if part == "count" else old.sum for history in histories for old in history.before
        )
        values = array("d", (value for _, value in samples))
        times = array("q", (time for time, _ in samples))
        if not running:
            yield Run(source.labels, times, values)
            return
        state = _state(histories)
        first = None if state is None else state.count if part == "count" else state.sum
        yield _counting(source.labels, times, values, sum(before), (first, state.restarts if state else ()))

    def _buckets(
        self, source: Source, histories: list[History], selection: Selection, *, running: bool
    ) -> Iterator[Run]:
        blocks = [block for history in histories for block in history.blocks]
        before = [old for history in histories for old in history.before]
        edges = edges_of([*(block.bounds for block in blocks), *(old.bounds for old in before)])
        state = _state(histories)
        for place, labels in self.wanted_edges(source, edges, selection):
            times, values = _counted(blocks, edges[place])
            if not running:
                yield Run(labels, times, array("d", values))
                continue
            start = sum(sum(old.cells[: cells_below(old.bounds, edges[place])]) for old in before)
            cells = state.cells if state else None
            first = None if cells is None else sum(cells[: cells_below(blocks[0].bounds, edges[place])])
            yield _counting(labels, times, values, start, (first, state.restarts if state else ()))

    def wanted_edges(
        self, source: Source, edges: Sequence[float], selection: Selection
    ) -> list[tuple[int, Labels]]:
        """The places in `edges` that are asked for, with the labels of their series."""
        labels = [{**source.labels, LE: number_text(edge)} for edge in edges]
        fits = accepted(selection.bucket_matchers, labels, self._regexes)
        return [(place, labels[place]) for place, fit in enumerate(fits) if fit]


def _state(histories: list[History]) -> Sent | None:
    """What was sent, where a single block tells."""
    blocks = [block for history in histories for block in history.blocks]
    return blocks[0].sent if len(blocks) == 1 else None


def _counting(
    labels: Labels,
    times: "array[int]",
    values: Iterable[float],
    start: float,
    sent: tuple[float | None, Sequence[int]],
) -> Run:
    """A running sum; `sent`: its first value as it came, and when its sender began anew."""
    added = array("d", values)
    sums = _sums(added, start)
    first, restarts = sent
    if first is None or not sums or run_on(first, sums[0], times[0], restarts):
        return Run(labels, times, sums)
    return Run(labels, times, sums, as_sent(times, added, first, restarts))


def edges_of(bounds: Iterable[Bounds]) -> list[float]:
    """All bounds that occur, and infinity."""
    return [*sorted({bound for known in bounds for bound in known}), float("inf")]


def cells_below(bounds: Bounds, edge: float) -> int:
    """How many buckets, counted from the first, lie at or below `edge`."""
    return len(bounds) + 1 if edge == float("inf") else bisect_right(bounds, edge)


def _counted(blocks: Sequence[Block], edge: float) -> "tuple[array[int], Iterable[float]]":
    """The times of all intervals, in order, and how many observations of each lie at or below `edge`."""
    if len(blocks) == 1:
        return blocks[0].times, _below(blocks[0], edge)
    samples = [sample for block in blocks for sample in zip(block.times, _below(block, edge), strict=True)]
    samples.sort(key=_time_of)
    return array("q", (time for time, _ in samples)), [value for _, value in samples]


def _below(block: Block, edge: float) -> Iterable[float]:
    size = len(block.bounds) + 1
    columns = [block.cells[place::size] for place in range(cells_below(block.bounds, edge))]
    if len(columns) > 1:
        return map(sum, zip(*columns, strict=True))
    return columns[0] if columns else [0.0] * len(block.times)


def _time_of(sample: tuple[int, float]) -> int:
    return sample[0]


def _ids(sources: Iterable[Source]) -> list[int]:
    return sorted({number for source in sources for number in source.ids})


def _gathered(
    sources: Sequence[Source], found: Iterable[T], number_of: Callable[[T], int]
) -> Iterator[tuple[Source, list[T]]]:
    """What was found of each source; one that is made of a single stored series need not wait for others."""
    owners: dict[int, list[Source]] = {}
    for source in sources:
        for number in source.ids:
            owners.setdefault(number, []).append(source)
    waiting: dict[int, tuple[Source, list[T]]] = {}
    for item in found:
        for source in owners[number_of(item)]:
            if len(source.ids) == 1 and source.family.level is not PrivacyLevel.HIGHLY_SENSITIVE:
                yield source, [item]
            else:
                waiting.setdefault(id(source), (source, []))[1].append(item)
    yield from waiting.values()


def _running(labels: Labels, columns: list[Column]) -> Run:
    """Several stored series under one set of labels count together."""
    start = sum(column.before for column in columns)
    if len(columns) == 1:
        column = columns[0]
        return Run(labels, column.times, _sums(column.values, start), column.sent)
    by_time: dict[int, float] = {}
    for column in columns:
        for time, value in zip(column.times, column.values, strict=True):
            by_time[time] = by_time.get(time, 0.0) + value
    times = sorted(by_time)
    return Run(labels, array("q", times), _sums([by_time[time] for time in times], start))


def _interleaved(columns: list[Column]) -> "tuple[array[int], array[float]]":
    if len(columns) == 1:
        return columns[0].times, columns[0].values
    by_time = {
        time: value for column in columns for time, value in zip(column.times, column.values, strict=True)
    }
    times = sorted(by_time)
    return array("q", times), array("d", (by_time[time] for time in times))


def _sums(values: Iterable[float], start: float) -> "array[float]":
    return array("d", list(accumulate(values, initial=start))[1:])


def _last_of_each(run: Run) -> Run:
    """Each time once, with its last value."""
    if all(map(int.__lt__, run.times, run.times[1:])):
        return run
    values = dict(zip(run.times, run.values, strict=True))
    return Run(run.labels, array("q", values), array("d", values.values()))
