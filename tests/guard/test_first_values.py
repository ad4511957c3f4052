"""What the guard decides at the door: first values, units and types of what senders really send."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import duckdb
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric
from tests.core.support import read
from tests.guard.test_engine import SECOND, SENSITIVE, START, Service

from blackhole.catalogue.definition import Definition, PrivacyUnit
from blackhole.catalogue.load import Catalogue, load
from blackhole.guard.engine import Judgement
from blackhole.model.batch import WithIntervals
from blackhole.model.series import MetricType, StreamState

CUMULATIVE = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
DELTA = AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA


def number(
    name: str,
    value: float,
    *,
    time: float = 0,
    start: float | None = None,
    kind: str = "counter",
    unit: str = "",
    temporality: Any = CUMULATIVE,
    **pairs: str,
) -> Metric:
    metric = Metric(name=name, unit=unit)
    if kind == "gauge":
        data = metric.gauge.data_points
    else:
        metric.sum.aggregation_temporality = temporality
        metric.sum.is_monotonic = kind == "counter"
        data = metric.sum.data_points
    point = data.add(time_unix_nano=START + round(time * SECOND), as_double=value)
    if start is not None:
        point.start_time_unix_nano = START + round(start * SECOND)
    for key, text in pairs.items():
        point.attributes.add(key=key.replace("_", ".")).value.string_value = text
    return metric


def histogram(name: str, unit: str, bounds: list[float], counts: list[int], total: float) -> Metric:
    metric = Metric(name=name, unit=unit)
    metric.histogram.aggregation_temporality = DELTA
    metric.histogram.data_points.add(
        time_unix_nano=START,
        count=sum(counts),
        sum=total,
        min=total / 10,
        explicit_bounds=bounds,
        bucket_counts=counts,
    )
    return metric


def send(service: Service, *metrics: Metric, scope: str = "", **resource: str) -> Judgement:
    message = ExportMetricsServiceRequest()
    above = message.resource_metrics.add()
    for key, text in {"service_name": "node", **resource}.items():
        above.resource.attributes.add(key=key.replace("_", ".")).value.string_value = text
    below = above.scope_metrics.add()
    below.scope.name = scope
    below.metrics.extend(metrics)
    return service.send(message)


def values(service: Service, judged: Judgement) -> list[float]:
    return [value for *_, value in service.points(judged.batch)]


def rows(judged: Judgement) -> list[dict[str, Any]]:
    return read(judged.batch.rows.point_stream())


def intervals(judged: Judgement) -> int:
    assert isinstance(judged.batch.rows, WithIntervals)
    return judged.batch.rows.intervals


def distributions(judged: Judgement) -> list[tuple[Any, ...]]:
    connection = duckdb.connect()
    connection.register("incoming", judged.batch.rows.histogram_stream())
    return connection.execute("SELECT count, sum, min, bounds, buckets FROM incoming").fetchall()


@pytest.fixture
def service() -> Service:
    return Service()


def entry(name: str, kind: MetricType, unit: str, **more: Any) -> Definition:
    return Definition(name, "d", kind, unit, more.pop("privacy", "internal"), "to be counted", **more)


def of(*entries: Definition) -> Service:
    service = Service()
    service.guard.recatalogue(Catalogue([(one, "test") for one in entries]))
    return service


@pytest.mark.parametrize(
    "name", ["system.network.io", "system.cpu.time", "system.disk.io", "container.disk.io"]
)
def test_what_the_system_has_counted_since_boot_is_a_baseline(service: Service, name: str) -> None:
    first = send(service, number(name, 384e9, time=0, start=-0.001))
    second = send(service, number(name, 384e9 + 500, time=60, start=-0.001))
    assert (values(service, first), values(service, second)) == ([0.0], [500.0])


@pytest.mark.parametrize(
    "name", ["process.cpu.time", "jvm.cpu.time", "cpython.gc.collections", "go.memory.allocated"]
)
def test_what_a_process_has_counted_before_its_first_export_is_a_baseline_and_a_restart_is_not(
    service: Service, name: str
) -> None:
    sent = [(100, 0, -0.001), (106, 60, -0.001), (4, 90, 89.999)]
    judged = [send(service, number(name, value, time=t, start=s)) for value, t, s in sent]
    assert [values(service, one) for one in judged] == [[0.0], [6.0], [4.0]]


def test_a_counter_of_a_program_counts_in_full_from_its_start(service: Service) -> None:
    judged = send(service, number("p2p.connections.total", 7, time=0, start=-0.5))
    assert (values(service, judged), intervals(judged)) == ([7.0], 1)


def test_what_the_collector_scrapes_begins_with_a_baseline(service: Service) -> None:
    scope = "otelcol/prometheusreceiver"
    sent = [(1000, 0, 0), (1005, 10, 0), (1010, 20, 0), (1020, 50, 50), (1021, 60, 50)]
    judged = [
        send(service, number("go_memstats_mallocs_total", value, time=t, start=s), scope=scope)
        for value, t, s in sent
    ]
    assert [values(service, one) for one in judged] == [[0.0], [5.0], [5.0], [0.0], [1.0]]


def test_streams_are_told_with_kin_and_start(service: Service) -> None:
    one = number("p2p.connections.total", 7, time=0, start=-0.5)
    [first] = send(service, one, service_instance_id="a").batch.streams
    [second] = send(service, one, service_instance_id="b").batch.streams
    assert first.kin == second.kin is not None
    assert first.raw != second.raw
    assert (first.start_ns, first.delta) == (START - SECOND // 2, False)
    [delta] = send(service, number("p2p.connections.total", 1, temporality=DELTA)).batch.streams
    assert (delta.start_ns, delta.delta) == (None, True)


class Remembering(Service):
    """A service whose store knows a stream of every kin; `same`: it is of the raw series that comes."""

    def __init__(self, state: StreamState, *, same: bool) -> None:
        self.state, self.same = state, same
        super().__init__()

    def _recall(self, keys: Sequence[bytes], kins: Sequence[int] = ()) -> Mapping[bytes, StreamState]:
        del keys
        raw = self.state.raw if self.same else 0
        return {kin.to_bytes(8): replace(self.state, kin=kin, raw=raw) for kin in kins}


def raw_of(metric: Metric) -> int:
    """The hash of the raw series, as a service without a past sees it."""
    [stream] = send(Service(), metric).batch.streams
    assert stream.raw is not None
    return stream.raw


@pytest.mark.parametrize(
    ("away", "value", "added"), [(0.5, 60.0, 10.0), (0.5, 40.0, 40.0), (2.0, 60.0, 60.0)]
)
def test_a_stream_goes_on_after_a_restart_although_its_start_moved(
    away: float, value: float, added: float
) -> None:
    sent = number("p2p.connections.total", value, time=10, start=-0.5 + away)
    state = StreamState(9, 5, START, value=50.0, start_ns=START - SECOND // 2, raw=raw_of(sent))
    judged = send(Remembering(state, same=True), sent)
    assert [row["value"] for row in rows(judged)] == [added]


def test_a_process_goes_on_after_a_restart_of_the_service() -> None:
    state = StreamState(9, 5, START, value=50.0, start_ns=START - SECOND)
    judged = send(Remembering(state, same=False), number("process.cpu.time", 4, time=10, start=9.9))
    assert ([row["value"] for row in rows(judged)], intervals(judged)) == ([4.0], 1)


@pytest.mark.parametrize(
    ("sent", "unit", "value", "stored"),
    [
        ("ns", "s", 1_500_000_000, 1.5),
        ("us", "ms", 2500, 2.5),
        ("s", "ms", 0.25, 250),
        ("h", "s", 1, 3600),
        ("min", "s", 2, 120),
        ("1", "%", 0.12, 12),
        ("%", "1", 12, 0.12),
        ("KiBy", "By", 3, 3072),
        ("MBy", "bytes", 2, 2e6),
        ("By", "MiBy", 1 << 20, 1),
        ("bytes", "By", 7, 7),
    ],
)
@pytest.mark.parametrize("kind", ["gauge", "counter", "updowncounter"])
def test_values_are_stored_in_the_unit_of_the_entry(
    sent: str, unit: str, value: float, stored: float, kind: str
) -> None:
    service = of(entry("x.y", MetricType(kind), unit))
    judged = send(service, number("x.y", value, kind=kind, unit=sent, start=-0.5))
    assert values(service, judged) == [pytest.approx(stored, rel=1e-15)]
    assert [row.unit for row in judged.batch.series] == [unit]
    assert judged.verdict.message == ""


def test_histograms_are_stored_in_the_unit_of_the_entry(service: Service) -> None:
    judged = send(service, histogram("grpc.request.duration", "s", [0.005, 0.01], [1, 2, 3], 0.5))
    assert distributions(judged) == [(6, 500.0, 50.0, [5.0, 10.0], [1, 2, 3])]


def test_units_of_one_kind_are_one_series(service: Service) -> None:
    for unit, value in [("s", 0.1), ("ms", 100.0), ("milliseconds", 100.0), ("ns", 1e8)]:
        send(service, histogram("grpc.request.duration", unit, [value], [1, 0], value))
    assert len({row.id for row in service.rows.values() if row.metric == "grpc.request.duration"}) == 1


def test_a_metric_may_come_in_every_unit_that_can_be_converted() -> None:
    service = of(entry("x.y", MetricType.GAUGE, "s"))
    for unit in ("ns", "us", "ms", "s", "min", "h", "d"):
        assert send(service, number("x.y", 1, kind="gauge", unit=unit)).verdict.message == ""


def test_what_cannot_be_converted_is_stored_as_it_came_with_a_warning(service: Service) -> None:
    judged = send(service, number("p2p.connections.total", 3, unit="By", start=-0.5))
    assert judged.verdict.message.startswith("warning:")
    assert ([row.unit for row in judged.batch.series], values(service, judged)) == (["By"], [3.0])


def test_guarded_values_are_converted_before_their_bounds() -> None:
    unit = PrivacyUnit("user", ("user.id",))
    service = of(
        entry(
            "x.y", MetricType.COUNTER, "s", privacy="sensitive", privacy_unit=unit, bounds=(0.0, 2.0), keep=()
        )
    )
    for user in range(8):
        send(service, number("x.y", 1500, unit="ms", temporality=DELTA, user_id=f"u{user}"))
    assert [value for *_, value in service.close()] == [12.0]


def test_guarded_histograms_are_converted_before_their_buckets() -> None:
    unit = PrivacyUnit("user", ("user.id",))
    service = of(
        entry(
            "x.y",
            MetricType.HISTOGRAM,
            "s",
            privacy="sensitive",
            privacy_unit=unit,
            bounds=(0.0, 9.0),
            buckets=(1.0, 2.0),
            keep=(),
        )
    )
    for user in range(8):
        metric = histogram("x.y", "ms", [1500.0], [1, 0], 1200.0)
        metric.histogram.data_points[0].attributes.add(key="user.id").value.string_value = f"u{user}"
        send(service, metric)
    service.now = service.guard.window_end_ns
    batch = service.guard.close_window()
    assert batch is not None
    connection = duckdb.connect()
    connection.register("incoming", batch.rows.histogram_stream())
    assert connection.execute("SELECT buckets FROM incoming").fetchall() == [([0, 8, 0],)]


def test_a_state_that_was_stored_in_the_unit_that_is_sent_goes_on_in_that_of_the_entry() -> None:
    service = of(entry("x.y", MetricType.COUNTER, "s"))
    send(service, number("x.y", 1000, unit="ms", start=-0.5))
    service.guard.recatalogue(Catalogue([(entry("x.y", MetricType.COUNTER, "ms"), "test")]))
    judged = send(service, number("x.y", 1250, time=10, unit="ms", start=-0.5))
    assert values(service, judged) == [250.0]


def test_micrometers_share_of_the_cpu_is_in_percent(service: Service) -> None:
    micrometer = {"telemetry_sdk_name": "io.micrometer", "telemetry_sdk_language": "java"}
    usage = number("process.cpu.usage", 0.125, kind="gauge")
    assert values(service, send(service, usage, **micrometer)) == [12.5]
    assert values(service, send(service, number("process.cpu.usage", 12.5, kind="gauge"))) == [12.5]
    in_percent = number("process.cpu.usage", 12.5, kind="gauge", unit="percent")
    assert values(service, send(service, in_percent, **micrometer)) == [12.5]


def test_a_sum_that_is_not_monotonic_is_stored_as_levels_whatever_the_entry_says(service: Service) -> None:
    sent = [(5, 0), (3, 10), (8, 20)]
    judged = [
        send(service, number("p2p.connections.total", v, time=t, start=-0.5, kind="updowncounter"))
        for v, t in sent
    ]
    assert [values(service, one) for one in judged] == [[5.0], [3.0], [8.0]]
    assert [row.type for row in judged[0].batch.series] == [MetricType.UPDOWNCOUNTER]


@pytest.mark.parametrize("kind", ["gauge", "counter"])
def test_an_updowncounter_may_be_sent_as_a_gauge_or_a_counter_and_is_a_level(
    service: Service, kind: str
) -> None:
    judged = [
        send(service, number("system.memory.usage", v, time=t, start=-0.5, kind=kind, unit="By"))
        for v, t in [(5, 0), (9, 10)]
    ]
    assert [one.verdict.rejected for one in judged] == [0, 0]
    assert [values(service, one) for one in judged] == [[5.0], [9.0]]
    assert [row.type for row in judged[0].batch.series] == [MetricType.UPDOWNCOUNTER]


@pytest.mark.parametrize("kind", ["gauge", "counter", "updowncounter"])
def test_connections_to_peers_are_levels_however_they_are_sent(service: Service, kind: str) -> None:
    assert load().match(SENSITIVE).type is MetricType.UPDOWNCOUNTER  # type: ignore[union-attr]
    for time, count in [(0, 2), (1, 3)]:
        for peer in range(8):
            send(service, number(SENSITIVE, count, time=time, start=-0.5, kind=kind, peer_id=f"peer{peer}"))
    assert [value for *_, value in service.close()] == [24.0]
