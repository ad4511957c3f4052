import asyncio
from typing import Any

import pytest

from blackhole.errors import OverloadedError
from blackhole.serve.document import ChunkedJson, ResponseBudget

pytestmark = pytest.mark.anyio
PIECES = [b'{"rows":[', b"1,2", b"]}"]


async def receive() -> dict[str, Any]:
    return {"type": "http.disconnect"}


async def test_the_pieces_are_sent_as_one_body_of_a_known_length() -> None:
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    room = ResponseBudget()
    document = ChunkedJson(list(PIECES), room, headers={"cache-control": "no-store"})
    assert room.taken == 14
    await document({}, receive, send)
    headers = dict(sent[0]["headers"])
    assert (headers[b"content-length"], headers[b"content-type"]) == (b"14", b"application/json")
    assert headers[b"cache-control"] == b"no-store"
    assert b"".join(message["body"] for message in sent[1:]) == b'{"rows":[1,2]}'
    assert [message["more_body"] for message in sent[1:]] == [True, True, True, False]
    assert room.taken == 0


async def test_a_piece_that_was_sent_makes_room() -> None:
    room, left = ResponseBudget(), []

    async def send(_message: Any) -> None:
        left.append(room.taken)

    await ChunkedJson(list(PIECES), room, headers={})({}, receive, send)
    assert left == [14, 14, 5, 2, 0]


async def test_an_answer_that_nobody_reads_is_given_up_with_its_room() -> None:
    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            await asyncio.sleep(60)

    room = ResponseBudget()
    with pytest.raises(TimeoutError):
        await ChunkedJson(list(PIECES), room, headers={}, patience=0.05)({}, receive, send)
    assert room.taken == 0


def test_what_waits_to_be_read_has_a_limit_but_one_answer_always_fits() -> None:
    room = ResponseBudget(10)
    room.take(50)
    with pytest.raises(OverloadedError, match="other answers"):
        room.take(1)
    room.give_back(50)
    room.take(10)
