"""Lets hosts come and go, and says of how many the connections are still counted when they have left.

Run with the demo's own Python.
"""

import os
import random
import secrets
import sys
from collections import Counter

import trio
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.crypto.keys import KeyPair
from opentelemetry.metrics import NoOpMeterProvider

from blackhole.demo.meters import PeerMeters
from blackhole.demo.network import _silence
from blackhole.demo.pace import Pace
from blackhole.demo.peer import Peer

HOSTS = 5


class Counts(PeerMeters):
    """Open connections by peer, and nothing else."""

    def __init__(self) -> None:
        super().__init__(NoOpMeterProvider().get_meter("short lives"))
        self.open: Counter[str] = Counter()

    def connected(self, peer_id: str, peer_type: str, method: str) -> None:  # noqa: ARG002
        self.open[peer_id] += 1

    def disconnected(self, peer_id: str, peer_type: str) -> None:  # noqa: ARG002
        self.open[peer_id] -= 1


async def main(lives: int) -> None:
    _silence()
    ended: list[int] = []

    async def come_and_go(key: KeyPair, bootstrap: str) -> None:
        while len(ended) < lives:
            counts = Counts()
            try:
                async with Peer(key, counts, Pace(), bootstrap).running():
                    await trio.sleep(random.uniform(1, 3))
            except Exception:  # noqa: BLE001, S110  (one that fell ill must have counted well, too)
                pass
            await trio.sleep(1)
            ended.append(sum(counts.open.values()))

    staying = Peer(create_new_key_pair(secrets.token_bytes(32)), Counts(), Pace(), None)
    async with staying.running():
        async with trio.open_nursery() as nursery:
            for _ in range(HOSTS):
                nursery.start_soon(come_and_go, create_new_key_pair(secrets.token_bytes(32)), staying.address)
        sys.stdout.write(f"{sum(map(bool, ended))} of {len(ended)}\n")
        sys.stdout.flush()
        os._exit(0)  # to end py-libp2p's hosts in order takes minutes


if __name__ == "__main__":
    trio.run(main, int(sys.argv[1]))
