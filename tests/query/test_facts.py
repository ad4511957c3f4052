"""Whatever convention a service follows, its requests and errors are counted once, by the written order."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from blackhole.catalogue.load import load
from blackhole.config import Config
from blackhole.guard.attributes import Reducer
from blackhole.model.series import MetricType
from blackhole.query.facts import Facts, facts

CATALOGUE = load()
REDUCER = Reducer(Config())
COUNTER, HISTOGRAM, SUMMARY = MetricType.COUNTER, MetricType.HISTOGRAM, MetricType.SUMMARY
GAUGE = MetricType.GAUGE


@dataclass
class Sent:
    """A series with the attributes that the SDK sends, of which the catalogue keeps some, and its value."""

    metric: str
    count: float
    type: MetricType = HISTOGRAM
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        definition = CATALOGUE.match(self.metric)
        if definition is not None:
            resource = {"service.name": "shop", "service.instance.id": "a"}
            self.attributes = REDUCER.reduce(definition, self.metric, resource, self.attributes)


def sent(metric: str, count: float, kind: MetricType = HISTOGRAM, **attributes: Any) -> Sent:
    return Sent(metric, count, kind, {key.replace("__", "."): value for key, value in attributes.items()})


def told(series: list[Sent]) -> Facts[int]:
    return facts(dict(enumerate(series)))


def counts(series: list[Sent]) -> tuple[float | None, float | None]:
    """Requests and errors."""
    found = told(series)
    return tuple(  # type: ignore[return-value]
        None if part is None else sum(series[key].count for key in part.series)
        for part in (found.requests, found.errors)
    )


FLASK = {
    "http.method": "GET",
    "http.server_name": "localhost",
    "http.scheme": "http",
    "http.host": "localhost:5000",
    "http.flavor": "1.1",
    "net.host.name": "localhost",
    "net.host.port": 5000,
}
FLASK_STABLE = {
    "http.request.method": "GET",
    "url.scheme": "http",
    "network.protocol.version": "1.1",
    "http.route": "/hello/<name>",
}
GO = {
    "http.method": "GET",
    "http.scheme": "http",
    "net.host.name": "localhost",
    "net.protocol.version": "1.1",
}
NET = {
    "http.request.method": "GET",
    "http.route": "/hello/{i}",
    "network.protocol.version": "1.1",
    "url.scheme": "http",
}
GRPC = {"rpc.system": "grpc", "rpc.service": "demo.Shop", "rpc.method": "Buy"}
SPRING = {"error": "none", "exception": "none", "method": "GET", "uri": "/hello/{i}"}


def http(
    metric: str, base: Mapping[str, Any], key: str, by_status: Mapping[int, float], **more: Any
) -> list[Sent]:
    return [Sent(metric, count, HISTOGRAM, {**base, key: code, **more}) for code, count in by_status.items()]


ANSWERS = {200: 80.0, 404: 10.0, 500: 7.0, 503: 3.0}
OLD = http("http.server.duration", FLASK, "http.status_code", ANSWERS)
STABLE = http("http.server.request.duration", FLASK_STABLE, "http.response.status_code", ANSWERS)
OWN = [
    sent("shop.requests.total", 50.0, COUNTER, route="/a"),
    sent("shop.requests.total", 49.0, COUNTER, route="/b"),
]
SPANS = [
    sent("traces.span.metrics.calls", count, COUNTER, span__kind=f"SPAN_KIND_{kind}", status__code=status)
    for kind, status, count in (
        ("SERVER", "STATUS_CODE_UNSET", 60.0),
        ("SERVER", "STATUS_CODE_ERROR", 6.0),
        ("CONSUMER", "STATUS_CODE_OK", 4.0),
        ("CLIENT", "STATUS_CODE_ERROR", 500.0),
        ("INTERNAL", "STATUS_CODE_UNSET", 900.0),
        ("PRODUCER", "STATUS_CODE_ERROR", 70.0),
    )
]


def rpc(metric: str, key: str, *pairs: tuple[Any, float], **more: Any) -> list[Sent]:
    return [Sent(metric, count, HISTOGRAM, {**GRPC, key: code, **more}) for code, count in pairs]


CASES: dict[str, tuple[list[Sent], float | None, float | None]] = {
    "Flask, as opentelemetry-instrument sends it": (OLD, 100, 10),
    "Flask with counters of its own": ([*OWN, *OLD], 100, 10),
    "Flask, stable": (STABLE, 100, 10),
    "Flask, both conventions": ([*OLD, *STABLE], 100, 10),
    "Go otelhttp, older": (http("http.server.duration", GO, "http.status_code", ANSWERS), 100, 10),
    "Go with counters of its own": (
        [*http("http.server.duration", GO, "http.status_code", ANSWERS), *OWN],
        100,
        10,
    ),
    "ASP.NET Core: an exception is also an error.type": (
        [
            *http("http.server.request.duration", NET, "http.response.status_code", {200: 90.0, 400: 6.0}),
            *http(
                "http.server.request.duration",
                NET,
                "http.response.status_code",
                {500: 4.0},
                **{"error.type": "System.InvalidOperationException"},
            ),
        ],
        100,
        4,
    ),
    "error.type beside a 4xx is the client's error": (
        [
            sent("http.server.request.duration", 9.0, http__response__status_code=404, error__type="404"),
            sent(
                "http.server.request.duration", 1.0, http__response__status_code=422, error__type="ValueError"
            ),
        ],
        10,
        0,
    ),
    "an exception before there was a status": (
        [
            sent("http.server.request.duration", 9.0, http__response__status_code=200),
            sent("http.server.request.duration", 1.0, error__type="ConnectionResetError"),
        ],
        10,
        1,
    ),
    "an answer that broke after its head": (
        [sent("http.server.request.duration", 2.0, http__response__status_code=200, error__type="timeout")],
        2,
        2,
    ),
    "a status as text": (
        [
            sent("http.server.duration", 3.0, http__status_code="200"),
            sent("http.server.duration", 1.0, http__status_code="502"),
        ],
        4,
        1,
    ),
    "Spring Boot, Micrometer": (
        [
            Sent("http.server.requests", 40.0, HISTOGRAM, {**SPRING, "status": "200", "outcome": "SUCCESS"}),
            Sent(
                "http.server.requests", 5.0, HISTOGRAM, {**SPRING, "status": "404", "outcome": "CLIENT_ERROR"}
            ),
            Sent(
                "http.server.requests", 2.0, HISTOGRAM, {**SPRING, "status": "500", "outcome": "SERVER_ERROR"}
            ),
        ],
        47,
        2,
    ),
    "Micrometer with percentiles is a summary": (
        [
            Sent("http.server.requests", 8.0, SUMMARY, {**SPRING, "status": "200", "outcome": "SUCCESS"}),
            Sent(
                "http.server.requests", 1.0, SUMMARY, {**SPRING, "status": "503", "outcome": "SERVER_ERROR"}
            ),
        ],
        9,
        1,
    ),
    "Micrometer that says the outcome alone": (
        [
            sent("http.server.requests", 8.0, outcome="SUCCESS"),
            sent("http.server.requests", 2.0, outcome="SERVER_ERROR"),
        ],
        10,
        2,
    ),
    "classes of status": (
        [sent("http.server.requests", 8.0, status="2xx"), sent("http.server.requests", 2.0, status="5xx")],
        10,
        2,
    ),
    "gRPC, older: the statuses that are the server's": (
        rpc("rpc.server.duration", "rpc.grpc.status_code", *((code, 1.0) for code in range(17))),
        17,
        6,
    ),
    "gRPC, current, by name": (
        rpc(
            "rpc.server.call.duration",
            "rpc.response.status_code",
            ("OK", 90.0),
            ("NOT_FOUND", 5.0),
            ("UNAVAILABLE", 3.0),
            ("DEADLINE_EXCEEDED", 2.0),
        ),
        100,
        5,
    ),
    "gRPC, both conventions": (
        [
            *rpc("rpc.server.duration", "rpc.grpc.status_code", (0, 90.0), (13, 10.0)),
            *rpc("rpc.server.call.duration", "rpc.response.status_code", ("OK", 90.0), ("INTERNAL", 10.0)),
        ],
        100,
        10,
    ),
    "RPC of another system: error.type tells": (
        [
            sent("rpc.server.call.duration", 9.0, rpc__system__name="dubbo"),
            sent("rpc.server.call.duration", 1.0, rpc__system__name="dubbo", error__type="RpcException"),
        ],
        10,
        1,
    ),
    "RPC of the current convention without an error has none": (
        [sent("rpc.server.call.duration", 9.0, rpc__method="Buy")],
        9,
        0,
    ),
    "Connect": (
        [
            sent(
                "rpc.server.duration",
                9.0,
                rpc__system="connect_rpc",
                rpc__connect_rpc__error_code="not_found",
            ),
            sent(
                "rpc.server.duration", 1.0, rpc__system="connect_rpc", rpc__connect_rpc__error_code="internal"
            ),
        ],
        10,
        1,
    ),
    "gRPC's own metrics": (
        [
            sent("grpc.server.call.duration", 9.0, grpc__method="demo.Shop/Buy", grpc__status="OK"),
            sent("grpc.server.call.duration", 1.0, grpc__method="demo.Shop/Buy", grpc__status="UNAVAILABLE"),
            sent("grpc.server.call.started", 10.0, COUNTER, grpc__method="demo.Shop/Buy"),
        ],
        10,
        1,
    ),
    "otelgrpc's number of messages, where nothing else came": (
        [
            sent("rpc.server.requests_per_rpc", 9.0, rpc__grpc__status_code=0),
            sent("rpc.server.requests_per_rpc", 1.0, rpc__grpc__status_code=14),
            sent("rpc.server.responses_per_rpc", 10.0, rpc__grpc__status_code=0),
        ],
        10,
        1,
    ),
    "otelgrpc's number of messages beside durations": (
        [
            *rpc("rpc.server.duration", "rpc.grpc.status_code", (0, 9.0), (2, 1.0)),
            *rpc("rpc.server.requests_per_rpc", "rpc.grpc.status_code", (0, 9.0), (2, 1.0)),
        ],
        10,
        1,
    ),
    "a node's gRPC": (
        [
            sent("grpc.request.duration", 9.0, method="/demo.Shop/Buy", success=True),
            sent("grpc.request.duration", 1.0, method="/demo.Shop/Buy", success=False),
        ],
        10,
        1,
    ),
    "a consumer of messages": (
        [
            sent("messaging.process.duration", 18.0, messaging__system="kafka"),
            sent("messaging.process.duration", 2.0, messaging__system="kafka", error__type="ValueError"),
            sent("messaging.client.consumed.messages", 20.0, COUNTER, messaging__system="kafka"),
            sent("messaging.client.sent.messages", 99.0, COUNTER, messaging__system="kafka"),
        ],
        20,
        2,
    ),
    "a consumer that only counts": (
        [sent("messaging.client.consumed.messages", 20.0, COUNTER, messaging__system="kafka")],
        20,
        0,
    ),
    "a producer answers nobody": (
        [
            sent("messaging.client.sent.messages", 99.0, COUNTER, messaging__system="kafka"),
            sent("messaging.client.operation.duration", 99.0, messaging__operation__type="send"),
        ],
        None,
        None,
    ),
    "spans": (SPANS, 70, 6),
    "spans beside HTTP: not both": ([*SPANS, *OLD], 100, 10),
    "spans beside own counters": ([*SPANS, *OWN], 70, 6),
    "spans of a client and of inner work": (SPANS[3:5], None, None),
    "this SDK": (
        [
            sent("shop.requests.total", 95.0, COUNTER, method="/demo.Shop/Buy", success=True),
            sent("shop.requests.total", 5.0, COUNTER, method="/demo.Shop/Buy", success=False),
            sent("shop.errors.total", 5.0, COUNTER, method="/demo.Shop/Buy", error_type="INTERNAL"),
            sent("shop.request.duration", 95.0, method="/demo.Shop/Buy", success=True),
        ],
        100,
        5,
    ),
    "this SDK before the first error": (
        [sent("shop.requests.total", 95.0, COUNTER, method="/demo.Shop/Buy", success=True)],
        95,
        0,
    ),
    "own requests that bear a mark of another kind": (
        [
            sent("shop.requests.total", 8.0, COUNTER, status="ok"),
            sent("shop.requests.total", 1.0, COUNTER, status="error"),
            sent("shop.requests.total", 1.0, COUNTER, status=503),
        ],
        10,
        2,
    ),
    "own requests and own errors": ([*OWN, sent("shop.errors.total", 3.0, COUNTER)], 99, 3),
    "own requests alone: nobody knows the errors": (OWN, 99, None),
    "own durations alone": ([sent("shop.request.duration", 9.0, method="Buy", success=True)], 9, 0),
    "HTTP whose status was dropped": ([sent("http.server.duration", 9.0, http__method="GET")], 9, None),
    "HTTP whose status was dropped, beside spans": ([sent("http.server.duration", 9.0), *SPANS], 9, 6),
    "Celery: the tasks are counted, the spans know which failed": (
        [sent("flower.task.runtime.seconds", 70.0, task="shop.mail", worker="celery@host"), *SPANS],
        70,
        6,
    ),
    "Celery alone": (
        [sent("flower.task.runtime.seconds", 7.0, task="shop.mail", worker="celery@h")],
        7,
        None,
    ),
    "HTTP and RPC in one service: one of them": (
        [*OLD, *rpc("rpc.server.duration", "rpc.grpc.status_code", (0, 900.0), (13, 100.0))],
        100,
        10,
    ),
    "calls to others are no requests": (
        [
            sent("http.client.request.duration", 50.0, http__response__status_code=500, error__type="500"),
            sent("http.client.duration", 50.0, http__status_code=500),
            sent("rpc.client.duration", 50.0, rpc__grpc__status_code=14),
            sent("grpc.client.call.duration", 50.0, grpc__status="INTERNAL"),
            sent("db.client.operation.duration", 50.0, error__type="timeout"),
        ],
        None,
        None,
    ),
    "requests under way and sizes are no requests": (
        [
            sent("http.server.active_requests", 5.0, MetricType.UPDOWNCOUNTER, http__method="GET"),
            sent("http.server.request.body.size", 50.0, http__response__status_code=500),
            sent("http.server.response.size", 50.0, http__status_code=500),
            sent("kestrel.connection.duration", 50.0, error__type="x"),
        ],
        None,
        None,
    ),
    "a level is no count": ([sent("shop.requests.total", 9.0, MetricType.UPDOWNCOUNTER)], None, None),
    "pages of Prometheus that the owner allows": (
        [
            sent("http_requests_total", 90.0, COUNTER, code="200", method="get"),
            sent("http_requests_total", 10.0, COUNTER, code="500", method="get"),
            sent("http_request_duration_seconds", 100.0, handler="/"),
        ],
        100,
        10,
    ),
    "grpc-prometheus": (
        [
            sent("grpc_server_handled_total", 9.0, COUNTER, grpc_code="NotFound"),
            sent("grpc_server_handled_total", 1.0, COUNTER, grpc_code="DeadlineExceeded"),
        ],
        10,
        1,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_requests_and_errors_are_counted_once(case: str) -> None:
    series, requests, errors = CASES[case]
    assert counts(series) == (requests, errors)


def test_the_answer_names_the_metrics_that_told_it() -> None:
    found = told([sent("http.server.duration", 9.0), *SPANS, *OWN])
    assert found.requests is not None
    assert found.errors is not None
    assert found.requests.metrics == ("http.server.duration",)
    assert found.errors.metrics == ("traces.span.metrics.calls",)
    assert [part.metrics for part in found.durations] == [("http.server.duration",)]


def test_durations_come_from_the_source_of_the_requests_if_it_has_any() -> None:
    consumed = sent("messaging.client.consumed.messages", 20.0, COUNTER)
    spans = [
        sent(
            "traces.span.metrics.duration",
            9.0,
            span__kind="SPAN_KIND_CONSUMER",
            status__code="STATUS_CODE_OK",
        )
    ]
    assert [part.metrics for part in told([consumed, *spans]).durations] == [
        ("traces.span.metrics.duration",)
    ]
    both = told([*OWN, sent("shop.request.duration", 9.0), sent("grpc.request.duration", 9.0, success=True)])
    assert both.requests is not None
    assert both.requests.metrics == ("grpc.request.duration",)
    assert [part.metrics for part in both.durations] == [
        ("grpc.request.duration",),
        ("shop.request.duration",),
    ]


def used(series: list[Sent]) -> list[tuple[str, float]]:
    found = told(series)
    return [
        (one.use.metric, sum(series[key].count for key in one.series)) for one in (*found.cpu, *found.memory)
    ]


def test_cpu_is_of_all_modes_in_which_it_works_and_memory_what_is_resident() -> None:
    assert used(
        [
            sent("process.cpu.utilization", 0.2, GAUGE, cpu__mode="user"),
            sent("process.cpu.utilization", 0.1, GAUGE, cpu__mode="system"),
            sent("process.cpu.time", 3.0, COUNTER, state="user"),
            sent("process.cpu.time", 1.0, COUNTER, state="system"),
            sent("process.cpu.time", 9.0, COUNTER, state="wait"),
            sent("process.runtime.cpython.memory", 50.0, MetricType.UPDOWNCOUNTER, type="rss"),
            sent("process.runtime.cpython.memory", 900.0, MetricType.UPDOWNCOUNTER, type="vms"),
            sent("system.cpu.usage", 0.9, GAUGE),
            sent("system.memory.usage", 9e9, MetricType.UPDOWNCOUNTER),
        ]
    ) == [
        ("process.cpu.time", 4.0),
        ("process.cpu.utilization", pytest.approx(0.3)),
        ("process.runtime.cpython.memory", 50.0),
    ]
