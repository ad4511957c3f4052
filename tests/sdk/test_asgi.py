import asyncio
from typing import Any

import pytest
from tests.sdk.reading import Measured

import blackhole.sdk as bh


class Route:
    path = "/people/{id}"


def call(app: Any, scope: dict[str, Any]) -> list[Any]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    asyncio.run(app(scope, receive, send))
    return sent


def answering(status: int) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b"hello"})

    return app


def test_requests_are_counted_by_method_and_never_by_path() -> None:
    measured = Measured()
    app = bh.asgi_middleware(answering(200), measured.integration)
    sent = call(app, {"type": "http", "method": "GET", "path": "/people/anna"})
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert measured.counts("demo.requests.total") == {(("method", "GET"), ("success", True)): 1}


def test_a_known_route_is_counted_by_its_template() -> None:
    measured = Measured()
    app = bh.asgi_middleware(answering(404), measured.integration)
    call(app, {"type": "http", "method": "GET", "path": "/people/anna", "route": Route()})
    assert measured.counts("demo.requests.total") == {(("method", "GET /people/{id}"), ("success", True)): 1}


def test_a_server_error_is_a_failure() -> None:
    measured = Measured()
    call(bh.asgi_middleware(answering(503), measured.integration), {"type": "http", "method": "POST"})
    assert measured.counts("demo.errors.total") == {(("error_type", "unavailable"), ("method", "POST")): 1}


def test_an_exception_is_a_failure_and_goes_on() -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001
        raise TimeoutError

    measured = Measured()
    with pytest.raises(TimeoutError):
        call(
            bh.asgi_middleware(broken, measured.integration),
            {"type": "http", "method": "invented by a client"},
        )
    assert measured.counts("demo.errors.total") == {(("error_type", "timeout"), ("method", "OTHER")): 1}


def test_websockets_pass_uncounted() -> None:
    measured = Measured()
    call(bh.asgi_middleware(answering(200), measured.integration), {"type": "websocket"})
    assert measured.counts("demo.requests.total") == {}
