"""Says who cannot reach us and how to mend it, in a few words.

A path, an origin or a media type may name somebody, so only words that everybody uses are repeated.
"""

import logging
import re
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

Obstacle = Literal["tls", "plain", "http1", "http2", "cors", "path", "content_type", "token"]
Listener = Literal["otlp_grpc", "otlp_http", "api"]

MOST_ENTRIES = 100
MOST_LINES, MINUTE = 20, 60.0
LONGEST_ORIGIN = 64
OTHER = "another"

_UNAUTHORIZED, _NOT_FOUND, _NOT_ALLOWED, _UNSUPPORTED = 401, 404, 405, 415
_PATH_WORDS = frozenset(
    ("api", "log", "logs", "metric", "metrics", "otlp", "span", "spans", "trace", "traces", "v1", "v2")
)
_SIGNALS = frozenset(("log", "logs", "metric", "metrics", "otlp", "trace", "traces"))
_MEDIA_TYPES = frozenset(
    (
        "application/grpc",
        "application/grpc-web",
        "application/grpc-web+proto",
        "application/json",
        "application/octet-stream",
        "application/protobuf",
        "application/x-ndjson",
        "application/x-protobuf",
        "application/x-www-form-urlencoded",
        "application/xml",
        "multipart/form-data",
        "text/html",
        "text/plain",
        "text/xml",
    )
)
# Only letters: names of users and machines mostly have something else in them.
_LABEL = re.compile(r"[a-z]{1,20}")
_METHOD = re.compile(rb"[A-Z]{3,7} [/*h]")
_REMEDIES: Mapping[Obstacle, str] = {
    "tls": "set OTEL_EXPORTER_OTLP_INSECURE=true or write http:// into its endpoint; or set tls_cert here",
    "plain": "write https:// into its endpoint, and give it the certificate; or set no tls_cert here",
    "http1": "send HTTP to the other port, {otlp_http}; or set OTEL_EXPORTER_OTLP_PROTOCOL=grpc",
    "http2": "gRPC goes to the other port, {otlp_grpc}; or set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf",
    "content_type": "send application/x-protobuf or application/json",
    "token": "send the header `Authorization: Bearer TOKEN`",
}
_DOORS: Mapping[Listener, Mapping[Obstacle, str]] = {
    "otlp_grpc": {},
    "otlp_http": {
        "cors": "list the origin in analytics.otlp.allowed_origins",
        "path": "send to /v1/metrics, /v1/traces or /v1/logs",
    },
    "api": {
        "cors": "list the origin in analytics.api.allowed_origins",
        "path": "this is the page's port: send OTLP to port {otlp_http} or {otlp_grpc}",
    },
}
_PORTS: Mapping[Listener, int] = {"otlp_grpc": 4317, "otlp_http": 4318, "api": 8080}
_log = logging.getLogger("blackhole")


class Sender(msgspec.Struct, frozen=True):
    """Who was turned away: `place` is `this machine` or `another machine`; seconds since the last time."""

    kind: str
    door: str
    place: str
    detail: str
    count: int
    seconds_ago: float
    words: str
    remedy: str


@dataclass(slots=True)
class _Seen:
    words: str
    count: int = 0
    last: float = 0.0


class TurnedAway:
    """Counts senders that were turned away, with one line for each kind, door, place and detail.

    It writes at most 20 lines a minute.
    """

    def __init__(
        self,
        names_somebody: Callable[[str], bool] = lambda _: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._names_somebody = names_somebody
        self._clock = clock
        self._seen: dict[tuple[Obstacle, Listener, str, str], _Seen] = {}
        self._lines: deque[float] = deque(maxlen=MOST_LINES)
        self._ports: dict[Listener, int] = dict(_PORTS)

    def listens(self, door: Listener, port: int) -> None:
        """Remembers the port that a remedy may name."""
        self._ports[door] = port

    def port(self, door: Listener) -> int:
        return self._ports[door]

    def note(
        self, kind: Obstacle, door: Listener, client: object, port: int, detail: str = "", *, count: int = 1
    ) -> None:
        """Counts one. Of the address `client` only whether it is this machine is kept."""
        place = "this machine" if _is_here(client) else "another machine"
        key = (kind, door, place, detail)
        if key not in self._seen and len(self._seen) >= MOST_ENTRIES:
            key = (kind, door, place, OTHER)
        seen = self._seen.get(key)
        if seen is None:
            seen = self._seen[key] = _Seen(_words(kind, place, port, key[3]))
            self._write(f"{seen.words}: {self._remedy(kind, door)}")
        seen.count += count
        seen.last = self._clock()

    def snapshot(self) -> list[Sender]:
        """Everybody who was turned away, the latest first."""
        now = self._clock()
        found = [
            Sender(*key, seen.count, max(now - seen.last, 0.0), seen.words, self._remedy(key[0], key[1]))
            for key, seen in self._seen.items()
        ]
        return sorted(found, key=lambda sender: sender.seconds_ago)

    def origin(self, text: str) -> str:
        """The origin, if its host is made of plain words and it names nobody."""
        try:
            parts = urlsplit(text)
            host, port = parts.hostname or "", f":{parts.port}" if parts.port else ""
        except ValueError:
            return OTHER
        shown = f"{parts.scheme}://{host}{port}"
        is_plain = all(map(_LABEL.fullmatch, host.split("."))) and not self._names_somebody(host)
        if parts.scheme not in {"http", "https"} or not (is_plain or host == "127.0.0.1"):
            return OTHER
        return shown[:LONGEST_ORIGIN]

    def _remedy(self, kind: Obstacle, door: Listener) -> str:
        ports = {str(name): port for name, port in self._ports.items()}
        return (_DOORS[door].get(kind) or _REMEDIES[kind]).format_map(ports)

    def _write(self, line: str) -> None:
        now = self._clock()
        if len(self._lines) < MOST_LINES or now - self._lines[0] > MINUTE:
            self._lines.append(now)
            _log.warning("%s", line)


class Noted:
    """ASGI middleware: notes the requests of `app` that it turned away."""

    def __init__(self, app: ASGIApp, door: Listener, away: TurnedAway) -> None:
        self._app, self._door, self._away = app, door, away

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start" and _may_matter(scope, message):
                self._look(scope, message)
            await send(message)

        await self._app(scope, receive, noting)

    def _look(self, scope: Scope, answer: Message) -> None:
        headers = Headers(scope=scope)
        for kind, detail in self._found(scope, headers, answer):
            client, server = scope.get("client"), scope.get("server")
            port = server[1] if server is not None else 0
            self._away.note(kind, self._door, client[0] if client else "", port, detail)
            return

    def _found(self, scope: Scope, headers: Headers, answer: Message) -> Iterator[tuple[Obstacle, str]]:
        """What is in the way. The first cause counts."""
        status, origin = answer["status"], headers.get("origin")
        if origin is not None and not _is_own(origin, headers) and not _lets_read(answer):
            yield "cors", self._away.origin(origin)
        if status in {_NOT_FOUND, _NOT_ALLOWED} and scope["method"] == "POST":
            path, signal = _path(scope["path"])
            if signal or self._door == "otlp_http":
                yield "path", path
        if status == _UNSUPPORTED:
            yield "content_type", _media_type(headers)
        if status == _UNAUTHORIZED and self._door == "otlp_http":  # the page asks before it logs in
            yield "token", ""


def _may_matter(scope: Scope, answer: Message) -> bool:
    return answer["status"] >= _UNAUTHORIZED or any(name == b"origin" for name, _ in scope["headers"])


def is_plain_http(data: bytes) -> bool:
    """Whether a connection that is to speak TLS begins with HTTP, /1 or /2."""
    return _METHOD.match(data) is not None


def strange(data: bytes) -> Obstacle | None:
    """What a connection speaks, by its first bytes, if that is not HTTP/1."""
    if data[:1] == b"\x16":
        return "tls"
    return "http2" if data.startswith(b"PRI * HTTP/2") else None


def _is_here(client: object) -> bool:
    try:
        address = ip_address(str(client))
    except ValueError:
        return True  # a local socket
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def _is_own(origin: str, headers: Headers) -> bool:
    return origin.partition("://")[2].lower() == headers.get("host", "").lower()


def _lets_read(answer: Mapping[str, Any]) -> bool:
    return any(name.lower() == b"access-control-allow-origin" for name, _ in answer.get("headers", ()))


def _path(path: str) -> tuple[str, bool]:
    """The words of a path that OTLP knows, others as `…`, and whether one names a signal."""
    parts = [part.lower() for part in path.split("/")[1:6]]
    shown = "/" + "/".join(part if part in _PATH_WORDS else "…" if part else "" for part in parts)
    return shown, any(part in _SIGNALS for part in parts)


def _media_type(headers: Headers) -> str:
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    return media_type if media_type in _MEDIA_TYPES else OTHER if media_type else "none"


def _words(kind: Obstacle, place: str, port: int, detail: str) -> str:
    who = f"something on {place}"
    return {
        "tls": f"{who} speaks TLS to port {port}, which is plain",
        "plain": f"{who} speaks plainly to port {port}, which takes TLS alone",
        "http1": f"{who} speaks HTTP/1 to port {port}, which is for gRPC",
        "http2": f"{who} speaks HTTP/2, as gRPC does, to port {port}",
        "cors": f"a page of {detail} origin on {place} may not use port {port}"
        if detail == OTHER
        else f"a page of {detail} on {place} may not use port {port}",
        "path": f"{who} sends to {detail} on port {port}, where nothing is",
        "content_type": f"{who} sends {'no' if detail == 'none' else detail} content type to port {port}",
        "token": f"{who} sends to port {port} without the right token",
    }[kind]
