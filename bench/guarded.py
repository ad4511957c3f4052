"""Measures what the guarded path costs beside the open one: CPU a point, and memory of many privacy units.

`python -m bench.guarded` alone prints the memory that the units of one window take, in bytes.
"""

import gc
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench import ingest, processes
from bench.requests import catalogue, hours_ago

LEVELS = ("public", "sensitive", "highly_sensitive")
UNITS = 100_000
_IN_ONE_REQUEST = 5_000


@dataclass(frozen=True, slots=True)
class Share:
    """CPU µs a point on one level; `ratio`: to the open path's in the same run."""

    level: str
    cost: float
    ratio: float


def costs(directory: Path, rounds: int) -> Iterator[Share]:
    """The same requests, whose metrics the catalogue has as public, sensitive and highly sensitive."""
    case, open_cost = ingest.CASES[0], 0.0
    for level in LEVELS:
        place = directory / level
        place.mkdir(parents=True)
        file = place / "bench-catalogue.yaml"
        file.write_text(catalogue(level))
        with processes.blackhole(place, file) as server:
            cost = ingest.measure(server, case, rounds, hours_ago(20)).median
        open_cost = open_cost or cost
        yield Share(level, cost, cost / open_cost)


def memory() -> dict[str, int]:
    """Bytes that the distinct units of one window take, in a process of their own."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.guarded"], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"units in a window: {done.stderr.strip().splitlines()[-1:]}")
    found: dict[str, int] = json.loads(done.stdout)
    return found


def _fill(metric: str) -> int:
    """What as many units take as there are in the largest window that is promised."""
    from blackhole import _core  # noqa: PLC0415  (the parent measures without it)
    from blackhole.catalogue.load import load  # noqa: PLC0415
    from blackhole.config import Config  # noqa: PLC0415
    from blackhole.guard.engine import Guard, StoredState  # noqa: PLC0415
    from blackhole.privacy.ledger import Clocks  # noqa: PLC0415

    now = time.time_ns()
    guard = Guard(
        load(),
        Config(),
        StoredState(now),
        Clocks(lambda: now, lambda: now),
    )
    decoder = _core.Decoder(bytes(16))
    guard.judge(decoder.metrics(_request(metric, now, range(1)), "protobuf"))
    gc.collect()
    before = psutil.Process().memory_info().rss
    for first in range(0, UNITS, _IN_ONE_REQUEST):
        body = _request(metric, now, range(first, first + _IN_ONE_REQUEST))
        guard.judge(decoder.metrics(body, "protobuf"))
    gc.collect()
    return int(psutil.Process().memory_info().rss - before)


def _request(metric: str, now: int, units: range) -> bytes:
    from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2  # noqa: PLC0415

    message = metrics_service_pb2.ExportMetricsServiceRequest()
    sent = message.resource_metrics.add().scope_metrics.add().metrics.add(name=metric, unit="1")
    sent.sum.is_monotonic = True
    sent.sum.aggregation_temporality = 1  # type: ignore[assignment]
    for unit in units:
        point = sent.sum.data_points.add(time_unix_nano=now, as_int=1)
        for key in ("user.id", "peer.id"):
            point.attributes.add(key=key).value.string_value = f"{key}-{unit:09d}"
        point.attributes.add(key="type").value.string_value = "upload"
    return message.SerializeToString()


def main() -> None:
    kinds = {"highly_sensitive": "content.operations", "sensitive": "p2p.peer.connections"}
    level = sys.argv[1] if len(sys.argv) > 1 else ""
    if level:
        print(_fill(kinds[level]))
        return
    found = {}
    for kind in kinds:
        command = [sys.executable, "-m", "bench.guarded", kind]
        found[kind] = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
