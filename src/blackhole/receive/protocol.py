"""Turns connections into ASGI calls: uvicorn's protocol and server with the limits that it lacks."""

import asyncio
import contextlib
import math
from asyncio import TimerHandle, Transport
from collections.abc import Generator
from socket import socket
from typing import Any

import uvicorn

from blackhole.runtime.tls_door import NamingServer
from blackhole.runtime.upgrades import OfferedUpgrades

HEAD_BYTES = 32 * 1024
HEAD_SECONDS = 10.0
KEEP_ALIVE_SECONDS = 75
UNREAD_BYTES = 64 * 2**20
MOST_CONNECTIONS = 256

_TOO_LONG = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class HttpProtocol(OfferedUpgrades):
    """Bounds what llhttp does not: size and time of a head, bodies that nobody reads, connections."""

    _head = 0
    _unread = 0
    _progress = False
    _timer: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait_for_head()
        if len(self.connections) > MOST_CONNECTIONS:
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._progress = False
        super().data_received(data)
        if self._progress:
            self._head = 0
            return
        self._head += len(data)
        if self._head > HEAD_BYTES and not self.transport.is_closing():
            self.transport.write(_TOO_LONG)
            self.transport.close()
        elif self._timer is None:
            self._wait_for_head()

    def on_message_begin(self) -> None:
        self._unread = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._progress = True
        self._stop_waiting()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._progress = True
        if self.cycle.response_complete:
            self._unread += len(body)
            if self._unread > UNREAD_BYTES:
                self.transport.close()
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._progress = True
        self._stop_waiting()
        super().on_message_complete()

    def _wait_for_head(self) -> None:
        self._timer = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Server(NamingServer):
    """Runs in the loop that is there, and leaves the process's signals alone."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()
        self._leaving = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    async def main_loop(self) -> None:
        """Once a second is enough for the date header, and an idle node stays idle."""
        second = 0
        while not await self.on_tick(second):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._leaving.wait(), 1.0)

    def leave(self, grace: float) -> None:
        self.config.timeout_graceful_shutdown = math.ceil(grace)
        self.should_exit = True
        self._leaving.set()

    def drop_connections(self) -> None:
        for connection in list(self.server_state.connections):
            transport: Any = connection.transport
            transport.abort()
