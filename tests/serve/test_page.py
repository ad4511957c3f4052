"""The built page is served with headers that keep it safe and quick."""

from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from tests.serve.serve_fakes import FakeService

from blackhole.serve.page import Page
from blackhole.serve.routes import build

pytestmark = pytest.mark.anyio


def page_client(static: Path) -> httpx.AsyncClient:
    app: Starlette = build(FakeService().services(), page=Page(static))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")


async def test_the_built_page_is_always_asked_for_again_and_its_assets_never(tmp_path: Path) -> None:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<!doctype html><title>built</title>")
    (tmp_path / "assets" / "main-1a2b.js").write_text("1")
    async with page_client(tmp_path) as client:
        index = await client.get("/")
        script = await client.get("/assets/main-1a2b.js")
    assert "built" in index.text
    assert index.headers["cache-control"] == "no-cache"
    assert "default-src 'none'" in index.headers["content-security-policy"]
    assert index.headers["x-content-type-options"] == "nosniff"
    assert script.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert "javascript" in script.headers["content-type"]


async def test_without_a_built_page_a_plain_one_says_how_to_get_it(tmp_path: Path) -> None:
    async with page_client(tmp_path / "absent") as client:
        answer = await client.get("/")
        asset = await client.get("/assets/main.js")
    assert answer.status_code == 200
    assert "npm run build" in answer.text
    assert asset.status_code == 404


async def test_nothing_outside_the_assets_is_served(tmp_path: Path) -> None:
    (tmp_path / "assets").mkdir()
    (tmp_path / "secret.txt").write_text("secret")
    async with page_client(tmp_path) as client:
        answer = await client.get("/assets/%2e%2e/secret.txt")
    assert answer.status_code == 404
