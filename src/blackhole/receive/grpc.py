"""Turns OTLP over gRPC into Payloads: `Export` of the three collector services, as raw bytes.

The handlers are declared as streaming in what they receive, which looks the same on the wire and lets them
check the token and the room before a message is read: until then, flow control keeps it at the sender.
"""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from typing import Any

from blackhole import listen
from blackhole.config import OtlpConfig
from blackhole.errors import OverloadedError, TooLargeError, UsageError
from blackhole.receive.admission import Gate
from blackhole.receive.answers import status_body, success
from blackhole.receive.door import Door
from blackhole.records import Encoding, Intake, Payload, Signal, Verdict

# gRPC's core writes to standard error by itself, also when a sender makes it; read once, at its import.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
import grpc

READ_SECONDS = 10.0
SLOW_SECONDS = 1.0
SLOW_BYTES = 64 * 1024
MOST_CONNECTIONS = 256
MOST_METADATA = 16 * 1024
MOST_FINISHED_CALLS = 1000
FLAG = "--otlp-grpc"
PATHS = {
    "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export": Signal.METRICS,
    "/opentelemetry.proto.collector.trace.v1.TraceService/Export": Signal.TRACES,
    "/opentelemetry.proto.collector.logs.v1.LogsService/Export": Signal.LOGS,
}

_Handler = Callable[[object, Any], Awaitable[bytes]]
_CODES = {code.value[0]: code for code in grpc.StatusCode}


class GrpcReceiver:
    """Listens for OTLP/gRPC and hands what it gets to `intake`. `gate`: shared with other receivers."""

    def __init__(self, intake: Intake, otlp: OtlpConfig, gate: Gate | None = None) -> None:
        self._door = Door(intake, otlp, gate)
        self._streams = otlp.max_concurrency
        self._server: Any = None
        self.failures = self._door.failures
        self.gate = self._door.gate

    async def start(self, host: str, port: int) -> int:
        """Listens, and returns the port. Raises UsageError when the address cannot be had."""
        if port:
            # gRPC would say neither which address failed nor why.
            listen.close(listen.open_sockets(host, port, FLAG))
        # Its loggers print tracebacks of calls that senders broke off.
        logging.getLogger("grpc").setLevel(logging.CRITICAL)
        server = grpc.aio.server(handlers=[_Handlers(self._door)], options=self._options())
        address = listen.place(host, port)
        try:
            bound = self._add_port(server, address)
        except RuntimeError:
            raise UsageError(
                f"{address} cannot be opened: pass another {FLAG} (port 0 picks a free one)"
            ) from None
        await server.start()
        self._server = server
        return bound

    async def stop(self, grace: float) -> None:
        """Takes no more requests, and gives those under way `grace` seconds."""
        server, self._server = self._server, None
        if server is not None:
            await server.stop(grace)
            await self._door.drain(grace)

    def _add_port(self, server: Any, address: str) -> int:
        pair = self._door.access.certificate
        if pair is None:
            return int(server.add_insecure_port(address))
        certificate, key = pair
        return int(server.add_secure_port(address, grpc.ssl_server_credentials([(key, certificate)])))

    def _options(self) -> list[tuple[str, int]]:
        return [
            ("grpc.so_reuseport", 0),  # two services on one port would share the requests
            ("grpc.max_receive_message_length", self._door.limit),  # also after decompression
            ("grpc.max_concurrent_streams", self._streams),
            # Finished calls count until they are cleared away; too few of them and busy senders are refused.
            ("grpc.http2.max_deallocating_streams", MOST_FINISHED_CALLS),
            # It would widen the window of calls that wait, and with it what they hold in memory here.
            ("grpc.http2.bdp_probe", 0),
            ("grpc.max_allowed_incoming_connections", MOST_CONNECTIONS),
            ("grpc.max_metadata_size", MOST_METADATA),
            ("grpc.absolute_max_metadata_size", MOST_METADATA),
        ]


class _Handlers(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Finds the handler of a method; gRPC itself answers UNIMPLEMENTED for all others."""

    def __init__(self, door: Door) -> None:
        self._found = {
            path: grpc.stream_unary_rpc_method_handler(_export(door, signal))
            for path, signal in PATHS.items()
        }

    def service(self, handler_call_details: Any) -> Any:
        return self._found.get(handler_call_details.method)


def _export(door: Door, signal: Signal) -> _Handler:
    async def export(_requests: object, context: Any) -> bytes:
        try:
            verdict = await _take(door, signal, context)
        except Exception as error:  # noqa: BLE001  (what escapes becomes UNKNOWN, and senders drop the data)
            failed = door.fail(error)
        else:
            return success(verdict, signal, Encoding.PROTOBUF)
        # Not inside `except`: gRPC keeps its AbortError, that would keep `error`, and that the body.
        details = status_body(failed, Encoding.PROTOBUF)
        await context.abort(_CODES[failed.code], failed.message, (("grpc-status-details-bin", details),))
        return b""

    return export


async def _take(door: Door, signal: Signal, context: Any) -> Verdict:
    if door.access.needs_token:
        door.access.check_token(_authorization(context))
    # How large a message is shows only when it has been read, so room is made for the largest.
    entry = await door.gate.enter(door.limit)
    # A sender that stalls fills no memory, and must not keep the others out.
    slow = asyncio.get_running_loop().call_later(SLOW_SECONDS, entry.settle, SLOW_BYTES)
    try:
        body = await _read(context, door.limit)
        entry.settle(len(body))
    except BaseException:
        entry.leave()
        raise
    finally:
        slow.cancel()
    return await door.hand_over(Payload(signal, Encoding.PROTOBUF, body), entry)


async def _read(context: Any, limit: int) -> bytes:
    try:
        async with asyncio.timeout(READ_SECONDS):
            body = await context.read()
    except TimeoutError:
        raise OverloadedError("the request came too slowly: send again", retry_after=1.0) from None
    if not isinstance(body, bytes):
        # gRPC gives the same for none as for one over the limit, and does not always win with its own status.
        raise TooLargeError(f"the message is missing, or larger than {limit} bytes: send smaller batches")
    return body


def _authorization(context: Any) -> str:
    for key, value in context.invocation_metadata():
        if key == "authorization":
            return value if isinstance(value, str) else ""
    return ""
