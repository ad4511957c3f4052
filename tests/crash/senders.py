"""Senders that send each request again until it is answered OK, as real exporters do."""

import http.client
import json
import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import grpc
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from tests.core.otlp_json import to_json
from tests.crash.streams import Stream, metric_of
from tests.e2e.service import EXPORT_METRICS

PAUSE_S = 0.01
TIMEOUT_S = 5.0


class Place:
    """Where the service is now."""

    def __init__(self) -> None:
        self.grpc = self.http = "127.0.0.1:9"
        self.stopping = False

    def moved(self, grpc_place: str, http_place: str) -> None:
        self.grpc, self.http = grpc_place, http_place


class FatalAnswerError(Exception):
    """An answer that no request of these may get."""


Transport = Callable[[Place, ExportMetricsServiceRequest], bytes]


class Grpc:
    """A channel to where the service is now. Raises OSError when the call may be tried again."""

    def __init__(self) -> None:
        self._target = ""
        self._channel: grpc.Channel | None = None

    def __call__(self, place: Place, request: ExportMetricsServiceRequest) -> bytes:
        try:
            body = request.SerializeToString()
            return bytes(self._to(place.grpc).unary_unary(EXPORT_METRICS)(body, timeout=TIMEOUT_S))
        except grpc.RpcError as error:
            if error.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}:
                raise OSError(str(error.code())) from None
            raise FatalAnswerError(f"{error.code()}: {error.details()}") from None

    def _to(self, target: str) -> grpc.Channel:
        if self._channel is None or target != self._target:
            self.close()
            self._target = target
            self._channel = grpc.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)])
        return self._channel

    def close(self) -> None:
        if self._channel is not None:
            self._channel.close()


class Http:
    """A request of its own each time. Raises OSError when it may be tried again."""

    def __init__(self, *, as_json: bool = False) -> None:
        self._json = as_json

    def __call__(self, place: Place, request: ExportMetricsServiceRequest) -> bytes:
        body = json.dumps(to_json(request)).encode() if self._json else request.SerializeToString()
        headers = {"content-type": "application/json" if self._json else "application/x-protobuf"}
        connection = http.client.HTTPConnection(place.http, timeout=TIMEOUT_S)
        try:
            connection.request("POST", "/v1/metrics", body, headers)
            answer = connection.getresponse()
            status, text = answer.status, answer.read()
        except (http.client.HTTPException, OSError) as error:
            raise OSError(str(error)) from None
        finally:
            connection.close()
        if status in {429, 502, 503, 504}:
            raise OSError(str(status))
        if status != 200:
            raise FatalAnswerError(f"{status}: {text[:200]!r}")
        return b"" if text == b"{}" else text

    def close(self) -> None:
        pass


@dataclass
class Sender:
    """`lanes` requests are on their way at once; with one lane requests come in the order of the streams."""

    name: str
    transport: Callable[[], Grpc | Http]
    streams: dict[str, Stream]
    place: Place
    seed: int
    lanes: int = 1
    acknowledged: int = 0
    tried_again: int = 0
    problem: str = ""
    _threads: list[threading.Thread] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)
        self._lock = threading.Lock()

    def start(self) -> None:
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(self.lanes)]
        for thread in self._threads:
            thread.start()

    def join(self, timeout: float) -> bool:
        for thread in self._threads:
            thread.join(timeout)
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self) -> None:
        transport = self.transport()
        try:
            while not self.place.stopping:
                with self._lock:
                    request, again = self._next()
                self._deliver(transport, request)
                if again:
                    self._deliver(transport, request)
        except FatalAnswerError as error:
            self.problem = str(error)
        finally:
            transport.close()

    def _next(self) -> tuple[ExportMetricsServiceRequest, bool]:
        """A request with points of some streams; now and then it is sent once more after its OK."""
        request = ExportMetricsServiceRequest()
        resource = request.resource_metrics.add()
        resource.resource.attributes.add(key="service.name").value.string_value = "crash"
        metrics = resource.scope_metrics.add().metrics
        names = self._chance.sample(sorted(self.streams), self._chance.randint(1, len(self.streams)))
        for name in names:
            stream = self.streams[name]
            metrics.append(metric_of(stream, stream.points(), {"sender": self.name, "stream": name}))
        return request, self._chance.random() < 0.05

    def _deliver(self, transport: Transport, request: ExportMetricsServiceRequest) -> None:
        while True:
            with suppress(OSError):
                answer = transport(self.place, request)
                if answer:
                    said = ExportMetricsServiceResponse.FromString(answer).partial_success
                    raise FatalAnswerError(f"refused {said.rejected_data_points}: {said.error_message}")
                with self._lock:
                    self.acknowledged += 1
                return
            with self._lock:
                self.tried_again += 1
            time.sleep(PAUSE_S)
