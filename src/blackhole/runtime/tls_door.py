"""Turns connections to a port with TLS into uvicorn's, and those that begin with plain HTTP away."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import Any

import uvicorn

from blackhole.runtime.turned_away import Listener, TurnedAway, is_plain_http

OPENING_SECONDS = 10.0
MOST_OPENING = 256
_LINGER_SECONDS = 1.0
_TEXT = b"This port speaks TLS: write https:// into the address\n"
_ANSWER = (
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"content-length: %d\r\nconnection: close\r\n\r\n%s" % (len(_TEXT), _TEXT)
)


class TlsDoor:
    """Listens on one socket. It has what uvicorn asks of an `asyncio.Server`."""

    def __init__(
        self,
        listening: socket.socket,
        protocol: Callable[[], asyncio.Protocol],
        context: ssl.SSLContext,
        note: Callable[[str, int], None],
    ) -> None:
        self._listening = listening
        self._protocol = protocol
        self._context = context
        self._note = note
        self._loop = asyncio.get_running_loop()
        self._opening: set[asyncio.Task[None]] = set()
        listening.listen()
        listening.setblocking(False)
        self._loop.add_reader(listening.fileno(), self._accept)

    def close(self) -> None:
        self._loop.remove_reader(self._listening.fileno())
        for opening in self._opening:
            opening.cancel()

    async def wait_closed(self) -> None:
        await asyncio.gather(*self._opening, return_exceptions=True)

    def _accept(self) -> None:
        try:
            connection, address = self._listening.accept()
        except OSError:  # it left again, or there is no file descriptor: the loop asks again
            return
        if len(self._opening) >= MOST_OPENING:
            connection.close()
            return
        connection.setblocking(False)
        task = self._loop.create_task(self._open(connection, str(address[0]) if address else ""))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _open(self, connection: socket.socket, client: str) -> None:
        try:
            async with asyncio.timeout(OPENING_SECONDS):
                first = await self._peek(connection)
                if not is_plain_http(first):
                    await self._loop.connect_accepted_socket(
                        self._protocol,
                        connection,
                        ssl=self._context,
                        ssl_handshake_timeout=OPENING_SECONDS,
                    )
                    return
            self._note(client, self._listening.getsockname()[1])
            await self._answer(connection)
        except (OSError, TimeoutError):  # errors of TLS are OSErrors
            connection.close()
        except BaseException:
            connection.close()
            raise

    async def _peek(self, connection: socket.socket) -> bytes:
        """The first bytes; they are read again by whoever comes next."""
        ready = self._loop.create_future()
        number = connection.fileno()
        self._loop.add_reader(number, lambda: None if ready.done() else ready.set_result(None))
        try:
            await ready
        finally:
            self._loop.remove_reader(number)
        return connection.recv(16, socket.MSG_PEEK)

    async def _answer(self, connection: socket.socket) -> None:
        """Reads on for a moment: what is closed with something unread is reset, and the answer lost."""
        with connection, contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LINGER_SECONDS):
                await self._loop.sock_sendall(connection, _ANSWER)
                connection.shutdown(socket.SHUT_WR)
                while await self._loop.sock_recv(connection, 65536):
                    pass


class NamingServer(uvicorn.Server):
    """uvicorn's server that says who speaks plainly to a port with TLS."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        context = self.config.ssl
        if context is None or sockets is None:
            await super().startup(sockets)
            return
        await super().startup([])
        made: Any = self.config.http_protocol_class
        away: tuple[TurnedAway, Listener] = made.away

        def protocol() -> asyncio.Protocol:
            connected: asyncio.Protocol = made(
                config=self.config, server_state=self.server_state, app_state=self.lifespan.state
            )
            return connected

        def note(client: str, port: int) -> None:
            away[0].note("plain", away[1], client, port)

        doors: list[Any] = [TlsDoor(one, protocol, context, note) for one in sockets]
        self.servers = doors
