"""Thirty days of every kind of metric, sent through the real write path, and what is true of them.

What is true is worked out from what was sent alone, by the plainest means. Moments are Unix seconds, times of
exports nanoseconds.
"""

import math
import shutil
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from tests.service.road import Clock, Road

from blackhole.catalogue.load import Catalogue, load
from blackhole.config import Config, Duration
from blackhole.model.signals import Signal
from blackhole.store.database import Database
from blackhole.store.upkeep.retention import Retention
from blackhole.store.upkeep.seal import Sealer

SECOND = 10**9
HOUR, DAY = 3600, 86400
WORDS = {1: "second", 10: "tenth", 60: "minute"}
# For how long each pace was kept, in seconds, by seconds between two exports.
LENGTHS = {1: 1.5 * HOUR, 10: 9 * HOUR, 60: 8 * DAY}
# One of each kind was sent once a minute for a month.
MONTH = 31 * DAY + 2 * HOUR
SPANS = {1: 400, 10: 1200, 60: 75 * 60}
BOUNDS = (0.1, 0.2, 0.5, 1.0, 2.0)
MIDDLES = (0.05, 0.15, 0.35, 0.75, 1.5, 3.0)
OFFSET, SCALE = -2, 1
EXPONENTIAL = tuple(2.0 ** (n / 2**SCALE) for n in range(OFFSET, OFFSET + 7))
UNITS = {"counter": "{thing}", "level": "{thing}", "gauge": "Cel", "explicit": "s", "exponential": "s"}
KEPT_DAYS = 5
CHUNK = 6 * HOUR
# Since so many seconds each export is a request of its own.
LATELY = 20
TYPES = {
    "counter": "counter",
    "level": "updowncounter",
    "gauge": "gauge",
    "explicit": "histogram",
    "exponential": "histogram",
}
_ENTRY = "  - {{name: truth.{}.*, type: {}, unit: '{}', privacy: public, purpose: to test, {}}}\n"


@dataclass
class Line:
    """One raw series: the times of its exports, and what each counted since the one before, or its level.

    Of a histogram `cells` are the counts of each export by bucket. It began at `start`.
    """

    kind: str
    period: int
    delta: bool
    start: int
    times: list[int]
    values: list[float]
    cells: list[tuple[int, ...]] = field(default_factory=list)

    @property
    def metric(self) -> str:
        if self.kind == "spans":
            return "traces.span.metrics.calls"
        return f"truth.{self.kind}.{'delta' if self.delta else 'cumulative'}.{WORDS[self.period]}"

    @property
    def service(self) -> str:
        return f"{self.kind}-{'delta' if self.delta else 'cumulative'}-{WORDS[self.period]}"

    @property
    def sums(self) -> list[float]:
        """Of a histogram: the sum of what each export observed."""
        middles = MIDDLES if self.kind == "explicit" else [a + (b - a) / 2 for a, b in pairwise(EXPONENTIAL)]
        return [sum(n * at for n, at in zip(cells, middles, strict=True)) for cells in self.cells]


def lines(now: int) -> list[Line]:
    found = []
    for period, length in LENGTHS.items():
        for kind in ("counter", "explicit", "exponential"):
            long = MONTH if period == 60 and kind != "exponential" else length
            found += [
                _line(kind, period, length, now, delta=True),
                _line(kind, period, long, now, delta=False),
            ]
        found.append(_line("level", period, MONTH if period == 60 else length, now, delta=False))
        found.append(_line("gauge", period, length, now, delta=False))
        found.append(_line("spans", period, SPANS[period], now, delta=True))
    return found


def _line(kind: str, period: int, length: float, now: int, *, delta: bool) -> Line:
    step = period * SECOND
    # Each has a rhythm of its own, and keeps it as a busy program does.
    phase = sum(map(ord, kind)) % 7 * step // 8 + (step // 3 if delta else 0)
    start = now - round(length) * SECOND - phase
    moments = range(start + step, now + 1, step)
    jitter = min(step // 50, 20_000_000)
    times = [at - (n * 7919 % 1000) * jitter // 1000 for n, at in enumerate(moments)]
    line = Line(kind, period, delta, start, times, [])
    if kind in ("explicit", "exponential"):
        line.cells = [
            tuple((n * 31 + cell * 17) % (9 - cell) for cell in range(6)) for n in range(len(times))
        ]
        line.values = [float(sum(cells)) for cells in line.cells]
    elif kind == "gauge":
        line.values = [20 + round(10 * math.sin(n / 100), 3) for n in range(len(times))]
    elif kind == "level":
        line.values = [float(5 + n * 31 % 11) for n in range(len(times))]
    else:
        line.values = [float(1 + n * 37 % 13) for n in range(len(times))]
    return line


def rates(line: Line, start: float, end: float, step: int, values: Sequence[float]) -> dict[float, float]:
    """What grew in each bucket, a second: an increment grew evenly since the export before."""
    moments = [line.start, *line.times]
    totals = [0.0, *accumulate(values)]

    def reached(moment: Fraction) -> Fraction:
        after = bisect_left(moments, moment * SECOND)
        if after == 0:
            return Fraction(totals[0])
        before = after - 1
        share = (moment * SECOND - moments[before]) / (moments[after] - moments[before])
        return Fraction(totals[before]) + share * Fraction(totals[after] - totals[before])

    found = {}
    for bucket in buckets(start, end, step):
        low = max(Fraction(bucket), Fraction(start), Fraction(moments[0], SECOND))
        high = min(Fraction(bucket + step), Fraction(end), Fraction(moments[-1], SECOND))
        if high > low:
            found[float(bucket)] = float((reached(high) - reached(low)) / (high - low))
    return found


def sums(line: Line, start: float, end: float, step: int) -> dict[float, float]:
    return {bucket: sum(line.values[first:last]) for bucket, first, last in _within(line, start, end, step)}


def means(line: Line, start: float, end: float, step: int) -> dict[float, float]:
    found = _within(line, start, end, step)
    return {bucket: sum(line.values[a:b]) / (b - a) for bucket, a, b in found}


def levels(line: Line, start: float, end: float, step: int) -> dict[float, float]:
    """The mean over time: a level holds until the next, the last one for two and a half periods at most."""
    found, times = {}, line.times
    until = times[-1] + line.period * SECOND * 5 // 2
    for bucket in buckets(start, end, step):
        low = max(bucket * SECOND, round(start * SECOND), times[0])
        high = min((bucket + step) * SECOND, round(end * SECOND), until)
        if high > low:
            first, last = bisect_right(times, low) - 1, bisect_left(times, high)
            cuts = [low, *times[first + 1 : last], high]
            held = zip(pairwise(cuts), line.values[first:last], strict=True)
            found[float(bucket)] = sum((b - a) * value for (a, b), value in held) / (high - low)
    return found


def percentiles(line: Line, start: float, end: float, step: int, share: float) -> dict[float, float]:
    """Of the buckets of all that was observed in each interval; linear inside."""
    found = {}
    bounds = (0.0, *BOUNDS) if line.kind == "explicit" else EXPONENTIAL
    for bucket, first, last in _within(line, start, end, step):
        cells = [sum(column) for column in zip(*line.cells[first:last], strict=True)]
        wanted, seen = share * sum(cells), 0
        number = 0
        while seen + cells[number] < wanted:
            seen += cells[number]
            number += 1
        low, high = bounds[number : number + 2] if number + 1 < len(bounds) else bounds[-1:] * 2
        found[bucket] = low + (high - low) * (wanted - seen) / cells[number]
    return found


def prometheus_increase(line: Line, start: float, end: float) -> float:
    """As Prometheus defines it: the samples of the window, drawn out to its ends or half a step beyond."""
    totals = [*accumulate(line.values)]
    stamps = [at // 1_000_000 / 1000 for at in line.times]
    first, last = bisect_right(stamps, start), bisect_right(stamps, end) - 1
    grown, length = totals[last] - totals[first], stamps[last] - stamps[first]
    step = length / (last - first)
    before, after = stamps[first] - start, end - stamps[last]
    before = step / 2 if before >= 1.1 * step else before
    after = step / 2 if after >= 1.1 * step else after
    if grown > 0:
        before = min(before, length * totals[first] / grown)
    return grown * (length + before + after) / length


def buckets(start: float, end: float, step: int) -> Iterator[int]:
    bucket = math.floor(start) // step * step
    while bucket < end:
        yield bucket
        bucket += step


def _within(line: Line, start: float, end: float, step: int) -> list[tuple[float, int, int]]:
    """Buckets that have exports, and which."""
    found = []
    for bucket in buckets(start, end, step):
        low, high = max(bucket, start), min(bucket + step, end)
        first = bisect_left(line.times, round(low * SECOND))
        last = bisect_left(line.times, round(high * SECOND))
        if last > first:
            found.append((float(bucket), first, last))
    return found


@dataclass
class Files:
    """One history as it is kept at four ages: the directories of its databases."""

    now: int
    lines: list[Line]
    recent: Path
    half_sealed: Path
    sealed: Path
    rolled_up: Path


def catalogue(directory: Path) -> tuple[Catalogue, Path]:
    file = directory / "catalogue.yaml"
    more = "description: Told by a test, keep: []"
    entries = (_ENTRY.format(kind, found, UNITS[kind], more) for kind, found in TYPES.items())
    file.write_text("metrics:\n" + "".join(entries), encoding="utf-8")
    return load([file]), file


def build(directory: Path, now: int) -> Files:
    """Sends all of it, and seals and sums up as the service does."""
    made = Files(now, lines(now), *(directory / name for name in ("recent", "half", "sealed", "rolled")))
    known, _ = catalogue(directory)
    made.half_sealed.mkdir(parents=True)
    clock = Clock(min(line.start for line in made.lines) - HOUR * SECOND)
    database = Database.open(made.half_sealed / "analytics.duckdb", clock=clock)
    sealer = Sealer(database, pause=0)
    _send(made.lines, Road(database, known, config(), clock), now)
    database.checkpoint()
    shutil.copytree(made.half_sealed, made.recent)
    assert sealer.apply()
    database.close()
    _again(made.half_sealed, made.sealed, clock, lambda database: Sealer(database, pause=0).apply())
    _again(made.sealed, made.rolled_up, clock, lambda database: _sum_up(database, known))
    return made


def _again(source: Path, target: Path, clock: Clock, work: Callable[[Database], int]) -> None:
    shutil.copytree(source, target)
    database = Database.open(target / "analytics.duckdb", clock=clock)
    assert work(database)
    database.close()


def _sum_up(database: Database, known: Catalogue) -> int:
    with database.write() as connection:
        connection.execute(
            "INSERT INTO retention_policies (metric_pattern, retention_days, aggregation_strategy)"
            " VALUES ('infrastructure.truth.*', $1, 'hourly_aggregation')",
            [KEPT_DAYS],
        )
    return Retention(database, known, config()).apply()


def config() -> Config:
    return Config(retention_period=Duration(60 * DAY))


def _send(all_lines: Sequence[Line], road: Road, now: int) -> None:
    for at, signal, body in _requests(all_lines, now):
        assert not road.send(signal, body, at)
    road.clock.now = now
    road.close()


def _requests(all_lines: Sequence[Line], now: int) -> Iterator[tuple[int, Signal, bytes]]:
    """In the order of time: long ago many exports at once, lately each as it came."""
    quick = now - LATELY * SECOND
    edges = [*range(min(line.start for line in all_lines), quick, CHUNK * SECOND), quick]
    old: dict[int, list[bytes]] = defaultdict(list)
    late: list[tuple[int, Signal, bytes]] = []
    for line in all_lines:
        if line.kind == "spans":
            late += [(at, Signal.TRACES, _spans(line, n)) for n, at in enumerate(line.times)]
            continue
        told, last = Told(line), bisect_left(line.times, quick)
        for since, until in pairwise(edges):
            old[until].append(told.export(bisect_left(line.times, since), bisect_left(line.times, until)))
        late += [(line.times[n], Signal.METRICS, told.export(n, n + 1)) for n in range(last, len(line.times))]
    # Messages that follow each other are one with the entries of both.
    together = [(until, Signal.METRICS, b"".join(bodies)) for until, bodies in old.items()]
    return iter(sorted([*together, *late], key=lambda one: one[0]))


@dataclass
class Told:
    """What a line sends: of a cumulative sum or histogram all since the start."""

    line: Line

    def __post_init__(self) -> None:
        self._values = self._all(self.line.values)
        self._sums = self._all(self.line.sums)
        self._cells = [self._all(column) for column in zip(*self.line.cells, strict=True)]

    def _all(self, values: Sequence[float]) -> list[float]:
        since_start = not self.line.delta and self.line.kind not in ("level", "gauge")
        return list(accumulate(values) if since_start else values)

    def export(self, first: int, last: int) -> bytes:
        if last <= first:
            return b""
        request = ExportMetricsServiceRequest()
        resource = request.resource_metrics.add()
        resource.resource.attributes.add(key="service.name").value.string_value = self.line.service
        metric = resource.scope_metrics.add().metrics.add(name=self.line.metric, unit=UNITS[self.line.kind])
        kinds = AggregationTemporality
        told = (
            kinds.AGGREGATION_TEMPORALITY_DELTA
            if self.line.delta
            else kinds.AGGREGATION_TEMPORALITY_CUMULATIVE
        )
        add = {
            "gauge": self._gauge,
            "counter": self._sum,
            "level": self._sum,
            "explicit": self._explicit,
            "exponential": self._exponential,
        }[self.line.kind]
        for n in range(first, last):
            add(metric, n, told)
        return request.SerializeToString()

    def _gauge(self, metric: Metric, n: int, _: int) -> None:
        metric.gauge.data_points.add(time_unix_nano=self.line.times[n], as_double=self._values[n])

    def _sum(self, metric: Metric, n: int, told: Any) -> None:
        metric.sum.is_monotonic = self.line.kind == "counter"
        metric.sum.aggregation_temporality = told
        metric.sum.data_points.add(**self._when(n), as_double=self._values[n])

    def _explicit(self, metric: Metric, n: int, told: Any) -> None:
        metric.histogram.aggregation_temporality = told
        metric.histogram.data_points.add(
            **self._when(n), **self._all_of(n), explicit_bounds=BOUNDS, bucket_counts=self._cells_of(n)
        )

    def _exponential(self, metric: Metric, n: int, told: Any) -> None:
        metric.exponential_histogram.aggregation_temporality = told
        points = metric.exponential_histogram.data_points
        point = points.add(**self._when(n), **self._all_of(n), scale=SCALE)
        point.positive.offset = OFFSET
        point.positive.bucket_counts.extend(self._cells_of(n))

    def _when(self, n: int) -> dict[str, Any]:
        start = self.line.times[n - 1] if self.line.delta and n else self.line.start
        return {"time_unix_nano": self.line.times[n], "start_time_unix_nano": start}

    def _all_of(self, n: int) -> dict[str, Any]:
        return {"count": int(self._values[n]), "sum": self._sums[n]}

    def _cells_of(self, n: int) -> list[int]:
        return [int(column[n]) for column in self._cells]


def _spans(line: Line, n: int) -> bytes:
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.add(key="service.name").value.string_value = line.service
    scope = resource.scope_spans.add()
    at = line.times[n]
    for number in range(int(line.values[n])):
        scope.spans.add(
            trace_id=bytes(15) + bytes([1 + number]),
            span_id=bytes(7) + bytes([1 + number]),
            name="call",
            kind=Span.SPAN_KIND_SERVER,
            start_time_unix_nano=at - 5_000_000,
            end_time_unix_nano=at,
        )
    return request.SerializeToString()
