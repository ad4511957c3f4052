"""Turns an endpoint and the OTEL_EXPORTER_OTLP_* variables into exporters that never disturb the service.

A service must not notice that no analytics is running: an export that fails costs one line in the log, once,
and OpenTelemetry's own lines about it are held back.
"""

import ipaddress
import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

from opentelemetry.sdk.metrics.export import MetricExporter
from opentelemetry.sdk.trace.export import SpanExporter

SignalName = Literal["metrics", "traces"]
Protocol = Literal["grpc", "http/protobuf"]

EXPORT_TIMEOUT = 3.0
_GRPC_DEFAULT = "http://127.0.0.1:4317"
_HTTP_DEFAULT = "http://127.0.0.1:4318"
_HTTP_PORT = 4318
_NOISY = (
    "opentelemetry.exporter.otlp.common.http",
    "opentelemetry.exporter.otlp.proto.grpc.exporter",
    "opentelemetry.exporter.otlp.proto.http.metric_exporter",
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
)
_logger = logging.getLogger("blackhole.sdk")
_Exporter = TypeVar("_Exporter", MetricExporter, SpanExporter)


@dataclass(frozen=True, slots=True)
class Destination:
    """Where one signal goes: the address as the exporter wants it."""

    protocol: Protocol
    address: str
    insecure: bool


def destination(signal: SignalName, endpoint: str | None, environ: Mapping[str, str]) -> Destination:
    """`endpoint` wins over the variables of the signal, those over the general ones, those over loopback.

    Raises ValueError for an unknown OTEL_EXPORTER_OTLP_PROTOCOL.
    """
    own = environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT", "") if endpoint is None else ""
    given = endpoint or own or environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "")
    protocol = _protocol(signal, given, environ)
    if protocol == "grpc":
        address = given or _GRPC_DEFAULT
        return Destination(protocol, address, _insecure(address))
    address = own or f"{(given or _HTTP_DEFAULT).rstrip('/')}/v1/{signal}"
    if "://" not in address:
        address = f"http://{address}"
    return Destination(protocol, address, _insecure(address))


def metric_exporter(endpoint: str | None, reporter: "Reporter") -> MetricExporter:
    place = destination("metrics", endpoint, os.environ)
    reporter.address = place.address
    if place.protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import (  # noqa: PLC0415
            OTLPMetricExporter as GrpcExporter,
        )

        return _quiet(GrpcExporter, reporter)(
            endpoint=place.address, insecure=place.insecure, timeout=EXPORT_TIMEOUT
        )
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import (  # noqa: PLC0415
        OTLPMetricExporter as HttpExporter,
    )

    return _quiet(HttpExporter, reporter)(endpoint=place.address, timeout=EXPORT_TIMEOUT)


def span_exporter(endpoint: str | None, reporter: "Reporter") -> SpanExporter:
    place = destination("traces", endpoint, os.environ)
    if place.protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (  # noqa: PLC0415
            OTLPSpanExporter as GrpcExporter,
        )

        return _quiet(GrpcExporter, reporter)(
            endpoint=place.address, insecure=place.insecure, timeout=EXPORT_TIMEOUT
        )
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter as HttpExporter,
    )

    return _quiet(HttpExporter, reporter)(endpoint=place.address, timeout=EXPORT_TIMEOUT)


class Reporter(logging.Filter):
    """Remembers whether exports arrive, says once when they do not, and mutes the exporters meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.address = ""
        self.arriving: bool | None = None
        self._said = False
        self._inside = threading.local()
        for name in _NOISY:
            logging.getLogger(name).addFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002
        return not getattr(self._inside, "exporting", False)

    def note(self, *, arrived: bool) -> None:
        self.arriving = arrived
        if not arrived and not self._said:
            self._said = True
            _logger.warning(
                "no analytics at %s: measurements wait or are dropped until it answers (blackhole serve)",
                self.address,
            )

    @contextmanager
    def muted(self) -> Iterator[None]:
        before = getattr(self._inside, "exporting", False)
        self._inside.exporting = True
        try:
            yield
        finally:
            self._inside.exporting = before

    def close(self) -> None:
        for name in _NOISY:
            logging.getLogger(name).removeFilter(self)


def _quiet(kind: type[_Exporter], reporter: Reporter) -> Callable[..., _Exporter]:
    """`kind` whose exports are muted and reported."""

    class Quiet(kind):  # type: ignore[valid-type,misc]
        def export(self, *args: Any, **kwargs: Any) -> Any:
            with reporter.muted():
                result = super().export(*args, **kwargs)
            reporter.note(arrived=result.name == "SUCCESS")
            return result

        def shutdown(self, *args: Any, **kwargs: Any) -> None:
            with reporter.muted():
                super().shutdown(*args, **kwargs)

    return Quiet


def _protocol(signal: SignalName, endpoint: str, environ: Mapping[str, str]) -> Protocol:
    named = environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL") or environ.get(
        "OTEL_EXPORTER_OTLP_PROTOCOL"
    )
    if named == "grpc":
        return "grpc"
    if named == "http/protobuf":
        return "http/protobuf"
    if named:
        raise ValueError(f"OTEL_EXPORTER_OTLP_PROTOCOL={named}: set it to grpc or http/protobuf")
    parts = urlsplit(endpoint if "://" in endpoint else f"//{endpoint}")
    return "http/protobuf" if parts.port == _HTTP_PORT or parts.path.strip("/") else "grpc"


def _insecure(address: str) -> bool:
    parts = urlsplit(address if "://" in address else f"//{address}")
    if parts.scheme:
        return parts.scheme == "http"
    host = parts.hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
