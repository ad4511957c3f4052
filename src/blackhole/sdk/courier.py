"""Turns what was measured into requests that are sent in time, by one thread of its own.

A service must not notice that no analytics is running: whatever goes wrong costs one line in the log, once.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, attach, set_value
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.metrics.export import MetricReader, MetricsData
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

from blackhole.sdk.exporting import EXPORT_TIMEOUT, Route, UndeliveredError

MOST_SPANS = 2048
_BATCH = 512
_LONGEST_WORDS = 500
_logger = logging.getLogger("blackhole.sdk")


class CourierReader(MetricReader):
    """Hands over what was measured when it is asked; `flush` is what a provider's `force_flush` does."""

    def __init__(self, flush: Callable[[float], bool]) -> None:
        super().__init__()
        self._flush = flush
        self._taken: MetricsData | None = None

    def take(self, timeout: float) -> MetricsData | None:
        self._taken = None
        self.collect(timeout_millis=timeout * 1000)
        return self._taken

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        return self._flush(timeout_millis / 1000)

    def shutdown(self, timeout_millis: float = 30_000, **_: Any) -> None:
        """The courier's end is the foundation's."""

    def _receive_metrics(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **_: Any) -> None:
        del timeout_millis
        self._taken = metrics_data


class Spans(SpanProcessor):
    """Spans that have ended and wait to be sent; those beyond the limit are dropped."""

    def __init__(self, flush: Callable[[float], bool], wake: Callable[[], None]) -> None:
        self._flush, self._wake = flush, wake
        self.clear()

    def clear(self) -> None:
        self._waiting: deque[ReadableSpan] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def on_end(self, span: ReadableSpan) -> None:
        if span.context is None or not span.context.trace_flags.sampled or len(self) >= MOST_SPANS:
            return
        self._waiting.append(span)
        if len(self) == _BATCH:
            self._wake()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._flush(timeout_millis / 1000)

    def take(self) -> list[ReadableSpan]:
        return [self._waiting.popleft() for _ in range(min(_BATCH, len(self)))]

    def give_back(self, spans: list[ReadableSpan]) -> None:
        self._waiting.extendleft(reversed(spans))


class Routes(NamedTuple):
    """Where each signal goes."""

    metrics: Route
    traces: Route


class Courier:
    """Sends metrics each `interval` seconds and spans at least each five, and both when it is told to."""

    def __init__(self, routes: Routes, resource: Resource, interval: float) -> None:
        self._metrics, self._traces = routes
        self._interval = min(interval, threading.TIMEOUT_MAX)
        self.resource = resource
        self.reader = CourierReader(self.flush)
        self.spans = Spans(self.flush, self._wake)
        self._said: set[str] = set()
        self.begin()

    def begin(self) -> None:
        """With a thread and locks of its own; again in a child, which has those of its parent."""
        self.spans.clear()
        self.arriving: bool | None = None
        self._changed = threading.Condition()
        self._asked = self._done = 0
        self._delivered = False
        self._deadline = 0.0
        self._awake = self._closing = False
        self._thread = threading.Thread(target=self._run, name="blackhole-sdk", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def flush(self, timeout: float) -> bool:
        """Sends what is there now. True when all of it was taken, False at the latest after `timeout`."""
        until = time.monotonic() + timeout
        with self._changed:
            if self._closing or self._thread is threading.current_thread():
                return False
            self._deadline = max(until, self._deadline if self._asked > self._done else 0.0)
            self._asked += 1
            mine = self._asked
            self._changed.notify_all()
            done = self._changed.wait_for(lambda: self._done >= mine or not self._thread.is_alive(), timeout)
            return done and self._done >= mine and self._delivered

    def close(self, timeout: float) -> None:
        """Sends the last values, if the analytics answered before, and ends; later it is left to itself."""
        with self._changed:
            self._closing = True
            self._deadline = time.monotonic() + timeout
            self._changed.notify_all()
        if self._thread is not threading.current_thread():
            self._thread.join(timeout)

    def _wake(self) -> None:
        with self._changed:
            self._awake = True
            self._changed.notify_all()

    def _run(self) -> None:
        attach(set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))  # what it sends is no event of the service
        metrics_at = spans_at = time.monotonic()
        metrics_at, spans_at = metrics_at + self._interval, spans_at + min(self._interval, 5.0)
        while True:
            with self._changed:
                self._changed.wait_for(self._is_called, max(min(metrics_at, spans_at) - time.monotonic(), 0))
                asked, closing = self._asked, self._closing
                called = asked > self._done or closing
                self._awake = False
                now = time.monotonic()
                deadline = self._deadline if called and self._deadline > now else now + EXPORT_TIMEOUT
            delivered = True
            if not (closing and self.arriving is False):
                if called or now >= metrics_at:
                    delivered = self._surely(self._send_metrics, deadline, called=called)
                    metrics_at = time.monotonic() + self._interval
                delivered = self._surely(self._send_spans, deadline, called=called) and delivered
                spans_at = time.monotonic() + min(self._interval, 5.0)
            with self._changed:
                self._done, self._delivered = asked, delivered
                self._changed.notify_all()
            if closing:
                return

    def _surely(self, send: Callable[..., bool], deadline: float, *, called: bool) -> bool:
        """The thread goes on whatever happens: an answer that is none, a certificate that is not there."""
        try:
            return send(deadline, called=called)
        except Exception as error:  # noqa: BLE001
            self._say(f"sending failed with {type(error).__name__}: look at endpoint and certificates")
            return False

    def _is_called(self) -> bool:
        return self._asked > self._done or self._closing or self._awake

    def _send_metrics(self, deadline: float, *, called: bool) -> bool:
        try:
            taken = self.reader.take(max(deadline - time.monotonic(), 0.001))
        except Exception:  # noqa: BLE001  (whatever an instrument's callback raises)
            self._say(
                "reading the instruments failed: one of their callbacks raised an error or took too long"
            )
            return False
        if taken is None:
            return True
        request = encode_metrics(taken)
        for one in request.resource_metrics:
            self._name(one.resource)
        answer = self._send(self._metrics, request.SerializeToString(), deadline, called=called)
        if answer is None:
            return False
        told = ExportMetricsServiceResponse.FromString(answer).partial_success
        return self._note_refused(told.rejected_data_points, "points", told.error_message)

    def _send_spans(self, deadline: float, *, called: bool) -> bool:
        taken = True
        for _ in range(0, len(self.spans), _BATCH):
            batch = self.spans.take()
            request = encode_spans(batch)
            for one in request.resource_spans:
                self._name(one.resource)
            answer = self._send(self._traces, request.SerializeToString(), deadline, called=called)
            if answer is None:
                self.spans.give_back(batch)
                return False
            told = ExportTraceServiceResponse.FromString(answer).partial_success
            taken = self._note_refused(told.rejected_spans, "spans", told.error_message) and taken
        return taken

    def _send(self, route: Route, body: bytes, deadline: float, *, called: bool) -> bytes | None:
        """The answer, or None. Who waits for it has it tried again where the analytics asks for that."""
        while True:
            try:
                answer = route.send(body, min(deadline, time.monotonic() + EXPORT_TIMEOUT))
            except UndeliveredError as error:
                again = error.again
                if called and again is not None and time.monotonic() + again < deadline:
                    time.sleep(again)
                    continue
                self.arriving = again is not None
                self._say_missing(route, str(error))
                return None
            self.arriving = True
            return answer

    def _name(self, resource: Any) -> None:
        """Whose it is: in a child, another than the parent's, which instruments and tracers have kept."""
        own = self.resource.attributes.get("service.instance.id")
        for pair in resource.attributes:
            if pair.key == "service.instance.id" and isinstance(own, str):
                pair.value.string_value = own

    def _note_refused(self, number: int, what: str, message: str) -> bool:
        if number:
            self._say(f"the analytics refused {what}: {message[:_LONGEST_WORDS]}")
        return number == 0

    def _say_missing(self, route: Route, words: str) -> None:
        if "missing" not in self._said:
            self._said.add("missing")
            _logger.warning(
                "no analytics at %s (%s): values wait or are dropped until it answers (blackhole serve)",
                route.place.address,
                words,
            )

    def _say(self, words: str) -> None:
        kind = words.partition(":")[0]
        if kind not in self._said:
            self._said.add(kind)
            _logger.warning("%s", words)
