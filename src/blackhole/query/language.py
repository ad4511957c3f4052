"""The question and the answer of `POST query`, and what turns a question into a checked request."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from blackhole.config import duration_words
from blackhole.errors import PrivacyQueryError, QueryError
from blackhole.model.series import MetricType, PrivacyLevel, Scalar
from blackhole.model.written_times import SECOND, nice_interval, parse_interval, parse_time, shown_until
from blackhole.query.zones import UTC, ZoneClock, clock

AGGREGATIONS = (
    *("avg", "max", "min", "sum", "count", "rate", "sum_rate", "last"),
    *("p50", "p90", "p95", "p99"),
)
QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
MAX_POINTS_A_SERIES = 11_000
MAX_POINTS = 200_000
MAX_KEYS = 32
MAX_PATTERN = 1000
DEFAULT_RANGE = 3600 * SECOND

_DEFAULTS = {MetricType.COUNTER: "rate", MetricType.HISTOGRAM: "p95"}
HISTOGRAMS = (MetricType.HISTOGRAM, MetricType.SUMMARY)
RATES = {"rate": (MetricType.COUNTER, *HISTOGRAMS), "sum_rate": HISTOGRAMS}
# A period that is longer is no reason for longer buckets: of these there would be fewer than eight.
_PERIODS_A_RANGE = 8
_LEVELS = (MetricType.GAUGE, MetricType.UPDOWNCOUNTER)
_SINGLE_VALUES = ("max", "min", "last")


class Condition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an attribute is not (none of these values), or a regular expression that it matches as a whole.

    All that are given hold; an attribute that is absent is an empty text.
    """

    not_: Scalar | list[Scalar] | None = msgspec.field(default=None, name="not")
    matches: str | None = None
    not_matches: str | None = None


Filter = Scalar | list[Scalar] | Condition


class Query(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Times are RFC 3339 or Unix seconds; the range is [start, end), by default the last hour.

    Intervals of days, and of hours of which a day is a multiple, begin by the clock of `timezone`.
    `extremes`: averages of open gauges and updowncounters carry the least and the greatest value. `whole`:
    the range is widened to whole buckets.
    """

    metric: str
    start_time: str | float | int | None = None
    end_time: str | float | int | None = None
    aggregation: str | None = None
    interval: str | float | int | None = None
    filters: dict[str, Filter] = {}
    group_by: list[str] = []
    timezone: str | None = None
    extremes: bool = False
    whole: bool = False


def finite(value: float | None) -> float | None:
    """What JSON can say of it."""
    return value if value is not None and math.isfinite(value) else None


class Point(msgspec.Struct, frozen=True, gc=False):
    """`min` and `max` of the interval only where the extremes were asked for, and are there.

    `partial`: less than the whole interval is known, and a rate is divided by that. `estimated`: a sender was
    silent for over five of its usual periods, and what it counted meanwhile is spread over that time.
    `over`: a percentile that lies in the last bucket, which has no end; `value` is where that begins.
    """

    timestamp: str
    value: float | None
    sample_count: int | None
    lower: float | None = None
    upper: float | None = None
    min: float | msgspec.UnsetType | None = msgspec.UNSET
    max: float | msgspec.UnsetType | None = msgspec.UNSET
    partial: bool | msgspec.UnsetType = msgspec.UNSET
    estimated: bool | msgspec.UnsetType = msgspec.UNSET
    over: bool | msgspec.UnsetType = msgspec.UNSET


class Overall(msgspec.Struct, frozen=True):
    """What the aggregation comes to over all of the points, not over their values; `over` as of a point."""

    value: float | None
    over: bool | msgspec.UnsetType = msgspec.UNSET
    lower: float | msgspec.UnsetType = msgspec.UNSET
    upper: float | msgspec.UnsetType = msgspec.UNSET


class Series(msgspec.Struct, frozen=True):
    attributes: dict[str, Any]
    points: list[Point]
    overall: Overall | msgspec.UnsetType = msgspec.UNSET


class Answer(msgspec.Struct, frozen=True):
    metric: str
    type: str
    unit: str
    privacy_level: str
    aggregation: str
    interval: str
    series: list[Series]
    sampling_rate: float = 1.0
    notes: list[str] = []


class SqlAnswer(msgspec.Struct, frozen=True):
    columns: list[str]
    types: list[str]
    rows: list[list[Any]]
    truncated: bool
    elapsed_ms: float


@dataclass(frozen=True, slots=True)
class Subject:
    """What is asked about: the metric as stored, or as the catalogue says when nothing is stored."""

    metric: str
    type: MetricType
    unit: str
    level: PrivacyLevel


@dataclass(frozen=True, slots=True)
class Request:
    """A question that can be answered: nanoseconds, and an aggregation that the metric has."""

    subject: Subject
    start: int
    end: int
    step: int
    aggregation: str
    clock: ZoneClock = UTC
    extremes: bool = False

    def begins(self, bucket: int) -> int:
        """When a bucket, which SQL has by the local clock, begins."""
        return self.clock.moment(bucket)

    def seconds(self, bucket: int) -> float:
        """How long it is within the range."""
        begins, ends = self.clock.moment(bucket), self.clock.moment(bucket + self.step)
        return (min(ends, self.end) - max(begins, self.start)) / SECOND

    def numbers(self) -> range:
        """Its buckets, by the local clock."""
        first, last = (self.clock.bucket(moment, self.step) for moment in (self.start, self.end - 1))
        return range(first, last + 1, self.step)

    def borders(self) -> list[int]:
        """Where its buckets begin, and where the last one ends; the outer ones may lie beyond the range."""
        numbers = self.numbers()
        return [self.begins(number) for number in (*numbers, numbers[-1] + self.step)]

    @property
    def interval(self) -> str:
        return duration_words(self.step / SECOND)


def parse(document: bytes | str) -> Query:
    """The question of a JSON document. Raises QueryError."""
    try:
        return msgspec.json.decode(document, type=Query)
    except msgspec.ValidationError as error:
        raise QueryError(f"the query is not understood: {error}") from None
    except msgspec.DecodeError:
        raise QueryError("the query is not JSON") from None


def check_keys(query: Query) -> None:
    """Raises QueryError for more filters and groups than anybody needs, and for filters that are none."""
    if len(query.filters) > MAX_KEYS or len(query.group_by) > MAX_KEYS:
        raise QueryError(f"at most {MAX_KEYS} filters and {MAX_KEYS} keys to group by")
    for key, wanted in query.filters.items():
        if isinstance(wanted, Condition):
            _check_condition(key, wanted)


def _check_condition(key: str, wanted: Condition) -> None:
    if wanted == Condition():
        raise QueryError(f"the filter {key} says nothing: give a value, `not`, `matches` or `not_matches`")
    if any(len(pattern or "") > MAX_PATTERN for pattern in (wanted.matches, wanted.not_matches)):
        raise QueryError(f"the pattern of the filter {key} is longer than {MAX_PATTERN:,} characters")


def too_many() -> QueryError:
    return QueryError(
        f"more than {MAX_POINTS:,} points in all: ask for a longer interval, a shorter range or fewer groups"
    )


def plan(
    query: Query,
    subject: Subject,
    windows: Mapping[PrivacyLevel, float],
    now_ns: int,
    *,
    period_ns: int = 0,
) -> Request:
    """Checks the question against the metric. Raises QueryError naming what cannot be asked, and why.

    `period_ns`: how often its slowest sender reports; without an interval buckets are about as long at least.
    """
    check_keys(query)
    start, end = range_of(query.start_time, query.end_time, now_ns)
    window = round(windows.get(subject.level, 0) * SECOND)
    if query.interval is None:
        period = period_ns if period_ns * _PERIODS_A_RANGE <= end - start else 0
        step = nice_interval(end - start, window, period)
    else:
        step = parse_interval(query.interval)
    aggregation = query.aggregation or _DEFAULTS.get(subject.type, "avg")
    _check_aggregation(aggregation, subject)
    _check_privacy(aggregation, step, window, subject)
    if (end - 1) // step - start // step >= MAX_POINTS_A_SERIES:
        raise QueryError(
            f"more than {MAX_POINTS_A_SERIES:,} points a series: ask for a longer interval or a shorter range"
        )
    found = clock(query.timezone, start, end, step)
    if query.whole:
        start = found.moment(found.bucket(start, step))
        end = found.moment(found.bucket(end - 1, step) + step)
    end = min(end, max(shown_until(now_ns), start + 1))
    extremes = query.extremes and _has_extremes(aggregation, subject)
    return Request(subject, start, end, step, aggregation, found, extremes)


def range_of(start_time: str | float | None, end_time: str | float | None, now_ns: int) -> tuple[int, int]:
    """Nanoseconds; without an end until now, without a start the hour before the end. Raises QueryError."""
    end = now_ns if end_time is None else parse_time(end_time, "end_time")
    start = end - DEFAULT_RANGE if start_time is None else parse_time(start_time, "start_time")
    if start >= end:
        raise QueryError("start_time must be before end_time")
    return start, end


def _has_extremes(aggregation: str, subject: Subject) -> bool:
    """Of guarded metrics they would pick out windows."""
    return aggregation == "avg" and subject.type in _LEVELS and not subject.level.guarded


def is_folded(aggregation: str, subject: Subject) -> bool:
    """Whether an answer is what grew or held between points, and not what the points themselves say."""
    if subject.level.guarded:
        return False
    if aggregation in RATES:
        return True
    return subject.type is MetricType.UPDOWNCOUNTER and aggregation in {"avg", "min", "max", "last"}


def _check_aggregation(aggregation: str, subject: Subject) -> None:
    if aggregation not in AGGREGATIONS:
        raise QueryError(f"aggregation is one of {', '.join(AGGREGATIONS)}")
    fitting = RATES.get(aggregation)
    if fitting is not None and subject.type not in fitting:
        kinds = "counters and histograms" if aggregation == "rate" else "histograms"
        other = "rate" if subject.type is MetricType.COUNTER else "avg or last"
        raise QueryError(
            f"{aggregation} is for {kinds}; {subject.metric} is of type {subject.type}: ask for {other}"
        )


def _check_privacy(aggregation: str, step: int, window: int, subject: Subject) -> None:
    if not subject.level.guarded:
        return
    word = subject.level.word.replace("_", " ")
    if aggregation in _SINGLE_VALUES:
        raise PrivacyQueryError(
            f"{aggregation} picks out one window, and {subject.metric} is {word}: ask for avg, sum or count"
        )
    if step < window:
        words = duration_words(window / SECOND)
        raise PrivacyQueryError(
            f"{subject.metric} is {word}, one value every {words}: ask for an interval of at least {words}"
        )
