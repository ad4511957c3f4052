"""Sends a JSON document in pieces, each given up when it is sent; all that wait to be sent share one room."""

import asyncio
from collections import deque
from collections.abc import Mapping

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from blackhole.errors import OverloadedError

MOST_WAITING = 24 * 2**20
PATIENCE_S = 30.0


class ResponseBudget:
    """Bytes of answers that their readers have not taken yet. Used by one event loop."""

    def __init__(self, most: int = MOST_WAITING) -> None:
        self._most = most
        self.taken = 0

    def take(self, size: int) -> None:
        """One alone always fits. Raises OverloadedError."""
        if self.taken and self.taken + size > self._most:
            raise OverloadedError("other answers wait to be read: ask for less, or again", retry_after=1)
        self.taken += size

    def give_back(self, size: int) -> None:
        self.taken -= size


class ChunkedJson(Response):
    """`patience`: seconds within which a reader must take a piece."""

    media_type = "application/json"

    def __init__(
        self,
        pieces: list[bytes],
        room: ResponseBudget,
        *,
        headers: Mapping[str, str],
        patience: float = PATIENCE_S,
    ) -> None:
        """Raises OverloadedError."""
        self._size = sum(map(len, pieces))
        room.take(self._size)
        super().__init__(headers={**headers, "content-length": str(self._size)})
        self._pieces = deque(pieces)
        self._room = room
        self._patience = patience
        pieces.clear()

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            while self._pieces:
                piece = self._pieces.popleft()
                async with asyncio.timeout(self._patience):
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                self._size -= len(piece)
                self._room.give_back(len(piece))
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self._room.give_back(self._size)
            self._size = 0
