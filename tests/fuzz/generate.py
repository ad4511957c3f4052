"""Random valid requests of any signal, filled field by field from the descriptors of the official package."""

import random
from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

REQUESTS: dict[str, type[Message]] = {
    "metrics": ExportMetricsServiceRequest,
    "traces": ExportTraceServiceRequest,
    "logs": ExportLogsServiceRequest,
}
NOW = 1_700_000_000_000_000_000
WORDS = ("", "a", "jobs", "http.route", "service.name", "event.name", "größe", "日本", "\0", "x" * 300)
DOUBLES = (0.0, -0.0, 1.5, -2.25, 1e-320, 1e308, -1e308, float("inf"), float("-inf"), float("nan"), 2.0**53)
DEEPEST = 4
_T = FieldDescriptor
Chance = random.Random


def _bits(size: int, *, signed: bool) -> Callable[[Chance], int]:
    low, high = (-(2 ** (size - 1)), 2 ** (size - 1) - 1) if signed else (0, 2**size - 1)

    def number(chance: Chance) -> int:
        edges = (0, 1, low, high, 127, 128)
        return (
            chance.choice(edges)
            if chance.random() < 0.3
            else min(chance.getrandbits(chance.choice((3, 8, 31))), high)
        )

    return number


_VALUES: dict[int, Callable[[Chance], Any]] = {
    _T.TYPE_DOUBLE: lambda chance: (
        chance.choice(DOUBLES) if chance.random() < 0.3 else chance.uniform(-9, 99)
    ),
    _T.TYPE_BOOL: lambda chance: chance.random() < 0.5,
    _T.TYPE_STRING: lambda chance: chance.choice(WORDS),
    _T.TYPE_BYTES: lambda chance: chance.randbytes(chance.choice((0, 1, 7, 8, 8, 16, 16))),
    _T.TYPE_INT32: _bits(32, signed=True),
    _T.TYPE_SINT32: _bits(32, signed=True),
    _T.TYPE_UINT32: _bits(32, signed=False),
    _T.TYPE_FIXED32: _bits(32, signed=False),
    _T.TYPE_INT64: _bits(64, signed=True),
    _T.TYPE_SFIXED64: _bits(64, signed=True),
    _T.TYPE_UINT64: _bits(64, signed=False),
    _T.TYPE_FIXED64: _bits(64, signed=False),
}
_WIDTH = {
    "data_points": 4,
    "metrics": 3,
    "spans": 4,
    "log_records": 4,
    "bucket_counts": 6,
    "explicit_bounds": 5,
}


def request(signal: str, chance: Chance) -> Message:
    message = REQUESTS[signal]()
    _fill(message, chance, 0)
    return message


def _fill(message: Message, chance: Chance, depth: int) -> None:
    descriptor: Any = message.DESCRIPTOR
    left_out = {
        field.name
        for oneof in descriptor.oneofs
        for field in chance.sample(list(oneof.fields), len(oneof.fields))[1:]
    }
    for field in descriptor.fields:
        if field.name in left_out or (depth > 1 and chance.random() < 0.15):
            continue
        if field.message_type is not None:
            _fill_message(message, field, chance, depth)
        elif field.is_repeated:
            values = [_value(field, chance) for _ in range(chance.randint(0, _WIDTH.get(field.name, 3)))]
            getattr(message, field.name).extend(values)
        else:
            setattr(message, field.name, _value(field, chance))
    _make_sense(message, chance)


def _fill_message(message: Message, field: FieldDescriptor, chance: Chance, depth: int) -> None:
    recursive = message.DESCRIPTOR.name in {"ArrayValue", "KeyValueList", "AnyValue"}
    inner = depth + (DEEPEST if recursive else 1)
    if inner > 4 * DEEPEST:
        return
    if not field.is_repeated:
        part = getattr(message, field.name)
        part.SetInParent()
        _fill(part, chance, inner)
        return
    for _ in range(chance.randint(0 if depth else 1, _WIDTH.get(field.name, 2))):
        _fill(getattr(message, field.name).add(), chance, inner)


def _value(field: FieldDescriptor, chance: Chance) -> Any:
    if field.enum_type is not None:
        return chance.choice(field.enum_type.values).number
    if field.name.endswith("time_unix_nano"):
        return chance.choice((0, NOW, NOW + 1, NOW - 10**12, NOW + chance.getrandbits(30), 2**64 - 1))
    return _VALUES[field.type](chance)


def _make_sense(message: Any, chance: Chance) -> None:
    """Mostly what a sender would say, so that it is taken and not only refused."""
    if chance.random() < 0.2:
        return
    name = message.DESCRIPTOR.name
    if name == "HistogramDataPoint":
        bounds = sorted({chance.uniform(-9, 9) for _ in message.explicit_bounds})
        counts = [chance.getrandbits(8) for _ in (*bounds, 0)]
        del message.explicit_bounds[:], message.bucket_counts[:]
        message.explicit_bounds.extend(bounds)
        message.bucket_counts.extend(counts)
        message.count, message.sum = sum(counts), 2.5
        message.ClearField("min")
        message.ClearField("max")
    elif name == "ExponentialHistogramDataPoint":
        message.scale, message.zero_threshold, message.zero_count = chance.randint(-11, 21), 0.0, 3
        message.positive.offset, message.negative.offset = chance.randint(-99, 99), chance.randint(-99, 99)
        for side in (message.positive, message.negative):
            counts = [count >> 20 for count in side.bucket_counts]
            del side.bucket_counts[:]
            side.bucket_counts.extend(counts)
        message.count = 3 + sum(message.positive.bucket_counts) + sum(message.negative.bucket_counts)
        message.sum = 1.0
        message.ClearField("min")
        message.ClearField("max")
