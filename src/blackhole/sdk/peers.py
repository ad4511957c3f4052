"""Turns a peer's address into one of four words, never into an identifier."""

import ipaddress
import re
from collections.abc import Iterable
from typing import Literal

PeerType = Literal["bootstrap", "local", "relay", "network"]
_IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_HOST_IN_MULTIADDR = re.compile(r"/(?:ip4|ip6|dns|dns4|dns6|dnsaddr)/([^/]+)")
_PEER_IN_MULTIADDR = re.compile(r"/(?:p2p|ipfs)/([^/]+)")
_CIRCUIT = re.compile(r"/p2p-circuit(?=/|$)")
_SAME_MACHINE = ("/memory/", "/unix/")
_LOCAL_SUFFIXES = (".local", ".localhost", ".internal", ".lan", ".home.arpa")
# This machine and the networks that it is in. What `ipaddress` calls private has documentation and Teredo in
# it, and not what a carrier shares (RFC 6598); it differs from version to version, too.
_LOCAL_RANGES = tuple(
    map(
        ipaddress.ip_network,
        (
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "::1/128",
            "64:ff9b:1::/48",
            "fc00::/7",
            "fe80::/10",
            "fec0::/10",
        ),
    )
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def classify_peer(peer: object, *, bootstrap: Iterable[object] = ()) -> PeerType:
    """`bootstrap`: one of those. `local`: on this machine or network; else `relay` or `network`.

    `relay`: it is reached through another peer only (`/p2p-circuit`), wherever that is. Addresses that are
    nobody's (unspecified, documentation, multicast) are `network`; those that embed an IPv4 address are its.

    `peer` and the bootstrap peers may be multiaddrs, `host:port` texts, (host, port) pairs, plain addresses,
    peer ids, or anything with `addrs` and `peer_id` as libp2p's PeerInfo has them.
    """
    texts = _texts(peer)
    known = {mark for other in bootstrap for text in _texts(other) for mark in _marks(text)}
    if any(mark in known for text in texts for mark in _marks(text)):
        return "bootstrap"
    direct = [text for text in texts if not _CIRCUIT.search(text)]
    if any(map(_is_local, direct)):
        return "local"
    relayed = len(direct) < len(texts)
    return "relay" if relayed and not any(map(_has_address, direct)) else "network"


def _texts(peer: object) -> list[str]:
    if isinstance(peer, tuple | list):
        return [str(peer[0])] if peer else []
    addresses = getattr(peer, "addrs", None)
    if addresses is None:
        return [str(peer)]
    return [str(address) for address in addresses] + [str(getattr(peer, "peer_id", ""))]


def _marks(text: str) -> set[str]:
    """What two spellings of one peer have in common: the whole text and the peer's id in it.

    What stands before the last `/p2p-circuit` is the relay's.
    """
    own = _CIRCUIT.split(text)[-1]
    return {text, *_PEER_IN_MULTIADDR.findall(own)} - {""}


def _has_address(text: str) -> bool:
    """Rather than a peer id alone."""
    return any(mark in text for mark in ".:") or bool(_HOST_IN_MULTIADDR.search(text))


def _is_local(text: str) -> bool:
    if text.startswith(_SAME_MACHINE):
        return True
    host = _host(text).rstrip(".").lower()
    try:
        address: _IpAddress = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host == "localhost" or host.endswith(_LOCAL_SUFFIXES)
    address = _embedded(address)
    return any(address in network for network in _LOCAL_RANGES)


def _host(text: str) -> str:
    if text.startswith("/"):
        found = _HOST_IN_MULTIADDR.search(text)
        return found[1] if found else ""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text if text.count(":") != 1 else text.partition(":")[0]


def _embedded(address: _IpAddress) -> _IpAddress:
    """The IPv4 address that an IPv6 address stands for: mapped, of 6to4, or of NAT64."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address
