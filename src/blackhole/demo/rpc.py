"""Turns coroutines over JSON into a gRPC service and its client, with spans on both sides."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import grpc
import grpc.aio
from opentelemetry import propagate, trace
from opentelemetry.trace import SpanKind, Status, StatusCode

import blackhole.sdk as bh

Body = dict[str, Any]
RpcMethod = Callable[[Body, Any], Awaitable[Body]]
PACKAGE = "blackhole.demo"


def encode(body: Body) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()


def decode(raw: bytes) -> Body:
    body: Body = json.loads(raw)
    return body


async def serve(
    service: str, methods: Mapping[str, RpcMethod], integration: bh.AnalyticsIntegration, tracer: trace.Tracer
) -> tuple[Any, str]:
    """Starts a server on a free port. Returns it and its address."""
    handlers = {
        name: grpc.unary_unary_rpc_method_handler(
            _traced(tracer, f"{PACKAGE}.{service}/{name}", method),
            request_deserializer=decode,
            response_serializer=encode,
        )
        for name, method in methods.items()
    }
    server = grpc.aio.server(interceptors=[bh.grpc_server_interceptor(integration)])
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(f"{PACKAGE}.{service}", handlers)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    return server, f"127.0.0.1:{port}"


class Client:
    """Calls one service."""

    def __init__(self, service: str, address: str, tracer: trace.Tracer) -> None:
        self._service, self._tracer = service, tracer
        self._channel = grpc.aio.insecure_channel(address)
        self._calls: dict[str, Any] = {}

    async def call(self, method: str, body: Body, *, timeout: float) -> Body:  # noqa: ASYNC109  (gRPC's own deadline)
        """Raises grpc.aio.AioRpcError."""
        path = f"{PACKAGE}.{self._service}/{method}"
        call = self._calls.get(method)
        if call is None:
            call = self._calls[method] = self._channel.unary_unary(
                f"/{path}", request_serializer=encode, response_deserializer=decode
            )
        with self._tracer.start_as_current_span(
            path, kind=SpanKind.CLIENT, attributes=_attributes(path), record_exception=False
        ):
            carrier: dict[str, str] = {}
            propagate.inject(carrier)
            answer: Body = await call(body, timeout=timeout, metadata=tuple(carrier.items()))
            return answer

    async def close(self) -> None:
        await self._channel.close()


def _traced(tracer: trace.Tracer, path: str, method: RpcMethod) -> RpcMethod:
    async def handle(body: Body, context: Any) -> Body:
        parent = propagate.extract(dict(context.invocation_metadata() or ()))
        with tracer.start_as_current_span(
            path,
            context=parent,
            kind=SpanKind.SERVER,
            attributes=_attributes(path),
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                return await method(body, context)
            except BaseException:
                span.set_status(Status(StatusCode.ERROR))
                raise

    return handle


def _attributes(path: str) -> dict[str, str]:
    service, _, method = path.partition("/")
    return {"rpc.system": "grpc", "rpc.service": service, "rpc.method": method}
