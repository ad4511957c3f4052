"""Decoding and applying metrics in the core: nanoseconds a point, for known and for all-new series."""

import os
import time
from collections.abc import Callable, Sequence

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality

from blackhole import _core

POINTS, SERIES, METRICS = 8_000, 2_000, 10
BASE = 1_700_000_000_000_000_000
# Points of a series come evenly: what comes after a gap is stored with the time over which it was counted.
STEP_NS = 10_000_000_000
FAR = 1 << 62


class OpenResolver:
    """Takes everything on the open path, as series and streams in the order of their appearance."""

    def __init__(self) -> None:
        self.asked = 0

    def metric(self, name: str, unit: str, kind: int, description: str) -> _core.Rule | int:
        del name, unit, kind, description
        return _core.Rule(1, series_limit=1_000_000)

    def series(self, new: Sequence[_core.NewSeries]) -> Sequence[_core.Treatment]:
        first = self.asked + 1
        self.asked += len(new)
        return [_core.Treatment.open(number, number) for number in range(first, self.asked + 1)]

    def stored(self, points: Sequence[tuple[int, int]]) -> Sequence[tuple[int, int]]:
        del points
        return ()


def attribute(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))


def metrics_request(round_: int, salt: str = "") -> bytes:
    request = ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    resource.resource.attributes.append(attribute("service.name", "bench"))
    scope = resource.scope_metrics.add()
    scope.scope.name = "bench"
    per_metric = SERIES // METRICS
    for number in range(METRICS):
        metric = scope.metrics.add(name=f"bench.requests.{number}", unit="{request}")
        metric.sum.aggregation_temporality = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
        metric.sum.is_monotonic = True
        for point in range(POINTS // METRICS):
            repeat, series = divmod(point, per_metric)
            metric.sum.data_points.add(
                attributes=[
                    attribute("peer.class", f"class-{series % 7}{salt}"),
                    attribute("rpc.method", f"Method{series}"),
                    attribute("region", "eu-west"),
                    attribute("outcome", "success" if series % 2 else "failure"),
                ],
                start_time_unix_nano=BASE,
                time_unix_nano=BASE + (round_ * (POINTS // SERIES) + repeat + 1) * STEP_NS,
                as_int=round_ * 1000 + repeat * 10,
            )
    return request.SerializeToString()


def traces_request() -> bytes:
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.append(attribute("service.name", "bench"))
    scope = resource.scope_spans.add()
    for number in range(POINTS):
        span = scope.spans.add(trace_id=os.urandom(16), span_id=os.urandom(8), name=f"GET /{number}", kind=2)
        span.start_time_unix_nano = BASE
        span.end_time_unix_nano = BASE + number * 1_000
        span.attributes.append(attribute("http.request.method", "GET"))
        span.attributes.append(attribute("http.route", f"/items/{number % 20}"))
        span.attributes.append(attribute("url.path", f"/items/{number}"))
    return request.SerializeToString()


def logs_request() -> bytes:
    request = ExportLogsServiceRequest()
    scope = request.resource_logs.add().scope_logs.add()
    for number in range(POINTS):
        record = scope.log_records.add(time_unix_nano=BASE, severity_number=1 + number % 24)
        record.body.string_value = f"something happened {number}"
        record.attributes.append(attribute("code.function.name", "main"))
    return request.SerializeToString()


def best(work: Callable[[int], object], times: int) -> float:
    """The fastest of `times` runs, in nanoseconds a point."""
    taken = []
    for number in range(times):
        start = time.perf_counter_ns()
        work(number)
        taken.append(time.perf_counter_ns() - start)
    return min(taken) / POINTS


def table() -> _core.SeriesTable:
    return _core.SeriesTable(max_series=10_000_000, created_ns=BASE, started_ns=BASE)


def apply(known: _core.SeriesTable, batch: _core.Batch, resolver: OpenResolver) -> _core.Outcome:
    return known.apply(batch, resolver, now_ns=BASE, oldest_ns=0, newest_ns=FAR)


def main() -> None:
    decoder = _core.Decoder(bytes(16))
    resolver, known = OpenResolver(), table()
    rounds = 60
    bodies = [metrics_request(number) for number in range(rounds)]
    batches = [decoder.metrics(body, "protobuf") for body in bodies]
    print(f"{len(bodies[0]) / POINTS:.0f} bytes a point")
    print(
        f"decode           {best(lambda n: decoder.metrics(bodies[n], 'protobuf'), rounds):8.1f} ns a point"
    )
    apply(known, batches[0], resolver)
    later = batches[1:]
    print(f"apply, known     {best(lambda n: apply(known, later[n], resolver), len(later)):8.1f} ns a point")
    fresh = [decoder.metrics(metrics_request(0, f"-{number}"), "protobuf") for number in range(10)]
    new = best(lambda n: apply(known, fresh[n], resolver), len(fresh)) * POINTS / SERIES
    print(f"apply, new       {new:8.1f} ns a new series, asking Python included")
    rows = apply(table(), batches[1], OpenResolver()).columns
    print(f"to Arrow         {best(lambda _: rows.point_stream(), 20):8.1f} ns a row")
    spans, logs = traces_request(), logs_request()
    print(
        f"spans            {best(lambda n: decoder.traces(spans, 'protobuf', BASE + n), 20):8.1f} ns a span"
    )
    print(f"log records      {best(lambda n: decoder.logs(logs, 'protobuf', BASE + n), 20):8.1f} ns a record")


if __name__ == "__main__":
    main()
