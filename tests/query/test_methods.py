"""What services did in a range is told by the metrics that tell what they do now."""

import pytest
from tests.query.query_fakes import NOW, NOW_S, Desk
from tests.query.test_health import health, of
from tests.store.store_fakes import SECOND, Histogram, Point, batch

from blackhole.errors import QueryError
from blackhole.model.series import MetricType
from blackhole.query import methods
from blackhole.query.naming import names
from blackhole.query.reports import ServiceWork

COUNTER, HISTOGRAM = MetricType.COUNTER, MetricType.HISTOGRAM
AGES = range(4, 300, 20)


def work(asked: Desk) -> dict[str, ServiceWork]:
    return {one.service: one for one in asked.runner.services().services}


def timed(number: int, count: int, slow: int = 0) -> list[Histogram]:
    """`count` requests an export, of which `slow` took longer than 10 ms."""
    return [
        Histogram(
            number, NOW - age * SECOND, count, 9.0, (10.0, 20.0), (count - slow, slow, 0), stream=number
        )
        for age in AGES
    ]


def counted(number: int, count: float) -> list[Point]:
    return [Point(number, NOW - age * SECOND, count, stream=number) for age in AGES]


def flask(asked: Desk) -> None:
    """Flask, as it is instrumented, with a counter of its own that knows no errors."""
    asked.store(
        batch(
            counted(9, 40.0),
            [*timed(1, 18), *timed(2, 2), *timed(3, 20, slow=20)],
            series=[
                of("shop", 1, "http.server.duration", HISTOGRAM, "ms", **route("GET", "/hello/{i}", 200)),
                of("shop", 2, "http.server.duration", HISTOGRAM, "ms", **route("GET", "/hello/{i}", 500)),
                of("shop", 3, "http.server.duration", HISTOGRAM, "ms", **route("POST", "/buy", 404)),
                of("shop", 9, "shop.requests.total", COUNTER),
            ],
        )
    )


def route(method: str, path: str, status: int) -> dict[str, object]:
    return {"http.method": method, "http.route": path, "http.status_code": status}


def test_errors_of_a_range_and_of_now_are_those_of_the_same_requests(asked: Desk) -> None:
    flask(asked)
    now, shop = health(asked)["shop"], work(asked)["shop"]
    assert now.request_rate is not None
    assert now.error_rate == pytest.approx(now.request_rate / 20)
    assert (shop.requests, shop.errors) == (40 * len(AGES), 2 * len(AGES))
    assert (shop.sources.requests, shop.sources.errors) == (now.sources.requests, now.sources.errors)
    assert shop.sources.requests == ["http.server.duration"]
    assert shop.p95_ms == pytest.approx(19.0)
    assert shop.p95_ms == now.p95_ms


def test_methods_are_told_by_their_whole_routes_and_errors_by_status(asked: Desk) -> None:
    flask(asked)
    shop = work(asked)["shop"]
    times = len(AGES)
    assert [(one.method, one.requests, one.errors) for one in shop.methods] == [
        ("POST /buy", 20.0 * times, 0.0),
        ("GET /hello/{i}", 20.0 * times, 2.0 * times),
    ]
    assert [one.p95_ms for one in shop.methods] == [pytest.approx(19.5), pytest.approx(9.5)]
    assert [(one.kind, one.method, one.errors) for one in shop.kinds] == [
        ("500", "GET /hello/{i}", 2.0 * times)
    ]
    assert shop.methods[1].metric == "http.server.duration"
    assert shop.methods[1].attributes == {"http.route": "/hello/{i}", "http.method": "GET"}


def test_own_errors_have_the_kinds_and_methods_of_their_counter(asked: Desk) -> None:
    asked.store(
        batch(
            [*counted(1, 9.0), *counted(2, 1.0), *counted(3, 1.0)],
            timed(4, 10),
            series=[
                of("node", 1, "node.requests.total", COUNTER, method="/demo.Node/Fetch", success="true"),
                of("node", 2, "node.requests.total", COUNTER, method="/demo.Node/Fetch", success="false"),
                of(
                    "node", 3, "node.errors.total", COUNTER, method="/demo.Node/Fetch", error_type="NOT_FOUND"
                ),
                of("node", 4, "node.request.duration", HISTOGRAM, "ms", method="/demo.Node/Fetch"),
            ],
        )
    )
    node = work(asked)["node"]
    times = len(AGES)
    assert (node.requests, node.errors) == (10 * times, times)
    assert [(one.kind, one.method, one.errors) for one in node.kinds] == [("NOT_FOUND", "Fetch", times)]
    assert [(one.method, one.requests, one.errors) for one in node.methods] == [("Fetch", 10 * times, times)]
    assert node.sources.errors == ["node.errors.total"]


def test_spans_of_servers_are_requests_and_what_they_ask_of_others_is_not(asked: Desk) -> None:
    kinds = {"span.kind": "SPAN_KIND_SERVER"}, {"span.kind": "SPAN_KIND_CLIENT"}
    asked.store(
        batch(
            [*counted(1, 9.0), *counted(2, 1.0), *counted(3, 50.0)],
            [*timed(4, 10), *timed(5, 50, slow=50)],
            series=[
                of(
                    "api",
                    number,
                    f"traces.span.metrics.{what}",
                    kind,
                    "ms",
                    **kinds[client],
                    **{"http.route": "/a/{b}", "status.code": f"STATUS_CODE_{status}"},
                )
                for number, what, kind, client, status in (
                    (1, "calls", COUNTER, 0, "UNSET"),
                    (2, "calls", COUNTER, 0, "ERROR"),
                    (3, "calls", COUNTER, 1, "ERROR"),
                    (4, "duration", HISTOGRAM, 0, "UNSET"),
                    (5, "duration", HISTOGRAM, 1, "ERROR"),
                )
            ],
        )
    )
    api = work(asked)["api"]
    times = len(AGES)
    assert (api.requests, api.errors) == (10 * times, times)
    assert [api.p95_ms, api.methods[0].p95_ms] == pytest.approx([9.5, 9.5])
    assert [one.method for one in api.methods] == ["/a/{b}"]
    assert "SPAN_KIND_SERVER" in api.sources.filters["span.kind"]
    assert health(asked)["api"].sources.filters == api.sources.filters
    assert [(one.kind, one.errors) for one in api.kinds] == [("error", times)]


def test_what_nothing_tells_is_unknown_in_a_range_too(asked: Desk) -> None:
    asked.store(batch(counted(1, 4.0), series=[of("plain", 1, "plain.requests.total", COUNTER)]))
    plain = work(asked)["plain"]
    assert (plain.requests, plain.errors, plain.p95_ms, plain.kinds) == (4.0 * len(AGES), None, None, [])
    assert [(one.method, one.errors) for one in plain.methods] == [("all", None)]


def test_a_range_without_data_has_no_services_and_one_that_ends_before_it_begins_is_refused(
    asked: Desk,
) -> None:
    flask(asked)
    assert asked.runner.services(NOW_S - 9000, NOW_S - 5000).services == []
    assert [one.service for one in asked.runner.services(str(NOW_S - 100)).services] == ["shop"]
    with pytest.raises(QueryError, match="start_time must be before end_time"):
        asked.runner.services(NOW_S, NOW_S - 1)


def test_more_metrics_than_are_asked_about_are_said(asked: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    flask(asked)
    monkeypatch.setattr(methods, "MOST_METRICS", 1)
    answer = asked.runner.services()
    assert answer.notes == ["1 more metrics tell of requests: not in this answer"]
    assert answer.services[0].sources.requests == ["http.server.duration"]


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        ({"http.request.method": "GET", "http.route": "/hello/{i}"}, "GET /hello/{i}"),
        ({"http.route": "/hello/{i}"}, "/hello/{i}"),
        ({"method": "GET /users/{id}"}, "GET /users/{id}"),
        ({"method": "/hello/{i}"}, "/hello/{i}"),
        ({"method": "/hello/world"}, "/hello/world"),
        ({"method": "/demo.Identity/Resolve"}, "Resolve"),
        ({"method": "Resolve"}, "Resolve"),
        ({"rpc.service": "demo.Identity", "rpc.method": "Resolve"}, "Resolve"),
        ({"rpc.method": "demo.v1.Identity/Resolve"}, "Resolve"),
        ({"grpc.method": "Greeter/SayHello"}, "SayHello"),
        ({"http.method": "GET"}, "GET"),
        ({"task": "shop.mail"}, "shop.mail"),
        ({"status": 200}, "all"),
    ],
)
def test_a_method_is_called_as_a_person_calls_it(attributes: dict[str, object], name: str) -> None:
    assert names([attributes]) == [name]


def test_methods_of_two_services_that_are_called_alike_are_told_apart() -> None:
    calls = [
        {"rpc.method": "a.Shop/Get"},
        {"rpc.service": "b.Mail", "rpc.method": "Get"},
        {"method": "/b.Mail/Put"},
    ]
    assert names(calls) == ["a.Shop/Get", "b.Mail/Get", "Put"]
