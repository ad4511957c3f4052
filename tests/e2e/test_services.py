"""Requests as SDKs send them at their defaults: health and the range say what the programs counted, once."""

import time
from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric
from tests.e2e.service import Service

SECOND = 10**9
PERIOD, EXPORTS = 60, 5
CUMULATIVE = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
GOOD, FAILED = 54, 6

Attributes = Mapping[str, str | int | bool]


def pairs(attributes: Attributes) -> list[KeyValue]:
    found = []
    for key, value in attributes.items():
        pair = KeyValue(key=key)
        kind = (
            "bool_value"
            if isinstance(value, bool)
            else "int_value"
            if isinstance(value, int)
            else "string_value"
        )
        setattr(pair.value, kind, value)
        found.append(pair)
    return found


@cache
def times() -> list[int]:
    """Of all exports, from when it is first asked: the newest was just now."""
    newest = time.time_ns() - 2 * SECOND
    return [newest - PERIOD * SECOND * turn for turn in reversed(range(EXPORTS))]


def histogram(
    name: str, unit: str, *answers: tuple[Attributes, int], bounds: tuple[float, ...] = ()
) -> Metric:
    """All of it in the first bucket; so many more each minute."""
    metric = Metric(name=name, unit=unit)
    metric.histogram.aggregation_temporality = CUMULATIVE
    for attributes, each in answers:
        for turn, when in enumerate(times(), 1):
            metric.histogram.data_points.add(
                attributes=pairs(attributes),
                start_time_unix_nano=times()[0] - PERIOD * SECOND,
                time_unix_nano=when,
                count=each * turn,
                sum=each * turn,
                explicit_bounds=bounds,
                bucket_counts=[each * turn, *(0 for _ in bounds)],
            )
    return metric


def counter(name: str, unit: str, *answers: tuple[Attributes, int]) -> Metric:
    metric = Metric(name=name, unit=unit)
    metric.sum.aggregation_temporality = CUMULATIVE
    metric.sum.is_monotonic = True
    for attributes, each in answers:
        for turn, when in enumerate(times(), 1):
            metric.sum.data_points.add(
                attributes=pairs(attributes),
                start_time_unix_nano=times()[0] - PERIOD * SECOND,
                time_unix_nano=when,
                as_int=each * turn,
            )
    return metric


def gauge(name: str, unit: str, value: float) -> Metric:
    metric = Metric(name=name, unit=unit)
    for when in times():
        metric.gauge.data_points.add(time_unix_nano=when, as_double=value)
    return metric


def send(service: Service, name: str, *metrics: Metric, **resource: str) -> None:
    message = ExportMetricsServiceRequest()
    sent = message.resource_metrics.add()
    sent.resource.attributes.extend(
        pairs({"service.name": name, **{key.replace("_", "."): value for key, value in resource.items()}})
    )
    sent.scope_metrics.add().metrics.extend(metrics)
    status, body = service.post(message.SerializeToString())
    assert (status, body) == (200, b"")


FLASK: Attributes = {
    "http.method": "GET",
    "http.server_name": "localhost",
    "http.scheme": "http",
    "http.host": "localhost:5000",
    "http.flavor": "1.1",
    "net.host.name": "localhost",
    "net.host.port": 5000,
}
STABLE: Attributes = {
    "http.request.method": "GET",
    "url.scheme": "http",
    "network.protocol.version": "1.1",
    "http.route": "/hello/<name>",
}
GO: Attributes = {
    "http.method": "GET",
    "http.scheme": "http",
    "net.host.name": "localhost",
    "net.protocol.version": "1.1",
}
GRPC = {"rpc.system": "grpc", "rpc.service": "demo.Shop", "rpc.method": "Buy"}
SPRING = {"error": "none", "exception": "none", "method": "GET", "uri": "/hello/{i}"}
NAMES = ("flask", "flask-stable", "flask-dup", "go", "grpc", "grpc-dup", "spring", "worker", "sdk")
Services = dict[str, dict[str, Any]]


def own() -> Metric:
    """What a program counts itself, without saying what failed."""
    return counter("shop.requests.total", "", ({"path": "/a"}, GOOD), ({"path": "/b"}, FAILED))


def answered(
    base: Attributes, key: str, good: str | int, bad: str | int, **more: str
) -> list[tuple[Attributes, int]]:
    return [({**base, key: good}, GOOD), ({**base, key: bad, **more}, FAILED)]


def flask(*names: str) -> list[Metric]:
    older = histogram(
        "http.server.duration", "ms", *answered(FLASK, "http.status_code", 200, 500), bounds=(10, 20)
    )
    stable = histogram(
        "http.server.request.duration",
        "s",
        *answered(STABLE, "http.response.status_code", 200, 500, **{"error.type": "500"}),
        bounds=(0.01, 0.02),
    )
    return [one for one in (older, stable) if one.name in names]


def programs() -> dict[str, list[Metric]]:
    """A tenth of the answers of each fails."""
    grpc = [
        histogram("rpc.server.duration", "ms", *answered(GRPC, "rpc.grpc.status_code", 0, 13), bounds=(10,)),
        histogram(
            "rpc.server.call.duration",
            "s",
            *answered(GRPC, "rpc.response.status_code", "OK", "UNAVAILABLE"),
            bounds=(0.01,),
        ),
    ]
    spring = [
        ({**SPRING, "status": "200", "outcome": "SUCCESS"}, GOOD),
        ({**SPRING, "status": "500", "outcome": "SERVER_ERROR"}, FAILED),
    ]
    return {
        "flask": [*flask("http.server.duration"), own()],
        "flask-stable": flask("http.server.request.duration"),
        "flask-dup": [*flask("http.server.duration", "http.server.request.duration"), own()],
        "go": [
            histogram(
                "http.server.duration", "ms", *answered(GO, "http.status_code", 200, 503), bounds=(10,)
            ),
            own(),
        ],
        "grpc": grpc[:1],
        "grpc-dup": grpc,
        "spring": [histogram("http.server.requests", "milliseconds", *spring)],
        "worker": [
            histogram(
                "messaging.process.duration",
                "s",
                ({"messaging.system": "kafka"}, GOOD),
                ({"messaging.system": "kafka", "error.type": "ValueError"}, FAILED),
            )
        ],
        "sdk": [
            counter("sdk.requests.total", "", ({"method": "/demo.Sdk/Go", "success": True}, GOOD + FAILED)),
            counter("sdk.errors.total", "", ({"method": "/demo.Sdk/Go", "error_type": "INTERNAL"}, FAILED)),
        ],
    }


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Services, Services]:
    """What health says of now, and what the services did in the last hour."""
    with Service(tmp_path_factory.mktemp("services") / "data") as running:
        for name, metrics in programs().items():
            send(running, name, *metrics)
        send(running, "plain", own())
        for worker in ("a", "b", "c"):
            metrics = [*flask("http.server.duration"), gauge("process.memory.usage", "By", 2e7)]
            metrics.append(gauge("process.cpu.usage", "percent", 21.0))
            send(running, "pool", *metrics, service_instance_id=worker)
        return asked(running, "health"), asked(running, "services")


def asked(service: Service, path: str) -> Services:
    return {one["service"]: one for one in service.told(path)["services"]}


@pytest.mark.parametrize("name", NAMES)
def test_a_tenth_of_the_answers_failed(told: tuple[Services, Services], name: str) -> None:
    now, past = (services[name] for services in told)
    assert now["request_rate"] == pytest.approx((GOOD + FAILED) / PERIOD, rel=0.02)
    assert now["error_rate"] == pytest.approx(FAILED / PERIOD, rel=0.02)
    # Of the first export nobody knows what was counted before this database began.
    assert past["requests"] == (GOOD + FAILED) * (EXPORTS - 1)
    assert past["errors"] == FAILED * (EXPORTS - 1)
    assert past["sources"]["requests"] == now["sources"]["requests"]
    assert past["sources"]["errors"] == now["sources"]["errors"]


def test_what_nothing_tells_is_null(told: tuple[Services, Services]) -> None:
    now, past = (services["plain"] for services in told)
    assert now["request_rate"] == pytest.approx((GOOD + FAILED) / PERIOD, rel=0.02)
    assert [now["error_rate"], now["p95_ms"], past["errors"], past["p95_ms"]] == [None] * 4


def test_processes_of_one_name_are_summed_and_counted(
    told: tuple[Services, Services],
) -> None:
    pool = told[0]["pool"]
    assert (pool["processes"], pool["memory_bytes"]) == (3, 6e7)
    assert pool["cpu_percent"] == pytest.approx(63.0)
    assert pool["request_rate"] == pytest.approx(3 * (GOOD + FAILED) / PERIOD, rel=0.02)
    assert pool["error_rate"] == pytest.approx(3 * FAILED / PERIOD, rel=0.02)


def test_a_range_names_routes_whole_and_the_kinds_of_error(told: tuple[Services, Services]) -> None:
    found = told[1]
    assert [one["method"] for one in found["flask-stable"]["methods"]] == ["GET /hello/<name>"]
    kinds = {name: [one["kind"] for one in found[name]["kinds"]] for name in ("go", "grpc", "worker", "sdk")}
    assert kinds == {"go": ["503"], "grpc": ["INTERNAL"], "worker": ["ValueError"], "sdk": ["INTERNAL"]}
    assert [one["method"] for one in found["grpc"]["methods"]] == ["Buy"]
