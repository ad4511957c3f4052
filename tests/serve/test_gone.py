"""A client that goes away takes its question with it, whoever answers it."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import httpx
import pytest
from starlette.types import Message
from tests.query.query_fakes import Desk, desk
from tests.serve.serve_fakes import FakeService, NothingKnown
from tests.store.test_database import ENDLESS

from blackhole.errors import QueryError
from blackhole.promql.engine import Result
from blackhole.serve.server import ApiServer
from blackhole.serve.threads import Threads
from blackhole.store.database import MAX_READERS
from blackhole.store.read.cancellation import check_asker

pytestmark = pytest.mark.anyio

SQL = "/api/analytics/sql"
QUERY = "/api/analytics/query"
# Far below the 10 s that such a statement may take.
SOON_S = 3.0


class Endless(NothingKnown):
    """Answers PromQL with a statement that never ends."""

    def __init__(self, given: Desk) -> None:
        self.running = threading.Semaphore(0)
        self._database = given.database

    def instant(self, query: str, time: int, /) -> Result:
        with self._database.reader() as reader:
            self.running.release()
            reader.rows(ENDLESS)
        return super().instant(query, time)


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Desk]:
    given = desk(tmp_path)
    yield given
    given.database.close()


@pytest.fixture
async def url(opened: Desk) -> AsyncIterator[str]:
    service = FakeService()
    service.runner = opened.runner  # type: ignore[assignment]
    opened.runner.promql = Endless(opened)  # type: ignore[assignment]
    server = ApiServer(service.services())
    yield f"http://127.0.0.1:{await server.start('127.0.0.1', 0)}"
    await server.stop(1)


async def ask_and_go(url: str, path: str, **more: object) -> None:
    """Asks, and closes the connection half a second later, when there is no answer yet."""
    async with httpx.AsyncClient(base_url=url) as client:
        asking = asyncio.create_task(client.request("POST", path, **more))  # type: ignore[arg-type]
        done, _ = await asyncio.wait([asking], timeout=0.5)
        assert not done, asking.result().text
        asking.cancel()


async def test_the_questions_after_one_that_was_given_up_are_answered_at_once(url: str) -> None:
    await ask_and_go(url, SQL, json={"sql": ENDLESS})
    began = time.monotonic()
    async with httpx.AsyncClient(base_url=url) as client:
        answers = await asyncio.gather(
            client.post(SQL, json={"sql": "SELECT 1"}),
            client.post(QUERY, json={"metric": "process.cpu.usage"}),
        )
    assert [answer.status_code for answer in answers] == [200, 200]
    assert time.monotonic() - began < SOON_S


async def test_promql_that_was_given_up_leaves_its_place_to_the_next(url: str, opened: Desk) -> None:
    running = opened.runner.promql.running  # type: ignore[attr-defined]
    began = time.monotonic()
    for _ in range(MAX_READERS + 1):
        await ask_and_go(url, "/api/v1/query", data={"query": "up"})
    for _ in range(MAX_READERS + 1):
        assert await asyncio.to_thread(running.acquire, timeout=SOON_S)
    assert time.monotonic() - began < 2 * SOON_S


async def test_a_reader_that_stays_gets_its_answer_though_others_go(url: str) -> None:
    async with httpx.AsyncClient(base_url=url) as client:
        staying = asyncio.create_task(client.post(SQL, json={"sql": "SELECT 41 + 1"}))
        await ask_and_go(url, SQL, json={"sql": ENDLESS})
        assert (await staying).json()["rows"] == [[42]]


class Client:
    """What a request can receive: at first nothing, and that it has gone when it has."""

    def __init__(self) -> None:
        self.gone = anyio.Event()

    async def receive(self) -> Message:
        await self.gone.wait()
        return {"type": "http.disconnect"}


async def test_a_call_whose_client_has_gone_leaves_the_line() -> None:
    threads, first, second = Threads(running=1, waiting=1), Client(), Client()
    begun, calls = threading.Event(), []

    def wait() -> None:
        begun.set()
        while True:
            check_asker()
            time.sleep(0.005)

    async with anyio.create_task_group() as tasks:

        async def expect_the_end(client: Client, name: str) -> None:
            with pytest.raises(QueryError, match="nobody waits"):
                await threads.call(wait, client.receive)
            calls.append(name)

        tasks.start_soon(expect_the_end, first, "running")
        await asyncio.to_thread(begun.wait, 5)
        begun.clear()
        tasks.start_soon(expect_the_end, second, "in line")
        await asyncio.sleep(0.05)
        second.gone.set()
        await asyncio.sleep(0.05)
        assert (calls, begun.is_set()) == (["in line"], False)
        first.gone.set()
    assert calls == ["in line", "running"]
    assert await threads.call(lambda: "free", Client().receive) == "free"


async def test_an_error_of_a_question_comes_to_who_asked_as_it_is() -> None:
    def fail() -> None:
        raise QueryError("too much")

    with pytest.raises(QueryError, match="too much"):
        await Threads(running=1, waiting=0).call(fail, Client().receive)
