"""Turns what retention has summed up of old points into SQL that adds it to the buckets of points."""

from dataclasses import dataclass
from datetime import UTC, datetime

from blackhole.config import duration_words
from blackhole.model.written_times import SECOND
from blackhole.query.chosen import Chosen
from blackhole.query.language import HISTOGRAMS, Request
from blackhole.query.zones import DAY
from blackhole.store.read.reader import Reader
from blackhole.store.read.templates import template

# Most files have none, and to ask what there is of one metric costs six times as much.
_ANY = "SELECT 1 FROM metric_aggregates LIMIT 1"
_SPAN = "SELECT max(width), epoch_us(min(day)) * 1000, epoch_us(max(day)) * 1000 FROM ({widths})"

_ADDED = "coalesce(p.value, 0) + coalesce(s.total, 0)"
_VALUES = {
    "avg": "(coalesce(p.value * p.weight, 0) + coalesce(s.total, 0))"
    " / (coalesce(p.weight, 0) + coalesce(s.parts, 0))",
    "sum": _ADDED,
    "rate": _ADDED,
    "sum_rate": _ADDED,
    "count": "coalesce(p.value, 0) + coalesce(s.samples, 0)",
    "min": "least(p.value, s.least)",
    "max": "greatest(p.value, s.most)",
}
# Of distributions least and greatest values are kept, not those of the means of intervals.
_OF_DISTRIBUTIONS = frozenset({"avg", "sum", "count", "rate", "sum_rate"})

# What the template has at its places for $factors; of series with the same attributes there is one unit.
_AS_STORED = {"factors": "", "factor": "", "by_factor": "", "times": ""}
_CONVERTED = {
    "factors": ", unnest($factors::DOUBLE[]) AS factor",
    "factor": ", any_value(c.factor) AS factor",
    "by_factor": ", k.factor",
    "times": " * k.factor",
}


@dataclass(frozen=True, slots=True)
class RollupCoverage:
    """Of a part of the range sums are kept, of hours or days: the longest, and from when until when."""

    width: int
    first: int
    until: int

    def fits(self, request: Request) -> bool:
        """Whether each of them can be in one bucket of the request."""
        days_elsewhere = self.width == DAY and any(request.clock.ahead)
        return request.step % self.width == 0 and not days_elsewhere


@dataclass(frozen=True, slots=True)
class Sums:
    """Of one group and bucket: how many values, what they add up to, and the sum of the series' means."""

    samples: int
    total: float
    means: float | None


def look(reader: Reader, request: Request) -> RollupCoverage | None:
    """What there is of the metric. Raises QueryError."""
    if not reader.rows(_ANY).rows:
        return None
    bound = {"metric": request.subject.metric, "from": request.start, "until": request.end}
    width, first, last = reader.rows(_SPAN.format(widths=template("kept_widths")), bound).rows[0]
    return None if width is None else RollupCoverage(int(width), int(first), int(last) + DAY)


def rows(request: Request, *, converted: bool = False) -> str:
    """The SQL of `chosen` and `kept`, what there is of $ids within $from, $until and buckets of $step.

    `converted`: by $factors into the unit of the answer.
    """
    units = _CONVERTED if converted else _AS_STORED
    return template("kept").format(widths=template("kept_widths"), bucket=request.clock, **units)


def add(points: str, request: Request, *, converted: bool = False) -> str:
    """The SQL of a request's buckets from that for their points, with weights; binds $metric too."""
    sums = template("summed").format(kept=rows(request, converted=converted), bucket=request.clock)
    more = ", least(p.least, s.least) AS least, greatest(p.most, s.most) AS most" if request.extremes else ""
    if request.aggregation == "avg":
        more += ", coalesce(p.weight, 0) + coalesce(s.parts, 0) AS weight"
    counts = request.subject.type in HISTOGRAMS and request.aggregation == "rate"
    added = _VALUES["count" if counts else request.aggregation]
    value = f"CASE WHEN p.value IS NOT NULL OR s.total IS NOT NULL THEN {added} END"
    return template("points_and_sums").format(points=points, sums=sums, value=value, more=more)


def buckets(reader: Reader, request: Request, chosen: Chosen) -> dict[tuple[int, int], Sums]:
    """What is kept of each group and bucket. Raises QueryError."""
    kept = rows(request, converted=chosen.are_converted)
    sql = template("summed_series").format(kept=kept, bucket=request.clock)
    bound = chosen.bound | {"metric": request.subject.metric, "step": request.step}
    bound |= {"from": request.start, "until": request.end}
    found = reader.rows(sql, bound).rows
    return {(group, bucket): Sums(*sums) for group, bucket, *sums in found}


def note(kept: RollupCoverage, request: Request) -> str:
    """What a person must know of this part of the answer."""
    of = f"sums of {'days' if kept.width == DAY else 'hours'} (UTC)"
    words = f"of {_date(kept.first)} to {_date(kept.until - 1)} only {of} are kept"
    if request.aggregation not in aggregations(request):
        others = ", ".join(sorted(aggregations(request)))
        return f"{words}, which have no {request.aggregation}: ask for {others}"
    if kept.fits(request):
        return f"{words}: those of which all is in the range are in this answer"
    return f"{words}: ask with an interval of {duration_words(kept.width / SECOND)}, in UTC, to see them all"


def aggregations(request: Request) -> frozenset[str]:
    """What sums can answer."""
    return _OF_DISTRIBUTIONS if request.subject.type in HISTOGRAMS else frozenset(_VALUES)


def _date(moment: int) -> str:
    return datetime.fromtimestamp(moment // SECOND, UTC).strftime("%Y-%m-%d")
