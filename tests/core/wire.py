"""Protobuf messages taken apart and put together again, by the rules of the wire alone."""

import random
from dataclasses import dataclass
from dataclasses import field as member


@dataclass(frozen=True)
class Shape:
    """Which fields of a message are messages themselves."""

    nested: dict[int, "Shape"] = member(default_factory=dict)


LEAF = Shape()
ATTRIBUTE = Shape({2: LEAF})
_DATA = {
    5: Shape({1: Shape({7: ATTRIBUTE})}),
    7: Shape({1: Shape({7: ATTRIBUTE})}),
    9: Shape({1: Shape({9: ATTRIBUTE})}),
    10: Shape({1: Shape({1: ATTRIBUTE, 8: LEAF, 9: LEAF})}),
    11: Shape({1: Shape({7: ATTRIBUTE})}),
}
REQUEST = Shape({1: Shape({1: Shape({1: ATTRIBUTE}), 2: Shape({1: Shape({3: ATTRIBUTE}), 2: Shape(_DATA)})})})


def varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number: int, value: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(value)) + value


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def split(data: bytes) -> list[tuple[int, int, bytes]]:
    """Number, wire type and bytes behind the tag (without a length) of every field."""
    fields, at = [], 0
    while at < len(data):
        tag, at = read_varint(data, at)
        start = at
        match tag & 7:
            case 0:
                _, at = read_varint(data, at)
            case 1:
                at += 8
            case 2:
                length, start = read_varint(data, at)
                at = start + length
            case _:
                at += 4
        fields.append((tag >> 3, tag & 7, data[start:at]))
    return fields


def shuffled(data: bytes, shape: Shape, chance: random.Random, *, unknown: bool) -> bytes:
    """The same message with its fields in another order; those of one number keep theirs."""
    fields = split(data)
    order = [number for number, _, _ in fields]
    chance.shuffle(order)
    queues: dict[int, list[bytes]] = {}
    for number, wire, value in fields:
        if wire == 2:
            inside = shape.nested.get(number)
            content = shuffled(value, inside, chance, unknown=unknown) if inside else value
            queues.setdefault(number, []).append(field(number, content))
        else:
            queues.setdefault(number, []).append(varint(number << 3 | wire) + value)
    pieces = [queues[number].pop(0) for number in order]
    if unknown:
        extra = [field(1000, b"?"), varint(1001 << 3) + b"\x01", varint(1002 << 3 | 5) + bytes(4)]
        pieces.insert(chance.randint(0, len(pieces)), chance.choice(extra))
    return b"".join(pieces)
