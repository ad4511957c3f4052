"""Turns a peer's address into one of three words, never into an identifier."""

import ipaddress
import re
from collections.abc import Iterable
from typing import Literal

PeerType = Literal["bootstrap", "local", "network"]

_HOST_IN_MULTIADDR = re.compile(r"/(?:ip4|ip6|dns|dns4|dns6|dnsaddr)/([^/]+)")
_PEER_IN_MULTIADDR = re.compile(r"/p2p/([^/]+)")
_LOCAL_SUFFIXES = (".local", ".localhost", ".internal", ".lan")


def classify_peer(peer: object, *, bootstrap: Iterable[object] = ()) -> PeerType:
    """`bootstrap` when it is one of the bootstrap peers, `local` on this machine or network, else `network`.

    `peer` and the bootstrap peers may be multiaddrs, `host:port` texts, (host, port) pairs, plain addresses,
    peer ids, or anything with `addrs` and `peer_id` as libp2p's PeerInfo has them.
    """
    texts = _texts(peer)
    known = {mark for other in bootstrap for text in _texts(other) for mark in _marks(text)}
    if any(mark in known for text in texts for mark in _marks(text)):
        return "bootstrap"
    return "local" if any(_is_local(_host(text)) for text in texts) else "network"


def _texts(peer: object) -> list[str]:
    if isinstance(peer, tuple | list):
        return [str(peer[0])] if peer else []
    addresses = getattr(peer, "addrs", None)
    if addresses is None:
        return [str(peer)]
    return [str(address) for address in addresses] + [str(getattr(peer, "peer_id", ""))]


def _marks(text: str) -> set[str]:
    """What two spellings of one peer have in common: the whole text and the peer id in it."""
    return {text, *_PEER_IN_MULTIADDR.findall(text)} - {""}


def _host(text: str) -> str:
    if text.startswith("/"):
        found = _HOST_IN_MULTIADDR.search(text)
        return found[1] if found else ""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text if text.count(":") != 1 else text.partition(":")[0]


def _is_local(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host == "localhost" or host.endswith(_LOCAL_SUFFIXES)
    return address.is_loopback or address.is_private or address.is_link_local
