"""Runs the HTTP side: the API, the live stream and the dashboard on one address."""

from dataclasses import replace

from blackhole.governor.meter import free_app
from blackhole.runtime.asgi import AsgiServer
from blackhole.runtime.turned_away import Noted
from blackhole.serve.live import Live
from blackhole.serve.routes import build
from blackhole.serve.services import Services, steady


class ApiServer:
    """`start` answers the bound port; raises UsageError when it cannot listen."""

    def __init__(self, services: Services) -> None:
        services = replace(services, status=steady(services.status))
        api = services.config.api
        self._live = Live(services)
        self._server = AsgiServer(
            free_app(Noted(build(services, self._live), "api", services.away), services.free),
            name="API",
            flag="--listen",
            tls_cert=api.tls_cert,
            tls_key=api.tls_key,
            away=services.away,
        )

    @property
    def scheme(self) -> str:
        return self._server.scheme

    async def start(self, host: str, port: int) -> int:
        return await self._server.start(host, port)

    async def stop(self, grace: float) -> None:
        await self._server.stop(grace)
        await self._live.close()
