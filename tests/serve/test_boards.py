"""Boards are saved whole, under checked names, few and small; nothing else can be reached through them."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from tests.serve.serve_fakes import FakeService

from blackhole.serve.boards import MAX_BOARDS, MAX_PANELS, Board, Boards
from blackhole.serve.routes import build

pytestmark = pytest.mark.anyio

BOARDS = "/api/analytics/boards"
PANEL = {
    "title": "Ping",
    "metric": "p2p.ping.latency",
    "group_by": ["peer_type"],
    "filters": {"success": "true"},
}


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    services = replace(FakeService().services(), boards=Boards(tmp_path / "boards"))
    transport = httpx.ASGITransport(build(services))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as opened:
        yield opened


async def test_a_board_is_saved_listed_read_replaced_and_deleted(
    client: httpx.AsyncClient, tmp_path: Path
) -> None:
    assert (await client.get(BOARDS)).json() == {"boards": []}
    board = {"title": "What I look at", "range": "1h", "panels": [PANEL]}
    assert (await client.put(f"{BOARDS}/mine", json=board)).status_code == 204
    read = (await client.get(f"{BOARDS}/mine")).json()
    assert read["panels"][0]["filters"] == {"success": "true"}
    assert (await client.get(BOARDS)).json() == {
        "boards": [{"name": "mine", "title": "What I look at", "panels": 1}]
    }
    assert (tmp_path / "boards" / "mine.json").stat().st_mode & 0o777 == 0o600
    await client.put(f"{BOARDS}/mine", json={"title": "Other"})
    assert (await client.get(f"{BOARDS}/mine")).json()["panels"] == []
    assert (await client.delete(f"{BOARDS}/mine")).status_code == 204
    assert (await client.delete(f"{BOARDS}/mine")).status_code == 404
    assert (await client.get(f"{BOARDS}/mine")).status_code == 404


@pytest.mark.parametrize(
    "name", ["..%2F..%2Fetc", "a/b", "A", "-a", "a-", "a" * 61, ".hidden", "a.json", "a%00b", "ä"]
)
async def test_a_name_that_is_no_plain_word_is_refused(
    client: httpx.AsyncClient, tmp_path: Path, name: str
) -> None:
    answer = await client.put(f"{BOARDS}/{name}", json={"title": "x"})
    assert answer.status_code == 400
    assert Boards(tmp_path / "boards").list().boards == []


@pytest.mark.parametrize(
    "board",
    [
        {"title": ""},
        {"title": "x", "values": [1]},
        {"title": "x", "panels": [PANEL] * (MAX_PANELS + 1)},
        {"title": "x", "panels": [{"title": "y", "metric": "m" * 300}]},
        {"title": "x", "panels": [{"title": "y", "sql": "s" * 16_000}] * 5},
    ],
    ids=["no title", "an unknown key", "too many charts", "a long name", "too large"],
)
async def test_what_is_no_board_or_too_much_is_refused(
    client: httpx.AsyncClient, board: dict[str, object]
) -> None:
    answer = await client.put(f"{BOARDS}/mine", json=board)
    assert answer.status_code in {400, 413}
    assert (await client.get(BOARDS)).json() == {"boards": []}


def test_there_are_only_so_many_boards_and_one_of_them_can_still_be_replaced(tmp_path: Path) -> None:
    boards = Boards(tmp_path)
    for number in range(MAX_BOARDS):
        boards.put(f"b{number}", Board("x"))
    boards.put("b0", Board("y"))
    with pytest.raises(Exception, match=f"at most {MAX_BOARDS}"):
        boards.put("one-more", Board("x"))
    assert len(boards.list().boards) == MAX_BOARDS


def test_a_file_that_is_no_board_is_left_out_and_its_error_quotes_nothing(tmp_path: Path) -> None:
    (tmp_path / "odd.json").write_text('{"secret": "peer"}')
    boards = Boards(tmp_path)
    assert boards.list().boards == []
    with pytest.raises(Exception, match="odd cannot be read") as caught:
        boards.get("odd")
    assert "secret" not in str(caught.value)


async def test_without_a_directory_nothing_is_saved() -> None:
    transport = httpx.ASGITransport(build(FakeService().services()), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        assert (await client.get(BOARDS)).json() == {"boards": []}
        assert (await client.put(f"{BOARDS}/mine", json={"title": "x"})).status_code == 503
