"""Turns what a libp2p host does into the metrics of the catalogue."""

import opentelemetry.metrics as otel

import blackhole.sdk as bh
from blackhole.sdk.views import DISCOVERY_BOUNDARIES, PING_BOUNDARIES


class PeerMeters:
    """The instruments of one host. `peer_id` arguments are privacy units: they never reach a disk."""

    def __init__(self, meter: otel.Meter) -> None:
        self._opened = meter.create_counter(
            "p2p.connections.total", unit="1", description="Total P2P connections established"
        )
        self._active = meter.create_up_down_counter(
            "p2p.peer.connections",
            unit="connections",
            description="Number of active peer connections by type",
        )
        self._discovery = meter.create_histogram(
            "p2p.discovery.latency",
            unit="ms",
            description="Peer discovery latency",
            explicit_bucket_boundaries_advisory=DISCOVERY_BOUNDARIES,
        )
        self._ping = meter.create_histogram(
            "p2p.ping.latency",
            unit="ms",
            description="Round trip time of pings",
            explicit_bucket_boundaries_advisory=PING_BOUNDARIES,
        )
        self._bytes = meter.create_counter(
            "p2p.bandwidth.usage", unit="bytes", description="Network bandwidth usage"
        )
        self._messages = meter.create_counter(
            "p2p.pubsub.messages", unit="{message}", description="Messages published and received"
        )
        self._delivery = meter.create_histogram(
            "p2p.pubsub.latency", unit="ms", description="Time from publishing a message to its delivery"
        )

    def connected(self, peer_id: str, peer_type: str, method: str) -> None:
        self._opened.add(1, {"peer_type": peer_type, "connection_method": method})
        self._active.add(1, {"peer_type": peer_type, "peer.id": peer_id})

    def disconnected(self, peer_id: str, peer_type: str) -> None:
        self._active.add(-1, {"peer_type": peer_type, "peer.id": peer_id})

    def discovered(self, milliseconds: float, peer_type: str, *, success: bool) -> None:
        self._discovery.record(milliseconds, {"success": success, "peer_type": peer_type})

    def pinged(self, milliseconds: float, peer_type: str, *, success: bool) -> None:
        self._ping.record(milliseconds, {"success": success, "peer_type": peer_type})

    def moved(self, size: int, peer_id: str, *, outbound: bool) -> None:
        self._bytes.add(size, {"direction": "outbound" if outbound else "inbound", "peer.id": peer_id})

    def published(self) -> None:
        self._messages.add(1, {"direction": "published"})

    def received(self, milliseconds: float) -> None:
        self._messages.add(1, {"direction": "received"})
        self._delivery.record(milliseconds)


def count_online(foundation: bh.Foundation) -> otel.UpDownCounter:
    return foundation.meter.create_up_down_counter(
        "p2p.peers.online", unit="{peer}", description="Peers of the node that are up"
    )
