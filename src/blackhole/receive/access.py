"""Turns headers into a yes or an error: token, Host, Origin; and reads the files they rest on."""

import hmac
import ipaddress
import ssl
from http import HTTPStatus
from pathlib import Path

from blackhole.config import OtlpConfig, read_token
from blackhole.errors import ConfigError
from blackhole.receive.answers import Code, NotHereError
from blackhole.receive.refusals import no_token

_LOOPBACK_NAMES = frozenset({"localhost", "ip6-localhost", "localhost.localdomain"})


class Access:
    """Who may send. Built once; raises ConfigError when a file or an origin cannot be used."""

    def __init__(self, otlp: OtlpConfig) -> None:
        self._credentials = read_token(otlp.token_file, key="otlp").encode() if otlp.token_file else None
        self._origins = frozenset(_origin(text) for text in otlp.allowed_origins)
        self._hosts: frozenset[str] = _LOOPBACK_NAMES
        self.certificate = _read_pair(otlp.tls_cert, otlp.tls_key) if otlp.tls_cert or otlp.tls_key else None

    @property
    def token(self) -> bytes | None:
        return self._credentials

    def allow_host(self, host: str) -> None:
        """The name that the receiver was bound to is a way to call it."""
        self._hosts |= {host.strip("[]").lower()}

    def check_token(self, authorization: str) -> None:
        """Raises UnauthenticatedError unless this is `Bearer` and the token, when one is set."""
        if self._credentials is None:
            return
        scheme, _, token = authorization.partition(" ")
        given = token.strip().encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(given, self._credentials) or scheme.lower() != "bearer":
            raise no_token()

    def check_host(self, hosts: list[str], authorization: str) -> None:
        """Against DNS rebinding. A page cannot know the token, so who has it may use any name."""
        if len(hosts) == 1 and self._is_ours(hosts[0]):
            return
        if self._credentials is not None and authorization:
            self.check_token(authorization)
            return
        raise NotHereError(
            "this host name is not served here: use localhost, the address, or a token",
            HTTPStatus.MISDIRECTED_REQUEST,
            Code.PERMISSION_DENIED,
        )

    def allows_origin(self, origin: str) -> bool:
        return origin.lower() in self._origins

    def check_origin(self, origin: str) -> None:
        """Raises for pages whose origin is not in `otlp.allowed_origins`."""
        if not self.allows_origin(origin):
            raise NotHereError(
                "pages of this origin may not send here: list it in otlp.allowed_origins",
                HTTPStatus.FORBIDDEN,
                Code.PERMISSION_DENIED,
            )

    def _is_ours(self, host: str) -> bool:
        name = host.strip().lower()
        bare, _, port = name.rpartition(":")
        if bare and not bare.endswith(":") and (port.isdigit() or not port) and "]" not in port:
            name = bare
        name = name.removesuffix(".")
        if name in self._hosts or name.endswith(".localhost"):
            return True
        try:
            ipaddress.ip_address(name[1:-1] if name.startswith("[") else name)
        except ValueError:
            return False
        return True


def _read_pair(certificate: str, key: str) -> tuple[bytes, bytes]:
    if not certificate or not key:
        raise ConfigError("`analytics.otlp.tls_cert` and `tls_key` belong together: set both or neither")
    pair = _read(certificate, "otlp.tls_cert"), _read(key, "otlp.tls_key")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
            Path(certificate).expanduser(), Path(key).expanduser(), password=""
        )
    except (ssl.SSLError, OSError):
        raise ConfigError(
            f"`analytics.otlp.tls_cert`: {certificate} and {key} are not a PEM certificate and its open key"
        ) from None
    return pair


def _read(path: str, setting: str) -> bytes:
    try:
        return Path(path).expanduser().read_bytes()
    except OSError as error:
        raise ConfigError(
            f"`analytics.{setting}`: {path} cannot be read ({error.strerror}): name a readable file"
        ) from None


def _origin(text: str) -> str:
    origin = text.lower().rstrip("/")
    if "*" in origin or "://" not in origin:
        raise ConfigError(
            f"`analytics.otlp.allowed_origins`: {text!r} is not an origin: write each in full, like https://app.example"
        )
    return origin
