"""Turns addresses as people write them into clients that are ready to ask."""

import asyncio
import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from blackhole.conformance.grpc import GrpcClient
from blackhole.conformance.http import HttpClient
from blackhole.errors import UnavailableError, UsageError

CONNECT_SECONDS = 5.0
_PORTS = {"http": 4318, "https": 4318, "grpc": 4317, "grpcs": 4317}
_HIGHEST_PORT = 65535
_SIGNAL_PATH = re.compile(r"/v1/(metrics|traces|logs)/?$")


@dataclass(frozen=True, slots=True)
class TargetAddress:
    """Where a receiver is; `prefix` stands before `/v1/…`."""

    url: str
    scheme: str
    host: str
    port: int
    prefix: str = ""

    @property
    def secure(self) -> bool:
        return self.scheme in {"https", "grpcs"}


@dataclass(slots=True)
class Probe:
    """One receiver: its HTTP side, its gRPC side, or both."""

    http: HttpClient | None = None
    grpc: GrpcClient | None = None

    async def close(self) -> None:
        if self.grpc is not None:
            await self.grpc.close()


def parse(url: str) -> TargetAddress:
    """`http://host:4318`, `https://…`, `grpc://host:4317`, `grpcs://…`. Raises UsageError."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        parts, port = urlsplit(""), 0
    if parts.scheme not in _PORTS or not parts.hostname or not 0 < port <= _HIGHEST_PORT or parts.username:
        raise UsageError(
            f"{url}: is not an address: write it like http://127.0.0.1:4318 or grpc://127.0.0.1:4317"
        )
    prefix = _SIGNAL_PATH.sub("", parts.path).rstrip("/")
    if parts.path.strip("/") and parts.scheme.startswith("grpc"):
        raise UsageError(f"{url}: gRPC has no path: write it like grpc://127.0.0.1:4317")
    return TargetAddress(url, parts.scheme, parts.hostname, port, prefix)


async def reach(urls: Sequence[str], token: str = "") -> Probe:
    """A probe of what is at `urls`. Raises UsageError; UnavailableError when nobody listens there."""
    addresses = [parse(url) for url in urls]
    http = [address for address in addresses if address.scheme.startswith("http")]
    grpc = [address for address in addresses if address.scheme.startswith("grpc")]
    if len(http) > 1 or len(grpc) > 1 or not addresses:
        raise UsageError("one receiver at a time: give one http:// address, one grpc:// address, or both")
    for address in addresses:
        await _knock(address)
    probe = Probe()
    for address in http:
        probe.http = HttpClient(address.host, address.port, address.prefix, token, secure=address.secure)
    for address in grpc:
        probe.grpc = GrpcClient(address.host, address.port, token, secure=address.secure)
    return probe


async def _knock(address: TargetAddress) -> None:
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(address.host, address.port)
    except (OSError, TimeoutError) as error:
        reason = getattr(error, "strerror", None) or str(error) or "no answer"
        raise UnavailableError(
            f"{address.url}: cannot be reached ({reason}): start the receiver, or correct the address"
        ) from None
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
