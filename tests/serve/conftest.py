"""Clients of the application in memory, and of a real server on loopback."""

from collections.abc import AsyncIterator

import httpx
import pytest
from tests.serve.serve_fakes import FakeService

from blackhole.serve.routes import build
from blackhole.serve.server import ApiServer


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def service() -> FakeService:
    return FakeService()


@pytest.fixture
async def client(service: FakeService) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(service) as open_client:
        yield open_client


@pytest.fixture
async def port(service: FakeService) -> AsyncIterator[int]:
    server = ApiServer(service.services())
    yield await server.start("127.0.0.1", 0)
    await server.stop(1)


def client_of(service: FakeService) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(build(service.services()), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://localhost:8080")
