"""Real receivers on loopback, in a loop of their own, in front of a recording intake."""

import asyncio
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
import uvloop
from google.rpc import status_pb2  # type: ignore[import-untyped]
from tests.fakes import RecordingIntake

from blackhole.config import OtlpConfig, Size
from blackhole.receive.admission import Gate
from blackhole.receive.grpc import GrpcReceiver
from blackhole.receive.http import HttpReceiver
from blackhole.runtime.turned_away import TurnedAway

T = TypeVar("T")
PROTOBUF = "application/x-protobuf"
JSON = "application/json"
LIMIT = 64 * 1024


@dataclass(frozen=True)
class Response:
    status: int
    headers: dict[str, str]
    body: bytes


class Receivers:
    """Both receivers, running in a thread; `stop` stops them as the service does."""

    def __init__(self, otlp: OtlpConfig, gate: Gate | None = None, host: str = "127.0.0.1") -> None:
        self.intake = RecordingIntake()
        self.host = host
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.away = TurnedAway()
        self.http = HttpReceiver(self.intake, otlp, gate, self.away)
        self.grpc = GrpcReceiver(self.intake, otlp, gate, self.away)
        self.http_port = self.call(self.http.start(host, 0))
        self.grpc_port = self.call(self.grpc.start(host, 0))
        self._stopped = False

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def stop(self, grace: float = 2.0) -> None:
        if self._stopped:
            return
        self._stopped = True
        self.call(self.http.stop(grace))
        self.call(self.grpc.stop(grace))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def request(
        self,
        body: bytes | Iterable[bytes] = b"",
        *,
        method: str = "POST",
        path: str = "/v1/metrics",
        content_type: str | None = PROTOBUF,
        tls: ssl.SSLContext | None = None,
        **headers: str,
    ) -> Response:
        if tls is None:
            connection = http.client.HTTPConnection(self.host, self.http_port, timeout=10)
        else:
            connection = http.client.HTTPSConnection(self.host, self.http_port, timeout=10, context=tls)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if content_type is not None:
            sent["content-type"] = content_type
        with closing(connection):
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            return Response(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())

    def raw(self, *parts: bytes, pause: float = 0.0) -> bytes:
        """What comes back for these bytes until the receiver closes the connection."""
        with socket.create_connection((self.host, self.http_port), timeout=10) as one:
            for part in parts:
                one.sendall(part)
                time.sleep(pause)
            one.shutdown(socket.SHUT_WR)
            return _all(one)


def _all(one: socket.socket) -> bytes:
    got = b""
    try:
        while piece := one.recv(65536):
            got += piece
    except ConnectionResetError:
        pass
    return got


Start = Callable[..., Receivers]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts receivers with the given settings; they are stopped afterwards."""
    running: list[Receivers] = []

    def begin(*, gate: Gate | None = None, host: str = "127.0.0.1", **settings: Any) -> Receivers:
        settings = {"max_request_size": Size(LIMIT), **settings}
        running.append(Receivers(OtlpConfig(**settings), gate, host))
        return running[-1]

    yield begin
    for one in running:
        one.stop()


@pytest.fixture
def receivers(start: Start) -> Receivers:
    return start()


@pytest.fixture
def token(tmp_path: Path) -> str:
    """A token file whose token is `s3cret`."""
    path = tmp_path / "token"
    path.write_text("s3cret\n")
    return str(path)


def eventually(holds: Callable[[], bool], seconds: float = 5.0) -> None:
    """Fails unless `holds` becomes true in time."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.005)


def status(response: Response) -> status_pb2.Status:
    """The failure, read by the official class; the answer must be of the request's encoding."""
    assert response.headers["content-type"] == PROTOBUF
    return status_pb2.Status.FromString(response.body)


def head(*more: str, line: str = "POST /v1/metrics HTTP/1.1", host: str = "localhost") -> bytes:
    lines = [line, f"Host: {host}", f"Content-Type: {PROTOBUF}", *more]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def statuses(answer: bytes) -> list[int]:
    return [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]]
