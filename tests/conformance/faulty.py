"""Receivers that break one rule, in front of one that keeps them all; and hopeless ones."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import grpc

from blackhole.conformance.grpc import GrpcClient, Reply
from blackhole.conformance.http import HttpAnswer, HttpClient, HttpRequest

Forward = Callable[[HttpRequest], Awaitable[HttpAnswer]]
HttpFault = Callable[[HttpRequest, Forward], Awaitable[HttpAnswer | None]]
GrpcForward = Callable[[str, bytes], Awaitable[Reply]]
GrpcFault = Callable[[str, bytes, GrpcForward], Awaitable[Reply]]
_OWN = {"connection", "content-length", "transfer-encoding", "expect", "content-type", "user-agent"}


async def _nowhere(_request: HttpRequest) -> HttpAnswer:
    raise AssertionError


async def _no_call(_method: str, _body: bytes) -> Reply:
    raise AssertionError


def answer(status: int, kind: str = "text/plain", body: bytes = b"no", **headers: str) -> HttpAnswer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpAnswer(status, {"content-type": kind, **named}, body)


@dataclass(frozen=True)
class Habits:
    """How the server treats connections."""

    closes: bool = False
    continues: bool = True


@asynccontextmanager
async def http_server(
    fault: HttpFault, upstream: str = "", habits: Habits | None = None
) -> AsyncIterator[HttpClient]:
    """A client of a server that answers as `fault` says; `fault` may ask the receiver at HOST:PORT."""
    forward: Forward = _nowhere
    if upstream:
        host, _, port = upstream.rpartition(":")
        forward = HttpClient(host, int(port)).send
    handler = _Handler(fault, forward, habits or Habits())
    server = await asyncio.start_server(handler.serve, "127.0.0.1", 0)
    try:
        yield HttpClient("127.0.0.1", server.sockets[0].getsockname()[1], token=TOKEN if not upstream else "")
    finally:
        server.close()
        handler.drop()
        await server.wait_closed()


TOKEN = "the-token"  # noqa: S105


class _Handler:
    def __init__(self, fault: HttpFault, forward: Forward, habits: Habits) -> None:
        self._fault = fault
        self._forward = forward
        self._habits = habits
        self._writers: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with contextlib.suppress(OSError, EOFError):
            while (request := await self._read(reader, writer)) is not None:
                found = await self._fault(request, self._forward)
                if found is None:
                    break
                writer.write(_encode(found))
                await writer.drain()
                if self._habits.closes:
                    break
        writer.close()

    def drop(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> HttpRequest | None:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").strip().split("\r\n")
        method, path, _ = first.split(" ")
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        if "expect" in headers and self._habits.continues:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        elif "expect" in headers:
            writer.write(_encode(answer(417)))
            return None
        body = await _body(reader, headers)
        kept = {name: value for name, value in headers.items() if name not in _OWN}
        if not kept["host"].endswith(".example"):
            del kept["host"]
        return HttpRequest(path, body, headers.get("content-type", ""), method, kept)


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if headers.get("transfer-encoding") != "chunked":
        return await reader.readexactly(int(headers.get("content-length", 0)))
    body = b""
    while size := int(await reader.readline(), 16):
        body += await reader.readexactly(size)
        await reader.readline()
    await reader.readline()
    return body


def _encode(found: HttpAnswer) -> bytes:
    headers = {name: value for name, value in found.headers.items() if value and name != "connection"}
    headers["content-length"] = str(len(found.body))
    lines = [f"HTTP/1.1 {found.status} X", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1") + found.body


@asynccontextmanager
async def grpc_server(fault: GrpcFault, upstream: str = "") -> AsyncIterator[GrpcClient]:
    """As `http_server`, for gRPC."""
    host, _, port = upstream.rpartition(":")
    behind = GrpcClient(host, int(port)) if upstream else None
    forward: GrpcForward = behind.call if behind else _no_call
    options = [("grpc.max_receive_message_length", -1)]
    server = grpc.aio.server(handlers=[_GrpcHandler(fault, forward)], options=options)
    port_number = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    client = GrpcClient("127.0.0.1", port_number, token="" if upstream else TOKEN)
    try:
        yield client
    finally:
        await client.close()
        await server.stop(0)
        if behind:
            await behind.close()


class _GrpcHandler(grpc.GenericRpcHandler):  # type: ignore[misc]
    def __init__(self, fault: GrpcFault, forward: GrpcForward) -> None:
        self._fault = fault
        self._forward = forward

    def service(self, details: Any) -> Any:
        async def export(body: bytes, context: Any) -> bytes:
            reply = await self._fault(details.method, body, self._forward)
            if reply.code != "OK":
                more = (("grpc-status-details-bin", reply.details),) if reply.details else ()
                await context.abort(grpc.StatusCode[reply.code], reply.message, more)
            return reply.body

        return grpc.unary_unary_rpc_method_handler(export)


def with_body(found: HttpAnswer, body: bytes) -> HttpAnswer:
    return replace(found, body=body)


def without(found: HttpAnswer, name: str) -> HttpAnswer:
    return replace(found, headers=found.headers | {name: ""})
