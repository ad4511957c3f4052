"""Turns an inbound connection that has ended into a free place for another one.

A py-libp2p host keeps one of 250 places for every connection that it ever took, until it is closed itself: a
bootstrap host takes nobody any more after a quarter of an hour of a small network (`Swarm._inbound_limiter`).
"""

from typing import Any


class ConnectionEndedError(Exception):
    """Tells the swarm that it need not wait for this connection any more; it closes what is left of it."""


def free_places_of_ended(network: Any) -> None:
    """The swarm's handler of a connection ends with it from here on. `network`: not yet listening."""
    upgrade = network.upgrade_inbound_raw_conn

    async def upgrade_and_stay(raw_conn: Any, address: Any) -> None:
        connection = await upgrade(raw_conn, address)
        await connection.event_closed.wait()
        raise ConnectionEndedError

    network.upgrade_inbound_raw_conn = upgrade_and_stay
