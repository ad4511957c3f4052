"""Stands before every route: turns away foreign hosts and origins and the unnamed, and adds safe headers."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from blackhole.errors import BlackholeError
from blackhole.serve import problems
from blackhole.serve.access import OwnOrigins, Tokens

_READING = frozenset({"GET", "HEAD"})
_SAFE_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "x-frame-options": "DENY",
}
_PREFLIGHT = {
    "access-control-allow-methods": "GET, POST, PUT, DELETE",
    "access-control-allow-headers": "authorization, content-type",
    "access-control-max-age": "600",
}


class AccessMiddleware:
    """ASGI middleware for HTTP and WebSocket."""

    def __init__(self, app: ASGIApp, place: OwnOrigins, tokens: Tokens) -> None:
        self._app = app
        self._place = place
        self._tokens = tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        out = self._sender(headers, send)
        try:
            answer = self._decide(scope, headers)
        except BlackholeError as error:
            answer = problems.response(error)
        if answer is None:
            await self._app(scope, receive, out)
        else:
            await turn_away(answer, scope, receive, out)

    def _decide(self, scope: Scope, headers: Headers) -> Response | None:
        """None lets the request in. Raises BlackholeError."""
        self._place.check_host(scope, headers)
        if scope["type"] == "websocket" or scope["method"] not in _READING:
            self._place.check_origin(headers)
        if scope["type"] == "http" and scope["method"] == "OPTIONS":
            return Response(status_code=204, headers=_PREFLIGHT)
        self._tokens.check(scope, headers)
        return None

    def _sender(self, headers: Headers, send: Send) -> Send:
        origin = headers.get("origin", "")
        allowed = origin.lower() in self._place.origins

        async def with_headers(message: Message) -> None:
            if message["type"] in {"http.response.start", "websocket.http.response.start"}:
                out = MutableHeaders(scope=message)
                for name, value in _SAFE_HEADERS.items():
                    out.setdefault(name, value)
                if allowed:
                    out["access-control-allow-origin"] = origin
                if self._place.origins:
                    out.add_vary_header("Origin")
            await send(message)

        return with_headers


async def turn_away(answer: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Sends `answer`, also to one who asked for a WebSocket."""
    if scope["type"] == "http" or "websocket.http.response" in scope.get("extensions", {}):
        await answer(scope, receive, send)
    else:
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": ""})
