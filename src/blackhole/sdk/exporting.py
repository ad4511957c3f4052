"""Turns an endpoint and the OTEL_EXPORTER_OTLP_* variables into a way for request bodies to the analytics.

Each request has a connection of its own, so that nothing is shared with a process that forks, and what stays
on this machine goes through no proxy.
"""

# A fork during the first look-up of a name, which imports it, would leave the child waiting for that import.
import encodings.idna  # noqa: F401
import gzip
import ipaddress
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Literal
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
)

from opentelemetry.util.re import parse_env_headers

from blackhole.sdk import unary

SignalName = Literal["metrics", "traces"]
OtlpProtocol = Literal["grpc", "http/protobuf"]

EXPORT_TIMEOUT = 3.0
_GRPC_DEFAULT = "http://127.0.0.1:4317"
_HTTP_DEFAULT = "http://127.0.0.1:4318"
_HTTP_PORT = 4318
_PATHS: Mapping[SignalName, str] = {
    "metrics": "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
    "traces": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
}
_LONGEST_ANSWER = 1 << 20
_PASSING = frozenset({429, 502, 503, 504})
_SHORTEST_PAUSE = 0.1


class UndeliveredError(Exception):
    """It was not taken. `again`: after how many seconds another try may help; None: not at once."""

    def __init__(self, words: str, again: float | None = None) -> None:
        super().__init__(words)
        self.again = again


@dataclass(frozen=True, slots=True)
class Destination:
    """Where one signal goes: the address as the exporter wants it."""

    protocol: OtlpProtocol
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


@dataclass(frozen=True, slots=True)
class Route:
    """How the bodies of one signal go to their destination."""

    signal: SignalName
    place: Destination
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    compress: bool = False
    certificate: str = ""
    client: tuple[str, str] | None = None

    @classmethod
    def of(cls, signal: SignalName, endpoint: str | None, environ: Mapping[str, str]) -> "Route":
        """What the variables of the signal say, else the general ones. Raises ValueError."""

        def told(name: str) -> str:
            own = environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_{name}")
            return own or environ.get(f"OTEL_EXPORTER_OTLP_{name}", "")

        certificate, key = told("CLIENT_CERTIFICATE"), told("CLIENT_KEY")
        return cls(
            signal,
            destination(signal, endpoint, environ),
            parse_env_headers(told("HEADERS"), liberal=True),
            compress=told("COMPRESSION").strip().lower() == "gzip",
            certificate=told("CERTIFICATE"),
            client=(certificate, key) if certificate and key else None,
        )

    def send(self, body: bytes, deadline: float) -> bytes:
        """The answer's message. `deadline`: of `time.monotonic`. Raises UndeliveredError."""
        send = self._call if self.place.protocol == "grpc" else self._post
        return send(body, deadline)

    def _call(self, body: bytes, deadline: float) -> bytes:
        address = self.place.address
        parts = urlsplit(address if "://" in address else f"//{address}")
        try:
            return unary.call(
                parts.hostname or "",
                parts.port or 4317,
                _PATHS[self.signal],
                body,
                deadline=deadline,
                metadata=self.headers,
                tls=None if self.place.insecure else self._tls(),
                compress=self.compress,
            )
        except unary.NoAnswerError as error:
            raise UndeliveredError(str(error)) from None
        except unary.FailedError as error:
            raise UndeliveredError(str(error), _SHORTEST_PAUSE if error.passing else None) from None

    def _post(self, body: bytes, deadline: float) -> bytes:
        left = deadline - time.monotonic()
        if left <= 0:
            raise UndeliveredError("no answer in time")
        headers = {**self.headers, "Content-Type": "application/x-protobuf", "User-Agent": "blackhole-sdk"}
        if self.compress:
            body, headers["Content-Encoding"] = gzip.compress(body), "gzip"
        request = Request(self.place.address, body, headers)  # noqa: S310  (the scheme is checked)
        try:
            with self._opener().open(request, timeout=left) as answer:
                return bytes(answer.read(_LONGEST_ANSWER))
        except HTTPError as error:
            with error:
                passing = error.code in _PASSING
            again = _pause(error.headers.get("retry-after")) if passing else None
            raise UndeliveredError(f"it answered {error.code}", again) from None
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", error)
            is_late = isinstance(reason, TimeoutError)
            raise UndeliveredError("no answer in time" if is_late else "it cannot be reached") from None

    def _opener(self) -> OpenerDirector:
        local = is_loopback(urlsplit(self.place.address).hostname or "")
        opener = OpenerDirector()
        handlers = (
            HTTPHandler(),
            HTTPSHandler(context=None if self.place.insecure else self._tls()),
            HTTPErrorProcessor(),
        )
        for handler in (ProxyHandler({} if local else None), *handlers, HTTPDefaultErrorHandler()):
            opener.add_handler(handler)
        return opener

    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.certificate or None)
        if self.client is not None:
            context.load_cert_chain(*self.client)
        return context


def is_loopback(host: str) -> bool:
    """Whether it is this machine by its name or address alone."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _pause(retry_after: str | None) -> float:
    try:
        return max(float(retry_after or 0), _SHORTEST_PAUSE)
    except ValueError:
        return 1.0


def _protocol(signal: SignalName, endpoint: str, environ: Mapping[str, str]) -> OtlpProtocol:
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
    return is_loopback(parts.hostname or "")
