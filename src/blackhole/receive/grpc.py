"""Turns OTLP over gRPC into Payloads: `Export` of the three collector services, as raw bytes.

Connections, framing, inflating and the token are the core's, on a thread of its own. What is here makes room
for its calls, hands their messages to the intake and answers them; both sides pass on all they have at once.
"""

import asyncio
from asyncio import Task, TimerHandle
from collections.abc import Callable, Coroutine
from functools import partial

from blackhole._core import Arrivals, GrpcServer
from blackhole.config import OtlpConfig
from blackhole.errors import ConfigError
from blackhole.model.signals import Encoding, Intake, Payload, Signal
from blackhole.receive.admission import Admission, Gate
from blackhole.receive.answers import Failure, status_body, success
from blackhole.receive.ingress import Ingress
from blackhole.receive.refusals import refusals
from blackhole.runtime import listen
from blackhole.runtime.turned_away import TurnedAway

READ_SECONDS = 10.0
SLOW_SECONDS = 1.0
SLOW_BYTES = 64 * 1024
FLAG = "--otlp-grpc"
PATHS = {
    "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export": Signal.METRICS,
    "/opentelemetry.proto.collector.trace.v1.TraceService/Export": Signal.TRACES,
    "/opentelemetry.proto.collector.logs.v1.LogsService/Export": Signal.LOGS,
}

_WRONG_PORT = "This is the port for gRPC: send OTLP over HTTP to port {} instead\n"
_SIGNALS = tuple(PATHS.values())
_Told = tuple[int, str, bytes]


class GrpcReceiver:
    """Listens for OTLP/gRPC and hands what it gets to `intake`. `gate`: shared with other receivers."""

    def __init__(
        self, intake: Intake, otlp: OtlpConfig, gate: Gate | None = None, away: TurnedAway | None = None
    ) -> None:
        self._door = Ingress(intake, otlp, gate)
        self._calls_at_once = otlp.max_concurrency
        self._away = away or TurnedAway()
        self._calls: _GrpcCalls | None = None
        self.failures = self._door.failures
        self.gate = self._door.gate

    async def start(self, host: str, port: int) -> int:
        """Listens, and returns the port. Raises UsageError when the address cannot be had."""
        sockets = listen.open_sockets(host, port, FLAG)
        bound = int(sockets[0].getsockname()[1])
        refused = refusals(self._door.limit)
        try:
            server = GrpcServer(
                [one.detach() for one in sockets],
                methods=list(PATHS),
                token=self._door.access.token,
                certificate=self._door.access.certificate,
                most_bytes=self._door.limit,
                most_calls=self._calls_at_once,
                wrong_port=_WRONG_PORT.format(self._away.port("otlp_http")),
                patience=READ_SECONDS,
                failures={name: _told(failed) for name, failed in refused.items()},
            )
        except RuntimeError:
            raise ConfigError(
                "`analytics.otlp.tls_cert`: gRPC cannot use this certificate and key:"
                " make them with RSA, P-256 or Ed25519"
            ) from None
        self._away.listens("otlp_grpc", bound)
        self._calls = _GrpcCalls(server, self._door, refused, partial(self._away.note, port=bound))
        return bound

    async def stop(self, grace: float) -> None:
        """Takes no more requests, and gives those under way `grace` seconds."""
        calls, self._calls = self._calls, None
        if calls is not None:
            await calls.stop(grace)


class _GrpcCalls:
    """The calls that the core has told of, by its numbers."""

    def __init__(
        self, server: GrpcServer, door: Ingress, refused: dict[str, Failure], turn_away: Callable[..., None]
    ) -> None:
        self._server = server
        self._door = door
        self._refused = refused
        self._turn_away = turn_away
        self._loop = asyncio.get_running_loop()
        self._under_way: set[Task[None]] = set()
        self._entering: dict[int, Task[None]] = {}
        self._inside: dict[int, tuple[Admission, TimerHandle]] = {}
        self._admitted: list[int] = []
        self._answers: list[tuple[int, bytes]] = []
        self._failures: list[tuple[int, int, str, bytes]] = []
        self._will_tell = False
        self._stopped = asyncio.Event()
        self._loop.add_reader(server.fileno(), self._take)

    async def stop(self, grace: float) -> None:
        self._server.leave(grace)
        await self._stopped.wait()
        self._loop.remove_reader(self._server.fileno())
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=grace)

    def _take(self) -> None:
        came = self._server.take()
        for number, volume in came.knocks:
            self._begin(number, self._admit(number, volume))
        for number, method, body in came.messages:
            payload = Payload(_SIGNALS[method], Encoding.PROTOBUF, body)
            self._begin(number, self._answer(number, payload))
        for number in came.left:
            self._let_go(number)
        if came.refused or came.strangers:
            self._count(came)
        if came.stopped:
            self._stopped.set()

    def _begin(self, number: int, work: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(work)
        self._entering[number] = task
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _admit(self, number: int, volume: int) -> None:
        try:
            entry = await self._enter(number, volume)
        except Exception as error:  # noqa: BLE001  (every call has an answer)
            self._fail(number, error)
        else:
            # A sender that stalls fills no memory, and must not keep the others out.
            slow = self._loop.call_later(SLOW_SECONDS, entry.settle, SLOW_BYTES)
            self._inside[number] = entry, slow
            self._admitted.append(number)
        self._tell_soon()

    async def _answer(self, number: int, payload: Payload) -> None:
        try:
            entry = await self._enter(number, len(payload.body))
            verdict = await self._door.accept(payload, entry)
        except Exception as error:  # noqa: BLE001  (what escapes becomes UNKNOWN, and senders drop the data)
            self._fail(number, error)
        else:
            self._answers.append((number, success(verdict, payload.signal, Encoding.PROTOBUF)))
        self._tell_soon()

    async def _enter(self, number: int, volume: int) -> Admission:
        """A place of `volume` bytes at the gate; a call that has one already keeps it."""
        entry = self._leave_inside(number)
        if entry is None:
            entry = await self._door.gate.enter(volume)
        else:
            entry.settle(volume)
        self._entering.pop(number, None)
        return entry

    def _let_go(self, number: int) -> None:
        """Its sender has left. What the intake has already is finished all the same."""
        task = self._entering.pop(number, None)
        if task is not None:
            task.cancel()
        entry = self._leave_inside(number)
        if entry is not None:
            entry.leave()

    def _leave_inside(self, number: int) -> Admission | None:
        entry, slow = self._inside.pop(number, (None, None))
        if slow is not None:
            slow.cancel()
        return entry

    def _fail(self, number: int, error: Exception) -> None:
        self._entering.pop(number, None)
        self._failures.append((number, *_told(self._door.fail(error))))

    def _tell_soon(self) -> None:
        if not self._will_tell:
            self._will_tell = True
            self._loop.call_soon(self._tell)

    def _tell(self) -> None:
        self._will_tell = False
        self._server.tell(self._admitted, self._answers, self._failures)
        self._admitted, self._answers, self._failures = [], [], []

    def _count(self, came: Arrivals) -> None:
        for name, count in came.refused:
            self._door.count(self._refused[name], count)
        for kind, client, count in came.strangers:
            self._turn_away(kind, "otlp_grpc", client, count=count)


def _told(failed: Failure) -> _Told:
    return failed.code, failed.message, status_body(failed, Encoding.PROTOBUF)
