import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

import blackhole.sdk as bh
from blackhole.sdk.exporting import Destination, destination


@pytest.mark.parametrize(
    ("endpoint", "environ", "expected"),
    [
        (None, {}, Destination("grpc", "http://127.0.0.1:4317", True)),
        ("127.0.0.1:9000", {}, Destination("grpc", "127.0.0.1:9000", True)),
        ("localhost:9000", {}, Destination("grpc", "localhost:9000", True)),
        ("example.org:9000", {}, Destination("grpc", "example.org:9000", False)),
        ("https://example.org:9000", {}, Destination("grpc", "https://example.org:9000", False)),
        ("127.0.0.1:4318", {}, Destination("http/protobuf", "http://127.0.0.1:4318/v1/metrics", True)),
        (
            "http://h:4318/",
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://other:1"},
            Destination("http/protobuf", "http://h:4318/v1/metrics", True),
        ),
        (None, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://h:1"}, Destination("grpc", "http://h:1", True)),
        (
            None,
            {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"},
            Destination("http/protobuf", "http://127.0.0.1:4318/v1/metrics", True),
        ),
        (
            None,
            {
                "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://h:1/mine",
                "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            },
            Destination("http/protobuf", "http://h:1/mine", True),
        ),
    ],
)
def test_the_endpoint_decides_protocol_address_and_security(
    endpoint: str | None, environ: dict[str, str], expected: Destination
) -> None:
    assert destination("metrics", endpoint, environ) == expected


def test_an_unknown_protocol_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="grpc or http/protobuf"):
        destination("traces", None, {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"})


def test_http_is_spoken_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
    got: list[tuple[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        with bh.setup("a", endpoint=f"http://127.0.0.1:{server.server_port}", set_global=False) as foundation:
            assert foundation.flush()
        server.shutdown()
        thread.join()
    path, body = got[0]
    assert path == "/v1/metrics"
    request = ExportMetricsServiceRequest.FromString(body)
    names = {metric.name for metric in request.resource_metrics[0].scope_metrics[0].metrics}
    assert names == {"process.cpu.usage", "process.memory.usage"}
