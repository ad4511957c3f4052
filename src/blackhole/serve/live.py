"""Turns the newest answers of the query layer into the live stream: computed once for all readers."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from blackhole.errors import OverloadedError
from blackhole.governor.meter import Stepwise
from blackhole.serve import problems
from blackhole.serve.door import turn_away
from blackhole.serve.numbers import whole_number
from blackhole.serve.ring import Envelope, KeptMessage, Ring
from blackhole.serve.services import Services, Status
from blackhole.serve.threads import Threads

log = logging.getLogger(__name__)

# What changes at most once a window, and is told when it does.
_NEWS = frozenset({"privacy"})


@dataclass(frozen=True, slots=True)
class StreamIntervals:
    """How often, in seconds.

    `push`: at least between two computations. `idle`: at most, though nothing was committed. `repeat`: after
    it an unchanged message is sent again. `governor`: between two of those. `beat`: a reader that was sent
    nothing for so long is told that the stream lives. `share`: the part of time that
    computing may take, so that a slow database is asked less often; one that was slow once is not.
    """

    push: float
    governor: float
    idle: float = 5.0
    repeat: float = 5.0
    beat: float = 10.0
    share: float = 0.1


class Hello(msgspec.Struct, frozen=True, omit_defaults=True):
    """`sequence`: every message after it follows. `missed`: how many this reader could not be given."""

    version: str
    push_interval: float
    sequence: int
    missed: int = 0


class Governor(msgspec.Struct, frozen=True):
    sampling_rate: float
    cpu_percent: float
    memory_bytes: int
    database_bytes: int


class Live:
    """The stream. Readers hold a place in one bounded ring, so a slow one costs no memory."""

    def __init__(
        self,
        services: Services,
        *,
        pace: StreamIntervals | None = None,
        ring: Ring | None = None,
        max_readers: int = 32,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._services = services
        self._version = services.status().version
        config = services.config
        self._pace = pace or StreamIntervals(push=config.push_interval, governor=config.collection_interval)
        self._ring = ring or Ring(begins=round(clock() * 1000))
        self._max_readers = max_readers
        self._clock = clock
        self._threads = Threads(running=1, waiting=1, around=services.free)
        self._last: dict[str, tuple[bytes, float]] = {}
        self._published = asyncio.Event()
        self._stale = 0
        self._told = services.found(0)[0]
        self._task: asyncio.Task[None] | None = None
        self.readers = 0

    async def serve(self, websocket: WebSocket) -> None:
        """One reader, from handshake to goodbye. `?since=SEQUENCE` resumes after that message."""
        try:
            since = _since(websocket)
            self._refuse_too_many()
        except (OverloadedError, HTTPException) as error:
            await _deny(websocket, problems.response(error))
            return
        with self._reading():
            await websocket.accept()
            sending = asyncio.create_task(self._send_all(websocket, since))
            try:
                await _until_closed(websocket, sending)
            finally:
                sending.cancel()
                with contextlib.suppress(asyncio.CancelledError, WebSocketDisconnect, OSError):
                    await sending

    def _refuse_too_many(self) -> None:
        if self.readers >= self._max_readers:
            raise OverloadedError("too many readers of the stream: close one, try again", retry_after=5)

    def forget(self) -> None:
        """Keeps nothing of what was sent: values were erased."""
        self._ring.clear()
        self._last.clear()

    async def close(self) -> None:
        """Stops computing; readers are closed by their server."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        self.readers += 1
        if self._task is None:
            self._last.clear()
            self._stale = self._ring.latest
            self._task = asyncio.create_task(self._compute_freely(), name="live stream")
        try:
            yield
        finally:
            self.readers -= 1
            if self.readers == 0 and self._task is not None:
                self._task.cancel()
                self._task = None

    async def _send_all(self, websocket: WebSocket, since: int | None) -> None:
        async for text in self._messages(since):
            await websocket.send_text(text)

    async def _messages(self, since: int | None) -> AsyncIterator[str]:
        ring = self._ring
        of_another_run = since is not None and not ring.begins <= since <= ring.latest
        if since is None or of_another_run:
            snapshot = [kept for kept in ring.newest() if kept.sequence > self._stale]
            place = snapshot[0].sequence - 1 if snapshot else ring.latest
            # Of what it had not read of that run, nothing is known but that there was something.
            yield self._hello(place, max(place - ring.begins, 1) if of_another_run else 0)
            for kept in snapshot:
                yield kept.text
            place = max([place, *(kept.sequence for kept in snapshot)])
        else:
            place = max(since, ring.first - 1)
            yield self._hello(place, place - since)
            for kept in ring.newest():
                if since < kept.sequence <= place:
                    yield kept.text
        while True:
            new = await self._after(place)
            if new is None:
                yield self._beat(place)
                continue
            if missed := new.sequence - place - 1:
                yield self._hello(new.sequence - 1, missed)
            yield new.text
            place = new.sequence

    async def _after(self, place: int) -> KeptMessage | None:
        """None after a while without any: a reader cannot tell silence from a connection that is gone."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._pace.beat):
                while (kept := self._ring.next(place)) is None:
                    await self._published.wait()
                return kept
        return None

    def _beat(self, sequence: int) -> str:
        return msgspec.json.encode(Envelope("beat", sequence, self._timestamp(), {})).decode()

    def _hello(self, sequence: int, missed: int) -> str:
        hello = Hello(self._version, float(self._services.config.push_interval), sequence, missed)
        return msgspec.json.encode(Envelope("hello", sequence, self._timestamp(), hello)).decode()

    async def _compute_freely(self) -> None:
        await Stepwise(self._compute_forever(), self._services.free)

    async def _compute_forever(self) -> None:
        commits: object = None
        computed = governed = float("-inf")
        before = cost = 0.0
        failing = False
        while True:
            began = time.monotonic()
            asked = False
            try:
                if began - governed >= self._pace.governor:
                    governed = began
                    self._offer("governor", msgspec.json.encode(_governor(self._services.status())), began)
                self._tell_findings()
                now_committed = self._services.statistics().get("commits")
                if now_committed != commits or began - computed >= self._pace.idle:
                    asked, computed = True, began
                    for kind, data in (await self._threads.call(self._compute)).items():
                        self._offer(kind, data, began)
                    commits = now_committed  # else it is tried again
                failing = False
            except Exception as error:  # noqa: BLE001  (one bad answer must not end the stream)
                if not failing:
                    log.warning(
                        "live stream: the newest values could not be computed (%s)", type(error).__name__
                    )
                failing = True
            passed = time.monotonic() - began
            if asked:
                before, cost = cost, passed
            pause = min(before, cost) / self._pace.share if asked else 0.0
            await asyncio.sleep(max(self._pace.push - passed, pause, 0.01))

    def _tell_findings(self) -> None:
        """Each finding once, when it is new."""
        self._told, new = self._services.found(self._told)
        for finding in new:
            self._ring.append("insight", self._timestamp(), msgspec.Raw(msgspec.json.encode(finding)))
        if new:
            self._publish()

    def _compute(self) -> dict[str, bytes]:
        runner = self._services.runner
        reports = {
            "service_health": runner.health,
            "p2p_metrics": runner.network,
            "performance": runner.performance,
            "privacy": runner.privacy_news,
        }
        return {kind: msgspec.json.encode(report()) for kind, report in reports.items()}

    def _offer(self, kind: str, data: bytes, now: float) -> None:
        """Publishes what changed, or was not sent for a while; news are sent once."""
        before, sent = self._last.get(kind, (b"", float("-inf")))
        if data == before and (kind in _NEWS or now - sent < self._pace.repeat):
            return
        self._last[kind] = (data, now)
        self._ring.append(kind, self._timestamp(), msgspec.Raw(data))
        self._publish()

    def _publish(self) -> None:
        published, self._published = self._published, asyncio.Event()
        published.set()

    def _timestamp(self) -> str:
        moment = datetime.fromtimestamp(self._clock(), UTC)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _governor(status: Status) -> Governor:
    return Governor(status.sampling_rate, status.cpu_percent, status.memory_bytes, status.database_bytes)


def _since(websocket: WebSocket) -> int | None:
    text = websocket.query_params.get("since")
    if not text:
        return None
    found = whole_number(text)
    if found is None:
        raise HTTPException(400, "`since` is the `sequence` of the last message you had: a whole number")
    return found


async def _deny(websocket: WebSocket, answer: Response) -> None:
    await turn_away(answer, websocket.scope, websocket.receive, websocket.send)


async def _until_closed(websocket: WebSocket, sending: asyncio.Task[None]) -> None:
    """Waits for the reader to leave (what it says is not read), or for sending to fail."""
    receiving = asyncio.create_task(_drain(websocket))
    try:
        await asyncio.wait({receiving, sending}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        receiving.cancel()
        with contextlib.suppress(asyncio.CancelledError, WebSocketDisconnect):
            await receiving


async def _drain(websocket: WebSocket) -> None:
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass
