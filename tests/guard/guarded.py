"""A guard with private metrics of every type, hardly any noise, and eyes for what it gives out."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from blackhole import _core
from blackhole.catalogue.load import Catalogue, load
from blackhole.config import Config, Duration
from blackhole.guard.engine import Guard, Judgement, StoredState
from blackhole.model.batch import GuardedBatch
from blackhole.model.series import SeriesRow
from blackhole.privacy.ledger import Clocks

SECOND = 10**9
START = 1_800_000_000 * SECOND
DELTA, CUMULATIVE = 1, 2
CATALOGUE = """
metrics:
  - &secret
    name: secret.count
    description: An event of the test
    type: counter
    unit: "{use}"
    privacy: highly_sensitive
    purpose: Whether identities stay where they are
    keep: [kind]
    values: {kind: [a, b]}
    privacy_unit: {name: user, keys: [user.id, peer.id]}
    max_groups_per_unit: 4
    bounds: [0, 100]
  - {<<: *secret, name: secret.level, type: updowncounter, bounds: [-50, 50]}
  - {<<: *secret, name: secret.heat, type: gauge}
  - {<<: *secret, name: secret.time, type: histogram, unit: ms, buckets: [10, 100]}
  - &events {<<: *secret, name: secret.events, privacy_unit: event, bounds: [0, 1]}
  - {<<: *events, name: secret.delays, type: histogram, unit: ms, buckets: [10, 100]}
  - &shared {<<: *secret, name: shared.count, privacy: sensitive}
  - {<<: *shared, name: shared.named.*}
  - {<<: *shared, name: shared.events, privacy_unit: event, bounds: [0, 1]}
  - &open
    name: open.count
    description: An event of the test
    type: counter
    unit: "{use}"
    privacy: public
    purpose: Whether identities stay where they are
    keep: [kind]
  - {<<: *open, name: open.level, type: updowncounter}
"""

Attributes = Mapping[str, Any]
Value = float | tuple[Sequence[float], Sequence[int]]


class Private:
    """The guard, its clock, and what it has let out. So much budget is left that values are exact."""

    def __init__(self, directory: Path, **settings: Any) -> None:
        self.now = START
        path = directory / "catalogue.yaml"
        path.write_text(CATALOGUE)
        self.catalogue: Catalogue = load([path])
        given: dict[str, Any] = {"privacy_budget": 1e12, "sensitive_window": Duration(10), "k_anonymity": 1}
        given |= {"release_window": Duration(10), "budget_period": Duration(3600)}
        self.guard = Guard(
            self.catalogue,
            Config(**(given | settings)),
            StoredState(START),
            Clocks(lambda: self.now, lambda: self.now),
        )
        self.series: dict[int, SeriesRow] = {}
        self.take()

    def send(self, *metrics: Metric, resource: Attributes | None = None) -> Judgement:
        message = ExportMetricsServiceRequest()
        group = message.resource_metrics.add()
        for key, value in {"service.name": "node", **(resource or {})}.items():
            group.resource.attributes.add(key=key).value.CopyFrom(any_value(value))
        group.scope_metrics.add().metrics.extend(metrics)
        return self.send_bytes(message.SerializeToString())

    def send_bytes(self, body: bytes) -> Judgement:
        judged = self.guard.judge(_core.Decoder(bytes(16)).metrics(body, "protobuf"))
        self.series.update({row.id: row for row in judged.batch.series})
        return judged

    def take(self) -> list[GuardedBatch]:
        """What may be stored by now of the windows that are over."""
        batches = self.guard.take_closed()
        self.series.update({row.id: row for batch in batches for row in batch.series})
        return batches

    def close(self) -> list[GuardedBatch]:
        """Lets the open windows end."""
        self.now += 11 * SECOND
        return self.take()

    def released(self, metric: str) -> dict[str, list[float]]:
        """What the window gives of the metric, by group: one value, noisy buckets, or sum and count."""
        found: dict[str, list[float]] = {}
        for batch in self.close():
            values = [(series, [value]) for series, value in rows(batch)]
            for number, given in [*values, *((one.series, list(one.noisy)) for one in batch.lists)]:
                row = self.series[number]
                if row.metric == metric:
                    found[json.loads(row.attributes).get("kind", "")] = given
        return found


def rows(batch: GuardedBatch) -> list[tuple[int, float]]:
    """Series and value of the number points, in the order in which they are stored."""
    if not batch.rows.points:
        return []
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.register("incoming", batch.rows.point_stream())
        return [(s, v) for s, v in connection.execute("SELECT series, value FROM incoming").fetchall()]


def any_value(value: Any) -> AnyValue:
    made = AnyValue()
    match value:
        case AnyValue():
            return value
        case str():
            made.string_value = value
        case bytes():
            made.bytes_value = value
        case int():
            made.int_value = value
        case dict():
            for key, inner in value.items():
                made.kvlist_value.values.add(key=key).value.CopyFrom(any_value(inner))
        case list():
            made.array_value.SetInParent()
            made.array_value.values.extend(map(any_value, value))
    return made


def metric(
    name: str,
    points: Iterable[tuple[Attributes, Value]],
    *,
    temporality: int = DELTA,
    unit: str = "",
    time: int | Callable[[int], int] = START,
    start: int = 0,
) -> Metric:
    """The kind follows from the end of the name; a histogram's value is its bounds and its counts."""
    made = Metric(name=name, unit=unit)
    kind = name.rpartition(".")[2]
    data = _data(made, kind, temporality)
    for number, (attributes, value) in enumerate(points):
        moment = time(number) if callable(time) else time
        point = data.add(time_unix_nano=moment, start_time_unix_nano=start)
        if isinstance(value, tuple):
            point.explicit_bounds.extend(value[0])
            point.bucket_counts.extend(value[1])
            point.count = sum(value[1])
        elif kind in {"time", "delays"}:
            point.count, point.sum = 2, value
        else:
            point.as_double = value
        for key, attribute in attributes.items():
            point.attributes.add(key=key).value.CopyFrom(any_value(attribute))
    return made


def _data(made: Metric, kind: str, temporality: int) -> Any:
    if kind == "heat":
        return made.gauge.data_points
    if kind in {"time", "delays"}:
        made.histogram.aggregation_temporality = temporality  # type: ignore[assignment]
        return made.histogram.data_points
    made.sum.aggregation_temporality = temporality  # type: ignore[assignment]
    made.sum.is_monotonic = kind != "level"
    return made.sum.data_points
