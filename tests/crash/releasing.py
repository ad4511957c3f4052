"""`python -m tests.crash.releasing DIR HOUR POINT`: releases one window, and kills itself at POINT."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality

from blackhole import _core
from blackhole.catalogue.load import Catalogue
from blackhole.catalogue.parse import parse
from blackhole.config import Config
from blackhole.guard import release, windows
from blackhole.guard.engine import Guard, StoredState
from blackhole.privacy.ledger import Clocks
from blackhole.runtime.process import leave
from blackhole.store import writer as append
from blackhole.store.database import Database
from blackhole.store.file import files
from blackhole.store.write import ledger
from blackhole.store.writer import Writer

SECOND = 10**9
HOUR = 3600 * SECOND
MIDNIGHT = 20_000 * 24 * HOUR
USER = "user-canary-5d41402abc4b2a76"
# What one user contributes; no noise gives exactly this again.
VALUE = 123_456_789.0
CATALOGUE = {
    "metrics": [
        {
            "name": "app.bytes",
            "description": "Bytes that users sent",
            "type": "counter",
            "unit": "By",
            "privacy": "highly_sensitive",
            "purpose": "How much room people need",
            "keep": ["kind"],
            "values": {"kind": ["a", "b"]},
            "privacy_unit": {"name": "user", "keys": ["user.id"]},
            "bounds": [0, 200_000_000],
        }
    ]
}


def die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def before(room: Any, name: str) -> None:
    setattr(room, name, die)


def after(room: Any, name: str) -> None:
    original: Callable[..., Any] = getattr(room, name)

    def and_die(*given: Any, **named: Any) -> None:
        original(*given, **named)
        die()

    setattr(room, name, and_die)


# In the order in which a release passes them.
POINTS: dict[str, Callable[[], None]] = {
    "before the window is closed": lambda: before(windows.Windows, "_close_release"),
    "when the core has closed it": lambda: before(release.Releases, "charge"),
    "when it is charged in memory": lambda: after(release.Releases, "charge"),
    "before it is queued": lambda: before(append.Writer, "submit"),
    "when its values are inserted": lambda: before(ledger, "insert"),
    "when its ledger rows are inserted": lambda: before(ledger, "write_head"),
    "when the head is written but not in place": lambda: before(Path, "replace"),
    "when the head is in place but not synced": lambda: before(files, "sync"),
    "when the head is on the disk": lambda: after(ledger, "write_head"),
    "when it is committed and nobody knows yet": lambda: after(append.Writer, "_commit"),
}
KNOWN_TO_THE_HEAD = tuple(POINTS)[7:9]


def request(now: int) -> bytes:
    message = ExportMetricsServiceRequest()
    metric = message.resource_metrics.add().scope_metrics.add().metrics.add(name="app.bytes", unit="By")
    metric.sum.is_monotonic = True
    metric.sum.aggregation_temporality = AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA
    point = metric.sum.data_points.add(as_double=VALUE, time_unix_nano=now)
    for key, value in (("user.id", USER), ("kind", "a")):
        point.attributes.add(key=key).value.string_value = value
    return message.SerializeToString()


def main(directory: Path, hour: int, point: str) -> None:
    now = MIDNIGHT + hour * HOUR + SECOND
    database = Database.open(directory / "analytics.duckdb", clock=lambda: now)
    writer = Writer(database, commit_wait=0, batch_size=100, max_pending_rows=1000)
    writer.start()
    guard = Guard(
        Catalogue((definition, "") for definition in parse(CATALOGUE, where="test")),
        Config(),
        StoredState.of(database, writer.find),
        Clocks(lambda: now, lambda: now),
    )

    def publish() -> None:
        for batch in guard.take_closed():
            writer.submit(batch).result(30)

    publish()
    guard.judge(_core.Decoder(bytes(16)).metrics(request(now), "protobuf"))
    if point in POINTS:
        POINTS[point]()
    now += HOUR
    publish()
    if point in POINTS:
        raise SystemExit(f"{point}: was not passed")
    for batch in guard.stop():
        writer.submit(batch).result(30)
    writer.close(30)
    database.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
    leave(0)
