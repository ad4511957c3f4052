"""Turns a checked request for a percentile of a histogram into points, and into what holds over the range."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import groupby
from operator import itemgetter

import msgspec

from blackhole.model.times import format_time
from blackhole.query.chosen import Chosen
from blackhole.query.language import MAX_POINTS, QUANTILES, Overall, Point, Request, Series
from blackhole.query.quantiles import Bucket, Percentile, quantile
from blackhole.query.select import AS_STORED, at_most, parameters, render
from blackhole.store.read.reader import Reader, Row
from blackhole.store.read.templates import template

_MAX_CELLS = 2_000_000


@dataclass(slots=True)
class BucketSums:
    """Buckets of many intervals, those with the same edges as one."""

    _known: dict[tuple[float | None, float | None, bool], Bucket] = field(default_factory=dict)

    def add(self, cell: Bucket) -> None:
        key = cell.lower, cell.upper, cell.upper is None and cell.most is None
        known = self._known.get(key)
        self._known[key] = cell if known is None else _joined(known, cell)

    def quantile(self, share: float) -> Percentile | None:
        return quantile(self._known.values(), share)


def run(reader: Reader, request: Request, chosen: Chosen) -> tuple[list[Series], list[str]]:
    """The points of every group, and what must be said of them. Raises QueryError."""
    share, private = QUANTILES[request.aggregation], request.subject.level.guarded
    moment = cache(lambda bucket: format_time(request.begins(bucket)))  # one text for all series
    counted = _counted(reader, request, chosen)
    points: dict[int, list[Point]] = defaultdict(list)
    whole: dict[int, BucketSums] = defaultdict(BucketSums)
    observed = 0.0
    for (group, bucket), cells in _by_bucket(reader, request, chosen):
        for cell in cells:
            whole[group].add(cell)
            observed += cell.observed
        found = quantile(cells, share)
        if found is not None:
            count = None if private else counted[group, bucket][0]
            points[group].append(Point(moment(bucket), found.value, count, over=found.over or msgspec.UNSET))
    series = [
        Series(chosen.attributes[group], points[group], overall(whole[group].quantile(share)))
        for group in sorted(points)
    ]
    return series, _notes(request, sum(total for _, total in counted.values()), observed)


def overall(found: Percentile | None) -> Overall | msgspec.UnsetType:
    return msgspec.UNSET if found is None else Overall(found.value, found.over or msgspec.UNSET)


def _counted(reader: Reader, request: Request, chosen: Chosen) -> dict[tuple[int, int], tuple[int, float]]:
    """How many intervals and observations each bucket has, by group, whether with buckets or without."""
    sql = template("histograms").format(
        value="sum(count)::DOUBLE", bucket=request.clock, more="", **AS_STORED
    )
    bound = {key: value for key, value in parameters(request, chosen).items() if key != "factors"}
    rows = at_most(MAX_POINTS, reader, sql, bound)
    return {(group, bucket): (samples, total) for group, bucket, total, samples in rows}


def _by_bucket(
    reader: Reader, request: Request, chosen: Chosen
) -> Iterator[tuple[tuple[int, int], list[Bucket]]]:
    sql = render(request, converted=chosen.are_converted)
    rows: Iterable[Row] = at_most(_MAX_CELLS, reader, sql, parameters(request, chosen))
    for (group, bucket), cells in groupby(rows, itemgetter(0, 1)):
        yield (group, bucket), [Bucket(*cell[2:]) for cell in cells]


def _notes(request: Request, total: float, observed: float) -> list[str]:
    name, aggregation = request.subject.metric, request.aggregation
    if total > 0 and observed == 0:
        return [f"{name} has no buckets: ask avg, since there is no {aggregation} without them"]
    if observed < total:
        return [f"some of it was sent without buckets: {aggregation} is of the rest, avg is of all"]
    return []


def _joined(one: Bucket, other: Bucket) -> Bucket:
    return Bucket(
        one.lower,
        one.upper,
        one.observed + other.observed,
        min((v for v in (one.least, other.least) if v is not None), default=None),
        max((v for v in (one.most, other.most) if v is not None), default=None),
    )
