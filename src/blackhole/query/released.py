"""Turns a checked request for a metric that is released with noise into points with 95 % intervals."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import msgspec

from blackhole.config import duration_words
from blackhole.errors import PrivacyQueryError
from blackhole.model.series import MetricType
from blackhole.model.times import format_time
from blackhole.model.written_times import SECOND
from blackhole.privacy import intervals as noise
from blackhole.privacy import noisy_quantiles
from blackhole.privacy.intervals import Interval, Noise
from blackhole.privacy.noisy_quantiles import Estimate, NoisyBuckets
from blackhole.query import summed
from blackhole.query.chosen import Chosen
from blackhole.query.closed import Closed
from blackhole.query.language import MAX_POINTS, QUANTILES, Overall, Point, Request, Series, too_many
from blackhole.query.select import TIMEOUT_S, parameters
from blackhole.store.read.reader import Reader
from blackhole.store.read.templates import template

RELEASED = (
    "every value has random noise: lower and upper hold the true one 95 times of 100,"
    " of the clamped total; clamp bias unknown"
)
UNCLEAR = "where the noise hides how many there were, there is no value"

_ANY = """
SELECT count(*) > 0 FROM releases WHERE metric = $metric AND NOT lost
    AND window_start >= make_timestamp_ns($from) AND window_start < make_timestamp_ns($until)
"""

# Group, bucket, value, interval.
ReleasedRow = tuple[int, int, float, Interval | None]


def exist(reader: Reader, request: Request) -> bool:
    """Whether anything of the range was released with noise."""
    bound = {"metric": request.subject.metric, "from": request.start, "until": request.end}
    return bool(reader.rows(_ANY, bound, timeout=TIMEOUT_S).rows[0][0])


def check(request: Request) -> None:
    """Raises PrivacyQueryError where released values cannot give the aggregation, and says why."""
    kind, aggregation = request.subject.type, request.aggregation
    name = f"{request.subject.metric} is released with noise"
    if kind is MetricType.HISTOGRAM and aggregation in {"sum", "avg", "rate"}:
        raise PrivacyQueryError(f"{name}, as bucket counts without sums: ask for count, p50, p90, p95 or p99")
    if kind is MetricType.GAUGE and aggregation != "avg":
        raise PrivacyQueryError(f"{name}, as the mean over its units: ask for avg")
    if kind is not MetricType.HISTOGRAM and aggregation in QUANTILES:
        raise PrivacyQueryError(
            f"{name}: a percentile of its windows would show the noise: ask for sum, rate or avg"
        )


def notes(request: Request) -> list[str]:
    """What is true of every answer about such a metric, whatever was stored."""
    said = [RELEASED]
    if request.subject.type is MetricType.GAUGE or request.aggregation in QUANTILES:
        said.append(UNCLEAR)
    return said


def too_short(request: Request, window: float) -> list[str]:
    """Why a range that is hardly longer than a window (seconds) may hold no value."""
    if request.end - request.start >= 2 * window * SECOND:
        return []
    words = duration_words(window)
    return [f"released at the end of each window of {words}: ask for a longer range, `--last 24h`"]


def run(reader: Reader, request: Request, chosen: Chosen, closed: Closed | None = None) -> list[Series]:
    """The points of every group, in the order of time. Raises QueryError.

    `closed`: the time by which a rate is divided.
    """
    kind = request.subject.type
    answer = _counts if kind is MetricType.HISTOGRAM else _means if kind is MetricType.GAUGE else _numbers
    if kind is MetricType.HISTOGRAM and request.aggregation in QUANTILES:
        return _percentiles(_ReleasedSource(reader, request, chosen), chosen)
    points: dict[int, list[Point]] = defaultdict(list)
    for group, bucket, value, interval in answer(_ReleasedSource(reader, request, chosen)):
        seconds, partial = closed.covered(bucket) if closed is not None else (1.0, False)
        if math.isfinite(value):
            lower, upper = (end / seconds for end in interval) if interval else (None, None)
            points[group].append(
                Point(
                    format_time(request.begins(bucket)),
                    value / seconds,
                    None,
                    lower,
                    upper,
                    partial=partial or msgspec.UNSET,
                )
            )
    return [Series(chosen.attributes[group], points[group]) for group in sorted(points)]


class _ReleasedSource:
    """The rows of one request's templates."""

    def __init__(self, reader: Reader, request: Request, chosen: Chosen) -> None:
        self._reader = reader
        self.request = request
        self._bound = {**parameters(request, chosen), "metric": request.subject.metric}

    def rows(self, name: str) -> Sequence[tuple[Any, ...]]:
        table = self._reader.rows(self._sql(name), self._bound, max_rows=MAX_POINTS, timeout=TIMEOUT_S)
        if table.truncated:
            raise too_many()
        return table.rows

    def _sql(self, name: str) -> str:
        return template(name).format(
            bucket=self.request.clock, kept=summed.rows(self.request), spread=template("released_kept")
        )


def _numbers(source: _ReleasedSource) -> Iterator[ReleasedRow]:
    rows = source.rows("released_numbers")
    running = _running(source) if any(row[-1] for row in rows) else {}
    for group, bucket, total, stored, gauss, laplace, _ in rows:
        if source.request.aggregation == "count":
            yield group, bucket, float(stored), None
            continue
        by = float(stored) if source.request.aggregation == "avg" else 1.0
        interval = noise.about(total, Noise(gauss, laplace) + running.get((group, bucket), Noise()))
        yield group, bucket, total / by, interval and (interval[0] / by, interval[1] / by)


def _running(source: _ReleasedSource) -> Mapping[tuple[int, int], Noise]:
    """The noise of the increments of running totals, by group and bucket."""
    found: dict[tuple[int, int], Noise] = defaultdict(Noise)
    for group, bucket, mechanism, scale, steps, series in source.rows("released_steps"):
        squared = series * scale * scale * noise.steps_factor(steps)
        found[group, bucket] += noise.of(mechanism, squared)
    return found


def _means(source: _ReleasedSource) -> Iterator[ReleasedRow]:
    for group, bucket, total, count, *squared in source.rows("released_ratios"):
        found = noise.ratio(total, Noise(*squared[:2]), count, Noise(*squared[2:]))
        if found is not None:
            yield group, bucket, *found


def _buckets(source: _ReleasedSource) -> Iterator[tuple[int, int, list[NoisyBuckets]]]:
    rows = source.rows("released_buckets")
    for (group, bucket), same in groupby(rows, key=lambda row: row[:2]):
        parts = [
            NoisyBuckets(tuple(bounds), tuple(counts), (Noise(gauss, laplace),) * len(counts))
            for _, _, bounds, counts, gauss, laplace in same
        ]
        yield group, bucket, parts


def _counts(source: _ReleasedSource) -> Iterator[ReleasedRow]:
    for group, bucket, parts in _buckets(source):
        total = sum(part.total for part in parts)
        yield group, bucket, total, noise.about(total, sum((p.total_noise for p in parts), Noise()))


def _percentiles(source: _ReleasedSource, chosen: Chosen) -> list[Series]:
    request = source.request
    points: dict[int, list[Point]] = defaultdict(list)
    whole: dict[int, list[NoisyBuckets]] = defaultdict(list)
    for group, bucket, parts in _buckets(source):
        whole[group] += parts
        found = _estimate(parts, request)
        if found is not None:
            moment = format_time(request.begins(bucket))
            over = found.over or msgspec.UNSET
            points[group].append(Point(moment, found.value, None, found.lower, found.upper, over=over))
    return [
        Series(chosen.attributes[group], points[group], _overall(_estimate(whole[group], request)))
        for group in sorted(points)
    ]


def _estimate(parts: list[NoisyBuckets], request: Request) -> Estimate | None:
    merged = noisy_quantiles.merge(parts)
    return None if merged is None else noisy_quantiles.quantile(merged, QUANTILES[request.aggregation])


def _overall(found: Estimate | None) -> Overall | msgspec.UnsetType:
    if found is None:
        return msgspec.UNSET
    return Overall(found.value, found.over or msgspec.UNSET, found.lower, found.upper)
