"""The stream: what a reader is told, when, and what it costs."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import msgspec
import pytest
import websockets
from starlette.websockets import WebSocket
from tests.serve.serve_fakes import MOMENT, VERSION, FakeService, newest
from websockets.asyncio.client import ClientConnection, connect

from blackhole.config import ApiConfig
from blackhole.model.insight import StoredInsight
from blackhole.query.privacy_answers import PrivacyNews
from blackhole.runtime.asgi import AsgiServer
from blackhole.serve.live import Live, StreamIntervals
from blackhole.serve.ring import Ring
from blackhole.serve.routes import build
from blackhole.serve.server import ApiServer

pytestmark = pytest.mark.anyio

KINDS = {"governor", "service_health", "p2p_metrics", "performance", "privacy"}


def address(port: int, query: str = "") -> str:
    return f"ws://127.0.0.1:{port}/analytics/stream{query}"


async def take(socket: ClientConnection, count: int) -> list[dict[str, Any]]:
    return [json.loads(await asyncio.wait_for(socket.recv(), 5)) for _ in range(count)]


async def until(socket: ClientConnection, kind: str) -> dict[str, Any]:
    while True:
        [message] = await take(socket, 1)
        if message["type"] == kind:
            return message


async def test_a_reader_is_greeted_and_gets_every_kind_at_once(port: int) -> None:
    async with connect(address(port)) as socket:
        hello, *messages = await take(socket, 6)
    assert hello["type"] == "hello"
    assert hello["data"] == {"version": VERSION, "push_interval": 0.05, "sequence": hello["sequence"]}
    assert {message["type"] for message in messages} == KINDS
    assert all(set(message) == {"type", "sequence", "timestamp", "data"} for message in messages)
    sequences = [message["sequence"] for message in messages]
    assert sequences == list(range(hello["sequence"] + 1, hello["sequence"] + 6))


async def test_the_data_is_that_of_the_contract(port: int) -> None:
    async with connect(address(port)) as socket:
        by_kind = {message["type"]: message["data"] for message in await take(socket, 6)}
    assert set(by_kind["service_health"]["services"][0]) == {
        *("service", "up", "request_rate", "error_rate", "p95_ms", "cpu_percent", "memory_bytes"),
        "last_seen",
    }
    series_keys = {"metric", "unit", "privacy_level", "attributes", "value", "lower", "upper", "timestamp"}
    assert set(by_kind["p2p_metrics"]["series"][0]) == series_keys
    assert set(by_kind["performance"]["series"][0]) == series_keys
    assert by_kind["governor"] == {
        "sampling_rate": 1.0,
        "cpu_percent": 1.5,
        "memory_bytes": 100_000_000,
        "database_bytes": 4096,
    }


async def test_a_commit_is_pushed_and_what_did_not_change_is_not(port: int, service: FakeService) -> None:
    async with connect(address(port)) as socket:
        await take(socket, 6)
        service.runner.points = [newest("p2p.discovery.latency", 99.0)]
        service.commits += 1
        [message] = await take(socket, 1)
        assert message["type"] == "p2p_metrics"
        assert message["data"]["series"][0]["value"] == 99.0
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(socket.recv(), 0.3)


async def test_a_reader_who_is_sent_nothing_is_told_that_the_stream_lives_and_loses_no_place(
    service: FakeService,
) -> None:
    live = Live(service.services(), pace=StreamIntervals(push=60, governor=60, beat=0.01))
    messages = live._messages(None)
    hello, *beats = [json.loads(await anext(messages)) for _ in range(3)]
    assert [beat["type"] for beat in beats] == ["beat", "beat"]
    assert {beat["sequence"] for beat in beats} == {hello["sequence"]}
    live._ring.append("performance", "t", msgspec.Raw(b"{}"))
    live._publish()
    told = json.loads(await anext(messages))
    while told["type"] == "beat":
        told = json.loads(await anext(messages))
    assert (told["type"], told["sequence"]) == ("performance", hello["sequence"] + 1)


async def test_the_budget_is_told_once_per_change(service: FakeService) -> None:
    services = service.services()
    live = Live(services, pace=StreamIntervals(push=0.01, governor=60, idle=0.01, repeat=0.02))
    kinds: list[str] = []
    live._task = asyncio.create_task(live._compute_freely())
    async for text in live._messages(None):
        message = json.loads(text)
        kinds.append(message["type"])
        if kinds.count("performance") == 4:
            service.runner.news = PrivacyNews(0.5, "2026-11-24T00:00:00Z", "2026-11-23T11:00:00Z")
        if kinds.count("performance") == 8:
            break
    await live.close()
    assert kinds.count("privacy") == 2


async def test_a_late_reader_is_told_the_budget_though_its_message_is_long_gone(service: FakeService) -> None:
    ring = Ring(max_messages=4)
    ring.append("privacy", "t", msgspec.Raw(b'{"remaining":0.75}'))
    for _ in range(9):
        ring.append("performance", "t", msgspec.Raw(b"{}"))
    live = Live(service.services(), ring=ring)

    async def first(since: int | None, count: int) -> list[dict[str, Any]]:
        messages = live._messages(since)
        return [json.loads(await anext(messages)) for _ in range(count)]

    assert [m["type"] for m in await first(None, 3)] == ["hello", "privacy", "performance"]
    assert [m["type"] for m in await first(0, 3)] == ["hello", "privacy", "performance"]
    assert [m["type"] for m in await first(3, 2)] == ["hello", "performance"]


async def test_nothing_is_computed_when_nobody_reads(port: int, service: FakeService) -> None:
    async with connect(address(port)) as socket:
        await take(socket, 6)
    await asyncio.sleep(0.2)
    before = service.runner.computed
    for _ in range(5):
        service.commits += 1
        await asyncio.sleep(0.06)
    assert service.runner.computed == before


async def test_one_computation_serves_all_readers(port: int, service: FakeService) -> None:
    async with connect(address(port)) as first, connect(address(port)) as second:
        await take(first, 6)
        await take(second, 6)
        before = service.runner.computed
        service.runner.points = []
        service.commits += 1
        a, b = await until(first, "p2p_metrics"), await until(second, "p2p_metrics")
        assert a == b
        assert service.runner.computed == before + 1


async def test_a_late_reader_gets_the_newest_of_each_kind_without_waiting(port: int) -> None:
    async with connect(address(port)) as first:
        await take(first, 6)
        async with connect(address(port)) as second:
            hello, *messages = await take(second, 6)
    assert {message["type"] for message in messages} == KINDS
    assert hello["sequence"] == messages[0]["sequence"] - 1


async def test_since_resumes_after_that_message(port: int, service: FakeService) -> None:
    async with connect(address(port)) as keeper:
        last = (await take(keeper, 6))[-1]["sequence"]
        for value in (1.0, 2.0, 3.0):
            service.runner.points = [newest("p2p.ping.latency", value)]
            service.commits += 1
            await until(keeper, "p2p_metrics")
        async with connect(address(port, f"?since={last + 1}")) as socket:
            hello, *messages = await take(socket, 3)
    assert hello["data"]["sequence"] == last + 1
    assert "missed" not in hello["data"]
    assert [message["sequence"] for message in messages] == [last + 2, last + 3]
    assert [message["data"]["series"][0]["value"] for message in messages] == [2.0, 3.0]


@pytest.mark.parametrize("since", [1, 123_456, 1_700_000_000_000, 9_000_000_000_000_000])
async def test_since_of_another_run_starts_afresh_and_says_that_something_was_missed(
    port: int, since: int
) -> None:
    async with connect(address(port, f"?since={since}")) as socket:
        hello, *messages = await take(socket, 6)
    assert hello["data"]["sequence"] > 1_700_000_000_000
    assert hello["data"]["missed"] >= 1
    assert {message["type"] for message in messages} == KINDS


async def test_since_that_is_no_number_is_a_400(port: int) -> None:
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with connect(address(port, "?since=soon")):
            pass
    assert refused.value.response.status_code == 400
    assert b"sequence" in (refused.value.response.body or b"")


async def test_a_failing_computation_does_not_end_the_stream(port: int, service: FakeService) -> None:
    async with connect(address(port)) as socket:
        await take(socket, 6)
        service.runner.failure = RuntimeError("broken")
        service.commits += 1
        await asyncio.sleep(0.2)
        service.runner.failure = None
        service.runner.points = [newest("p2p.ping.latency", 7.0)]
        service.commits += 1
        message = await until(socket, "p2p_metrics")
    assert message["data"]["series"][0]["value"] == 7.0


async def test_what_could_not_be_computed_is_tried_again_without_another_commit() -> None:
    service = FakeService(push_interval=0.01)
    service.runner.failure = RuntimeError("broken")
    live = Live(service.services(), pace=StreamIntervals(push=0.01, governor=60, share=1.0, idle=60))
    with live._reading():
        await asyncio.sleep(0.1)
        service.runner.failure = None
        await asyncio.sleep(0.2)
    assert service.runner.computed == 1


class Slow(threading.Event):
    """Each report takes so many seconds, the last of these from then on."""

    def __init__(self, *seconds: float) -> None:
        super().__init__()
        self._seconds = list(seconds)

    def wait(self, timeout: float | None = None) -> bool:  # noqa: ARG002 - the name is Event's
        time.sleep(self._seconds.pop(0) if len(self._seconds) > 1 else self._seconds[0])
        return True


async def computations(gate: Slow, share: float) -> int:
    """Within a second in which there are always new commits."""
    service = FakeService(push_interval=0.01)
    service.runner.gate = gate
    live = Live(service.services(), pace=StreamIntervals(push=0.01, governor=60, share=share))
    with live._reading():
        for _ in range(100):
            service.commits += 1
            await asyncio.sleep(0.01)
    return service.runner.computed


async def test_a_slow_database_is_asked_less_often() -> None:
    assert await computations(Slow(0.05), share=0.01) == 2


async def test_a_database_that_was_slow_once_is_asked_as_before() -> None:
    assert await computations(Slow(0.0, 0.0, 0.1, 0.0), share=0.1) > 5


async def messages_of(live: Live, since: int | None) -> AsyncIterator[dict[str, Any]]:
    async for text in live._messages(since):
        yield json.loads(text)


async def test_a_slow_reader_is_told_how_many_it_missed() -> None:
    ring = Ring(max_messages=4)
    live = Live(FakeService().services(), ring=ring)
    ring.append("governor", "t", msgspec.Raw(b"{}"))
    reading = messages_of(live, 0)
    assert (await anext(reading))["type"] == "hello"
    assert (await anext(reading))["sequence"] == 1
    for _ in range(10):
        ring.append("governor", "t", msgspec.Raw(b"{}"))
    hello = await anext(reading)
    assert (hello["type"], hello["data"]["missed"], hello["sequence"]) == ("hello", 6, 7)
    assert [(await anext(reading))["sequence"] for _ in range(4)] == [8, 9, 10, 11]


async def test_resuming_too_late_says_how_many_are_gone() -> None:
    ring = Ring(max_messages=2)
    for _ in range(9):
        ring.append("governor", "t", msgspec.Raw(b"{}"))
    reading = messages_of(Live(FakeService().services(), ring=ring), 3)
    hello = await anext(reading)
    assert (hello["data"]["sequence"], hello["data"]["missed"]) == (7, 4)
    assert (await anext(reading))["sequence"] == 8


async def test_a_reader_that_does_not_read_holds_nobody_up(service: FakeService) -> None:
    pace = StreamIntervals(push=0.005, governor=60, share=1.0)
    live = Live(service.services(), pace=pace, ring=Ring(max_messages=4))
    server = AsgiServer(build(service.services(), live), name="test", flag="--listen")
    port = await server.start("127.0.0.1", 0)
    wide = [newest("p2p.ping.latency", 0.0, peer="x" * 100_000) for _ in range(4)]
    async with (
        connect(address(port), max_queue=1, close_timeout=0.1) as asleep,
        connect(address(port)) as awake,
    ):
        await take(awake, 5)
        for turn in range(40):
            service.runner.points = [*wide, newest("p2p.ping.latency", float(turn))]
            service.commits += 1
            message = await until(awake, "p2p_metrics")
            assert message["data"]["series"][-1]["value"] == turn
        seen = await take(asleep, 1)
        while seen[-1]["data"].get("missed") is None:
            seen += await take(asleep, 1)
        assert seen[-1]["data"]["missed"] > 0
        assert (await take(asleep, 1))[0]["sequence"] == seen[-1]["sequence"] + 1
    await server.stop(1)


@pytest.mark.parametrize(
    ("headers", "status"), [({"Host": "evil.example"}, 421), ({"Origin": "http://evil.example"}, 403)]
)
async def test_foreign_pages_cannot_read_the_stream(port: int, headers: dict[str, str], status: int) -> None:
    handshake = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    async with httpx.AsyncClient() as client:
        url = f"http://127.0.0.1:{port}/analytics/stream"
        answer = await client.get(url, headers={**handshake, **headers})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


async def test_the_stream_asks_for_the_token_too(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("a-token-of-some-length")
    server = ApiServer(FakeService(ApiConfig(token_file=str(tmp_path / "token"))).services())
    port = await server.start("127.0.0.1", 0)
    try:
        with pytest.raises(websockets.InvalidStatus) as refused:
            async with connect(address(port)):
                pass
        assert refused.value.response.status_code == 401
        headers = {"Authorization": "Bearer a-token-of-some-length"}
        async with connect(address(port), additional_headers=headers) as socket:
            assert (await take(socket, 1))[0]["type"] == "hello"
    finally:
        await server.stop(1)


async def test_there_is_a_most_of_readers(service: FakeService) -> None:
    live = Live(service.services(), max_readers=0)
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    scope = {
        "type": "websocket",
        "path": "/",
        "query_string": b"",
        "headers": [],
        "extensions": {"websocket.http.response": {}},
    }
    await live.serve(WebSocket(scope, receive, send))
    assert sent[0]["status"] == 503
    assert live.readers == 0


async def test_stopping_ends_open_streams_soon(service: FakeService) -> None:
    server = ApiServer(service.services())
    port = await server.start("127.0.0.1", 0)
    async with connect(address(port)) as socket:
        await take(socket, 6)
        async with asyncio.timeout(3):
            await server.stop(2)
        with pytest.raises(websockets.ConnectionClosed):
            await take(socket, 100)


async def test_a_finding_is_told_once_when_it_is_new(service: FakeService) -> None:
    old = StoredInsight(1, "service_silent", "old is silent", "", "warning", (), MOMENT, MOMENT)
    new = StoredInsight(2, "service_silent", "node is silent", "", "warning", ("a.b",), MOMENT, MOMENT)
    service.insights.append(old)
    live = Live(service.services(), pace=StreamIntervals(push=0.01, governor=60))
    with live._reading():
        messages = live._messages(None)
        await anext(messages)
        service.insights.append(new)
        told = []
        with anyio.move_on_after(0.5):
            async for text in messages:
                message = json.loads(text)
                told += [message["data"]["title"]] if message["type"] == "insight" else []
    await live.close()
    assert told == ["node is silent"]
