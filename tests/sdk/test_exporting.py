import pytest

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
