"""Turns a function of windows of chosen series into values, which the core works out of what is stored."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from blackhole._core import Windows
from blackhole.errors import EvaluationError, EvaluationTimeoutError
from blackhole.model.series import SPARSE_HISTOGRAMS, PrivacyLevel
from blackhole.promql.aggregates import Grouping
from blackhole.promql.matching import accepted
from blackhole.promql.names import LE, Labels, number_text
from blackhole.promql.released import Released
from blackhole.promql.selection import Selection, SeriesSource
from blackhole.promql.values import Allowance, Key, Run, Vector, VectorSeries, key_of
from blackhole.store.read.reader import Reader
from blackhole.store.read.regexes import Regexes
from blackhole.store.read.samples import Samples
from blackhole.store.read.slices import Counted, SliceStream, StoredSamples, history, with_part

# Samples that the core takes at once (packed), and that the windows of all series may hold (24 bytes each).
SLICE = 2_000_000
MOST_HELD = 3_000_000
# What is sealed as it comes is sealed in blocks of two hours, so that slices cut no chunk.
_BLOCK = 7_200_000
_SOON = _BLOCK
_LONGEST = 2**60
# So many times as many samples fit into memory as they are sealed.
_PACKED = 2
# Functions whose value does not depend on what a counter was before the range.
_OF_CHANGES = frozenset(
    [
        *("rate", "increase", "irate", "idelta", "delta", "resets", "changes", "deriv"),
        *("stddev_over_time", "stdvar_over_time", "mad_over_time", "count_over_time", "present_over_time"),
        *(f"ts_of_{name}_over_time" for name in ("first", "last", "max", "min")),
    ]
)


@dataclass(frozen=True, slots=True)
class WindowFunction:
    """A function of windows of `length` milliseconds that end at `ends`, which never fall.

    `now`: the steps themselves, which differ from `ends` by offset and @. `numbers`: what else it takes.
    """

    function: str
    ends: Sequence[int]
    length: int
    now: Sequence[int]
    numbers: Sequence[tuple[float, float]] = ()

    @property
    def after(self) -> int:
        return self.ends[0] - self.length

    @property
    def until(self) -> int:
        return self.ends[-1]

    def core(self, operator: str = "", groups: int = 0) -> Windows:
        return Windows(
            self.function,
            ends=[_clipped(end) for end in self.ends],
            length=_clipped(self.length),
            now=list(self.now),
            numbers=list(self.numbers),
            operator=operator,
            groups=groups,
            most=4 * MOST_HELD,
        )


@dataclass(frozen=True, slots=True)
class WindowTarget:
    """A series of Prometheus and what it is made of; `edge`: the upper bound of a bucket."""

    source: SeriesSource
    labels: Labels
    edge: float = math.inf
    group: int = 0


@dataclass(frozen=True, slots=True)
class Amounts:
    """About how many samples there are by block. `loose`: where some are rows; None: that is not known."""

    samples: dict[int, float] = field(default_factory=dict)
    loose: frozenset[int] | None = None

    def has_rows(self, after: int, until: int) -> bool:
        return self.loose is None or any(after // _BLOCK <= block <= until // _BLOCK for block in self.loose)


class Windowed:
    """Reads from one snapshot, within an allowance."""

    def __init__(self, reader: Reader, allowance: Allowance, regexes: Regexes) -> None:
        self._stored = StoredSamples(reader, lambda: allowance.left)
        self._samples = Samples(reader, lambda: allowance.left)
        self._released = Released(self._samples)
        self._allowance = allowance
        self._regexes = regexes

    def series(self, asked: WindowFunction, selection: Selection) -> Iterator[VectorSeries]:
        """The values of all series that have any. Raises QueryError."""
        targets = self._targets(asked, selection)
        self._allowance.take(len(targets) * len(asked.ends))
        for core, some in self._answered(asked, targets, asked.core()):
            for place, target in enumerate(some):
                values = core.values(place)
                if values is not None:
                    yield VectorSeries(target.labels, values)

    def samples(self, asked: WindowFunction, selection: Selection) -> Iterator[Run]:
        """The samples of the one window themselves."""
        for core, some in self._answered(asked, self._targets(asked, selection), asked.core()):
            for place, target in enumerate(some):
                times, values = core.samples(place)
                if times:
                    yield Run(target.labels, times, values)

    def grouped(
        self, asked: WindowFunction, selection: Selection, operator: str, grouping: Grouping
    ) -> Vector:
        """What an aggregation makes of the values, without holding those of each series."""
        groups: dict[Key, tuple[int, Labels]] = {}
        targets = []
        for target in self._targets(asked, selection):
            labels = grouping.of(target.labels)
            number, _ = groups.setdefault(key_of(labels), (len(groups), labels))
            targets.append(WindowTarget(target.source, target.labels, target.edge, number))
        self._allowance.take(len(groups) * len(asked.ends))
        core = asked.core(operator, len(groups))
        for _ in self._answered(asked, targets, core):
            pass
        found = (VectorSeries(labels, core.grouped(number)) for number, labels in groups.values())
        return [series for series in found if any(value is not None for value in series.values)]

    def given(self, asked: WindowFunction, runs: Iterator[Run]) -> Iterator[VectorSeries]:
        """The same of samples that are there already."""
        for run in runs:
            core = asked.core()
            core.given(core.target(counter=False), list(run.times), list(run.values))
            core.slice(_clipped(asked.after), _clipped(asked.until))
            with _told():
                core.advance(self._allowance.left)
            self._allowance.take(len(asked.ends))
            core.finish()
            values = core.values(0)
            if values is not None:
                yield VectorSeries(run.labels, values)

    def _targets(self, asked: WindowFunction, selection: Selection) -> list[WindowTarget]:
        """In the order of their labels; buckets one by one."""
        buckets = [source for source in selection.sources if source.family.part == "bucket"]
        bounds = self._samples.bounds(_ids(buckets), asked.after, asked.until) if buckets else {}
        shared = _shared_edges(buckets, bounds, selection.asked_edges)
        found = []
        for source in selection.sources:
            if source.family.part != "bucket":
                found.append(WindowTarget(source, source.labels))
                continue
            own = {bound for number in source.ids for bound in bounds.get(number, ())}
            edges = [*sorted(own | shared.get(source.family.name, set())), math.inf]
            every = [{**source.labels, LE: number_text(edge)} for edge in edges]
            fits = accepted(selection.bucket_matchers, every, self._regexes)
            found += [
                WindowTarget(source, labels, edge)
                for edge, labels, fit in zip(edges, every, fits, strict=True)
                if fit
            ]
        return sorted(found, key=lambda target: key_of(target.labels))

    def _answered(
        self, asked: WindowFunction, targets: Sequence[WindowTarget], core: Windows
    ) -> Iterator[tuple[Windows, Sequence[WindowTarget]]]:
        """Some targets at a time, so that their windows fit into memory; each by its place among them."""
        if not targets:
            return
        amounts = self._amounts(asked, targets)
        for some in _parts(targets, 1 if core.digests else _rounds(amounts.samples, asked, targets)):
            core.renew()
            given = self._declare(core, asked, some)
            share = len(some) / len(targets)
            ends = [asked.until] if given else _slices(amounts.samples, asked.until, share)
            self._read(core, asked, some, ends, amounts)
            core.finish()
            yield core, some

    def _amounts(self, asked: WindowFunction, targets: Sequence[WindowTarget]) -> Amounts:
        """Nothing is known where it is little anyway."""
        if (asked.until - asked.after) * len(targets) <= SLICE * 1000 and asked.until - asked.after <= _SOON:
            return Amounts()
        found: dict[int, float] = defaultdict(float)
        loose: set[int] = set()
        for histograms in (False, True):
            some = [target for target in targets if (target.source.family.part != "value") is histograms]
            ids = _ids(target.source for target in some)
            if not ids:
                continue
            weight = sum(len(target.source.ids) for target in some) / len(ids)
            for block, samples, rows in self._stored.amounts(
                ids, asked.after, asked.until, block=_BLOCK, histograms=histograms
            ):
                found[block] += samples * weight
                loose.update([block] if rows else [])
        return Amounts(dict(sorted(found.items())), frozenset(loose))

    def _read(
        self,
        core: Windows,
        asked: WindowFunction,
        targets: Sequence[WindowTarget],
        ends: Sequence[int],
        amounts: Amounts,
    ) -> None:
        numbers = _ids(target.source for target in targets if target.source.family.part == "value")
        parts = [target for target in targets if target.source.family.part != "value"]
        histograms = _ids(target.source for target in parts)
        buckets = any(target.source.family.part == "bucket" for target in parts)
        after, newest = asked.after, self._allowance.newest
        if after < newest < ends[-1]:
            ends = sorted({*ends, newest})
        for until in ends:
            core.slice(_clipped(after), _clipped(until))
            rows = amounts.has_rows(after, until)
            with _told():
                if numbers and until <= newest:
                    self._stored.feed(core, numbers, after, until, rows=rows)
                if histograms and until <= newest:
                    self._stored.feed_histograms(core, histograms, after, until, buckets=buckets, rows=rows)
                core.advance(self._allowance.left, more=until != ends[-1])
            self._allowance.breathe()
            after = until

    def _declare(self, core: Windows, asked: WindowFunction, targets: Sequence[WindowTarget]) -> bool:
        """Tells the core what there is. Whether some of it was given to it at once."""
        facts = _WindowFacts(self._stored, asked, targets)
        for target in targets:
            histories = [history(streams, asked.after) for streams in facts.streams(target)]
            alone = len(histories) == 1
            place = core.target(
                counter=target.source.family.counts,
                as_sent=alone and histories[0].as_sent,
                before=sum(known.before for known in histories) + facts.before(target),
                group=target.group,
            )
            part = target.source.family.part
            openings = [known.openings for known in histories] or [{}] * len(target.source.ids)
            for number, opened in zip(target.source.ids, openings, strict=True):
                column = core.column(place, number, part, target.edge)
                for stream, opening in opened.items():
                    core.opening(column, stream, opening)
        return self._give_released(core, asked, targets)

    def _give_released(self, core: Windows, asked: WindowFunction, targets: Sequence[WindowTarget]) -> bool:
        noisy = [t for t in targets if t.source.family.level is PrivacyLevel.HIGHLY_SENSITIVE]
        if not noisy:
            return False
        places = {id(target): place for place, target in enumerate(targets)}
        known = self._released.lists(
            _ids(t.source for t in noisy), asked.after, min(asked.until, self._allowance.newest)
        )
        for target in noisy:
            times, values = self._released.samples(target.source, target.edge, known)
            core.given(places[id(target)], times, values)
        return True


@contextmanager
def _told() -> Iterator[None]:
    """What the core raises becomes an error of PromQL."""
    try:
        yield
    except MemoryError:
        raise EvaluationError(
            "the query needs more memory than the service may use: ask for shorter ranges or fewer series"
        ) from None
    except TimeoutError:
        raise EvaluationTimeoutError(
            "the windows of the query hold too many samples: ask for a longer step or shorter ranges"
        ) from None
    except ValueError as error:
        raise EvaluationError(f"what is stored cannot be read: {error}") from None


class _WindowFacts:
    """What is known of the streams of all counters among some targets."""

    def __init__(self, stored: StoredSamples, asked: WindowFunction, targets: Sequence[WindowTarget]) -> None:
        counting = [target for target in targets if target.source.family.counts]
        numbers = _ids(t.source for t in counting if t.source.family.part == "value")
        histograms = _ids(t.source for t in counting if t.source.family.part != "value")
        self._counters = stored.streams(numbers, asked.after, asked.until) if numbers else {}
        self._histograms: dict[int, list[SliceStream]] = {}
        self._openings: dict[tuple[int, int], Counted] = {}
        self._before: dict[int, list[Counted]] = {}
        if histograms:
            self._histograms = stored.histogram_streams(histograms, asked.until)
            self._openings = stored.openings(histograms)
            every = [stream for streams in self._histograms.values() for stream in streams]
            if asked.function not in _OF_CHANGES or not all(stream.known for stream in every):
                self._before = stored.before(histograms, asked.after)

    def streams(self, target: WindowTarget) -> list[list[SliceStream]]:
        """Of each stored series; nothing for what does not count."""
        source = target.source
        if not source.family.counts:
            return []
        if source.family.part == "value":
            return [self._counters.get(number, []) for number in source.ids]
        return [
            with_part(self._histograms.get(number, []), self._openings, source.family.part, target.edge)
            for number in source.ids
        ]

    def before(self, target: WindowTarget) -> float:
        """Of histograms, what they added before the range."""
        source = target.source
        if not source.family.counts or source.family.part == "value":
            return 0.0
        known = (counted for number in source.ids for counted in self._before.get(number, ()))
        return sum(counted.part(source.family.part, target.edge) for counted in known)


def _shared_edges(
    sources: Iterable[SeriesSource], bounds: dict[int, set[float]], asked: Sequence[float]
) -> dict[str, set[float]]:
    """By name, the bounds that all series of a sparse histogram get: those of any, and what was asked.

    Sums over series by bounds, of which one lacked some, would fall and rise.
    """
    found: dict[str, set[float]] = {}
    for source in sources:
        if source.family.metric in SPARSE_HISTOGRAMS:
            edges = found.setdefault(source.family.name, set(asked))
            edges.update(*(bounds.get(number, ()) for number in source.ids))
    return found


def _clipped(time: int) -> int:
    """No sample lies beyond."""
    return max(-_LONGEST, min(time, _LONGEST))


def _ids(sources: Iterable[SeriesSource]) -> list[int]:
    return sorted({number for source in sources for number in source.ids})


def _slices(amounts: dict[int, float], until: int, share: float) -> list[int]:
    """Where to cut, so that about `SLICE` samples lie between two cuts."""
    ends = []
    held = 0.0
    for block, amount in amounts.items():
        held += amount * share
        end = (block + 1) * _BLOCK
        if held > SLICE and end < until:
            ends.append(end)
            held = 0.0
    return [*ends, until]


def _rounds(amounts: dict[int, float], asked: WindowFunction, targets: Sequence[WindowTarget]) -> int:
    """In how many rounds targets must be read so that the windows of a round fit into memory."""
    blocks = list(amounts.items())
    reach = asked.length // _BLOCK + 1
    # Of windows shorter than a block, one holds about this part of it.
    part = min(asked.length / _BLOCK, 1)
    most = held = 0.0
    first = 0
    for block, amount in blocks:
        held += amount
        while blocks[first][0] <= block - reach:
            held -= blocks[first][1]
            first += 1
        # Chunks are unpacked for one series after the other, but those of a block are there at the same time.
        most = max(most, held * part, amount / _PACKED)
    return min(len(targets), math.ceil(most / MOST_HELD)) or 1


def _parts(targets: Sequence[WindowTarget], count: int) -> Iterator[Sequence[WindowTarget]]:
    size = math.ceil(len(targets) / count)
    return (targets[first : first + size] for first in range(0, len(targets), size))
