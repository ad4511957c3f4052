"""Says, as JSON, how the demo's pace follows a loop that is busy or idle, and which news is news.

Run with the demo's own Python.
"""

import json
import secrets
import sys
import time
from types import SimpleNamespace

import trio
from libp2p.crypto.ed25519 import create_new_key_pair
from opentelemetry.metrics import NoOpMeterProvider

from blackhole.demo.meters import PeerMeters
from blackhole.demo.pace import Pace
from blackhole.demo.peer import _STAMP, Peer

LOOKS = 3


async def watched(seconds: float) -> float:
    """How slow all goes after a loop has done nothing else than to block so long at a time, or to wait."""
    pace, until = Pace(), trio.current_time() + LOOKS
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pace.watch)
        while trio.current_time() < until:
            time.sleep(seconds)  # noqa: ASYNC251  (a busy loop is what is asked for)
            await trio.sleep(0 if seconds else 1)
        nursery.cancel_scope.cancel()
    return pace.stretch


def judged(busy: float) -> tuple[float, float]:
    pace = Pace()
    for _ in range(1000):
        pace.judge(busy)
    return pace.stretch, pace.timeout(3.0)


def is_news(age: float) -> bool:
    meters = PeerMeters(NoOpMeterProvider().get_meter("busy machine"))
    peer = Peer(create_new_key_pair(secrets.token_bytes(32)), meters, Pace(), None)
    peer._born -= 5.0
    found = peer._is_news(None, SimpleNamespace(data=_STAMP.pack(time.monotonic() - age)))
    peer._pubsub.seen_messages.stop()
    return found


async def main() -> None:
    told = {
        "first": Pace().stretch,
        "busy": await watched(0.02),
        "idle": await watched(0.0),
        "starved": judged(1.0),
        "calm": judged(0.0),
        "news": is_news(1.0),
        "from before its life": is_news(8.0),
    }
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    trio.run(main)
