"""The privacy-preserving views of the specification: what is reduced before it leaves the service at all.

Guarded metrics send the keys that their entries use and the ids of privacy units, which end in the guard of
the service; everything else sends no key that names somebody.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from opentelemetry.metrics import Histogram
from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation, View

from blackhole.sdk.guarded import GUARDED, Guarded

DISCOVERY_BOUNDARIES = (10.0, 50.0, 100.0, 500.0, 1000.0, 5000.0)
PING_BOUNDARIES = (1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 1000.0)
_BUCKETED = {"p2p.discovery.latency": DISCOVERY_BOUNDARIES, "p2p.ping.latency": PING_BOUNDARIES}

# Whatever follows them names a person, a peer, a machine, or what somebody asked for.
IDENTIFYING_PREFIXES = (
    "client.",
    "destination.",
    "device.",
    "enduser.",
    "host.",
    "http.request.header.",
    "http.response.header.",
    "libp2p.peer.",
    "net.host.",
    "net.peer.",
    "net.sock.",
    "network.local.",
    "network.peer.",
    "peer.",
    "rpc.grpc.request.metadata.",
    "server.",
    "session.",
    "source.",
    "user.",
    "user_agent.",
)
IDENTIFYING_KEYS = frozenset(
    (
        "address",
        "cid",
        "client_ip",
        "content.id",
        "content_id",
        "db.query.text",
        "db.statement",
        "did",
        "email",
        "exception.message",
        "exception.stacktrace",
        "http.client_ip",
        "http.target",
        "http.url",
        "http.user_agent",
        "ip",
        "ip_address",
        "messaging.message.id",
        "multiaddr",
        "peer",
        "peer_id",
        "peerid",
        "remote_addr",
        "session_id",
        "url.fragment",
        "url.full",
        "url.original",
        "url.path",
        "url.query",
        "user",
        "user_id",
        "userid",
        "username",
    )
)


def privacy_views(unit_keys: Mapping[str, Collection[str]] | None = None) -> list[View]:
    """Views for one `MeterProvider`: every instrument matches exactly one, or each point would be sent twice.

    `unit_keys`: which ids of privacy units other metrics send, where a catalogue of the owner guards them.
    """
    own = unit_keys or {}
    named: list[View] = [_guarded_view(metric) for metric in GUARDED if metric.name not in own]
    named += [View(instrument_name=name, attribute_keys=AllBut(keys)) for name, keys in own.items()]
    bucketed = [
        View(
            instrument_name=name,
            instrument_type=Histogram,
            attribute_keys=AllBut(),
            aggregation=ExplicitBucketHistogramAggregation(boundaries),
        )
        for name, boundaries in _BUCKETED.items()
        if name not in own
    ]
    return [*named, *bucketed, _Rest([*named, *bucketed])]


class AllBut(set[str]):
    """The keys that name nobody, and `kept`, as the set that a view asks: views know no exclusion.

    Were the set copied before it is asked, it would be empty, and no key at all would be sent.
    """

    def __init__(self, kept: Collection[str] = ()) -> None:
        super().__init__()
        self._kept = frozenset(kept)

    def __contains__(self, key: object) -> bool:
        return key in self._kept or not (isinstance(key, str) and is_identifying(key))


def is_identifying(key: str) -> bool:
    """Whether values of this attribute name somebody, by the conventions or by its plain words."""
    key = key.lower()
    return key in IDENTIFYING_KEYS or key.startswith(IDENTIFYING_PREFIXES)


class _Rest(View):
    """Of every instrument that no other view matches; one that is guarded by name only is among them."""

    def __init__(self, others: Sequence[View]) -> None:
        super().__init__(instrument_name="*", attribute_keys=AllBut())
        self._others = others

    def _match(self, instrument: Any) -> bool:
        return not any(other._match(instrument) for other in self._others)  # noqa: SLF001


class _Plain(View):
    """Of instruments of one name that are no histograms: `boundaries` do not fit them."""

    def _match(self, instrument: Any) -> bool:
        return not isinstance(instrument, Histogram) and super()._match(instrument)


def _guarded_view(metric: Guarded) -> View:
    keys = {*metric.keys}
    if not metric.histogram:
        return _Plain(instrument_name=metric.name, attribute_keys=keys)
    return View(
        instrument_name=metric.name,
        instrument_type=Histogram,
        attribute_keys=keys,
        aggregation=ExplicitBucketHistogramAggregation(metric.boundaries),
    )
