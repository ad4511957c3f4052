"""Turns OTLP over HTTP into Payloads: `POST /v1/metrics`, `/v1/traces` and `/v1/logs`, protobuf and JSON."""

import asyncio
from dataclasses import dataclass
from http import HTTPStatus

import uvicorn
from starlette.types import Receive, Scope, Send

from blackhole.config import OtlpConfig
from blackhole.errors import UnsupportedError
from blackhole.model.signals import Encoding, Intake, Payload, Signal
from blackhole.receive import protocol
from blackhole.receive.admission import Admission, Gate
from blackhole.receive.answers import Code, NotHereError, retry_after_header, status_body, success
from blackhole.receive.inflate import coding, inflate, too_large
from blackhole.receive.ingress import Ingress
from blackhole.receive.refusals import stopping, too_slow
from blackhole.runtime import listen
from blackhole.runtime.linger import Lingering
from blackhole.runtime.turned_away import Noted, TurnedAway
from blackhole.runtime.upgrades import noting

READ_SECONDS = 30.0
FLAG = "--otlp-http"
PATHS = {f"/v1/{signal}": signal for signal in Signal}
TYPES = {"application/x-protobuf": Encoding.PROTOBUF, "application/json": Encoding.JSON}

_BINARY = {Encoding.PROTOBUF: b"application/x-protobuf", Encoding.JSON: b"application/json"}
_PREFLIGHT = (
    (b"access-control-allow-methods", b"POST"),
    (b"access-control-allow-headers", b"authorization, content-encoding, content-type"),
    (b"access-control-allow-private-network", b"true"),
    (b"access-control-max-age", b"7200"),
)

_Headers = dict[bytes, bytes]
_Pairs = tuple[tuple[bytes, bytes], ...]


class HttpReceiver:
    """Listens for OTLP/HTTP and hands what it gets to `intake`. `gate`: shared with other receivers."""

    def __init__(
        self, intake: Intake, otlp: OtlpConfig, gate: Gate | None = None, away: TurnedAway | None = None
    ) -> None:
        self._otlp = otlp
        self._away = away or TurnedAway()
        self._door = Ingress(intake, otlp, gate)
        self._server: protocol.Server | None = None
        self._serving: asyncio.Task[None] | None = None
        self.failures = self._door.failures
        self.gate = self._door.gate

    async def start(self, host: str, port: int) -> int:
        """Listens, and returns the port. Raises UsageError when the address cannot be had."""
        self._door.access.allow_host(host)
        sockets = listen.open_sockets(host, port, FLAG)
        server = protocol.Server(self._config())
        self._serving = asyncio.create_task(server.serve(sockets))
        listening = asyncio.create_task(server.listening.wait())
        await asyncio.wait({self._serving, listening}, return_when=asyncio.FIRST_COMPLETED)
        listening.cancel()
        if self._serving.done():
            listen.close(sockets)
            self._serving.result()
        self._server = server
        bound = int(sockets[0].getsockname()[1])
        self._away.listens("otlp_http", bound)
        return bound

    async def stop(self, grace: float) -> None:
        """Takes no more requests, and gives those under way `grace` seconds."""
        if self._server is None or self._serving is None:
            return
        self._server.leave(grace)
        await self._serving
        await self._door.drain(grace)
        self._server.drop_connections()
        self._server = self._serving = None

    def _config(self) -> uvicorn.Config:
        return uvicorn.Config(
            Lingering(Noted(App(self._door), "otlp_http", self._away)),
            http=noting(protocol.HttpProtocol, self._away, "otlp_http"),
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            log_level="critical",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=protocol.KEEP_ALIVE_SECONDS,
            ssl_certfile=self._otlp.tls_cert or None,
            ssl_keyfile=self._otlp.tls_key or None,
            ssl_keyfile_password="" if self._otlp.tls_key else None,
        )


@dataclass(frozen=True, slots=True)
class _HttpResponse:
    status: int
    headers: _Pairs
    body: bytes


class _GoneError(Exception):
    """The sender left before its request was complete."""


class App:
    """The ASGI application. Everything that can go wrong becomes an answer here."""

    def __init__(self, door: Ingress) -> None:
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers: _Headers = dict(scope["headers"])
        try:
            answer = await self._answer(scope, headers, receive)
        except _GoneError:
            return
        except asyncio.CancelledError:
            answer = self._failed(stopping(), headers)
        except Exception as error:  # noqa: BLE001  (what escapes becomes a plain 500, and senders drop the data)
            answer = self._failed(error, headers)
        length = (b"content-length", str(len(answer.body)).encode())
        await send(
            {"type": "http.response.start", "status": answer.status, "headers": [*answer.headers, length]}
        )
        await send({"type": "http.response.body", "body": answer.body})

    async def _answer(self, scope: Scope, headers: _Headers, receive: Receive) -> _HttpResponse:
        access = self._door.access
        authorization = _text(headers, b"authorization")
        if b"host" in headers or scope["http_version"] != "1.0":
            access.check_host(
                [v.decode("latin-1") for n, v in scope["headers"] if n == b"host"], authorization
            )
        if b"origin" in headers:
            access.check_origin(_text(headers, b"origin"))
        signal = PATHS.get(scope["path"])
        if signal is None:
            raise NotHereError(
                "no such path: send to /v1/metrics, /v1/traces or /v1/logs",
                HTTPStatus.NOT_FOUND,
                Code.NOT_FOUND,
            )
        if scope["method"] != "POST":
            return self._preflight(scope["method"], headers)
        access.check_token(authorization)
        encoding = _encoding(headers)
        payload, entry = await self._payload(signal, encoding, headers, receive)
        verdict = await self._door.hand_over(payload, entry)
        kind = (b"content-type", _BINARY[encoding])
        return _HttpResponse(HTTPStatus.OK, (kind, *self._cors(headers)), success(verdict, signal, encoding))

    async def _payload(
        self, signal: Signal, encoding: Encoding, headers: _Headers, receive: Receive
    ) -> tuple[Payload, Admission]:
        limit = self._door.limit
        packed = coding(_text(headers, b"content-encoding"))
        declared = _declared(headers, limit)
        if declared > limit:
            raise too_large(limit)
        entry = await self._door.gate.enter(declared)
        try:
            body = await _read(receive, limit)
            if packed:
                await entry.grow(limit)
                body = await inflate(body, packed, limit)
            entry.settle(len(body))
        except BaseException:
            entry.leave()
            raise
        return Payload(signal, encoding, body), entry

    def _failed(self, error: BaseException, headers: _Headers) -> _HttpResponse:
        failed = self._door.fail(error)
        encoding = TYPES.get(_media_type(headers), Encoding.JSON)
        extra: list[tuple[bytes, bytes]] = [(b"content-type", _BINARY[encoding]), *failed.headers]
        if failed.retry_after is not None:
            extra.append((b"retry-after", retry_after_header(failed)))
        if b"expect" in headers:
            # It may send the body now, or not: what follows could be read as either.
            extra.append((b"connection", b"close"))
        extra.extend(self._cors(headers))
        return _HttpResponse(failed.status, tuple(extra), status_body(failed, encoding))

    def _preflight(self, method: str, headers: _Headers) -> _HttpResponse:
        """The origin has been checked; browsers ask without the token."""
        if method == "OPTIONS" and b"origin" in headers and b"access-control-request-method" in headers:
            return _HttpResponse(HTTPStatus.NO_CONTENT, (*_PREFLIGHT, *self._cors(headers)), b"")
        raise NotHereError(
            "only POST is served here",
            HTTPStatus.METHOD_NOT_ALLOWED,
            Code.UNIMPLEMENTED,
            ((b"allow", b"POST"),),
        )

    def _cors(self, headers: _Headers) -> _Pairs:
        if b"origin" not in headers or not self._door.access.allows_origin(_text(headers, b"origin")):
            return ()
        return (
            (b"access-control-allow-origin", headers[b"origin"]),
            (b"access-control-expose-headers", b"retry-after"),
            (b"vary", b"origin"),
        )


def _declared(headers: _Headers, limit: int) -> int:
    """Bytes that the body will have; as many as are allowed when it comes in chunks."""
    if b"transfer-encoding" in headers:
        return limit
    return int(headers.get(b"content-length", 0))


def _encoding(headers: _Headers) -> Encoding:
    encoding = TYPES.get(_media_type(headers))
    if encoding is None:
        raise UnsupportedError(
            "this content type is not accepted: send application/x-protobuf or application/json"
        )
    return encoding


def _media_type(headers: _Headers) -> str:
    return _text(headers, b"content-type").partition(";")[0].strip().lower()


def _text(headers: _Headers, name: bytes) -> str:
    return headers.get(name, b"").decode("latin-1")


async def _read(receive: Receive, limit: int) -> bytes:
    try:
        async with asyncio.timeout(READ_SECONDS):
            return await _read_all(receive, limit)
    except TimeoutError:
        raise too_slow() from None


async def _read_all(receive: Receive, limit: int) -> bytes:
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise _GoneError
        part = message.get("body", b"")
        more = message.get("more_body", False)
        size += len(part)
        if size > limit:
            raise too_large(limit)
        parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)
