"""Whoever sends too much is told so, also when the connection ends with the answer."""

import asyncio
import http.client
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Any

import pytest

from blackhole.runtime.asgi import AsgiServer
from blackhole.runtime.linger import LONGEST, Lingering

pytestmark = pytest.mark.anyio
BODY = bytes(20 * 2**20)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def refuse(scope: Any, _receive: Any, send: Any) -> None:
    """Answers without a look at the body."""
    if scope["type"] != "http":
        return
    await send({"type": "http.response.start", "status": 413, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"no"})


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[int]:
    server = AsgiServer(app, name="test server", flag="--listen")
    yield await server.start("127.0.0.1", 0)
    await server.stop(1)


def post(port: int, body: bytes, **headers: str) -> tuple[int, bytes]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        connection.request("POST", "/", body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()


@pytest.mark.parametrize("connection", ["close", "keep-alive"])
async def test_the_answer_arrives_though_the_body_was_not_wanted(connection: str) -> None:
    async with served(refuse) as port:
        assert await asyncio.to_thread(post, port, BODY, connection=connection) == (413, b"no")


async def test_one_who_waits_for_leave_to_send_is_answered_at_once() -> None:
    taken: list[str] = []

    async def receive() -> dict[str, Any]:
        taken.append("asked for more")
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        taken.append(message["type"])

    headers = [(b"connection", b"close"), (b"expect", b"100-continue")]
    await Lingering(refuse)({"type": "http", "http_version": "1.1", "headers": headers}, receive, send)
    assert taken == ["http.response.start", "http.response.body"]


async def test_a_body_without_end_is_not_read_for_ever() -> None:
    pieces = 0

    async def receive() -> dict[str, Any]:
        nonlocal pieces
        pieces += 1
        return {"type": "http.request", "body": bytes(2**20), "more_body": True}

    async def send(_message: Any) -> None:
        pass

    scope = {"type": "http", "http_version": "1.0", "headers": []}
    await Lingering(refuse)(scope, receive, send)
    assert pieces == LONGEST >> 20
