"""Turns any string that would be kept into one that names nobody: an identity becomes `redacted`."""

import html
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

# `\b` in the patterns: to it an underscore would be a letter, and `peer_Qm…` a word of its own. What cannot
# be mistaken for a word needs no beginning: it is found in the middle of one, too.
_BEGINS = "(?<![0-9a-z])"
_PATTERNS = re.compile(
    "|".join(  # noqa: FLY002  (one pattern a line, each with its reason)
        (
            r"12D3Koo\w*",  # libp2p peer id, Ed25519
            r"16Uiu2HA\w*",  # libp2p peer id, secp256k1
            r"(?-i:Qm)[1-9A-HJ-NP-Za-km-z]{42,}|\bQm[1-9A-HJ-NP-Za-km-z]{20,}",  # peer id or CIDv0
            r"baf[a-z2-7]{50,}|\bbaf[a-z2-7]{10,}",  # CIDv1, base32
            r"k(?:51|2k4)[a-z0-9]{40,}|\bk51[a-z0-9]{20,}",  # CIDv1 and IPNS, base36
            r"\bz[1-9A-HJ-NP-Za-km-z]{40,}",  # … base58
            r"(?-i:[um]A[V-X][A-Za-z0-9+/_-]{40,})",  # … base64
            r"/(?:ip[46]|ip6zone|dns|dns[46]|dnsaddr|p2p|onion3?|garlic(?:32|64)|unix)/",  # multiaddr
            r"/ipfs/(?!(?:id|kad|lan|ping|bitswap|graphsync)/)",  # not the protocol /ipfs/kad/1.0.0
            r"(?<!\d)(?<!\d\.)(?:\d{1,3}\.){3}\d{1,3}(?![\d.]*\d)",  # IPv4
            r"(?<!\d)(?<!\d-)(?:\d{1,3}-){3}\d{1,3}(?![\d-]*\d)",  # … in the name of a host
            r"did:[a-z0-9]{1,20}:[\w.%-]",
            r"(?<![^\s@/:])[^\s@/:]+@[^\s@/]+\.[^\s@/]+",  # e-mail address
            r"\w@[a-z]",  # … of a host without a domain, and what else stands for user@host
            r"(?<![\w@])@[a-z]\w+(?![\w-]*/)|@[\w.=-]+:[\w-]+\.\w",  # handle, not @scope/package
            r"[a-z0-9]\s?[(\[{]\s?at\s?[)\]}]\s?[a-z0-9]",  # e-mail address written out
            r"://[^\s/]*@",  # URL with credentials
            r"://\S{0,300}[?#]\S",  # URL with a query or fragment
            r"\bat://\S",  # AT protocol
            r"[?&][\w.\[\]-]+=\S",  # a query without its URL
            r"[0-9a-f]{8}[-_]?[0-9a-f]{4}[-_]?[0-9a-f]{4}[-_]?[0-9a-f]{4}[-_]?[0-9a-f]{12}",  # UUID
            r"\b[0-7][0-9a-hjkmnp-tv-z]{25}(?![0-9a-z])",  # ULID
            r"[0-9a-f]{16}",  # long hexadecimal
            r"(?:[0-9a-f]{2}[ :_-]){7}[0-9a-f]{2}",  # … in bytes: fingerprints
            r"(?=[a-f :_-]{0,35}\d)(?:[0-9a-f]{4,8}[ :_-]){3}[0-9a-f]{4,8}",  # … in groups
            r"\b(?=(?:[a-z]*\d){3})[0-9a-z]{32,}(?![0-9a-z])",  # base32 and bech32: onions, keys
            r"\b(?=(?:[a-z]*\d+[a-z]+){3})[0-9a-z]{20,}(?![0-9a-z])",  # … short ones
            r"\b(?=(?:[a-z]*\d+[a-z]+){2})[0-9a-z]{26,}(?![0-9a-z])",
            r"[0-9a-z]\.(?:onion|i2p)",
            r"(?:[0-9a-f]{2}[:_-]){5}[0-9a-f]{2}",  # hardware address
            r"(?=[a-f.]{0,13}\d)[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4}",  # … in the other spelling
            r"(?-i:eyJ)[\w-]+\.|-----BEGIN ",  # JSON web token, PEM
            r"gh[oprsu]_\w{16,}|github_pat_\w{16,}|glpat-[\w-]{8,}|xox[abeprs]-[\w-]{8,}|xapp-\d-\w{4,}|ya29\.\w{8,}",
            r"(?-i:A[KS]IA[0-9A-Z]{12,}|AIza[\w-]{30,}|SG\.[\w-]{8,}\.[\w-]{4,})|(?:shp|do[opr])[a-z0-9]*_(?:v1_)?\w{20,}",
            r"\b(?:gh[oprsu]_|github_pat_|sk-|[prs]k_(?:live|test)_|hf_|npm_|pypi-)[\w-]{8,}",
            r"(?:token|password|passwd|secret|api[_-]?key|credential|authorization|cookie)s?[\"']?\s*[=:]\s*[\"']?[^\s\"']{4,}",
            r"\b(?:bearer|basic|token|password|passwd|secret|api[_-]?key)\s+(?:(?=\S{0,40}\d)\S{4,}|\S{16,})",
            r"(?:/home/|/users/)[^\s/\\{:<*]",  # home path, not the route /users/{id}
            r"[a-z]:[\\/]+(?:users|documents and settings)[\\/]+[^\s/\\]",
            r"/root/|\b~\w*/",
            r"(?<!\d)\+?(?!\d{4}-\d\d-\d\d)\d[\d ()-]{9,}\d(?!\d)",  # telephone and account numbers, no dates
            r"\+\d[\d .()/-]{7,}\d|\b[a-z]{2}\d\d(?: ?\d{4}){3}",  # … international, IBAN
        )
    ).replace(r"\b", _BEGINS),
    re.IGNORECASE,
)
_IPV6_LIKE = re.compile(r"[0-9A-Fa-f]*:[0-9A-Fa-f:]*:[0-9A-Fa-f]*")
_BASE64_LIKE = re.compile(r"[A-Za-z0-9+/_=-]{20,}")
# Chance seldom leaves digits out, nor puts a small letter after every capital one.
_CAMEL_CASE = re.compile(r"[_a-z]*(?:[A-Z][a-z]+)+[A-Z]{0,3}")
_DIGITS = re.compile(r"\d+")
_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")
_MOST_UNQUOTED = 3
_LONGEST_IPV6 = 45


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
    plain = _normal(text)
    forms = {text, plain}
    if "\\u" in plain:
        forms.add(plain := _normal(_ESCAPED.sub(lambda found: chr(int(found[1], 16)), plain)))
    if "&" in plain:
        forms.add(plain := _normal(html.unescape(plain)))
    for _ in range(_MOST_UNQUOTED):
        if "%" not in plain:
            break
        forms.add(plain := _normal(unquote(plain)))
    return forms


def _normal(text: str) -> str:
    return _ZERO_WIDTH.sub("", unicodedata.normalize("NFKC", text))


def _has_ipv6(text: str) -> bool:
    return any(_is_ipv6(text, run) for run in _IPV6_LIKE.finditer(text))


def _is_ipv6(text: str, run: re.Match[str]) -> bool:
    """Beside a letter it must have a digit: `core::cache` has the form of an address."""
    around = text[max(run.start() - 1, 0) : run.start()] + text[run.end() : run.end() + 1]
    if any(c.isalpha() for c in around) and _DIGITS.search(run[0]) is None:
        return False
    found = run[0]
    candidates = {found, found.removeprefix(":"), found.removesuffix(":"), found.strip(":"), found[1:]}
    return any(_parses(candidate) for candidate in candidates)


def _parses(text: str) -> bool:
    if len(text) > _LONGEST_IPV6:
        return False
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def _has_random_run(text: str) -> bool:
    """Whether a long run changes between capitals, small letters and digits as often as chance does.

    Random base64 or base58 changes class at 5 to 6 of 10 characters, words in CamelCase at 3. Digits in three
    places and more are a sign of chance, too.
    """
    for run in _BASE64_LIKE.findall(text):
        if _CAMEL_CASE.fullmatch(run):
            continue
        classes = [_character_class(c) for c in run if c.isalnum()]
        changes = sum(a != b for a, b in pairwise(classes))
        enough = 0.28 if len(_DIGITS.findall(run)) > 2 and len({*classes}) > 2 else 0.38  # noqa: PLR2004
        if classes and changes / len(classes) > enough:
            return True
    return False


def _character_class(character: str) -> int:
    return 0 if character.isdigit() else 1 if character.isupper() else 2
