"""Turns a host and a port into listening sockets, or into one line that says why not."""

import errno
import socket
from contextlib import suppress

from blackhole.errors import UsageError

_BACKLOG = 128
_REASONS = {
    errno.EADDRINUSE: "is in use: stop the other program, or pass another {flag} (port 0 picks a free one)",
    errno.EACCES: "may not be used by this user: pass a port above 1023 with {flag}",
    errno.EADDRNOTAVAIL: "is no address of this machine: pass one of its addresses with {flag}",
}


def plain_host(host: str) -> str:
    """The host without brackets: `[::1]` and `::1` are the same."""
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def open_sockets(host: str, port: int, flag: str) -> list[socket.socket]:
    """Sockets for each address of `host`, all with one port. Raises UsageError that names `flag`."""
    host = plain_host(host)
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError, OverflowError):
        raise UsageError(f"{place(host, port)} is not a known address: pass HOST:PORT with {flag}") from None
    sockets: list[socket.socket] = []
    addresses = list(dict.fromkeys((family, address) for family, _, _, _, address in found))
    try:
        for family, address in addresses:
            chosen = sockets[0].getsockname()[1] if sockets else port
            sockets.append(_bind(family, (address[0], chosen, *address[2:])))
    except OSError as error:
        close(sockets)
        unknown = f"cannot be opened ({error.strerror}): pass another {{flag}}"
        reason = _REASONS.get(error.errno or 0, unknown).format(flag=flag)
        raise UsageError(f"{place(host, port)} {reason}") from None
    return sockets


def close(sockets: list[socket.socket]) -> None:
    for one in sockets:
        with suppress(OSError):
            one.close()


def _bind(family: int, address: tuple[object, ...]) -> socket.socket:
    one = socket.socket(family, socket.SOCK_STREAM)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind(address)
        one.listen(_BACKLOG)
    except OSError:
        one.close()
        raise
    one.setblocking(False)
    return one


def place(host: str, port: int) -> str:
    """`HOST:PORT`, an IPv6 address in brackets."""
    host = plain_host(host)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
