"""A resolver that does as it is told, and readers of what the core gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import duckdb
from hypothesis import settings
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric, NumberDataPoint

from blackhole import _core
from blackhole.model.batch import ArrowExporter

KEY = bytes(range(16))
NOW = 1_000_000 * 10**9
FAR = 1 << 62
DELTA, CUMULATIVE = 1, 2

# Opening a database takes far longer than reading a stream, and a shared machine keeps no deadline.
_DUCKDB = duckdb.connect(config={"threads": 1})
some = settings(deadline=None, max_examples=60)

Treat = Callable[[_core.NewSeries], _core.Treatment]


class Script:
    """Gives every metric the same rule, and each series what `treat` says: by default a stream of its own."""

    def __init__(self, rule: _core.Rule | int | None = None, treat: Treat | None = None) -> None:
        self.rule = rule if rule is not None else _core.Rule(1, series_limit=1_000_000)
        self.treat = treat or self.open
        self.metrics: list[tuple[str, str, int, str]] = []
        self.seen: list[_core.NewSeries] = []
        self.streams: dict[bytes, int] = {}
        self.doubted: list[tuple[int, int]] = []
        self.found: set[tuple[int, int]] = set()

    def metric(self, name: str, unit: str, kind: int, description: str) -> _core.Rule | int:
        self.metrics.append((name, unit, kind, description))
        return self.rule

    def series(self, new: Sequence[_core.NewSeries]) -> Sequence[_core.Treatment]:
        self.seen.extend(new)
        return [self.treat(series) for series in new]

    def stored(self, points: Sequence[tuple[int, int]]) -> Sequence[tuple[int, int]]:
        self.doubted.extend(points)
        return [point for point in points if point in self.found]

    def open(self, series: _core.NewSeries) -> _core.Treatment:
        number = self.streams.setdefault(series.key, len(self.streams) + 1)
        return _core.Treatment.open(number, number)


def table(*, created_ns: int = NOW, started_ns: int = NOW, max_series: int = 100_000) -> _core.SeriesTable:
    return _core.SeriesTable(max_series=max_series, created_ns=created_ns, started_ns=started_ns)


def apply(
    known: _core.SeriesTable,
    body: ExportMetricsServiceRequest | bytes,
    resolver: _core.Resolver,
    *,
    now_ns: int = NOW,
    encoding: str = "protobuf",
) -> _core.Outcome:
    data = body if isinstance(body, bytes) else body.SerializeToString()
    batch = _core.Decoder(KEY).metrics(data, encoding)
    return known.apply(batch, resolver, now_ns=now_ns, oldest_ns=0, newest_ns=FAR)


def read(stream: ArrowExporter) -> list[dict[str, Any]]:
    assert stream is not None  # DuckDB finds it by its name
    names = [column[0] for column in _DUCKDB.execute("DESCRIBE FROM stream").fetchall()]
    times = ", ".join(f"epoch_ns({name}) AS {name}" for name in names if name in {"time", "since"})
    _DUCKDB.execute(f"SELECT * REPLACE ({times}) FROM stream")
    return [dict(zip(names, row, strict=True)) for row in _DUCKDB.fetchall()]


def points(outcome: _core.Outcome) -> list[dict[str, Any]]:
    return read(outcome.columns.point_stream())


def histograms(outcome: _core.Outcome) -> list[dict[str, Any]]:
    return read(outcome.columns.histogram_stream())


def values(outcome: _core.Outcome) -> list[float]:
    return [row["value"] for row in points(outcome)]


def attributes(pairs: Mapping[str, str]) -> list[KeyValue]:
    return [KeyValue(key=key, value=AnyValue(string_value=value)) for key, value in pairs.items()]


def request(*metrics: Metric, service: str = "test") -> ExportMetricsServiceRequest:
    message = ExportMetricsServiceRequest()
    resource = message.resource_metrics.add()
    resource.resource.attributes.extend(attributes({"service.name": service}))
    resource.scope_metrics.add().metrics.extend(metrics)
    return message


def point(value: float, time: int, start: int = 0, **pairs: str) -> NumberDataPoint:
    number = NumberDataPoint(time_unix_nano=time, start_time_unix_nano=start, attributes=attributes(pairs))
    if isinstance(value, int):
        number.as_int = value
    else:
        number.as_double = value
    return number


def counter(*data: NumberDataPoint, temporality: int = CUMULATIVE, name: str = "jobs") -> Metric:
    metric = Metric(name=name, unit="{job}")
    metric.sum.aggregation_temporality = temporality  # type: ignore[assignment]
    metric.sum.is_monotonic = True
    metric.sum.data_points.extend(data)
    return metric


def level(*data: NumberDataPoint, temporality: int = CUMULATIVE, name: str = "open") -> Metric:
    metric = counter(*data, temporality=temporality, name=name)
    metric.sum.is_monotonic = False
    return metric


def gauge(*data: NumberDataPoint, name: str = "heat") -> Metric:
    metric = Metric(name=name)
    metric.gauge.data_points.extend(data)
    return metric
