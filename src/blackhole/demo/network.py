"""Turns an order into a libp2p network on loopback: one bootstrap host that stays, others that come and go.

Run as `python -m blackhole.demo.network` by `blackhole.demo.run`.
"""

import logging
import random
import secrets
import sys
from collections.abc import Callable, Sequence
from functools import partial

import opentelemetry.metrics as otel
import trio
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.crypto.keys import KeyPair

import blackhole.sdk as bh
from blackhole.demo import child
from blackhole.demo.meters import PeerMeters, count_online
from blackhole.demo.pace import Pace
from blackhole.demo.peer import Peer

SERVICE = "p2p-node"
_SLOWNESS_S = (0.25, 0.45)
# A crowd that joins at once keeps a busy machine from answering for half a minute.
_ARRIVE_EVERY_S = 3.0


def main() -> None:
    _silence()
    try:
        order = child.order()
    except child.OrphanedError:
        return
    hosts: int = order["hosts"]
    # Each host is a resource of its own; the process is measured once.
    foundations = [
        bh.setup(
            SERVICE,
            endpoint=order["endpoint"],
            interval=order["interval"],
            instance_id=f"{SERVICE}-{number}",
            process_metrics=number == 1,
            set_global=False,
        )
        for number in range(1, hosts + 1)
    ]
    try:
        trio.run(partial(_run, foundations, order["stay"], order["slow_after"]))
    finally:
        for foundation in foundations:
            foundation.shutdown()


async def _run(foundations: list[bh.Foundation], stay: Sequence[float], slow_after: float) -> None:
    online, begins = count_online(foundations[0]), trio.current_time() + slow_after
    token, pace = trio.lowlevel.current_trio_token(), Pace()

    def delay() -> float:
        """Hosts that come and go get slow together, and so much that it stands out on a busy machine."""
        slow = random.uniform(*_SLOWNESS_S) if trio.current_time() >= begins else 0.0
        return pace.timeout(slow)

    async with trio.open_nursery() as nursery:
        child.when_left(partial(token.run_sync_soon, nursery.cancel_scope.cancel))
        nursery.start_soon(pace.watch)
        address = await nursery.start(_stay, foundations[0], online, pace)
        child.say(hosts=len(foundations))
        for foundation in foundations[1:]:
            await trio.sleep(_ARRIVE_EVERY_S)
            nursery.start_soon(
                _come_and_go,
                foundation,
                online,
                partial(Peer, pace=pace, bootstrap=address, delay=delay),
                pace,
                stay,
            )


async def _stay(
    foundation: bh.Foundation, online: otel.UpDownCounter, pace: Pace, task_status: trio.TaskStatus[str]
) -> None:
    """The bootstrap host."""
    peer = Peer(create_new_key_pair(secrets.token_bytes(32)), PeerMeters(foundation.meter), pace, None)
    async with peer.running():
        online.add(1, {"peer_type": "bootstrap"})
        task_status.started(peer.address)
        await trio.sleep_forever()


async def _come_and_go(
    foundation: bh.Foundation,
    online: otel.UpDownCounter,
    peer: Callable[[KeyPair, PeerMeters], Peer],
    pace: Pace,
    stay: Sequence[float],
) -> None:
    """A host that keeps its identity, but leaves now and then and comes back at another port."""
    key, meters = create_new_key_pair(secrets.token_bytes(32)), PeerMeters(foundation.meter)
    while True:
        try:
            async with peer(key, meters).running():
                online.add(1, {"peer_type": "local"})
                try:
                    await pace.sleep(random.uniform(*stay))
                finally:
                    online.add(-1, {"peer_type": "local"})
        except Exception as error:  # noqa: BLE001  (a host that fell ill comes back like one that left)
            sys.stderr.write(f"a libp2p host ended early: {kinds(error)}\n")
        await trio.sleep(random.uniform(4.0, 12.0))


def kinds(error: BaseException) -> str:
    """The kinds of errors within an error, and no text of theirs, which may name peers."""
    if isinstance(error, BaseExceptionGroup):
        return ", ".join(sorted({kinds(one) for one in error.exceptions}))
    return type(error).__name__


def _silence() -> None:
    """libp2p logs peer ids, and warns about every host that leaves."""
    logging.getLogger().addHandler(logging.NullHandler())
    for name in ("libp2p", "async_service", "libp2p.pubsub", "multiaddr"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    logging.getLogger("blackhole").addHandler(logging.StreamHandler(sys.stderr))


if __name__ == "__main__":
    main()
