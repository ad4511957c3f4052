"""Only this host's own pages and programs get in, and with a token file only those who know a token."""

from pathlib import Path

import httpx
import pytest
from tests.serve.conftest import client_of
from tests.serve.serve_fakes import FakeService

from blackhole.config import ApiConfig
from blackhole.errors import ConfigError
from blackhole.serve.access import COOKIE, SESSION_SECONDS, Tokens
from blackhole.serve.routes import build

pytestmark = pytest.mark.anyio

TOKEN = "correct-horse-battery-staple"  # noqa: S105
STATUS = "/api/analytics/status"
QUERY = "/api/analytics/query"


@pytest.fixture
def token_file(tmp_path: Path) -> str:
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\na note for people\n")
    return str(path)


def locked(token_file: str) -> httpx.AsyncClient:
    return client_of(FakeService(ApiConfig(token_file=token_file)))


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8080", "127.0.0.1:8080", "127.0.0.2", "[::1]:8080"])
async def test_own_hosts_are_answered(client: httpx.AsyncClient, host: str) -> None:
    assert (await client.get(STATUS, headers={"host": host})).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example:8080", "10.0.0.1", "", "[", "a b"])
@pytest.mark.parametrize("path", [STATUS, "/", "/healthz", "/metrics", "/openapi.json", "/assets/x.js"])
async def test_a_foreign_host_is_misdirected_everywhere(
    client: httpx.AsyncClient, host: str, path: str
) -> None:
    answer = await client.get(path, headers={"host": host})
    assert answer.status_code == 421
    assert answer.headers["content-type"] == "application/problem+json"


async def test_the_owner_can_allow_hosts() -> None:
    async with client_of(FakeService(ApiConfig(allowed_hosts=("node.lan",)))) as client:
        assert (await client.get(STATUS, headers={"host": "node.lan:8080"})).status_code == 200
        assert (await client.get(STATUS, headers={"host": "other.lan:8080"})).status_code == 421


async def test_a_post_from_a_foreign_page_is_refused(client: httpx.AsyncClient, service: FakeService) -> None:
    for origin in ("http://evil.example", "null", "http://localhost:9999"):
        answer = await client.post(QUERY, json={"metric": "a"}, headers={"origin": origin})
        assert answer.status_code == 403
    assert service.runner.asked == []
    own = await client.post(QUERY, json={"metric": "a"}, headers={"origin": "http://localhost:8080"})
    assert own.status_code == 200


async def test_only_allowed_origins_may_read_across() -> None:
    friend = "https://grafana.example"
    async with client_of(FakeService(ApiConfig(allowed_origins=(friend,)))) as client:
        preflight = await client.options(QUERY, headers={"origin": friend})
        allowed = await client.get(STATUS, headers={"origin": friend})
        foreign = await client.get(STATUS, headers={"origin": "https://evil.example"})
        refused = await client.options(QUERY, headers={"origin": "https://evil.example"})
    assert preflight.status_code == 204
    assert "content-type" in preflight.headers["access-control-allow-headers"]
    assert allowed.headers["access-control-allow-origin"] == friend
    assert "access-control-allow-origin" not in foreign.headers
    assert "Origin" in foreign.headers["vary"]
    assert refused.status_code == 403


async def test_without_a_token_nothing_but_the_door_itself_answers(token_file: str) -> None:
    async with locked(token_file) as client:
        for path in (STATUS, "/metrics", "/openapi.json", "/api/analytics/metrics", "/nothing"):
            answer = await client.get(path)
            assert answer.status_code == 401, path
            assert answer.headers["www-authenticate"].startswith("Bearer")
        for path in ("/", "/healthz", "/readyz"):
            assert (await client.get(path)).status_code == 200, path


@pytest.mark.parametrize(
    "header", ["Basic x", "Bearer", "Bearer wrong", f"Bearer {TOKEN}x", f"Token {TOKEN}"]
)
async def test_anything_but_a_known_token_is_refused(token_file: str, header: str) -> None:
    async with locked(token_file) as client:
        assert (await client.get(STATUS, headers={"authorization": header})).status_code == 401


async def test_the_first_line_of_the_file_lets_in_and_nothing_else_of_it(token_file: str) -> None:
    async with locked(token_file) as client:
        for token, status in ((TOKEN, 200), ("a note for people", 401)):
            answer = await client.get(STATUS, headers={"authorization": f"Bearer {token}"})
            assert answer.status_code == status


async def test_logging_in_gives_a_cookie_that_scripts_and_other_sites_cannot_use(token_file: str) -> None:
    async with locked(token_file) as client:
        refused = await client.post("/login", json={"token": "wrong"})
        assert refused.status_code == 401
        assert "set-cookie" not in refused.headers
        answer = await client.post("/login", json={"token": TOKEN})
        cookie = answer.headers["set-cookie"]
        assert answer.status_code == 204
        assert TOKEN not in cookie
        assert {"httponly", "samesite=strict", "path=/"} <= {p.strip().lower() for p in cookie.split(";")}
        assert (await client.get(STATUS)).status_code == 200
        client.cookies.set(COOKIE, "9999999999.forged")
        client.cookies.jar.clear()
        forged = await client.get(STATUS, headers={"cookie": f"{COOKIE}=9999999999.forged"})
        assert forged.status_code == 401


def test_a_cookie_ends_with_its_time_and_with_the_process() -> None:
    moment = 1000.0
    tokens = Tokens((TOKEN,), clock=lambda: moment)
    cookie = tokens.cookie()
    assert tokens.accepts_cookie(cookie)
    assert not Tokens((TOKEN,)).accepts_cookie(cookie)
    moment += SESSION_SECONDS + 1
    assert not tokens.accepts_cookie(cookie)


@pytest.mark.parametrize("content", [None, "", "\n"])
def test_an_unusable_token_file_stops_the_start(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match="token"):
        build(FakeService(ApiConfig(token_file=str(path))).services())
