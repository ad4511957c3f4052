"""Turns field numbers and values into protobuf bytes, and answers' bytes into fields; no schema, no runtime.

A probe must be able to send what no library would, and to read what no library would accept.
"""

import struct
from dataclasses import dataclass

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10


class MalformedError(Exception):
    """Bytes that are not a protobuf message."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field as read: `value` is an int for varints and fixed ones, bytes for the rest."""

    number: int
    value: int | bytes


def varint(value: int) -> bytes:
    """Negative values as 64-bit two's complement, as protobuf's int32 and int64 are."""
    value &= 2**64 - 1
    out = bytearray()
    while value > 0x7F:  # noqa: PLR2004
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def zigzag(value: int) -> int:
    """How sint32 and sint64 are numbered."""
    return value * 2 if value >= 0 else -value * 2 - 1


def number(field: int, value: int) -> bytes:
    return varint(field << 3 | VARINT) + varint(value)


def fixed64(field: int, value: int) -> bytes:
    return varint(field << 3 | FIXED64) + struct.pack("<Q", value & 2**64 - 1)


def fixed32(field: int, value: int) -> bytes:
    return varint(field << 3 | FIXED32) + struct.pack("<I", value)


def double(field: int, value: float) -> bytes:
    return varint(field << 3 | FIXED64) + struct.pack("<d", value)


def nested(field: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return varint(field << 3 | LENGTH) + varint(len(body)) + body


def text(field: int, value: str) -> bytes:
    return nested(field, value.encode())


def packed_doubles(field: int, *values: float) -> bytes:
    return nested(field, struct.pack(f"<{len(values)}d", *values))


def packed_fixed64(field: int, *values: int) -> bytes:
    return nested(field, struct.pack(f"<{len(values)}Q", *values))


def fields(body: bytes) -> list[Field]:
    """Raises MalformedError."""
    found, at = [], 0
    while at < len(body):
        key, at = _varint(body, at)
        value, at = _value(body, at, key & 7)
        if not key >> 3:
            raise MalformedError("field number 0")
        found.append(Field(key >> 3, value))
    return found


def octets(value: int | bytes) -> bytes:
    """The value of a field that is length-delimited. Raises MalformedError."""
    if not isinstance(value, bytes):
        raise MalformedError("a number where a text belongs")
    return value


def _value(body: bytes, at: int, kind: int) -> tuple[int | bytes, int]:
    if kind == VARINT:
        return _varint(body, at)
    if kind == LENGTH:
        length, at = _varint(body, at)
        return _piece(body, at, length), at + length
    if kind in (FIXED64, FIXED32):
        length = 8 if kind == FIXED64 else 4
        return int.from_bytes(_piece(body, at, length), "little"), at + length
    raise MalformedError(f"wire type {kind}")


def _piece(body: bytes, at: int, length: int) -> bytes:
    if at + length > len(body):
        raise MalformedError("it ends early")
    return body[at : at + length]


def _varint(body: bytes, at: int) -> tuple[int, int]:
    value = 0
    for index in range(_LONGEST_VARINT):
        if at + index >= len(body):
            raise MalformedError("it ends early")
        byte = body[at + index]
        value |= (byte & 0x7F) << 7 * index
        if not byte & 0x80:
            return value, at + index + 1
    raise MalformedError("a varint of more than ten bytes")
