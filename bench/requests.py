"""Turns a load into OTLP export requests that are encoded once and stamped anew for each sending."""

import re
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric, NumberDataPoint

METHOD = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
SERIES = 2000
METRICS = 8
STEP_NS = 1_000_000
_MARK = 0xB1AC_401E_0000_0000
_REGIONS = ("europe", "asia", "africa", "america", "oceania")
_OPERATIONS = ("create", "update", "delete", "verify", "resolve")


@dataclass(frozen=True, slots=True)
class Load:
    """`lanes` senders with a share of the 2,000 series each, so that every series arrives in order."""

    points: int
    lanes: int

    @property
    def series(self) -> int:
        """Series of one lane."""
        return SERIES // self.lanes

    @property
    def slots(self) -> int:
        """Points of one series in one request."""
        return self.points // self.series


def catalogue(privacy: str = "public") -> str:
    """The catalogue file for what is sent.

    On open levels all four attributes go through, so that 2,000 series stay 2,000; on guarded ones a shard is
    a privacy unit, and regions and operations make the groups.
    """
    entry = (
        "  - {{name: bench.{kind}.{i}, description: A measured series, type: {kind}, unit: '1',"
        " privacy: {privacy}, purpose: What a data point costs, {more}}}"
    )
    more = "keep: [region, operation, shard, lane]"
    if privacy not in {"public", "internal"}:
        values = f"{{region: [{', '.join(_REGIONS)}], operation: [{', '.join(_OPERATIONS)}]}}"
        unit = "privacy_unit: {name: shard, keys: [shard]}, bounds: [0, 1000000], max_groups_per_unit: 25"
        more = f"keep: [region, operation], values: {values}, {unit}"
    kinds = ("gauge", "counter")
    entries = (entry.format(kind=kinds[i % 2], i=i, privacy=privacy, more=more) for i in range(METRICS))
    return "metrics:\n" + "\n".join(entries) + "\n"


class Template:
    """One lane's request. Times and values are marks of eight bytes that `stamp` replaces."""

    def __init__(self, load: Load, lane: int, start_ns: int) -> None:
        self._slots = load.slots
        body = _encode(load, lane, start_ns).SerializeToString()
        marks = {_time_mark(slot): 2 * slot for slot in range(self._slots)}
        marks |= {_value_mark(slot): 2 * slot + 1 for slot in range(self._slots)}
        pieces = re.split(b"(" + b"|".join(map(re.escape, marks)) + b")", body)
        self._fixed = pieces[::2]
        self._marks = [marks[mark] for mark in pieces[1::2]]
        self.points = load.series * load.slots

    def stamp(self, first_ns: int, value: float | None = None) -> bytes:
        """The request, its times one step a slot from `first_ns`; values rise with time, or are `value`."""
        stamps: list[bytes] = []
        for slot in range(self._slots):
            now = first_ns + slot * STEP_NS
            shown = now / STEP_NS if value is None else value
            stamps += struct.pack("<Q", now), struct.pack("<d", shown)
        pieces = [b""] * (len(self._fixed) + len(self._marks))
        pieces[::2] = self._fixed
        pieces[1::2] = [stamps[mark] for mark in self._marks]
        return b"".join(pieces)


def lane(load: Load, number: int, count: int, first_ns: int, start_ns: int) -> Iterator[bytes]:
    """`count` requests of one lane, each later than the one before; counters began at `start_ns`."""
    template = Template(load, number, start_ns)
    for i in range(count):
        yield template.stamp(first_ns + i * load.slots * STEP_NS)


def hours_ago(hours: float) -> int:
    return time.time_ns() - int(hours * 3600e9)


def _encode(load: Load, lane_number: int, start_ns: int) -> ExportMetricsServiceRequest:
    request = ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    attribute = resource.resource.attributes.add(key="service.name")
    attribute.value.string_value = "bench"
    metrics = resource.scope_metrics.add().metrics
    for number in range(METRICS):
        metric = metrics.add(name=f"bench.{'counter' if number % 2 else 'gauge'}.{number}", unit="1")
        points = _points_of(metric)
        mine = range(number, load.series, METRICS)
        for slot in range(load.slots):
            for series in mine:
                point = points.add(start_time_unix_nano=start_ns)
                _fill(point, slot, series, lane_number)
    return request


def _points_of(metric: Metric) -> Any:
    if ".gauge." in metric.name:
        return metric.gauge.data_points
    metric.sum.is_monotonic = True
    metric.sum.aggregation_temporality = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
    return metric.sum.data_points


def _fill(point: NumberDataPoint, slot: int, series: int, lane_number: int) -> None:
    point.time_unix_nano = int.from_bytes(_time_mark(slot), "little")
    (point.as_double,) = struct.unpack("<d", _value_mark(slot))
    shard, rest = divmod(series, len(_REGIONS) * len(_OPERATIONS))
    values = {
        "region": _REGIONS[rest % len(_REGIONS)],
        "operation": _OPERATIONS[rest // len(_REGIONS)],
        "shard": f"shard-{shard}",
        "lane": f"lane-{lane_number}",
    }
    for key, value in values.items():
        point.attributes.add(key=key).value.string_value = value


def _time_mark(slot: int) -> bytes:
    return struct.pack("<Q", _MARK + slot)


def _value_mark(slot: int) -> bytes:
    return struct.pack("<Q", 0x4042_5E4E_0000_0000 + slot)
