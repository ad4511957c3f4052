"""Turns questions about what grew or held between points into rows for the core, its answers into points."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import compress, repeat
from math import isfinite
from typing import Any, NamedTuple

from msgspec import UNSET

from blackhole import _core
from blackhole.model.series import MetricType
from blackhole.model.times import format_time
from blackhole.model.written_times import SECOND, shown_until
from blackhole.query import summed
from blackhole.query.chosen import Chosen
from blackhole.query.language import HISTOGRAMS, MAX_POINTS, RATES, Point, Request, Series, finite, too_many
from blackhole.query.summed import Sums
from blackhole.query.whole import Whole
from blackhole.store.read.reader import Reader
from blackhole.store.read.templates import of_series, template

TIMEOUT_S = 10.0
# What grew in longer than ten minutes says itself since when; of all else the row before is not older.
LOOK_BACK_NS = 35 * 60 * SECOND
# Rows of the present are all read; where a question is of long ago, only the newest of each stream.
_LONG_AGO_NS = 3 * 3600 * SECOND
_HOUR_NS = 3600 * SECOND
_LONG_NS = 6 * _HOUR_NS
_LEVELS = (MetricType.UPDOWNCOUNTER, MetricType.GAUGE)
# Lists take eight bytes a value while they are unpacked.
_SLICE_POINTS = 2_000_000

_LATEST = 2**62 - 1
# Of one fold; each takes some thirty bytes.
_MOST_BUCKETS = 2_000_000

PARTIAL, ESTIMATED = 1, 2

_HOLDS = "epoch_ns(last) + coalesce(5 * period // 2, 150000000000) > $from"
_NUMBERS = {
    "points": "recent_points",
    "chunks": "chunks",
    "chunked": "fold_chunks",
    "value": "value",
    "entry": "value",
}
_DISTRIBUTIONS = {
    "points": "recent_histogram_points",
    "chunks": "histogram_chunks",
    "chunked": "fold_histogram_chunks",
}

Extremes = tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Moment:
    """The moment of a question. `judged_ns`: since when the service listens, and knows who is silent."""

    now_ns: int
    judged_ns: int = 0


class Filled(NamedTuple):
    """The buckets of a group that have a value, column by column.

    `samples`: points by their time; `covered`: nanoseconds that the value is of.
    """

    group: int
    numbers: list[int]
    values: list[float]
    samples: list[int]
    flags: list[int]
    covered: list[int]


def run(
    reader: Reader, request: Request, chosen: Chosen, moment: Moment, *, with_sums: bool = False
) -> list[Series]:
    """The points of every group, in the order of time. Raises QueryError.

    `with_sums`: and what retention has summed up of older ones.
    """
    sums = summed.buckets(reader, request, chosen) if with_sums else {}
    found: dict[int, dict[int, Point]] = defaultdict(dict)
    whole: dict[int, Whole] = defaultdict(lambda: Whole(request.aggregation))
    words = cache(format_time)  # one text for all groups
    begins_at, numbers = _grid(request)
    count = 0
    for filled, extremes in _with_extremes(reader, request, chosen, moment):
        count += len(filled.numbers)
        if count > MAX_POINTS:
            raise too_many()
        if sums:
            _add_kept(request, filled, numbers, sums)
        times = [begins_at[number] for number in filled.numbers]
        found[filled.group] = dict(zip(times, _points(filled, extremes, map(words, times)), strict=True))
        whole[filled.group].extend(filled.values, [covered / SECOND for covered in filled.covered])
    for (group, number), kept in sums.items():
        begins = request.begins(number)
        older = _of_kept(request, number, kept)
        if older is not None:
            whole[group].add(older, request.seconds(number))
            found[group][begins] = _point(words(begins), older, kept.samples, 0)
    return [
        Series(
            chosen.attributes[group],
            [points[begins] for begins in sorted(points)],
            whole[group].answer(),
        )
        for group, points in sorted(found.items())
    ]


def _with_extremes(
    reader: Reader, request: Request, chosen: Chosen, moment: Moment
) -> Iterator[tuple[Filled, Sequence[Extremes]]]:
    """Of averages, where they were asked for, the least and the greatest level of each bucket."""
    function = "rate" if request.aggregation in RATES else request.aggregation
    for some in _batches(chosen, len(request.numbers())):
        groups = _fold(function, reader, request, some, moment)
        if not request.extremes:
            yield from zip(groups, repeat(()))
            continue
        least, most = (_fold(name, reader, request, some, moment) for name in ("min", "max"))
        for filled, low, high in zip(groups, least, most, strict=True):
            yield filled, list(zip(low.values, high.values, strict=True))


def _batches(chosen: Chosen, buckets: int) -> Iterator[Chosen]:
    """Groups that together have so many buckets at most, since each of these takes memory."""
    size = max(_MOST_BUCKETS // buckets, 1)
    if len(chosen.attributes) <= size:
        yield chosen
        return
    places: dict[int, list[int]] = defaultdict(list)
    for place, group in enumerate(chosen.groups):
        places[group // size].append(place)
    for some in places.values():
        ids, groups = ([column[place] for place in some] for column in (chosen.ids, chosen.groups))
        yield Chosen(ids, groups, chosen.attributes, [chosen.factors[place] for place in some])


def _fold(
    function: str, reader: Reader, request: Request, chosen: Chosen, moment: Moment
) -> Iterator[Filled]:
    """The buckets by group, in the order of time. Raises QueryError."""
    edges, numbers = _grid(request)
    if not numbers:
        return
    folding = _opened(function, request, edges, len(chosen.attributes), moment)
    _FoldSource(reader, request, chosen, moment).pour(folding)
    yield from map(Filled._make, folding.finish())


def _opened(function: str, request: Request, edges: list[int], groups: int, moment: Moment) -> _core.Fold:
    return _core.Fold(
        function,
        now_ns=_clamped(moment.now_ns),
        start_ns=_clamped(request.start),
        end_ns=_clamped(request.end),
        edges=edges,
        groups=groups,
        judged_ns=_clamped(moment.judged_ns),
    )


def _clamped(moment: int) -> int:
    """The core knows no time before 1970, and none after 2116; nothing is stored of these."""
    return min(max(moment, 0), _LATEST)


def _grid(request: Request) -> tuple[list[int], list[int]]:
    """The borders of the buckets, and their numbers, without those that a clock leaps over."""
    borders, numbers = [_clamped(border) for border in request.borders()], request.numbers()
    kept = [place for place, number in enumerate(numbers) if borders[place] < borders[place + 1]]
    return [*(borders[place] for place in kept), borders[-1]], [numbers[place] for place in kept]


def _points(filled: Filled, extremes: Sequence[Extremes], words: Iterable[str]) -> list[Point]:
    """`extremes`: of each bucket, or none at all."""
    texts = list(words)
    if extremes:
        return list(map(_point, texts, filled.values, filled.samples, filled.flags, extremes))
    values = filled.values if isfinite(sum(filled.values)) else map(finite, filled.values)
    points = list(map(Point, texts, values, filled.samples))
    for place in compress(range(len(points)), filled.flags):
        points[place] = _point(texts[place], filled.values[place], filled.samples[place], filled.flags[place])
    return points


def _point(timestamp: str, value: float, samples: int, flags: int, extremes: Extremes = None) -> Point:
    least, most = (UNSET, UNSET) if extremes is None else extremes
    return Point(
        timestamp,
        finite(value),
        samples,
        min=least,
        max=most,
        partial=True if flags & PARTIAL else UNSET,
        estimated=True if flags & ESTIMATED else UNSET,
    )


def _of_kept(request: Request, number: int, kept: Sums) -> float | None:
    if request.subject.type is MetricType.UPDOWNCOUNTER:
        return kept.means
    grown = float(kept.samples) if _counts_observations(request) else kept.total
    return grown / request.seconds(number)


def _add_kept(
    request: Request, filled: Filled, numbers: list[int], sums: dict[tuple[int, int], Sums]
) -> None:
    """Adds what is summed up already to buckets that have points too: late ones, or of their end."""
    group, _, values, samples, _, covered = filled
    for place, bucket in enumerate(filled.numbers):
        number = numbers[bucket]
        kept = sums.pop((group, number), None)
        if kept is None:
            continue
        older, seconds = _of_kept(request, number, kept), request.seconds(number)
        samples[place] += kept.samples
        if older is not None:
            share = min(covered[place] / SECOND / seconds, 1.0)
            rest = 1.0 if request.subject.type is not MetricType.UPDOWNCOUNTER else 1.0 - share
            values[place] = values[place] * share + older * rest
        covered[place] = round(seconds * SECOND)


def _counts_observations(request: Request) -> bool:
    return request.subject.type in HISTOGRAMS and request.aggregation == "rate"


def longest_period(reader: Reader, request: Request, chosen: Chosen, moment: Moment) -> int:
    """How often the slowest sender reports, in nanoseconds; 0 where none does eight times in the range."""
    start, end = _clamped(request.start), _clamped(request.end)
    if start >= end:
        return 0
    function = "avg" if request.subject.type in _LEVELS else "rate"
    folding = _opened(function, request, [start, end], len(chosen.attributes), moment)
    _FoldSource(reader, request, chosen, moment).pour_newest(folding)
    return folding.longest_period()


class _FoldSource:
    """The rows of one request, of numbers or of what histograms count or sum up."""

    def __init__(self, reader: Reader, request: Request, chosen: Chosen, moment: Moment) -> None:
        self._reader = reader
        self._request = request
        self._chosen = chosen
        # Observations are counted, in whatever unit they are.
        self._factors = [1.0] * len(chosen.ids) if _counts_observations(request) else chosen.factors
        self._by_time = request.subject.type in _LEVELS
        long_ago = request.end + _LONG_AGO_NS < moment.now_ns
        pieces = _pieces(request)
        beyond = template("fold_ends_beyond").format(**pieces) if long_ago else ""
        self._pieces = {**pieces, "rows_beyond": beyond}
        read = request.end + _HOUR_NS if long_ago else shown_until(moment.now_ns)
        self._bound: dict[str, Any] = {
            "ids": chosen.ids,
            "from": request.start,
            "until": request.end,
            "chunks_after": request.start - LOOK_BACK_NS,
            "look": request.start - (_LONG_AGO_NS if self._by_time else LOOK_BACK_NS),
            "read": read,
            "shown": shown_until(moment.now_ns),
            "with_grown": True,
        }

    def pour(self, folding: _core.Fold) -> None:
        """Everything, in the order that the core needs."""
        self._known(folding)
        by_hours = self._is_by_hours()
        if by_hours:
            self._hand("fold_hours", folding.hours)
        self._bound["with_grown"] = not by_hours
        if self._is_told_since(folding):
            self._bound["chunks_after"] = self._bound["from"]
        for bound in self._slices():
            self._hand(self._pieces["chunked"], folding.chunks, **bound)
        self._hand("fold_points", folding.points)

    def pour_newest(self, folding: _core.Fold) -> None:
        """What tells how often each stream reports."""
        self._known(folding)
        self._hand("fold_points", folding.points)

    def _known(self, folding: _core.Fold) -> None:
        folding.series(self._chosen.ids, self._chosen.groups, self._factors)
        self._hand("fold_streams", folding.streams)
        self._hand("fold_ends", folding.ends)
        if not self._by_time:
            self._hand("fold_intervals", folding.intervals)

    def _is_told_since(self, folding: _core.Fold) -> bool:
        """Whether the first chunk in the range tells since when it grew, so that none before it is needed.

        Chunks of a histogram whose bounds change lie within each other: the row before may be in any of them.
        """
        if self._request.subject.type is not MetricType.COUNTER:
            return False
        return not folding.needs_what_ended(self._bound["chunks_after"], self._bound["from"])

    def _is_by_hours(self) -> bool:
        """Whether sums of hours are enough: of no hour that is sealed only a part is in the range."""
        request = self._request
        long = request.step % _HOUR_NS == 0 and request.end - request.start >= _LONG_NS
        whole = request.start % _HOUR_NS == 0 and request.clock.shows_whole_hours
        if request.subject.type is not MetricType.COUNTER or not long or not whole:
            return False
        if request.end % _HOUR_NS == 0:
            return True
        sql, wanted = self._asked("fold_sizes", chunks_after=request.end // _HOUR_NS * _HOUR_NS)
        return not self._reader.rows(sql, wanted, timeout=TIMEOUT_S).rows

    def _slices(self) -> Iterator[dict[str, Any]]:
        """Parts of what is sealed that have at most so many points: of levels in the order of time.

        The core takes counters as they lie in the file, some at a time.
        """
        if self._request.subject.type is MetricType.COUNTER:
            yield {"first": 0, "last": 2**62}
            return
        sizes = self._reader.each(*self._asked("fold_sizes"), timeout=TIMEOUT_S)
        found: list[tuple[int, int]] = []
        points = 0
        for place, count in sizes:
            if found and points + count > _SLICE_POINTS:
                yield self._slice(found)
                found, points = [], 0
            found.append((place, count))
            points += count
        if found:
            yield self._slice(found)

    def _slice(self, found: list[tuple[int, int]]) -> dict[str, Any]:
        if self._by_time:
            return {"first": found[0][0], "last": found[-1][0]}
        return {"ids": [series for series, _ in found], "first": 0, "last": 2**62}

    def _hand(self, name: str, door: Any, **bound: Any) -> None:
        self._reader.hand(*self._asked(name, **bound), door, timeout=TIMEOUT_S)

    def _asked(self, name: str, **bound: Any) -> tuple[str, dict[str, Any]]:
        """The SQL, and what it is bound to."""
        known = self._bound | bound
        sql, chosen = of_series(template(name).format(**self._pieces), known["ids"])
        known = known | chosen
        return sql, {key: value for key, value in known.items() if f"${key}" in sql}


def _pieces(request: Request) -> Mapping[str, str]:
    """What differs between counters, levels, and the counts and sums of histograms."""
    # A level holds for at most 2.5 periods after its last point.
    held = {"levels": "true", "by": "epoch_ns(start)", "holds": _HOLDS, "hourly": ""}
    # The last rate of who is alive is held, also where its last point lies before the range.
    ends_later = "last > make_timestamp_ns($chunks_after)"
    grown = {"levels": "false", "by": "series", "holds": ends_later, "hourly": ""}
    if request.subject.type in _LEVELS:
        return {**_NUMBERS, **held}
    if request.subject.type not in HISTOGRAMS:
        return {**_NUMBERS, **grown, "hourly": "AND ($with_grown OR grown IS NULL)"}
    if request.aggregation == "sum_rate":
        sums = "list_transform(sums, lambda one: coalesce(one, 0))"
        return {**_DISTRIBUTIONS, **grown, "value": "coalesce(sum, 0)", "values": sums, "entry": "total"}
    return {**_DISTRIBUTIONS, **grown, "value": "count", "values": "counts", "entry": "value"}
