"""Rows for the store that a second DuckDB exports as Arrow, as the native core does."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import astuple, dataclass, replace
from typing import Self, TypedDict, Unpack

import duckdb

from blackhole.model.batch import ArrowExporter, GuardedBatch
from blackhole.model.series import MetricType, PrivacyLevel, SeriesRow, StreamRow

SECOND = 10**9


@dataclass(frozen=True, slots=True)
class Point:
    series: int
    time_ns: int
    value: float
    stream: int = 0
    cumulative: float | None = None


@dataclass(frozen=True, slots=True)
class Histogram:
    series: int
    time_ns: int
    count: int
    sum: float | None
    bounds: tuple[float, ...] = ()
    buckets: tuple[int, ...] = ()
    min: float | None = None
    max: float | None = None
    stream: int = 0
    cumulative: tuple[int, float, tuple[float, ...], tuple[int, ...]] | None = None


@dataclass(frozen=True, slots=True)
class Interval:
    series: int
    stream: int
    time_ns: int
    since_ns: int
    value: float
    total: float | None = None
    estimated: bool = False
    period_ns: int | None = None


class Exporter:
    def __init__(self, sql: str, columns: Sequence[Sequence[object]]) -> None:
        self._sql = sql
        self._columns = columns

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        with duckdb.connect() as connection:
            connection.execute(f"CREATE TABLE rows AS {self._sql}", list(self._columns))
            return connection.sql("FROM rows").__arrow_c_stream__(requested_schema)


class FakeRows:
    """Implements `blackhole.model.batch.PointBatch`."""

    def __init__(
        self,
        points: Sequence[Point] = (),
        histograms: Sequence[Histogram] = (),
        intervals: Sequence[Interval] = (),
    ) -> None:
        self._points = list(points)
        self._histograms = list(histograms)
        self._intervals = list(intervals)

    def with_streams(self, stream_of: Callable[[int], int]) -> Self:
        """Rows that name no stream are of that of their series."""
        points = [p if p.stream else replace(p, stream=stream_of(p.series)) for p in self._points]
        histograms = [h if h.stream else replace(h, stream=stream_of(h.series)) for h in self._histograms]
        return type(self)(points, histograms, self._intervals)

    def begun(self, streams: Collection[int]) -> Self:
        """The first increment of these streams is of a minute, as of senders that do not say since when."""
        rows: list[tuple[int, int, int, float, float | None]] = [
            (p.series, p.stream, p.time_ns, p.value, None) for p in self._points
        ]
        rows += [(h.series, h.stream, h.time_ns, float(h.count), h.sum) for h in self._histograms]
        first: dict[int, Interval] = {}
        for series, stream, time_ns, value, total in sorted(rows, key=lambda row: row[2]):
            begun = Interval(series, stream, time_ns, time_ns - 60 * SECOND, value, total)
            if stream in streams:
                first.setdefault(stream, begun)
        return type(self)(self._points, self._histograms, [*self._intervals, *first.values()])

    @property
    def all_points(self) -> Sequence[Point]:
        return self._points

    @property
    def all_histograms(self) -> Sequence[Histogram]:
        return self._histograms

    @property
    def points(self) -> int:
        return len(self._points)

    @property
    def histograms(self) -> int:
        return len(self._histograms)

    @property
    def intervals(self) -> int:
        return len(self._intervals)

    def merge(self, others: Sequence[Self]) -> Self:
        return type(self)(
            [point for rows in (self, *others) for point in rows._points],
            [histogram for rows in (self, *others) for histogram in rows._histograms],
            [interval for rows in (self, *others) for interval in rows._intervals],
        )

    def thin(self, factor: int) -> Self:
        """Of each stream the last of `factor` rows, with the sum of their values."""
        runs: dict[int, list[Point]] = {}
        kept: list[Point] = []
        for point in self._points:
            run = runs.setdefault(point.stream, [])
            run.append(point)
            if len(run) == factor:
                kept.append(replace(point, value=sum(p.value for p in runs.pop(point.stream))))
        kept += [replace(run[-1], value=sum(p.value for p in run)) for run in runs.values()]
        return type(self)(kept, self._histograms, self._intervals)

    def gather(self) -> Self:
        return self.thin(self.points)

    def find(self, points: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        return [key for key in self._keys() if key in points]

    def streams(self, among: Sequence[int]) -> set[int]:
        return {stream for stream, _ in self._keys()} & set(among)

    def _keys(self) -> list[tuple[int, int]]:
        keys = [(point.stream, point.time_ns) for point in self._points]
        return keys + [(histogram.stream, histogram.time_ns) for histogram in self._histograms]

    def point_stream(self) -> ArrowExporter:
        return Exporter(
            """SELECT unnest($1::UINTEGER[]) AS series, unnest($2::UINTEGER[]) AS stream,
            make_timestamp_ns(unnest($3::BIGINT[])) AS time, unnest($4::DOUBLE[]) AS value,
            unnest($5::DOUBLE[]) AS cumulative""",
            list(
                zip(
                    *((p.series, p.stream, p.time_ns, p.value, p.cumulative) for p in self._points),
                    strict=True,
                )
            ),
        )

    def histogram_stream(self) -> ArrowExporter:
        rows = [
            (h.series, h.stream, h.time_ns, h.count, h.sum, h.min, h.max, list(h.bounds), list(h.buckets))
            + ((None, None, None, None) if h.cumulative is None else tuple(map(_plain, h.cumulative)))
            for h in self._histograms
        ]
        return Exporter(
            """SELECT unnest($1::UINTEGER[]) AS series, unnest($2::UINTEGER[]) AS stream,
            make_timestamp_ns(unnest($3::BIGINT[])) AS time, unnest($4::UBIGINT[]) AS count,
            unnest($5::DOUBLE[]) AS sum, unnest($6::DOUBLE[]) AS min, unnest($7::DOUBLE[]) AS max,
            unnest($8::DOUBLE[][]) AS bounds, unnest($9::UBIGINT[][]) AS buckets,
            unnest($10::UBIGINT[]) AS cumulative_count, unnest($11::DOUBLE[]) AS cumulative_sum,
            unnest($12::DOUBLE[][]) AS cumulative_bounds, unnest($13::UBIGINT[][]) AS cumulative_buckets""",
            list(zip(*rows, strict=True)),
        )

    def interval_stream(self) -> ArrowExporter:
        return Exporter(
            """SELECT unnest($1::UINTEGER[]) AS series, unnest($2::UINTEGER[]) AS stream,
            make_timestamp_ns(unnest($3::BIGINT[])) AS time, make_timestamp_ns(unnest($4::BIGINT[])) AS since,
            unnest($5::DOUBLE[]) AS value, unnest($6::DOUBLE[]) AS total, unnest($7::BOOLEAN[]) AS estimated,
            unnest($8::BIGINT[]) AS period""",
            list(zip(*map(astuple, self._intervals), strict=True)),
        )


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def series(
    number: int,
    metric: str = "process.cpu.usage",
    kind: MetricType = MetricType.GAUGE,
    *,
    unit: str = "%",
    attributes: str = "{}",
    level: PrivacyLevel = PrivacyLevel.PUBLIC,
) -> SeriesRow:
    return SeriesRow(number, metric, kind, unit, attributes, level)


class Known(TypedDict, total=False):
    raw: int | None
    kin: int | None
    start_ns: int | None
    delta: bool


def stream(number: int, series: int, **known: Unpack[Known]) -> StreamRow:
    return StreamRow(number, number.to_bytes(16, "big"), series, **known)


def batch(
    points: Sequence[Point] = (),
    histograms: Sequence[Histogram] = (),
    *,
    series: Sequence[SeriesRow] = (),
    streams: Sequence[StreamRow] = (),
    intervals: Sequence[Interval] = (),
) -> GuardedBatch:
    return GuardedBatch(FakeRows(points, histograms, intervals), tuple(series), tuple(streams))
