"""Turns a gRPC server, threaded or asyncio, into one whose calls are counted."""

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import grpc
import grpc.aio

from blackhole.sdk.failures import classify_error, classify_status, status_name
from blackhole.sdk.integration import AnalyticsIntegration, Stopwatch, default_integration

Behavior = Callable[[Any, Any], Any]
_STATUS_NAMES = {code.value[0]: code.name for code in grpc.StatusCode}


def grpc_server_interceptor(integration: AnalyticsIntegration | None = None) -> "ServerInterceptor":
    """An interceptor for `grpc.server(interceptors=…)` and for `grpc.aio.server(interceptors=…)`."""
    return ServerInterceptor(integration or default_integration())


class ServerInterceptor(grpc.ServerInterceptor, grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """Wraps each handler so that a call is recorded with its full method when it ends."""

    def __init__(self, integration: AnalyticsIntegration) -> None:
        self._integration = integration

    def intercept_service(self, continuation: Callable[[Any], Any], handler_call_details: Any) -> Any:
        found = continuation(handler_call_details)
        method = str(handler_call_details.method)
        if inspect.isawaitable(found):
            return self._later(found, method)
        return self._wrapped(found, method)

    async def _later(self, found: Awaitable[Any], method: str) -> Any:
        return self._wrapped(await found, method)

    def _wrapped(self, handler: Any, method: str) -> Any:
        if handler is None:
            return None
        streaming = "stream" if handler.request_streaming else "unary"
        answering = "stream" if handler.response_streaming else "unary"
        behavior = getattr(handler, f"{streaming}_{answering}")
        factory = getattr(grpc, f"{streaming}_{answering}_rpc_method_handler")
        return factory(
            self._behavior(behavior, method, answers_stream=handler.response_streaming),
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )

    def _behavior(self, behavior: Behavior, method: str, *, answers_stream: bool) -> Behavior:
        call = _GrpcCall(self._integration, method)
        if inspect.iscoroutinefunction(behavior):
            return _coroutine(behavior, call)
        if inspect.isasyncgenfunction(behavior):
            return _async_stream(behavior, call)
        return _stream(behavior, call) if answers_stream else _plain(behavior, call)


class _GrpcCall:
    def __init__(self, integration: AnalyticsIntegration, method: str) -> None:
        self._integration, self._method = integration, method

    def record(self, watch: Stopwatch, context: Any, error: BaseException | None) -> None:
        self._integration.record(self._method, watch.milliseconds, error_type=_error_type(context, error))


def _coroutine(behavior: Behavior, call: _GrpcCall) -> Behavior:
    async def measured(request: Any, context: Any) -> Any:
        watch = Stopwatch()
        try:
            response = await behavior(request, context)
        except BaseException as error:
            call.record(watch, context, error)
            raise
        call.record(watch, context, None)
        return response

    return measured


def _plain(behavior: Behavior, call: _GrpcCall) -> Behavior:
    def measured(request: Any, context: Any) -> Any:
        watch = Stopwatch()
        try:
            response = behavior(request, context)
        except BaseException as error:
            call.record(watch, context, error)
            raise
        call.record(watch, context, None)
        return response

    return measured


def _async_stream(behavior: Behavior, call: _GrpcCall) -> Behavior:
    async def measured(request: Any, context: Any) -> AsyncIterator[Any]:
        watch = Stopwatch()
        try:
            async for response in behavior(request, context):
                yield response
        except BaseException as error:
            call.record(watch, context, error)
            raise
        call.record(watch, context, None)

    return measured


def _stream(behavior: Behavior, call: _GrpcCall) -> Behavior:
    def measured(request: Any, context: Any) -> Iterator[Any]:
        watch = Stopwatch()
        try:
            yield from behavior(request, context)
        except BaseException as error:
            call.record(watch, context, error)
            raise
        call.record(watch, context, None)

    return measured


def _error_type(context: Any, error: BaseException | None) -> str | None:
    """The status that the handler set or aborted with says more than the exception that carries it."""
    status = _status(context)
    if status is not None and status != "OK":
        return classify_status(status)
    return None if error is None else classify_error(error)


def _status(context: Any) -> str | None:
    code = context.code()
    return _STATUS_NAMES.get(code) if isinstance(code, int) else status_name(code)
