"""Turns a checked request into SQL and its rows into series of points."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from functools import cache
from typing import Any

from msgspec import UNSET

from blackhole.model.series import MetricType
from blackhole.model.times import format_time
from blackhole.model.written_times import SECOND
from blackhole.query import summed
from blackhole.query.chosen import Chosen
from blackhole.query.closed import Closed
from blackhole.query.language import (
    HISTOGRAMS,
    MAX_POINTS,
    QUANTILES,
    Point,
    Query,
    Request,
    Series,
    finite,
    too_many,
)
from blackhole.query.whole import Whole
from blackhole.store.read.reader import Reader, Row
from blackhole.store.read.templates import of_series, template

TIMEOUT_S = 10.0
_ANY_SAMPLED = "SELECT 1 FROM thinned LIMIT 1"
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
    "rate": "sum(count)::DOUBLE",
    "sum_rate": "sum(sum)",
}

# What the templates have at their places for $factors.
AS_STORED = {"factors": "", "factor": "", "carried": "", "times": ""}
CONVERTED = {
    "factors": ", unnest($factors::DOUBLE[]) AS factor",
    "factor": ", c.factor",
    "carried": ", factor",
    "times": " * factor",
}


def render(request: Request, *, with_sums: bool = False, converted: bool = False) -> str:
    """The SQL of a request; its values are bound as $ids, $groups, $step, $from and $until.

    Over hours also as $whole_from and $whole_until, with sums of older points as $metric, `converted` into
    the unit of the answer as $factors. A rate is a sum there: only the clock knows how long a bucket is.
    """
    pieces: dict[str, Any] = {"bucket": request.clock, **(CONVERTED if converted else AS_STORED)}
    if request.aggregation in QUANTILES and request.subject.type in HISTOGRAMS:
        return template("buckets").format(**pieces)
    name, value, weight = _parts(request)
    more = ", min(value) AS least, max(value) AS most" if request.extremes else ""
    if with_sums or request.aggregation == "avg":
        more += f", {weight} AS weight"
    # Of percentiles of numbers that of the whole range comes with them, as a bucket without a time.
    groups = "GROUPING SETS ((grp, bucket), (grp))" if request.aggregation in QUANTILES else "grp, bucket"
    points = template(name).format(value=value, more=more, groups=groups, **pieces)
    return summed.add(points, request, converted=converted) if with_sums else points


def _parts(request: Request) -> tuple[str, str, str]:
    """The template, what is the value of a bucket there, and of how many values it is the mean."""
    if request.subject.type is MetricType.UPDOWNCOUNTER and request.aggregation == "avg":
        return "levels", "sum(mean)", "sum(points)"
    if _is_by_hour(request):
        return "numbers_by_hour", _BY_HOUR[request.aggregation], "sum(samples)"
    if request.subject.type not in HISTOGRAMS:
        return "numbers", _NUMBERS[request.aggregation], "count(*)"
    return "histograms", _HISTOGRAMS[request.aggregation], "sum(count) FILTER (sum IS NOT NULL)"


def parameters(request: Request, chosen: Chosen) -> dict[str, Any]:
    bound = chosen.bound | {"step": request.step, "from": request.start, "until": request.end}
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


def run(
    reader: Reader,
    request: Request,
    chosen: Chosen,
    *,
    with_sums: bool = False,
    closed: Closed | None = None,
) -> list[Series]:
    """The points of every group, in the order of time. Raises QueryError.

    `with_sums`: and what retention has summed up of older ones. `closed`: by what a rate is divided.
    """
    private = request.subject.level.guarded
    points: dict[int, list[Point]] = defaultdict(list)
    whole: dict[int, Whole] = defaultdict(lambda: Whole(request.aggregation))
    moment = cache(lambda bucket: format_time(request.begins(bucket)))  # one text for all series
    covered = cache(closed.covered) if closed is not None else None
    for group, bucket, value, samples, *more in _rows(reader, request, chosen, with_sums=with_sums):
        if bucket is None:
            whole[group].settle(value)
        elif value is not None:
            by, weight, partial = 1.0, samples, False
            if covered is not None:
                by, partial = covered(bucket)
                weight = by
            elif request.aggregation == "avg":
                weight = more.pop()
            whole[group].add(value / by, weight)
            count = None if private else samples
            least, most = map(finite, more) if more else (UNSET, UNSET)
            points[group].append(
                Point(
                    moment(bucket),
                    finite(value / by),
                    count,
                    min=least,
                    max=most,
                    partial=True if partial else UNSET,
                )
            )
    return [
        Series(chosen.attributes[group], points[group], whole[group].answer()) for group in sorted(points)
    ]


def sampling_rate(reader: Reader, request: Request, chosen: Chosen) -> float:
    """The lowest rate at which anything in this answer was stored. Raises QueryError."""
    kind = "histogram_" if request.subject.type in HISTOGRAMS else ""
    pieces = {"recent": f"recent_{kind}points", "chunks": f"{kind}chunks"}
    range_of = {"from": request.start, "until": request.end}
    asked = ["sampled_chunks", "sampled_rows"] if reader.rows(_ANY_SAMPLED).rows else ["sampled_chunks"]
    rates = [1.0]
    for name in asked:
        sql, ids = of_series(template(name).format(**pieces), chosen.ids)
        rates += [float(rate) for (rate,) in reader.rows(sql, ids | range_of, timeout=TIMEOUT_S).rows]
    return min(rates)


def _rows(reader: Reader, request: Request, chosen: Chosen, *, with_sums: bool) -> Iterator[Row]:
    bound = parameters(request, chosen) | ({"metric": request.subject.metric} if with_sums else {})
    sql = render(request, with_sums=with_sums, converted=chosen.are_converted)
    return at_most(MAX_POINTS, reader, sql, bound)


def at_most(most: int, reader: Reader, sql: str, bound: dict[str, Any]) -> Iterator[Row]:
    """The rows, never many of them in memory at once. Raises QueryError when there are more."""
    with closing(reader.chunks(sql, bound, max_rows=most + 1, timeout=TIMEOUT_S)) as chunks:
        for chunk in chunks:
            most -= len(chunk)
            if most < 0:
                raise too_many()
            yield from chunk


def empty(query: Query, series: list[Series]) -> list[Series]:
    """Without `group_by` there is always one series, if need be without points."""
    return series if series or query.group_by else [Series({}, [])]
