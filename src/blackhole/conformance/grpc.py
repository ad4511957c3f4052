"""Turns bytes into unary gRPC calls and what comes back into answers; no generated code."""

import asyncio
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from blackhole.conformance.check import BrokenError, NotSeenError
from blackhole.conformance.status import retry_info
from blackhole.errors import UsageError

CALL_SECONDS = 4.0
PATIENCE = 3
WAIT = 0.5
METHODS = {
    "metrics": "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
    "traces": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    "logs": "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
}
_DETAILS = "grpc-status-details-bin"


@dataclass(frozen=True, slots=True)
class Reply:
    """`code` as gRPC names it, `OK` included. `details`: the serialized google.rpc.Status, or nothing."""

    code: str
    message: str = ""
    body: bytes = b""
    details: bytes = b""


class GrpcClient:
    """Calls one receiver. `seen`: every reply of the run, in order. Raises UsageError without grpcio."""

    def __init__(self, host: str, port: int, token: str = "", *, secure: bool = False) -> None:
        logging.getLogger("grpc").setLevel(logging.CRITICAL)
        self._grpc = _library()
        self._target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._secure = secure
        self._channel = self._open()
        self.token = token
        self.seen: list[Reply] = []
        self._given_up: dict[str, str] = {}

    @contextmanager
    def giving_up_on(self, signal: str) -> Iterator[None]:
        """Where a rule breaks inside, checks that need the same are not run: one cause, one failure."""
        try:
            yield
        except BrokenError:
            self._given_up[METHODS[signal]] = signal
            raise

    async def call(
        self, method: str, body: bytes, *, gzip: bool = False, token: str | None = None, channel: Any = None
    ) -> Reply:
        """Whatever the receiver does is a reply. Raises NotSeenError when there is no point in calling."""
        if method in self._given_up:
            raise NotSeenError(f"gRPC {self._given_up[method]} is not taken at all")
        given = self.token if token is None else token
        metadata = [("authorization", f"Bearer {given}")] if given else []
        unary = (channel or self._channel).unary_unary(method)
        compression = self._grpc.Compression.Gzip if gzip else None
        for _ in range(PATIENCE):
            reply = await self._reply(
                unary(body, timeout=CALL_SECONDS, metadata=metadata, compression=compression)
            )
            self.seen.append(reply)
            # As senders do, it comes again when it was put off.
            if reply.code != "UNAVAILABLE" or not retry_info(reply.details):
                break
            await asyncio.sleep(WAIT)
        return reply

    async def call_in_parallel(self, method: str, body: bytes, count: int) -> list[Reply]:
        return await asyncio.gather(*(self.call(method, body) for _ in range(count)))

    async def call_on_new_connection(self, method: str, body: bytes) -> Reply:
        channel = self._open()
        try:
            return await self.call(method, body, channel=channel)
        finally:
            await channel.close()

    async def close(self) -> None:
        await self._channel.close()

    def _open(self) -> Any:
        options = [
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.enable_retries", 0),
            ("grpc.enable_http_proxy", 0),
        ]
        if self._secure:
            credentials = self._grpc.ssl_channel_credentials()
            return self._grpc.aio.secure_channel(self._target, credentials, options=options)
        return self._grpc.aio.insecure_channel(self._target, options=options)

    async def _reply(self, call: Any) -> Reply:
        try:
            body = await call
        except self._grpc.aio.AioRpcError as error:
            trailing = {
                key: value for key, value in error.trailing_metadata() or () if isinstance(value, bytes)
            }
            return Reply(error.code().name, error.details() or "", details=trailing.get(_DETAILS, b""))
        return Reply("OK", body=body)


def _library() -> Any:
    """The service needs no grpcio; it comes with the SDK."""
    # gRPC's core writes to standard error by itself; read once, at its import.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        import grpc  # noqa: PLC0415
        import grpc.aio  # noqa: PLC0415
    except ModuleNotFoundError:
        raise UsageError(
            "gRPC needs grpcio here: install `blackhole-analytics[sdk]`, or give the http:// address only"
        ) from None
    return grpc
