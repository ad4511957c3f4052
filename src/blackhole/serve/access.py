"""Decides who may ask: holds the API's tokens, signs session cookies, and knows its own hosts and origins."""

import hmac
import secrets
import time
from collections.abc import Callable, Mapping
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Scope

from blackhole.config import ApiConfig, read_token
from blackhole.errors import UnauthenticatedError
from blackhole.serve.problems import ForeignOriginError, MisdirectedError

COOKIE = "blackhole_session"
SESSION_SECONDS = 7 * 86400
# What a browser must load before it can ask for the token, and what supervisors ask.
_OPEN_PATHS = frozenset({"/", "/login", "/healthz", "/readyz"})
_OPEN_PREFIX = "/assets/"


class Tokens:
    """The token of `api.token_file`, and the cookies that stand for them until a restart."""

    def __init__(self, tokens: tuple[str, ...], clock: Callable[[], float] = time.time) -> None:
        self._tokens = tuple(token.encode() for token in tokens)
        self._key = secrets.token_bytes(32)
        self._clock = clock

    @classmethod
    def read(cls, path: str) -> "Tokens":
        """Reads the file; no path means that no token is asked for. Raises ConfigError."""
        return cls((read_token(path, key="api"),) if path else ())

    @property
    def asked_for(self) -> bool:
        return bool(self._tokens)

    def accepts(self, token: str) -> bool:
        given = token.encode()
        return sum(hmac.compare_digest(given, known) for known in self._tokens) > 0

    def cookie(self) -> str:
        expires = str(int(self._clock()) + SESSION_SECONDS)
        return f"{expires}.{self._sign(expires)}"

    def accepts_cookie(self, cookie: str) -> bool:
        expires, _, signature = cookie.partition(".")
        if not hmac.compare_digest(signature.encode(), self._sign(expires).encode()):
            return False
        return int(expires) > self._clock()

    def check(self, scope: Scope, headers: Mapping[str, str]) -> None:
        """Raises UnauthenticatedError unless the request brings a token or cookie, or needs none."""
        path = scope["path"]
        if not self.asked_for or path in _OPEN_PATHS or path.startswith(_OPEN_PREFIX):
            return
        kind, _, token = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and self.accepts(token.strip()):
            return
        if self.accepts_cookie(_cookie(headers)):
            return
        raise UnauthenticatedError("a token is needed: send `Authorization: Bearer …`, or log in at /")

    def _sign(self, expires: str) -> str:
        return hmac.digest(self._key, expires.encode(), "sha256").hex()


class OwnOrigins:
    """Knows which Host and Origin are this service's own, so that other pages cannot reach it."""

    def __init__(self, config: ApiConfig) -> None:
        self._hosts = {"localhost", *(host.lower() for host in config.allowed_hosts)}
        self.origins = frozenset(origin.rstrip("/").lower() for origin in config.allowed_origins)

    def check_host(self, scope: Scope, headers: Headers) -> None:
        """Raises MisdirectedError for a foreign or missing Host."""
        host = headers.get("host", "")
        name = _host_name(host)
        if name is None or not (name in self._hosts or host.lower() in self._hosts or _own(name, scope)):
            raise MisdirectedError(
                "this service does not answer for that Host: use its address, or add it to api.allowed_hosts"
            )

    def check_origin(self, headers: Headers) -> None:
        """Raises ForeignOriginError when a page of another origin asks that is not allowed."""
        origin = headers.get("origin")
        if origin is None or origin.lower() in self.origins:
            return
        own = urlsplit(origin)
        if own.scheme in {"http", "https"} and own.netloc.lower() == headers.get("host", "").lower():
            return
        raise ForeignOriginError("pages of other origins may not ask: add the origin to api.allowed_origins")


def _own(name: str, scope: Scope) -> bool:
    """A numeric address cannot be rebound: loopback, or the very address that was connected to, is ours."""
    try:
        address = ip_address(name)
    except ValueError:
        return False
    server = scope.get("server")
    return address.is_loopback or (server is not None and name == server[0])


def _host_name(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _cookie(headers: Mapping[str, str]) -> str:
    try:
        jar = SimpleCookie(headers.get("cookie", ""))
    except CookieError:
        return ""
    return jar[COOKIE].value if COOKIE in jar else ""
