"""Makes identities that are well-formed, unlike each other, and findable by a marker in each of them."""

import base64
import itertools
from collections.abc import Callable
from random import Random

WORD = "cNRYcN"
HEX = "ca7a57e5d00d"
PHONE = "30 9018 20"
NETWORK = "203.0.113."

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"
_HEX = "0123456789abcdef"


def _some(n: int, letters: str, count: int) -> str:
    return "".join(Random(n).choices(letters, k=count))


def _peer(n: int) -> str:
    return f"12D3KooW{WORD}{_some(n, _BASE58, 38)}"


# Each kind of identity that the guard promises to know in any string (docs/privacy.md).
KINDS: dict[str, Callable[[int], str]] = {
    "peer id (Ed25519)": _peer,
    "peer id (RSA)": lambda n: f"Qm{WORD}{_some(n, _BASE58, 38)}",
    "peer id (secp256k1)": lambda n: f"16Uiu2HAm{WORD}{_some(n, _BASE58, 38)}",
    "CIDv1": lambda n: f"bafybei{WORD.lower()}{_some(n, _BASE32, 46)}",
    "IPNS name": lambda n: f"k51qzi5uqu5d{WORD.lower()}{_some(n, _BASE36, 44)}",
    "did:key": lambda n: f"did:key:z6Mk{WORD}{_some(n, _BASE58, 38)}",
    "did:web": lambda n: f"did:web:{WORD.lower()}{n}.example",
    "IPv4 address": lambda n: f"{NETWORK}{n % 256}",
    "IPv6 address": lambda n: f"2001:db8:ca7a:57e5:d00d::{n % 65_536:x}",
    "multiaddr": lambda n: f"/ip4/{NETWORK}{n % 256}/udp/4001/quic-v1/p2p/{_peer(n)}",
    "multiaddr of a name": lambda n: f"/dns4/{WORD.lower()}{n}.example/tcp/443/wss",
    "hardware address": lambda n: f"ca:7a:57:e5:d0:{n % 256:02x}",
    "e-mail address": lambda n: f"{WORD.lower()}.{n}@mail.example",
    "URL with credentials": lambda n: f"https://{WORD.lower()}{n}:pass@host.example/x",
    "URL with a query": lambda n: f"https://host.example/x?session={WORD.lower()}{n}",
    "UUID": lambda n: f"ca7a57e5-d00d-4{_some(n, _HEX, 3)}-8{_some(n + 1, _HEX, 3)}-{_some(n, _HEX, 12)}",
    "SHA-256": lambda n: f"{HEX}{_some(n, _HEX, 52)}",
    "account address": lambda n: f"0x{HEX}{_some(n, _HEX, 28)}",
    "onion address": lambda n: f"{WORD.lower()}{_some(n, _BASE32, 50)}.onion",
    "random base64": lambda n: WORD + base64.b64encode(Random(n).randbytes(48)).decode(),
    "JSON web token": lambda n: f"eyJhbGciOiJIUzI1NiJ9.{WORD}{_some(n, _BASE58, 40)}.{_some(n, _BASE58, 30)}",
    "GitHub token": lambda n: f"ghp_{WORD}{_some(n, _BASE58, 30)}",
    "AWS key": lambda n: f"AKIA{WORD.upper()}{_some(n, _BASE32, 10).upper()}",
    "bearer token": lambda n: f"Bearer {WORD}{_some(n, _BASE58, 20)}",
    "home path": lambda n: f"/home/{WORD.lower()}{n}/.ipfs",
    "home path (Windows)": lambda n: f"C:\\Users\\{WORD.lower()}{n}\\AppData",
    "telephone number": lambda n: f"+49 {PHONE} {n % 10_000:04d}",
}


class Canaries:
    """Gives out identities and remembers where each one was put."""

    def __init__(self) -> None:
        self.places: dict[str, str] = {}
        self._number = itertools.count(1)
        self._kinds = itertools.cycle(KINDS)

    def of(self, kind: str, place: str) -> str:
        text = KINDS[kind](next(self._number))
        self.places[text] = f"{kind} in {place}"
        return text

    def any(self, place: str) -> str:
        """The next kind, so that each place has others."""
        return self.of(next(self._kinds), place)

    def every(self, place: str) -> list[str]:
        """One of each kind."""
        return [self.of(kind, place) for kind in KINDS]

    def name(self, place: str) -> str:
        """A plain user name: nothing but dropping it keeps it out."""
        text = f"alice-{WORD.lower()}-{next(self._number)}"
        self.places[text] = f"user name in {place}"
        return text

    def identifier(self, length: int, place: str) -> bytes:
        """A trace or span id."""
        left = length - len(HEX) // 2
        value: bytes = bytes.fromhex(HEX) + (next(self._number) % 256**left).to_bytes(left, "big")
        self.places[value.hex()] = f"id in {place}"
        return value
