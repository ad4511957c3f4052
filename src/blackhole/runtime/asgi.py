"""Runs an ASGI application in the current event loop: binds, serves, stops; no signals, no logs."""

import asyncio
import contextlib
import ssl
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from blackhole.errors import UsageError
from blackhole.runtime import listen
from blackhole.runtime.linger import Lingering
from blackhole.runtime.tls_door import NamingServer
from blackhole.runtime.turned_away import TurnedAway
from blackhole.runtime.upgrades import OfferedUpgrades, noting


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """The limits of one server: connections, and bytes of one WebSocket message."""

    connections: int = 256
    websocket_message: int = 16 * 1024


class AsgiServer:
    """Serves one application on one address.

    `flags` names the flag or key that moves it, for error messages.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        name: str,
        flag: str,
        tls_cert: str = "",
        tls_key: str = "",
        limits: ServerLimits | None = None,
        away: TurnedAway | None = None,
    ) -> None:
        self._name = name
        self._flag = flag
        _refuse_unusable_tls(name, tls_cert, tls_key)
        limits = limits or ServerLimits()
        self._config = uvicorn.Config(
            Lingering(app),
            http=noting(OfferedUpgrades, away or TurnedAway(), "api"),
            ws="websockets-sansio",
            ws_max_size=limits.websocket_message,
            ws_per_message_deflate=False,
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=limits.connections,
            ssl_certfile=tls_cert or None,
            ssl_keyfile=tls_key or None,
        )
        self._server = _QuietServer(self._config)
        self._task: asyncio.Task[None] | None = None

    @property
    def scheme(self) -> str:
        return "https" if self._config.is_ssl else "http"

    async def start(self, host: str, port: int) -> int:
        """Binds and accepts; returns the bound port (port 0 picks a free one). Raises UsageError."""
        sockets = listen.open_sockets(host, port, self._flag)
        bound = int(sockets[0].getsockname()[1])
        self._task = asyncio.create_task(self._server.serve(sockets=sockets), name=f"{self._name} server")
        while not self._server.started:
            if self._task.done():
                listen.close(sockets)
                await self._task
                raise UsageError(f"{self._name}: the server on {host}:{bound} did not start")
            await asyncio.sleep(0.001)
        return bound

    async def stop(self, grace: float) -> None:
        """Stops accepting, lets running requests finish for `grace` seconds, then cancels them."""
        if self._task is None:
            return
        # Round up, because uvicorn takes whole seconds and 0 would cancel at once.
        self._config.timeout_graceful_shutdown = max(1, round(grace))
        self._server.should_exit = True
        await self._task
        self._task = None


class _QuietServer(NamingServer):
    """A server that leaves signals to its program."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def _refuse_unusable_tls(name: str, cert: str, key: str) -> None:
    if not cert and not key:
        return
    if not (cert and key):
        raise UsageError(f"{name}: TLS needs both: set tls_cert and tls_key, or neither")
    for path in (cert, key):
        if not Path(path).is_file():
            raise UsageError(f"{name}: TLS file {path} is not there: correct tls_cert and tls_key")
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(cert, key)
    except (ssl.SSLError, OSError):
        raise UsageError(f"{name}: {cert} and {key} are not a certificate and its key (PEM)") from None
