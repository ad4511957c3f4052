"""OTLP's JSON from protobuf messages: ids in hex, other bytes in base64, 64-bit integers as strings."""

import base64
import math
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

_LONG = {
    FieldDescriptor.TYPE_INT64,
    FieldDescriptor.TYPE_UINT64,
    FieldDescriptor.TYPE_FIXED64,
    FieldDescriptor.TYPE_SFIXED64,
}


def to_json(message: Message) -> dict[str, Any]:
    return {descriptor.json_name: _field(descriptor, value) for descriptor, value in message.ListFields()}


def _field(descriptor: FieldDescriptor, value: Any) -> Any:
    if descriptor.is_repeated:
        return [_single(descriptor, item) for item in value]
    return _single(descriptor, value)


def _single(descriptor: FieldDescriptor, value: Any) -> Any:
    if descriptor.type == FieldDescriptor.TYPE_MESSAGE:
        return to_json(value)
    if descriptor.type == FieldDescriptor.TYPE_BYTES:
        is_id = descriptor.name.endswith("_id")
        return value.hex() if is_id else base64.b64encode(value).decode()
    if descriptor.type in _LONG:
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value
