"""The description is true to the routes, and the answers to the description."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.routing import Route
from tests.serve.conftest import client_of
from tests.serve.serve_fakes import FakeService

from blackhole.serve.boards import Board, Boards
from blackhole.serve.routes import DESCRIPTION, build

pytestmark = pytest.mark.anyio

BODIES = {
    "/api/analytics/query": {"metric": "a.b"},
    "/api/analytics/sql": {"sql": "SELECT 1"},
    "/api/analytics/catalogue/allow": {"names": ["a.b"]},
    "/api/analytics/boards/{name}": {"title": "Mine"},
    "/api/analytics/forget": {"metric": "a.b"},
    "/api/analytics/backup": {"directory": "/srv/copy"},
    "/login": {"token": "anything"},
}


@pytest.fixture
async def description(client: httpx.AsyncClient) -> Any:
    return (await client.get("/openapi.json")).json()


async def test_every_route_is_described_and_nothing_else(description: Any) -> None:
    routes = build(FakeService().services()).routes
    served = {
        (route.path.replace(":path}", "}"), method.lower())
        for route in routes
        if isinstance(route, Route) and route.path != DESCRIPTION
        for method in route.methods or ()
        if method != "HEAD"
    }
    described = {(path, method) for path, methods in description["paths"].items() for method in methods}
    assert described == served


async def test_every_answer_is_as_described(service: FakeService, description: Any, tmp_path: Path) -> None:
    service.boards = Boards(tmp_path)
    service.boards.put("mine", Board("Mine"))
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            body = None if path.startswith("/api/v1/") else BODIES.get(path)
            async with client_of(service) as client:
                answer = await client.request(method, path.replace("{name}", "mine"), json=body)
            responses = operation["responses"]
            described = responses["default" if answer.is_error else str(answer.status_code)]
            content = described.get("content", {})
            if "application/json" in content:
                fits(answer.json(), content["application/json"]["schema"], description)
            elif content:
                assert answer.headers["content-type"].partition(";")[0] in {
                    t.partition(";")[0] for t in content
                }
            else:
                assert answer.content == b""


async def test_bodies_are_described_with_what_they_need(description: Any) -> None:
    body = description["paths"]["/api/analytics/query"]["post"]["requestBody"]
    schema = resolve(body["content"]["application/json"]["schema"], description)
    assert schema["required"] == ["metric"]
    assert "group_by" in schema["properties"]


def resolve(schema: Any, description: Any) -> Any:
    reference = schema.get("$ref")
    return description["components"]["schemas"][reference.rpartition("/")[2]] if reference else schema


def fits(value: Any, schema: Any, description: Any) -> None:
    """As far as these schemas go: keys of objects, items of arrays, references."""
    schema = resolve(schema, description)
    if schema.get("type") == "object" and "properties" in schema:
        assert set(schema.get("required", ())) <= set(value) <= set(schema["properties"])
        for key, inner in value.items():
            fits(inner, schema["properties"][key], description)
    elif schema.get("type") == "array" and isinstance(schema.get("items"), dict):
        for inner in value:
            fits(inner, schema["items"], description)
