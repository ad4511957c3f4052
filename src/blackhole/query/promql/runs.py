"""Turns what is stored of chosen series into samples as Prometheus would have them.

Counters and histograms are running sums of their increments; what is guarded is a gauge, as it was released.
"""

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import TypeVar

from blackhole.query.promql.matching import Regexes, accepted
from blackhole.query.promql.names import LE, Labels, bound_text
from blackhole.query.promql.selection import Selection, Source
from blackhole.query.promql.values import Run
from blackhole.query.samples import Bounds, Column, History, Interval, Samples
from blackhole.records import MetricType, PrivacyLevel

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
                (interval.time, interval.buckets[0] / interval.buckets[1])
                for interval in history.intervals
                if not interval.bounds and len(interval.buckets) == 2 and interval.buckets[1] > 0  # noqa: PLR2004 - sum, count
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
        intervals = _by_time(interval for history in histories for interval in history.intervals)
        before = [interval for history in histories for interval in history.before]
        times = array("q", (interval.time for interval in intervals))
        running = not source.family.level.guarded
        if source.family.part == "bucket":
            yield from self._buckets(source, times, intervals, before if running else None, selection)
            return
        pick = _count if source.family.part == "count" else _sum
        values = [pick(interval) for interval in intervals]
        known = [(time, value) for time, value in zip(times, values, strict=True) if value is not None]
        if known:
            start = sum(pick(interval) or 0.0 for interval in before)
            numbers = [value for _, value in known]
            yield Run(
                source.labels,
                array("q", (time for time, _ in known)),
                array("d", _sums(numbers, start) if running else numbers),
            )

    def _buckets(
        self,
        source: Source,
        times: "array[int]",
        intervals: list[Interval],
        before: list[Interval] | None,
        selection: Selection,
    ) -> Iterator[Run]:
        if source.family.type == MetricType.SUMMARY:
            return
        everything = [*(before or ()), *intervals]
        edges = [
            *sorted({bound for bounds in {i.bounds for i in everything} for bound in bounds}),
            float("inf"),
        ]
        labels = [{**source.labels, LE: bound_text(edge)} for edge in edges]
        wanted = accepted(selection.bucket_matchers, labels, self._regexes)
        places = [place for place, fits in enumerate(wanted) if fits]
        below = _Below(edges)
        start = [sum(column) for column in zip(*map(below, before or ()), strict=True)] or [0.0] * len(edges)
        columns = list(zip(*map(below, intervals), strict=True))
        for place in places:
            values = columns[place]
            yield Run(
                labels[place], times, array("d", values if before is None else _sums(values, start[place]))
            )


class _Below:
    """How many observations of an interval lie at or below each of `edges`."""

    def __init__(self, edges: list[float]) -> None:
        self._edges = edges
        self._places: dict[Bounds, list[int]] = {}

    def __call__(self, interval: Interval) -> list[float]:
        places = self._places.get(interval.bounds)
        if places is None:
            places = [bisect_right(interval.bounds, edge) for edge in self._edges[:-1]]
            places.append(len(interval.bounds) + 1)
            self._places[interval.bounds] = places
        sums = list(accumulate(interval.buckets, initial=0.0))
        return [sums[place] for place in places]


def _count(interval: Interval) -> float | None:
    return interval.count


def _sum(interval: Interval) -> float | None:
    return interval.sum


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
        return Run(labels, columns[0].times, _sums(columns[0].values, start))
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


def _by_time(intervals: Iterable[Interval]) -> list[Interval]:
    return sorted(intervals, key=lambda interval: interval.time)


def _last_of_each(run: Run) -> Run:
    """Each time once, with its last value."""
    if all(map(int.__lt__, run.times, run.times[1:])):
        return run
    values = dict(zip(run.times, run.values, strict=True))
    return Run(run.labels, array("q", values), array("d", values.values()))
