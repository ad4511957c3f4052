"""Connects again and again to a host that has few places, and says which connection was not taken.

Run with the demo's own Python.
"""

import logging
import os
import sys

import trio
from libp2p import new_host
from libp2p.network.config import ConnectionConfig
from libp2p.peer.peerinfo import PeerInfo
from multiaddr import Multiaddr

from blackhole.demo.inbound import free_places_of_ended

ANY = Multiaddr("/ip4/127.0.0.1/tcp/0")


async def main(times: int) -> None:
    logging.disable()
    few = ConnectionConfig(min_connections=100, low_watermark=100, high_watermark=105, max_connections=106)
    staying, coming = new_host(connection_config=few), new_host()
    free_places_of_ended(staying.get_network())
    async with staying.run([ANY]), coming.run([ANY]):
        port = str(staying.get_addrs()[0]).split("/")[4]
        target = PeerInfo(staying.get_id(), [Multiaddr(f"/ip4/127.0.0.1/tcp/{port}")])
        for number in range(times):
            with trio.move_on_after(20) as limit:
                await coming.connect(target)
            if limit.cancelled_caught:
                sys.exit(f"connection {number + 1} was not taken")
            await coming.disconnect(target.peer_id)
        os._exit(0)  # to end py-libp2p's hosts in order takes minutes


if __name__ == "__main__":
    trio.run(main, int(sys.argv[1]))
