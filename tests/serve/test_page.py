"""The built page is served with headers that keep it safe and quick."""

import re
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from tests.serve.serve_fakes import FakeService

from blackhole.serve.page import STATIC, Page
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


@pytest.mark.parametrize(
    ("accepted", "encoding", "body"),
    [
        ("gzip, deflate, br, zstd", "br", b"small"),
        ("gzip", "gzip", b"medium"),
        ("br;q=0, gzip;q=0.5", "gzip", b"medium"),
        ("identity", None, b"as it is"),
        ("", None, b"as it is"),
    ],
)
async def test_what_the_build_compressed_is_sent_to_those_who_take_it(
    tmp_path: Path, accepted: str, encoding: str | None, body: bytes
) -> None:
    (tmp_path / "assets").mkdir()
    for suffix, content in (("", b"as it is"), (".br", b"small"), (".gz", b"medium")):
        (tmp_path / f"index.html{suffix}").write_bytes(content)
        (tmp_path / "assets" / f"main-1a2b.js{suffix}").write_bytes(content)
    async with page_client(tmp_path) as client:
        for path, kind in (("/", "text/html"), ("/assets/main-1a2b.js", "javascript")):
            request = client.build_request("GET", path, headers={"accept-encoding": accepted})
            answer = await client.send(request, stream=True)
            raw = b"".join([piece async for piece in answer.aiter_raw()])
            assert (raw, answer.headers.get("content-encoding")) == (body, encoding)
            assert kind in answer.headers["content-type"]
            assert answer.headers["vary"] == "Accept-Encoding"


FIRST_LOAD = 60 * 1024


def static_imports(script: str) -> set[str]:
    """Files that a script of the build names outside of `import(…)`: they are fetched with it."""
    return set(re.findall(r"""(?:\bfrom|\bimport)\s*["']\./([\w.-]+\.js)["']""", script))


def test_the_first_load_is_small_and_the_heavy_parts_are_not_in_it() -> None:
    index = (STATIC / "index.html").read_text(encoding="utf-8")
    waiting = set(re.findall(r"assets/([\w.-]+\.(?:js|css))", index))
    assert waiting, "the dashboard is not built: make build"
    loaded: set[str] = set()
    while waiting:
        name = waiting.pop()
        loaded.add(name)
        if name.endswith(".js"):
            waiting |= static_imports((STATIC / "assets" / name).read_text(encoding="utf-8")) - loaded
    sizes = {name: (STATIC / "assets" / f"{name}.br").stat().st_size for name in loaded}
    total = sum(sizes.values()) + (STATIC / "index.html.br").stat().st_size
    assert total <= FIRST_LOAD, sizes
    assert not any(name.startswith(("editor", "topology")) for name in loaded)


def test_the_page_names_no_other_host() -> None:
    """Namespaces of XML are names, not addresses; nothing else in the build begins with a scheme."""
    names = {"http://www.w3.org", "https://www.w3.org"}
    found = {
        address
        for path in STATIC.rglob("*")
        if path.suffix in {".js", ".css", ".html"}
        for address in re.findall(r"\b(?:https?|wss?)://[\w.-]+", path.read_text(encoding="utf-8"))
    }
    assert found - names == set()
