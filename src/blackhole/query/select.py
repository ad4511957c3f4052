"""Turns a checked request into SQL and its rows into series of points."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from itertools import compress, groupby
from operator import itemgetter
from typing import Any

import msgspec

from blackhole.errors import QueryError
from blackhole.query import summed
from blackhole.query.filters import passing
from blackhole.query.language import HISTOGRAMS, MAX_POINTS, QUANTILES, Point, Query, Request, Series
from blackhole.query.promql.matching import Regexes
from blackhole.query.quantiles import Cell, quantile
from blackhole.query.templates import template
from blackhole.query.times import SECOND
from blackhole.records import format_time
from blackhole.store.reader import Reader, Row

TIMEOUT_S = 10.0
_MAX_CELLS = 2_000_000
HOUR_NS = 3600 * SECOND
_LONG_NS = 6 * HOUR_NS

_NUMBERS = {
    **{name: f"{name}(value)" for name in ("avg", "max", "min", "sum")},
    **{name: f"quantile_cont(value, {q})" for name, q in QUANTILES.items()},
    "count": "count(*)",
    "last": "arg_max(value, time)",
    "rate": "sum(value)",
}
_BY_HOUR = {
    "avg": "sum(total) / sum(samples)",
    "sum": "sum(total)",
    "count": "sum(samples)::BIGINT",
    "rate": "sum(total)",
}
_HISTOGRAMS = {
    **{name: f"{name}(value)" for name in ("max", "min")},
    "avg": "sum(sum) / sum(count) FILTER (sum IS NOT NULL)",
    "sum": "sum(sum)",
    "count": "sum(count)::DOUBLE",
    "last": "arg_max(value, time)",
    "rate": "sum(sum)",
}

Attributes = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Chosen:
    """The series that are asked for, each with the number of its group."""

    ids: list[int]
    groups: list[int]
    attributes: list[Attributes]


def choose(query: Query, series: Iterable[tuple[int, str]], regexes: Regexes) -> Chosen:
    """Filters series (number, attributes as JSON), and groups them by `group_by`. Raises QueryError."""
    chosen = Chosen([], [], [])
    numbers: dict[bytes, int] = {}
    known: list[tuple[int, Attributes]] = [
        (number, msgspec.json.decode(document)) for number, document in series
    ]
    passed = passing(query.filters, [attributes for _, attributes in known], regexes)
    for number, attributes in compress(known, passed):
        group = {key: attributes.get(key, "") for key in query.group_by}
        place = numbers.setdefault(msgspec.json.encode(group), len(numbers))
        if place == len(chosen.attributes):
            chosen.attributes.append(group)
        chosen.ids.append(number)
        chosen.groups.append(place)
    return chosen


def render(request: Request, *, with_sums: bool = False) -> str:
    """The SQL of a request; its values are bound as $ids, $groups, $step, $from and $until.

    Over hours also as $whole_from and $whole_until, with sums of older points as $metric. A rate is a sum
    there, since only the clock knows how long a bucket is.
    """
    if request.aggregation in QUANTILES and request.subject.type in HISTOGRAMS:
        return template("buckets").format(bucket=request.clock)
    name, value, weight = _parts(request)
    more = ", min(value) AS least, max(value) AS most" if request.extremes else ""
    if not with_sums:
        return template(name).format(value=value, bucket=request.clock, more=more)
    points = template(name).format(value=value, bucket=request.clock, more=f"{more}, {weight} AS weight")
    return summed.add(points, request)


def _parts(request: Request) -> tuple[str, str, str]:
    """The template, what is the value of a bucket there, and of how many values it is the mean."""
    if _is_by_hour(request):
        return "numbers_by_hour", _BY_HOUR[request.aggregation], "sum(samples)"
    if request.subject.type not in HISTOGRAMS:
        return "numbers", _NUMBERS[request.aggregation], "count(*)"
    return "histograms", _HISTOGRAMS[request.aggregation], "sum(count) FILTER (sum IS NOT NULL)"


def parameters(request: Request, chosen: Chosen) -> dict[str, Any]:
    bound = {
        "ids": chosen.ids,
        "groups": chosen.groups,
        "step": request.step,
        "from": request.start,
        "until": request.end,
    }
    return bound | _whole_hours(request) if _is_by_hour(request) else bound


def _is_by_hour(request: Request) -> bool:
    """Whether the hours that were summed up at sealing will do: the same answer from fewer rows."""
    plain = request.subject.type not in HISTOGRAMS and not request.subject.level.guarded
    plain = plain and not request.extremes  # of hours only sums are kept
    long = request.step % HOUR_NS == 0 and request.end - request.start >= _LONG_NS
    return plain and long and request.clock.shows_whole_hours and request.aggregation in _BY_HOUR


def _whole_hours(request: Request) -> dict[str, int]:
    """The hours that lie within the range as a whole."""
    return {
        "whole_from": -(-request.start // HOUR_NS) * HOUR_NS,
        "whole_until": request.end // HOUR_NS * HOUR_NS,
    }


def run(reader: Reader, request: Request, chosen: Chosen, *, with_sums: bool = False) -> list[Series]:
    """The points of every group, in the order of time. Raises QueryError.

    `with_sums`: and what retention has summed up of older ones.
    """
    by_buckets = request.subject.type in HISTOGRAMS and request.aggregation in QUANTILES
    rows = (
        _quantile_rows(reader, request, chosen)
        if by_buckets
        else _rows(reader, request, chosen, with_sums=with_sums)
    )
    private = request.subject.level.guarded
    points: dict[int, list[Point]] = defaultdict(list)
    moment = cache(lambda bucket: format_time(request.begins(bucket)))  # one text for all series
    seconds = cache(request.seconds)
    for group, bucket, value, samples, *extremes in rows:
        if value is not None:
            each = value / seconds(bucket) if request.aggregation == "rate" else value
            count = None if private else samples
            points[group].append(
                Point(moment(bucket), _shown(each), count, None, None, *map(_shown, extremes))
            )
    return [Series(chosen.attributes[group], points[group]) for group in sorted(points)]


def _shown(value: float) -> float | None:
    return value if math.isfinite(value) else None


def sampling_rate(reader: Reader, request: Request, chosen: Chosen) -> float:
    """The lowest rate at which anything in this answer was stored. Raises QueryError."""
    kind = "histogram_" if request.subject.type in HISTOGRAMS else ""
    sql = template("sampling").format(table=f"{kind}points", chunks=f"{kind}chunks")
    bound = parameters(request, chosen)
    wanted = {key: bound[key] for key in ("ids", "from", "until")}
    rate = reader.rows(sql, wanted, timeout=TIMEOUT_S).rows[0][0]
    return 1.0 if rate is None else float(rate)


def _rows(reader: Reader, request: Request, chosen: Chosen, *, with_sums: bool) -> Iterator[Row]:
    bound = parameters(request, chosen) | ({"metric": request.subject.metric} if with_sums else {})
    return _at_most(MAX_POINTS, reader, render(request, with_sums=with_sums), bound)


def _quantile_rows(reader: Reader, request: Request, chosen: Chosen) -> Iterator[Row]:
    bound = parameters(request, chosen)
    counts = template("histograms").format(value="NULL", bucket=request.clock, more="")
    samples = {row[:2]: row[3] for row in _at_most(MAX_POINTS, reader, counts, bound)}
    share = QUANTILES[request.aggregation]
    rows = _at_most(_MAX_CELLS, reader, render(request), bound)
    for (group, bucket), cells in groupby(rows, itemgetter(0, 1)):
        value = quantile([Cell(*cell[2:]) for cell in cells], share)
        yield group, bucket, value, samples[group, bucket]


def _at_most(most: int, reader: Reader, sql: str, bound: dict[str, Any]) -> Iterator[Row]:
    """The rows, never many of them in memory at once. Raises QueryError when there are more."""
    with closing(reader.chunks(sql, bound, max_rows=most + 1, timeout=TIMEOUT_S)) as chunks:
        for chunk in chunks:
            most -= len(chunk)
            if most < 0:
                raise too_many()
            yield from chunk


def too_many() -> QueryError:
    return QueryError(
        f"more than {MAX_POINTS:,} points in all: ask for a longer interval, a shorter range or fewer groups"
    )


def empty(query: Query, series: list[Series]) -> list[Series]:
    """Without `group_by` there is always one series, if need be without points."""
    return series if series or query.group_by else [Series({}, [])]
