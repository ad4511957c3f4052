"""Turns lines of values and attributes into the OTLP requests that would carry them."""

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from blackhole.catalogue.definition import Definition
from blackhole.errors import UsageError
from blackhole.model.series import MetricType
from blackhole.model.signals import Encoding, Payload, Signal

_DELTA, _CUMULATIVE = 1, 2
_MOST_BYTES = 64 * 2**20
# A level is sent as a stream that has always been there.
_START = "1"
_SHAPE = 'write {"value": 1, "attributes": {"key": "text"}, "time": "2026-01-01T00:00:00Z"}'

_encode = msgspec.json.Encoder(order="sorted").encode

AuditScalar = str | int | float | bool
AuditJson = dict[str, Any]


class AuditLine(msgspec.Struct, frozen=True):
    """One value as a service would send it. `count`: of a histogram, how many observations of it."""

    value: float
    attributes: Mapping[str, AuditScalar]
    count: int = 1


class _Written(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line of a file. Its time is checked and not used: windows follow arrival."""

    value: float
    attributes: dict[str, AuditScalar] = {}
    time: datetime | None = None


def read(path: Path) -> list[AuditLine]:
    """The lines of a file of newline-delimited JSON. Raises UsageError with the number of the line."""
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}): name an existing file") from None
    if len(text) > _MOST_BYTES:
        raise UsageError(f"{path}: longer than {_MOST_BYTES >> 20} MiB: one window has fewer lines")
    return [_line(path, number, line) for number, line in enumerate(text.split(b"\n"), 1) if line.strip()]


def _line(path: Path, number: int, text: bytes) -> AuditLine:
    """What is wrong is said without what was written: it may name somebody."""
    try:
        line = msgspec.json.decode(text, type=_Written)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}, line {number}: {_problem(error)}: {_SHAPE}") from None
    if not math.isfinite(line.value):
        raise UsageError(f"{path}, line {number}: the value is not a finite number: {_SHAPE}")
    if line.time is not None and line.time.tzinfo is None:
        raise UsageError(f"{path}, line {number}: the time has no zone: {_SHAPE}")
    return AuditLine(line.value, line.attributes)


def _problem(error: Exception) -> str:
    if "unknown field" in str(error):
        return "a key beside value, attributes and time"
    place = str(error).rpartition(" - at `$")
    return (
        "the attributes are not texts, numbers or true and false" if ".attributes" in place[2] else str(error)
    )


def requests(metric: str, definition: Definition, lines: Iterable[AuditLine]) -> list[Payload]:
    """ExportMetricsServiceRequests without times, which means received now.

    The k-th value of a raw series goes into the k-th request: twice at one moment would be a duplicate.
    """
    seen: defaultdict[bytes, int] = defaultdict(int)
    points: list[list[AuditJson]] = []
    for line in lines:
        series = _encode(line.attributes)
        place = seen[series]
        seen[series] += 1
        if place == len(points):
            points.append([])
        points[place].append(_point(definition, line))
    return [_request(metric, definition, chosen) for chosen in points]


def _request(metric: str, definition: Definition, points: Sequence[AuditJson]) -> Payload:
    content = {"name": metric, "unit": definition.unit, **_data(definition.type, points)}
    body = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [content]}]}]}
    return Payload(Signal.METRICS, Encoding.JSON, _encode(body))


def _data(kind: MetricType, points: Sequence[AuditJson]) -> AuditJson:
    if kind is MetricType.GAUGE:
        return {"gauge": {"dataPoints": points}}
    if kind is MetricType.HISTOGRAM:
        return {"histogram": {"dataPoints": points, "aggregationTemporality": _DELTA}}
    monotonic = kind is MetricType.COUNTER
    temporality = _DELTA if monotonic else _CUMULATIVE
    content = {"dataPoints": points, "aggregationTemporality": temporality, "isMonotonic": monotonic}
    return {"sum": content}


def _point(definition: Definition, line: AuditLine) -> AuditJson:
    attributes = [{"key": key, "value": _value(value)} for key, value in line.attributes.items()]
    if definition.type is MetricType.HISTOGRAM:
        bounds = list(definition.buckets or ())
        counts = ["0"] * (len(bounds) + 1)
        counts[bisect_left(bounds, line.value)] = str(line.count)
        return {
            "attributes": attributes,
            "count": str(line.count),
            "sum": line.value * line.count,
            "explicitBounds": bounds,
            "bucketCounts": counts,
        }
    if definition.type is MetricType.UPDOWNCOUNTER:
        return {"attributes": attributes, "asDouble": line.value, "startTimeUnixNano": _START}
    return {"attributes": attributes, "asDouble": line.value}


def _value(value: AuditScalar) -> Mapping[str, object]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    return {"doubleValue": value} if isinstance(value, float) else {"stringValue": value}
