"""Turns an ASGI application into one whose HTTP requests are counted, by method and route, never by path."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from blackhole.sdk.failures import classify_error, classify_http
from blackhole.sdk.integration import AnalyticsIntegration, Stopwatch, default_integration

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

_SERVER_ERROR = 500
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})


def asgi_middleware(app: AsgiApp, integration: AnalyticsIntegration | None = None) -> AsgiApp:
    """Wraps `app`. An answer of 500 or above, or an exception, is a failure."""
    counted = integration or default_integration()

    async def measured(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        watch, status = Stopwatch(), [_SERVER_ERROR]

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                status[0] = message["status"]
            await send(message)

        try:
            await app(scope, receive, noting)
        except BaseException as error:
            counted.record(_method(scope), watch.milliseconds, error_type=classify_error(error))
            raise
        failed = classify_http(status[0]) if status[0] >= _SERVER_ERROR else None
        counted.record(_method(scope), watch.milliseconds, error_type=failed)

    return measured


def _method(scope: Scope) -> str:
    """`GET /users/{id}` where the framework tells the route, else `GET`: a path can name a person."""
    verb = scope["method"] if scope["method"] in _METHODS else "OTHER"
    route = getattr(scope.get("route"), "path", None)
    return f"{verb} {route}" if isinstance(route, str) else verb
