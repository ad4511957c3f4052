"""Lets senders finish their body before an answer closes the connection. Otherwise they see a reset."""

import asyncio
import contextlib

from starlette.types import ASGIApp, Message, Receive, Scope, Send

LONGEST = 64 * 2**20
SECONDS = 5.0


class Lingering:
    """Reads on for at most 64 MiB and 5 s if `app` answers before it has read the whole request.

    It does so only if the connection closes after the answer. A connection that stays open is read on by its
    server. A sender that waits for `100 Continue` may never send its body.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _closes(scope):
            await self._app(scope, receive, send)
            return
        is_read = False

        async def receive_some() -> Message:
            nonlocal is_read
            message = await receive()
            is_read = is_read or not message.get("more_body", False)
            return message

        async def send_late(message: Message) -> None:
            if message["type"] == "http.response.start" and not is_read:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(_discard(receive), SECONDS)
            await send(message)

        await self._app(scope, receive_some, send_late)


def _closes(scope: Scope) -> bool:
    headers = dict(scope["headers"])
    if b"expect" in headers:
        return False
    return scope["http_version"] == "1.0" or b"close" in headers.get(b"connection", b"").lower()


async def _discard(receive: Receive) -> None:
    left = LONGEST
    while left > 0:
        message = await receive()
        left -= len(message.get("body", b""))
        if not message.get("more_body", False):
            return
