"""Turns request bodies into broken ones: bytes, wire fields, JSON tokens."""

import random
import re
from collections.abc import Callable

from tests.core.wire import read_varint, varint

Mutator = Callable[[bytes, random.Random], bytes]
EDGES = (
    b"\x00",
    b"\xff",
    b"\x7f",
    b"\x80",
    b"\xff" * 9 + b"\x01",
    b"\xff" * 10,
    b"\x80" * 12,
    b"\x0a\xff\xff\xff\x7f",
)
TOKENS = (
    *(b"null", b"true", b"0", b"-1", b"1e999", b"1E400", b"-0", b"1.5", b"18446744073709551616"),
    *(b'"NaN"', b'"Infinity"', b'"x"', b'""', b'"9223372036854775808"', b'"\\ud800"', b'"\\u0000"', b"\xff"),
    *(b",", b":", b"}", b"]", b"[]", b"{}", b"[[[[]]]]", b"[" * 200, b'{"a":' * 200),
    *(b'{"stringValue":"x"}', b'{"arrayValue":{"values":[{}]}}'),
)
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|-?[0-9.eE+]+|[\[\]{}:,]|true|false|null')
MOST = 1 << 16


def flip(body: bytes, chance: random.Random) -> bytes:
    if not body:
        return b"\x01"
    changed = bytearray(body)
    for _ in range(chance.choice((1, 1, 2, 8))):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def overwrite(body: bytes, chance: random.Random) -> bytes:
    at = chance.randint(0, len(body))
    edge = chance.choice(EDGES)
    return body[:at] + edge + body[at + len(edge) :]


def insert(body: bytes, chance: random.Random) -> bytes:
    at = chance.randint(0, len(body))
    return body[:at] + (chance.choice(EDGES) if chance.random() < 0.5 else chance.randbytes(3)) + body[at:]


def truncate(body: bytes, chance: random.Random) -> bytes:
    return body[: chance.randint(0, len(body))]


def remove(body: bytes, chance: random.Random) -> bytes:
    at = chance.randint(0, len(body))
    return body[:at] + body[at + chance.choice((1, 2, 9, 40)) :]


def repeat(body: bytes, chance: random.Random) -> bytes:
    at = chance.randint(0, len(body))
    end = min(at + chance.choice((1, 9, 80)), len(body))
    return body[:end] + body[at:end] * chance.choice((1, 1, 3, 50)) + body[end:]


def fields(body: bytes, chance: random.Random) -> bytes:
    """Walks to a random nested field and drops, doubles, renames, empties or wraps it; lengths stay right."""
    spans = _spans(body, chance)
    if not spans:
        return varint(chance.getrandbits(7)) + body
    tag, start, end = spans[-1]
    inner = body[start:end]
    number, wire = tag >> 3, tag & 7
    pieces = (
        b"",
        _field(number, inner) * chance.choice((2, 2, 30)),
        _field(max(number + chance.choice((-1, 1, 7)), 1), inner),
        _field(number, b""),
        _field(number, _field(number, inner)),
        varint(number << 3) + varint(chance.getrandbits(64)),
        varint(number << 3 | 1) + chance.randbytes(8),
        varint(number << 3 | chance.choice((3, 4, 5, 6))) + inner[:4],
    )
    piece = chance.choice(pieces) if wire == 2 else chance.choice(pieces[:1] + pieces[-3:])
    return _replaced(body, spans, piece)


def _field(number: int, inner: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(inner)) + inner


def _spans(body: bytes, chance: random.Random) -> list[tuple[int, int, int]]:
    """A way down: tag, start and end of the contents of one field within the next."""
    way: list[tuple[int, int, int]] = []
    start, end = 0, len(body)
    while start < end:
        found = _children(body, start, end)
        if not found:
            break
        way.append(chance.choice(found))
        tag, start, end = way[-1]
        if tag & 7 != 2 or chance.random() < 0.2:
            break
    return way


def _children(body: bytes, start: int, end: int) -> list[tuple[int, int, int]]:
    """The fields between `start` and `end`; none where these are not fields."""
    found = []
    try:
        while start < end:
            tag, at = read_varint(body, start)
            if tag & 7 == 0:
                _, stop = read_varint(body, at)
            elif tag & 7 == 2:
                length, at = read_varint(body, at)
                stop = at + length
            else:
                stop = at + {1: 8, 5: 4}[tag & 7]
            if stop > end or tag < 8:
                return []
            found.append((tag, at, stop))
            start = stop
    except (IndexError, KeyError):
        return []
    return found


def _replaced(body: bytes, way: list[tuple[int, int, int]], piece: bytes) -> bytes:
    """The body with its innermost field as `piece`, and all lengths around it mended."""
    for depth in range(len(way) - 1, -1, -1):
        outer_start, outer_end = way[depth - 1][1:] if depth else (0, len(body))
        tag, start, end = way[depth]
        begin = start - len(varint(tag)) - (len(varint(end - start)) if tag & 7 == 2 else 0)
        content = body[outer_start:begin] + piece + body[end:outer_end]
        piece = _field(way[depth - 1][0] >> 3, content) if depth else content
    return piece


def token(body: bytes, chance: random.Random) -> bytes:
    spans = [match.span() for match in _TOKEN.finditer(body)]
    if not spans:
        return chance.choice(TOKENS)
    start, end = chance.choice(spans)
    piece = chance.choice(TOKENS) if chance.random() < 0.7 else body[start:end] * 2
    return body[:start] + piece + body[end:]


def noise(_: bytes, chance: random.Random) -> bytes:
    return chance.randbytes(chance.choice((1, 3, 20, 400)))


ANY: tuple[Mutator, ...] = (flip, flip, flip, overwrite, insert, truncate, remove, repeat)
MUTATORS: dict[str, tuple[Mutator, ...]] = {
    "protobuf": (*ANY, fields, fields, fields, fields, noise),
    "json": (*ANY, token, token, token, token, noise),
}


def mutated(body: bytes, encoding: str, chance: random.Random) -> bytes:
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        body = chance.choice(MUTATORS[encoding])(body, chance)
    return body[:MOST]
