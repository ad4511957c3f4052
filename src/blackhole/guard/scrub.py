"""Turns any string that would be kept into one that names nobody: an identity becomes `redacted`."""

import ipaddress
import math
import re
import unicodedata
from itertools import pairwise
from urllib.parse import unquote

REDACTED = "redacted"
LONGEST_VALUE = 200
LONGEST_NAME = 64
LONGEST_BODY = 1000
LARGEST_PLAIN_INTEGER = 10**9

_PLAIN = re.compile(
    r"(?!.*[a-f]{16})[a-z][a-z_. -]{0,31}|(?!.*[A-F]{16}|A[KS]IA[A-Z]{12})[A-Z][A-Z_]{0,31}|\d{1,5}"
)
_ZERO_WIDTH = re.compile("[\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff]")

# `\b` in the patterns: to it an underscore would be a letter, and `peer_Qm…` a word of its own.
_BEGINS = "(?<![0-9a-z])"
_PATTERNS = re.compile(
    "|".join(  # noqa: FLY002  (one pattern a line, each with its reason)
        (
            r"12D3Koo\w*",  # libp2p peer id, Ed25519
            r"\b16Uiu2HA\w*",  # libp2p peer id, secp256k1
            r"\bQm[1-9A-HJ-NP-Za-km-z]{20,}",  # peer id or CIDv0
            r"\b(?:baf[a-z2-7]{10,}|k51[a-z0-9]{20,}|z[1-9A-HJ-NP-Za-km-z]{40,})",  # CIDv1, IPNS, base58
            r"/(?:ip[46]|ip6zone|dns|dns[46]|dnsaddr|p2p|onion3?|garlic(?:32|64)|unix)/",  # multiaddr
            r"/ipfs/(?!(?:id|kad|lan|ping|bitswap|graphsync)/)",  # not the protocol /ipfs/kad/1.0.0
            r"(?<!\d)(?<!\d\.)(?:\d{1,3}\.){3}\d{1,3}(?![\d.]*\d)",  # IPv4, also within a dotted name
            r"\bdid:[a-z0-9]+:\S+",
            r"(?<![^\s@/:])[^\s@/:]+@[^\s@/]+\.[^\s@/]+",  # e-mail address
            r"\b[a-z][a-z0-9+.-]{0,20}://[^\s/]*@",  # URL with credentials
            r"\b[a-z][a-z0-9+.-]{0,20}://\S{0,300}[?#]\S",  # URL with a query or fragment
            r"[?&][\w.-]+=\S",  # a query without its URL
            r"\b[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}(?![0-9a-z])",  # UUID
            r"\b(?:0x)?[0-9a-f]{16,}(?![0-9a-z])",  # long hexadecimal
            r"\b(?=(?:[a-z]*\d){3})[0-9a-z]{32,}(?![0-9a-z])",  # base32 and bech32: onions, keys
            r"\b[a-z2-7]{16,56}\.(?:onion|b32\.i2p)(?![0-9a-z])",
            r"\b(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}(?![0-9a-z])",  # hardware address
            r"\beyJ[\w-]+\.",  # JSON web token
            r"\b(?:gh[opsu]_|github_pat_|glpat-|sk-|xox[abprs]-|AKIA|ASIA|AIza|hf_|npm_|pypi-)[\w-]{8,}",
            r"\b(?:bearer|basic|token|password|passwd|secret|api[_-]?key)\s*[=: ]\s*\S{4,}",
            r"(?:/home/|/users/|[a-z]:\\+users\\+)[^\s/\\{:<*]",  # home path, not the route /users/{id}
            r"/root/|~/",
            r"(?<!\d)\+?\d[\d ()-]{9,}\d(?!\d)",  # telephone and account numbers
        )
    ).replace(r"\b", _BEGINS),
    re.IGNORECASE,
)
_IPV6_LIKE = re.compile(r"(?<![0-9A-Fa-f:])[0-9A-Fa-f:]*:[0-9A-Fa-f:]*:[0-9A-Fa-f:]*")
_BASE64_LIKE = re.compile(r"[A-Za-z0-9+/_=-]{20,}")
_CAMEL_CASE = re.compile(r"(?:[A-Z][a-z]{2,}){2,}")


def names_somebody(text: str) -> bool:
    """Whether the text holds what looks like an identity, an address, or a secret."""
    if _PLAIN.fullmatch(text):
        return False
    return any(_PATTERNS.search(form) or _has_ipv6(form) or _has_random_run(form) for form in _forms(text))


def clean_text(text: str) -> str:
    """The text, or `redacted` when it may name somebody or is too long to be a category."""
    if len(text) > LONGEST_VALUE or names_somebody(text):
        return REDACTED
    return "".join(c if c.isprintable() else " " for c in text)


def clean_body(text: str) -> str:
    """The text of a log record as it may be kept: its first 1,000 characters, if all of it names nobody."""
    if names_somebody(text):
        return REDACTED
    return "".join(c if c.isprintable() else " " for c in text[:LONGEST_BODY])


def clean_name(name: str) -> str:
    """A metric name as it may be repeated to its sender and shown: at most 64 characters."""
    return clean_text(name)[:LONGEST_NAME] or "(no name)"


def clean_value(value: object) -> str | int | float | bool | None:
    """An attribute value that may be kept; None when it is no scalar and so no category."""
    match value:
        case bool():
            return value
        case int():
            return value if abs(value) < LARGEST_PLAIN_INTEGER else REDACTED
        case float():
            return value if math.isfinite(value) and abs(value) < LARGEST_PLAIN_INTEGER else REDACTED
        case str():
            return clean_text(value)
        case _:
            return None


def _forms(text: str) -> set[str]:
    """The text as written, and with the disguises that encodings allow taken off."""
    plain = _ZERO_WIDTH.sub("", unicodedata.normalize("NFKC", text))
    return {text, plain, unquote(plain)}


def _has_ipv6(text: str) -> bool:
    for run in _IPV6_LIKE.findall(text):
        try:
            ipaddress.IPv6Address(run)
        except ValueError:
            continue
        return True
    return False


def _has_random_run(text: str) -> bool:
    """Whether a long run changes between capitals, small letters and digits as often as chance does.

    Random base64 or base58 changes class at 5 to 6 of 10 characters, words in CamelCase at 3.
    """
    for run in _BASE64_LIKE.findall(text):
        if _CAMEL_CASE.fullmatch(run):
            continue
        classes = [_character_class(c) for c in run if c.isalnum()]
        changes = sum(a != b for a, b in pairwise(classes))
        if classes and changes / len(classes) > 0.38:  # noqa: PLR2004  (see the docstring)
            return True
    return False


def _character_class(character: str) -> int:
    return 0 if character.isdigit() else 1 if character.isupper() else 2
