"""Whenever the process is killed: what was answered OK is stored once, and all totals are exact.

`BLACKHOLE_KILLS=200` runs as many kills (40 without it); `BLACKHOLE_SEED` gives other streams and moments.
"""

import json
import os
import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.crash.senders import Grpc, Http, Place, Sender
from tests.crash.streams import BOUNDS, Row, Stream
from tests.e2e.service import Service, stored

KILLS = int(os.environ.get("BLACKHOLE_KILLS", "40"))
SEED = int(os.environ.get("BLACKHOLE_SEED", "1"))
# In one of so many runs all senders are answered before the kill.
HEARD = 4
HOUR_NS = 3600 * 10**9
KINDS = ("counter", "level", "gauge", "histogram", "exponential")
TYPES = {"counter": "counter", "level": "updowncounter", "gauge": "gauge"}
CATALOGUE = """\
  - {{name: crash.{kind}, description: Points of a crash test, type: {type}, unit: '1', privacy: public,
     purpose: To be counted exactly, keep: [sender, stream]}}
"""


def configuration(directory: Path) -> Path:
    entries = [CATALOGUE.format(kind=kind, type=TYPES.get(kind, "histogram")) for kind in KINDS]
    (directory / "catalogue.yaml").write_text("metrics:\n" + "".join(entries))
    config = directory / "analytics.yaml"
    config.write_text(f"analytics: {{max_cpu_usage: 10000, catalogue: ['{directory / 'catalogue.yaml'}']}}")
    return config


def streams(seed: int, now_ns: int, created_ns: int, *, ordered: bool) -> dict[str, Stream]:
    """Streams of every kind and temporality, begun before and after the file was created."""
    made = {}
    for kind in KINDS:
        for cumulative in (False, True):
            if (kind == "gauge" and cumulative) or (kind == "level" and not ordered):
                continue
            for begun, start in (("after", now_ns), ("before", created_ns - HOUR_NS), ("unsaid", 0)):
                if begun != "after" and not (ordered and cumulative):
                    continue
                name = f"{kind}-{'cumulative' if cumulative else 'delta'}-{begun}"
                made[name] = Stream(
                    f"crash.{kind}",
                    kind,
                    cumulative,
                    random.Random(f"{seed}/{name}"),
                    now_ns,
                    start,
                    created_ns,
                    ordered=ordered,
                )
    return made


def senders(place: Place, created_ns: int) -> list[Sender]:
    now = time.time_ns()
    long_ago = now - 3 * HOUR_NS  # further back than where the last state of a stream is looked for first
    plan: tuple[tuple[str, Callable[[], Grpc | Http], int, int], ...] = (
        ("grpc", Grpc, 1, now),
        ("http", Http, 1, now),
        ("json", lambda: Http(as_json=True), 1, long_ago),
        ("lanes-grpc", Grpc, 4, now),
        ("lanes-http", Http, 3, now),
    )
    return [
        Sender(name, make, streams(SEED + n, at, created_ns, ordered=lanes == 1), place, SEED + n, lanes)
        for n, (name, make, lanes, at) in enumerate(plan)
    ]


def kill_again_and_again(data: Path, config: Path, place: Place, created_ns: int) -> list[Sender]:
    """Runs the service on one file, kills it at random moments, and at last stops it in peace."""
    chance = random.Random(SEED)
    arguments = ("--config", str(config))
    sending = senders(place, created_ns)
    for turn in range(KILLS + 1):
        with Service(data, arguments) as service:
            place.moved(service.ready["otlp_grpc"], service.ready["otlp_http"])
            if turn == 0:
                for sender in sending:
                    sender.start()
            if turn < KILLS:
                if turn % HEARD == 0:
                    wait_for_answers(sending)
                time.sleep(chance.choice((0.01, 0.1, 0.3, 0.6)) * chance.random())
                service.kill()
                continue
            time.sleep(0.5)
            place.stopping = True
            for sender in sending:
                assert sender.join(60), f"{sender.name} still waits for an answer"
            assert service.stop() == 0
    return sending


def wait_for_answers(sending: list[Sender]) -> None:
    """Until each sender got one more; a slow machine answers nobody between two kills."""
    before = [sender.acknowledged for sender in sending]
    until = time.monotonic() + 60
    while any(sender.acknowledged == had for sender, had in zip(sending, before, strict=True)):
        assert time.monotonic() < until, "a sender gets no answer"
        time.sleep(0.01)


def created(data: Path, config: Path) -> int:
    with Service(data, ("--config", str(config))) as service:
        assert service.stop() == 0
    [(found,)] = stored(data, "SELECT min(created_ns) FROM schema_version")
    return int(found)


def rows_in(data: Path) -> dict[tuple[str, str], list[Row]]:
    """Rows by sender and stream, in the order of time."""
    found: dict[tuple[str, str], list[Row]] = defaultdict(list)
    named = "s.attributes->>'sender', s.attributes->>'stream', epoch_ns(p.time)"
    order = "JOIN series s ON s.id = p.series WHERE s.metric LIKE 'crash.%' ORDER BY p.time, p.created_at"
    for sender, stream, at, value in stored(data, f"SELECT {named}, p.value FROM points p {order}"):
        found[sender, stream].append((at, value))
    columns = "p.count, p.sum, p.bounds, p.buckets"
    for sender, stream, at, count, total, bounds, buckets in stored(
        data, f"SELECT {named}, {columns} FROM histogram_points p {order}"
    ):
        exact = tuple(buckets) if tuple(bounds) == BOUNDS else ()
        found[sender, stream].append((at, count, total, exact))
    return found


def differences(sender: Sender, found: dict[tuple[str, str], list[Row]]) -> Iterator[str]:
    for name, stream in sender.streams.items():
        got = found[sender.name, name]
        wanted = sorted(stream.rows)
        if stream.kind == "exponential":
            got, wanted = [row[:3] for row in got], [row[:3] for row in wanted]
        if sender.lanes > 1 and stream.cumulative:
            # Requests overtake one another: a late value adds nothing, but the sums are the same.
            got, wanted = [_sums(got)], [_sums(wanted)]
        if got != wanted:
            yield f"{sender.name} {name}: {_first_difference(got, wanted)}"


def _sums(rows: list[Row]) -> Row:
    return tuple(sum(column) for column in zip(*(row[1:3] for row in rows), strict=True))


def _first_difference(got: list[Row], wanted: list[Row]) -> str:
    twice = len(got) - len({row[0] for row in got})
    lost, more = set(wanted) - set(got), set(got) - set(wanted)
    examples: dict[str, Any] = {"lost": sorted(lost)[:3], "not sent": sorted(more)[:3]}
    return f"{len(got)} rows for {len(wanted)}; {twice} twice, {json.dumps(examples)}"


@pytest.mark.slow
@pytest.mark.timeout(120 + 10 * KILLS)
def test_random_kills_lose_and_repeat_nothing(tmp_path: Path) -> None:
    """Fails when a row is missing, is there twice, or holds another value than the model says."""
    data, config = tmp_path / "data", configuration(tmp_path)
    created_ns = created(data, config)
    sending = kill_again_and_again(data, config, Place(), created_ns)
    assert [sender.problem for sender in sending if sender.problem] == []
    found = rows_in(data)
    assert [line for sender in sending for line in differences(sender, found)] == []
    assert sum(sender.tried_again for sender in sending) > KILLS, "kills must hit requests under way"
    assert min(sender.acknowledged for sender in sending) >= KILLS / HEARD
    assert "ERROR" not in (tmp_path / "stderr").read_text()
