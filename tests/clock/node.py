"""Decoder, guard, store and clock of a service on a machine whose clock is set, and a counter."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Sum
from tests.clock.clock_fakes import SECOND, Machine

from blackhole.catalogue.load import load
from blackhole.config import Config, Size
from blackhole.decode import Decoder
from blackhole.guard.engine import Guard, StoredState
from blackhole.model.signals import Encoding, Payload, Signal
from blackhole.privacy.ledger import Clocks
from blackhole.query.sandbox import run
from blackhole.store.database import Database
from blackhole.store.upkeep import doubt, retention, seal
from blackhole.store.upkeep.retention import Retention
from blackhole.store.upkeep.seal import Sealer
from blackhole.store.writer import Writer

NAME = "identity.requests.total"


class Node:
    """What it hears is committed when `hear` returns."""

    def __init__(
        self, place: Path, machine: Machine, config: Config | None = None, files: Sequence[Path] = ()
    ) -> None:
        self.machine = machine
        self._path = place / "a.duckdb"
        self._config = config or Config()
        self.catalogue = load(files)
        self._open()

    def _open(self) -> None:
        wall: Callable[[], int] = lambda: self.machine.wall  # noqa: E731
        self.database = Database.open(self._path, clock=wall)
        self.clock = self.machine.start(doubt.newest_ns(self.database))
        self.database.back = self.clock.back
        self.writer = Writer(self.database, commit_wait=0.0, batch_size=100, max_pending_rows=1000)
        self.writer.start()
        config = self._config
        self.guard = Guard(
            self.catalogue,
            config,
            StoredState.of(self.database, self.writer.find),
            Clocks(wall, lambda: self.machine.boot),
            self.clock,
        )
        self.decoder = Decoder(self.database.key, clock_ns=wall)
        self.retention = Retention(self.database, self.catalogue, config, doubted=self.clock.doubted)

    def restart(self) -> None:
        self.close()
        self._open()

    def stop(self) -> None:
        """As SIGTERM does."""
        for batch in self.guard.stop():
            self.writer.submit(batch).result(10)
        self.close()

    def crash(self) -> None:
        """What is in the open windows is lost."""
        self.close()

    def start(self) -> None:
        self._open()

    def publish(self) -> None:
        for batch in self.guard.take_closed():
            self.writer.submit(batch).result(10)

    def close(self) -> None:
        self.writer.close(5)
        self.database.close()

    def tend(self) -> None:
        """What a start and the hour do: sealing, and deleting what is too old."""
        self.seal()
        self.retention.apply()

    def seal(self) -> None:
        """As a start does that finds many rows: also those of the open block."""
        with patch.object(seal, "FEW", 1):
            Sealer(self.database, pause=0).apply()

    def shrink(self) -> None:
        """As when the database is a little larger than it may be: some of the oldest rows go."""
        config = msgspec.structs.replace(Config(), max_database_size=Size(1))
        limit = Retention(self.database, self.catalogue, config, doubted=lambda: True)
        with patch.object(retention, "_ROUNDS", 1):
            limit.apply()

    def hear(self, value: float, *, began: int, name: str = NAME, at: int | None = None) -> int:
        """A cumulative counter at `value`, exported now; how many points were refused."""
        message, counter = self._counter(name, "{request}")
        counter.aggregation_temporality = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
        time = self.machine.wall - SECOND // 10 if at is None else at
        counter.data_points.add(start_time_unix_nano=began, time_unix_nano=time, as_double=value)
        return self._judge(message)

    def count(self, name: str, values: Mapping[str, float]) -> int:
        """Increments of a private counter, by user, exported now; how many points were refused."""
        message, counter = self._counter(name, "{use}")
        counter.aggregation_temporality = AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA
        for user, value in values.items():
            point = counter.data_points.add(time_unix_nano=self.machine.wall, as_double=value)
            point.attributes.add(key="user.id").value.string_value = user
        return self._judge(message)

    @staticmethod
    def _counter(name: str, unit: str) -> tuple[ExportMetricsServiceRequest, Sum]:
        """A request of the service `identity`, and the counter in it that points are added to."""
        message = ExportMetricsServiceRequest()
        resource = message.resource_metrics.add()
        resource.resource.attributes.add(key="service.name").value.string_value = "identity"
        counter = resource.scope_metrics.add().metrics.add(name=name, unit=unit).sum
        counter.is_monotonic = True
        return message, counter

    def _judge(self, message: ExportMetricsServiceRequest) -> int:
        body = message.SerializeToString()
        batch = self.decoder.decode(Payload(Signal.METRICS, Encoding.PROTOBUF, body))
        judged = self.guard.judge(batch)
        self.writer.submit(judged.batch).result(10)
        return judged.verdict.rejected

    def ask(self, sql: str) -> list[list[Any]]:
        return run(self.database, sql).rows

    @property
    def total(self) -> float:
        [[total]] = self.ask(f"SELECT coalesce(sum(value), 0) FROM metrics WHERE metric_name = '{NAME}'")
        return float(total)
