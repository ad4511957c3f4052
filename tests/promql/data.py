"""A made-up hour of counters, gauges and histograms, as it is stored here and as OpenMetrics."""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import Any

import msgspec

from blackhole.promql.names import LE, labels_of, metric_name, number_text
from blackhole.store.database import Database

BASE = 1_750_000_000_000
HOUR = 3_600_000
# Of the data that the stored answers are about.
SEED = 20261123
BOUNDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5)

Attributes = dict[str, Any]


@dataclass
class Numbers:
    """`values`: of counters the running value as sent, which falls where the sender began anew.

    `baseline`: the sender counted before it was known, so that its first value adds nothing.
    """

    metric: str
    type: str
    unit: str
    attributes: Attributes
    times: list[int]
    values: list[float]
    baseline: bool = False

    def stored(self) -> list[float]:
        """What the guard makes of it: the increments of counters, after a reset the value in full."""
        if self.type != "counter":
            return self.values
        before = [self.values[0] if self.baseline else 0.0, *self.values]
        return [
            value if value < earlier else value - earlier
            for earlier, value in zip(before, self.values, strict=False)
        ]


@dataclass
class Observations:
    """`buckets`: what each interval added to each bucket."""

    metric: str
    unit: str
    attributes: Attributes
    times: list[int]
    buckets: list[list[int]]
    sums: list[float] = field(default_factory=list)

    def sent(self) -> list[list[int]]:
        """What each bucket came to."""
        return list(map(list, zip(*map(accumulate, zip(*self.buckets, strict=True)), strict=True)))


def times(rng: random.Random, every: int, *, first: int = 0, last: int = HOUR) -> list[int]:
    """Milliseconds, never on a whole second, as exporters with a drifting clock have them."""
    start = BASE + first + rng.randrange(1, 999)
    return [t + rng.randrange(-40, 40) for t in range(start, BASE + last, every)]


def series(seed: int = SEED) -> list[Numbers | Observations]:
    rng = random.Random(seed)
    return [*_requests(rng), *_restarting(rng), *_gauges(rng), *_observations(rng), *_reborn(rng)]


def _requests(rng: random.Random) -> Iterator[Numbers]:
    for service, method, code in (
        *(("api", "get", 200), ("api", "get", 500), ("api", "post", 200), ("api", "post", 500)),
        *(("web", "get", 200), ("web", "get", 404), ("web", "post", 200)),
    ):
        at = times(rng, 10_000, first=1_500_000 if code == 404 else 0)
        if (method, code) == ("get", 500):
            at = [t for t in at if not BASE + 1_200_000 < t < BASE + 1_700_000]
        steps = [float(rng.randrange(0, 3 if code == 500 else 40)) for _ in at]
        attributes = {"service.name": service, "http.method": method, "code": code}
        yield Numbers("http.requests", "counter", "{request}", attributes, at, list(accumulate(steps)))


def _restarting(rng: random.Random) -> Iterator[Numbers]:
    for service, resets in (("api", (900_000, 2_000_000)), ("web", (2_700_000,))):
        at = times(rng, 15_000)
        values, level, next_resets = [], 5e5, list(resets)
        for t in at:
            if next_resets and t - BASE > next_resets[0]:
                next_resets.pop(0)
                level = 4e4
            level += rng.random() * 4096
            values.append(round(level, 3))
        yield Numbers("net.sent", "counter", "By", {"service.name": service}, at, values)


def _gauges(rng: random.Random) -> Iterator[Numbers]:
    for service, zone in (("api", "eu-1"), ("api", "us-2"), ("web", "eu-1"), ("web", "us-10")):
        at = times(rng, 20_000)
        walk = list(accumulate((rng.gauss(0, 3) for _ in at), initial=40.0 if service == "api" else -5.0))
        attributes = {"service.name": service, "cloud.zone": zone}
        yield Numbers("queue.length", "gauge", "{item}", attributes, at, [round(v, 2) for v in walk][1:])
    for room in ("hall", "attic"):
        at = times(rng, 60_000, last=HOUR if room == "hall" else HOUR // 2)
        waves = [21 + 4 * math.sin((t - BASE) / 400_000) + rng.random() / 10 for t in at]
        yield Numbers("room.temperature", "gauge", "Cel", {"room": room}, at, waves)
    for service, limit, tier in (("api", 50.0, "gold"), ("web", 80.0, "iron")):
        at = times(rng, 30_000)
        yield Numbers(
            "queue.limit", "gauge", "{item}", {"service.name": service, "tier": tier}, at, [limit] * len(at)
        )
    at = times(rng, 30_000)
    odd = [
        math.nan if n % 17 == 5 else math.inf if n % 23 == 7 else float(n % 11 - 4) for n in range(len(at))
    ]
    yield Numbers("odd.values", "gauge", "1", {"kind": "mixed"}, at, odd)
    at = times(rng, 30_000)
    yield Numbers("odd.values", "gauge", "1", {"kind": "plain"}, at, [float(n % 7) for n in range(len(at))])
    at = times(rng, 25_000)
    steps = [float(value) for value in accumulate((rng.choice((-1, 0, 0, 2)) for _ in at), initial=6)][1:]
    yield Numbers("connections.open", "updowncounter", "{connection}", {"service.name": "api"}, at, steps)


def _observations(rng: random.Random) -> Iterator[Observations]:
    for service, path, busy in (("api", "/put", 30), ("api", "/get", 200), ("web", "/get", 12)):
        at = times(rng, 15_000, first=300_000 if busy == 12 else 0)
        buckets, sums = [], []
        for _ in at:
            taken = [rng.lognormvariate(-1.6, 0.9) for _ in range(rng.randrange(busy))]
            edges = list(pairwise((-1.0, *BOUNDS, math.inf)))
            buckets.append([sum(low < v <= high for v in taken) for low, high in edges])
            sums.append(round(sum(taken), 6))
        attributes = {"service.name": service, "http.path": path}
        yield Observations("http.latency", "s", attributes, at, buckets, sums)


def _reborn(rng: random.Random) -> Iterator[Numbers]:
    """Counters that are zero after a restart, and rise slowly; one had counted long before."""
    for shard, begins, resets in (("a", 5000.0, (1_100_000, 2_400_000)), ("b", 0.0, (2_000_000,))):
        at = times(rng, 10_000)
        values, next_resets, level = [], list(resets), begins
        for t in at:
            if next_resets and t - BASE > next_resets[0]:
                next_resets.pop(0)
                level = 0.0
            level += rng.choice((0.0, 0.0, 0.0, 1.0, 2.5))
            values.append(level)
        yield Numbers("jobs.done", "counter", "{job}", {"shard": shard}, at, values, begins > 0)


def store(database: Database, seed: int = SEED) -> None:
    """Writes all of it as the service would have."""
    with database.write() as connection:
        for number, entry in enumerate(series(seed), start=1):
            kind = entry.type if isinstance(entry, Numbers) else "histogram"
            connection.execute(
                "INSERT INTO series VALUES (?, ?, ?, ?, ?, 0, NULL, make_timestamp(0))",
                [number, entry.metric, kind, entry.unit, msgspec.json.encode(entry.attributes).decode()],
            )
            at = [t * 1_000_000 for t in entry.times]
            if isinstance(entry, Numbers):
                connection.execute(
                    "INSERT INTO recent_points SELECT $id, $id, make_timestamp_ns(unnest($at)),"
                    " unnest($values), unnest($sent), make_timestamp(0)",
                    {
                        "id": number,
                        "at": at,
                        "values": entry.stored(),
                        "sent": entry.values if entry.type == "counter" else [None] * len(at),
                    },
                )
                continue
            sent = entry.sent()
            connection.execute(
                "INSERT INTO recent_histogram_points SELECT $id, $id, make_timestamp_ns(unnest($at)),"
                " unnest($counts), unnest($sums), NULL, NULL, $bounds, unnest($buckets),"
                " unnest($sent_counts), unnest($sent_sums), $bounds, unnest($sent), make_timestamp(0)",
                {
                    "sent": sent,
                    "sent_counts": [sum(buckets) for buckets in sent],
                    "sent_sums": list(accumulate(entry.sums)),
                    "id": number,
                    "at": at,
                    "counts": [sum(buckets) for buckets in entry.buckets],
                    "sums": entry.sums,
                    "bounds": list(BOUNDS),
                    "buckets": entry.buckets,
                },
            )


def open_metrics(seed: int = SEED) -> Iterator[str]:
    """The lines of the same hour as cumulative samples, series by series."""
    for entry in series(seed):
        kind = entry.type if isinstance(entry, Numbers) else "histogram"
        name = metric_name(entry.metric, kind, entry.unit, 0)
        labels = labels_of(entry.attributes)
        if isinstance(entry, Numbers):
            yield from _lines(name, labels, entry.times, entry.values)
            continue
        below = [list(accumulate(buckets)) for buckets in entry.buckets]
        for place, bound in enumerate((*BOUNDS, math.inf)):
            column = accumulate(float(row[place]) for row in below)
            yield from _lines(f"{name}_bucket", {**labels, LE: number_text(bound)}, entry.times, column)
        yield from _lines(f"{name}_count", labels, entry.times, accumulate(float(row[-1]) for row in below))
        yield from _lines(f"{name}_sum", labels, entry.times, accumulate(entry.sums))
    yield "# EOF\n"


def _lines(name: str, labels: dict[str, str], at: list[int], values: Any) -> Iterator[str]:
    inner = ",".join(f"{key}={msgspec.json.encode(value).decode()}" for key, value in labels.items())
    for t, value in zip(at, values, strict=True):
        number = "NaN" if math.isnan(value) else repr(value).replace("inf", "+Inf")
        yield f"{name}{{{inner}}} {number} {t // 1000}.{t % 1000:03}\n"
