"""`flush` and `shutdown` keep their time and tell the truth, whatever listens at the other end."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsPartialSuccess,
    ExportMetricsServiceResponse,
)
from tests.sdk.receiver import Sink, receiving
from tests.sdk.test_foundation import unused_port

import blackhole.sdk as bh

# One export alone may take so long.
AN_EXPORT = 3.0


@contextmanager
def listening(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """An endpoint that does with each connection what `answer` says."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)

        def serve() -> None:
            kept = []
            while not over.is_set():
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    continue
                kept.append(connection)
                try:
                    answer(connection)
                except OSError:
                    continue
            for connection in kept:
                connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"127.0.0.1:{server.getsockname()[1]}"
        finally:
            over.set()
            thread.join()


def silent(_: socket.socket) -> None:
    pass


def closing(connection: socket.socket) -> None:
    connection.close()


def babbling(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
    connection.close()


ENDS = {"silent": silent, "closing": closing, "of another kind": babbling}


@pytest.mark.parametrize("scheme", ["grpc", "http/protobuf"])
@pytest.mark.parametrize("end", ENDS)
def test_flush_and_shutdown_keep_their_time(scheme: str, end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", scheme)
    with listening(ENDS[end]) as address:
        foundation = bh.setup("a", endpoint=f"http://{address}", interval=60, set_global=False)
        foundation.meter.create_counter("a.requests.total").add(1)
        with foundation.tracer.start_as_current_span("Method"):
            pass
        for asked in (0.4, 0.2):
            began = time.monotonic()
            assert foundation.flush(asked) is False
            assert time.monotonic() - began < AN_EXPORT
        began = time.monotonic()
        foundation.shutdown(0.2)
        assert time.monotonic() - began < AN_EXPORT


def test_a_flush_that_waits_for_an_export_in_progress_keeps_its_time() -> None:
    with listening(silent) as address:
        foundation = bh.setup("a", endpoint=address, interval=0.05, set_global=False)
        assert foundation.flush(0.1) is False  # its export goes on
        began = time.monotonic()
        assert foundation.flush(0.1) is False
        foundation.shutdown(0.1)
        assert time.monotonic() - began < AN_EXPORT


@contextmanager
def refusing(points: int) -> Iterator[Sink]:
    answer = ExportMetricsServiceResponse(
        partial_success=ExportMetricsPartialSuccess(rejected_data_points=points, error_message="refused: why")
    )
    with receiving() as sink:
        sink.answer = answer
        yield sink


@pytest.mark.parametrize("points", [1, 3])
def test_what_was_refused_is_not_taken_and_the_reason_is_said(
    points: int, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        refusing(points) as sink,
        bh.setup("a", endpoint=f"127.0.0.1:{sink.port}", set_global=False) as foundation,
    ):
        assert foundation.flush() is False
        assert foundation.flush() is False
    assert [record.getMessage() for record in caplog.records] == [
        "the analytics refused points: refused: why"
    ]


def test_metrics_that_went_nowhere_are_not_taken_though_spans_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as sink:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"http://127.0.0.1:{sink.port}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", f"http://127.0.0.1:{unused_port()}")
        with bh.setup("a", set_global=False) as foundation:
            with foundation.tracer.start_as_current_span("Method"):
                pass
            assert foundation.flush() is False
        assert len(sink.spans) == 1


def test_spans_that_went_nowhere_are_not_taken_though_metrics_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as sink:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"http://127.0.0.1:{unused_port()}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", f"http://127.0.0.1:{sink.port}")
        with bh.setup("a", set_global=False) as foundation:
            with foundation.tracer.start_as_current_span("Method"):
                pass
            assert foundation.flush() is False
        assert sink.metrics


class Counting(BaseHTTPRequestHandler):
    """Answers each request with the next of `answers`, then with 200."""

    answers: ClassVar[list[tuple[int, dict[str, str]]]]
    bodies: ClassVar[list[bytes]]

    def do_POST(self) -> None:
        self.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        status, headers = self.answers.pop(0) if self.answers else (200, {})
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@contextmanager
def http(
    *answers: tuple[int, dict[str, str]], handler: type["Counting"] | None = None
) -> Iterator[tuple[str, list[bytes]]]:
    bodies: list[bytes] = []
    handler = type("Own", (handler or Counting,), {"answers": list(answers), "bodies": bodies})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", bodies
        server.shutdown()
        thread.join()


def test_flush_tries_again_where_the_analytics_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
    with http((503, {"retry-after": "0"}), (429, {})) as (url, bodies):
        foundation = bh.setup("a", endpoint=url, interval=60, set_global=False)
        assert foundation.flush(20.0) is True
        assert len(bodies) == 3
        foundation.shutdown()


@pytest.mark.parametrize("status", [302, 400, 401, 404, 500])
def test_what_is_not_accepted_is_not_taken(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
    with http((status, {"location": "/elsewhere"})) as (url, bodies):
        foundation = bh.setup("a", endpoint=url, interval=60, set_global=False)
        assert foundation.flush() is False
        assert len(bodies) == 1
        foundation.shutdown()


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_what_stays_on_this_machine_goes_through_no_proxy(
    protocol: str, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxied: list[bytes] = []
    with listening(lambda connection: proxied.append(connection.recv(100))) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "grpc_proxy", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://{proxy}")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
        if protocol == "grpc":
            with (
                receiving() as sink,
                bh.setup("a", endpoint=f"http://{host}:{sink.port}", set_global=False) as one,
            ):
                assert one.flush(20.0)
        else:
            with http() as (url, _):
                port = url.rpartition(":")[2]
                with bh.setup("a", endpoint=f"http://{host}:{port}", set_global=False) as one:
                    assert one.flush(20.0)
    assert proxied == []


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_an_address_of_ipv6_is_named_in_brackets() -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        address = f"[::1]:{server.getsockname()[1]}"
        foundation = bh.setup("a", endpoint=address, interval=0.01, set_global=False)
        server.settimeout(30)
        connection, _ = server.accept()
        with connection:
            connection.settimeout(30)
            got = b""
            while address.encode() not in got:
                piece = connection.recv(4096)
                assert piece, got
                got += piece
    foundation.shutdown(20)  # else its thread logs in another test


def test_headers_and_compression_of_the_variables_come_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20abc")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    with receiving() as sink, bh.setup("a", endpoint=f"127.0.0.1:{sink.port}", set_global=False) as one:
        one.meter.create_counter("a.requests.total").add(3)
        assert one.flush(20.0)
        assert sink.metadata["authorization"] == "Bearer abc"
        assert sink.metric("a.requests.total").sum.data_points[0].as_int == 3


def test_a_request_larger_than_the_window_arrives_whole() -> None:
    with receiving() as sink, bh.setup("a", endpoint=f"127.0.0.1:{sink.port}", set_global=False) as one:
        counter = one.meter.create_counter("a.requests.total")
        for number in range(1500):
            counter.add(1, {"method": f"{number:0200}"})
        assert one.flush(20.0)
        assert len(sink.metric("a.requests.total").sum.data_points) == 1500


def test_spans_wait_for_an_analytics_that_is_not_there_yet() -> None:
    port = unused_port()
    with bh.setup("a", endpoint=f"127.0.0.1:{port}", interval=60, set_global=False) as one:
        with one.tracer.start_as_current_span("Method"):
            pass
        assert not one.flush()
        with receiving(port) as sink:
            assert one.flush(20.0)
            assert len(sink.spans) == 1


def test_the_providers_own_flush_keeps_its_time_too() -> None:
    with listening(silent) as address:
        one: Any = bh.setup("a", endpoint=address, interval=60, set_global=False)
        began = time.monotonic()
        one.meter_provider.force_flush(200)
        assert time.monotonic() - began < AN_EXPORT
        one.shutdown(0.1)


class Pages(Counting):
    """Answers with a page first, as a proxy or another server may."""

    def do_POST(self) -> None:
        self.bodies.append(self.rfile.read(int(self.headers["content-length"])))
        page = b"\xff<html>" if len(self.bodies) == 1 else b""
        self.send_response(200)
        self.send_header("content-length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)


def test_an_answer_that_is_none_is_said_and_the_next_values_are_sent(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
    with http(handler=Pages) as (url, _):
        foundation = bh.setup("a", endpoint=url, interval=60, set_global=False)
        assert foundation.flush(20.0) is False
        assert foundation.flush(20.0) is True
        foundation.shutdown()
    assert "sending failed" in caplog.text
