"""Identity does not leave the service, but for the ids of privacy units on guarded metrics."""

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.metrics import CallbackOptions, Observation
from tests.sdk.receiver import Sink, attributes, receiving
from tools.sdk_views import guarded

import blackhole.sdk as bh
from blackhole.catalogue.load import load
from blackhole.sdk.guarded import GUARDED
from blackhole.sdk.views import AllBut, is_identifying

PEER = "12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf"
NAMES = {
    "peer.id": PEER,
    "user.id": "ada",
    "enduser.id": "ada",
    "client.address": "192.0.2.7",
    "network.peer.address": "192.0.2.7",
    "url.full": "https://example.org/ada",
    "url.query": "user=ada",
    "User.Email": "ada@example.org",
    "peer_id": PEER,
    "session.id": "ada",
}


def test_what_the_sdk_knows_of_guarded_metrics_is_what_the_catalogue_says() -> None:
    """If this fails: `python -m tools.sdk_views && make fmt`."""
    assert [tuple(one) for one in GUARDED] == guarded(load())


def test_no_key_that_an_open_entry_keeps_is_dropped() -> None:
    kept = {key for entry in load() if not entry.level.guarded for key in entry.kept_keys}
    assert len(kept) > 100
    assert {key for key in kept if is_identifying(key)} == set()


def test_keys_that_guarded_entries_use_are_dropped_from_other_metrics() -> None:
    assert {key for key in ("peer.id", "user.id", "enduser.id") if key in AllBut()} == set()
    assert "peer_type" in AllBut()


@pytest.fixture(scope="module")
def sent() -> Iterator[Sink]:
    with receiving() as sink:
        everything: dict[str, str | bool] = {
            "type": "image",
            "region": "eu",
            "direction": "inbound",
            "peer_type": "local",
            "method": "Get",
            "success": True,
            **NAMES,
        }
        with bh.setup(
            "views",
            endpoint=f"http://127.0.0.1:{sink.port}",
            process_metrics=False,
            set_global=False,
            unit_keys={"shop.orders": ["user.id"]},
        ) as foundation:
            meter = foundation.meter
            for name in ("content.operations", "identity.operations", "user.active", "p2p.bandwidth.usage"):
                meter.create_counter(name).add(1, everything)
            meter.create_up_down_counter("p2p.peer.connections").add(1, everything)
            meter.create_counter("p2p.peer.connection").add(1, everything)
            for name in ("content.size", "p2p.connection.duration", "p2p.discovery.latency", "shop.time"):
                meter.create_histogram(name).record(7, everything)
            meter.create_counter("shop.sales").add(1, everything)
            meter.create_counter("shop.orders").add(1, everything)
            meter.create_histogram("user.interactions").record(1, everything)  # the catalogue has a counter

            def observed(_: CallbackOptions) -> Iterator[Observation]:
                yield Observation(3, everything)

            meter.create_observable_gauge("shop.open", [observed])
            meter.create_observable_gauge("p2p.connection.stability", [observed])
            meter.create_observable_counter("content.size.total", [observed])
            assert foundation.flush()
        yield sink


def points(sink: Sink, name: str) -> Any:
    metric = sink.metric(name)
    return getattr(metric, metric.WhichOneof("data")).data_points


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("content.operations", {"type", "user.id", "enduser.id"}),
        ("identity.operations", {"type", "user.id", "enduser.id"}),
        ("user.active", {"user.id", "enduser.id"}),
        ("p2p.bandwidth.usage", {"direction", "peer.id"}),
        ("p2p.peer.connections", {"type", "region", "peer_type", "peer.id"}),
        ("p2p.peer.connection", {"region", "peer.id"}),
        ("content.size", {"type", "user.id", "enduser.id"}),
        ("p2p.connection.duration", {"type", "region", "peer_type", "peer.id"}),
    ],
)
def test_a_guarded_metric_sends_what_its_entry_uses_and_the_id_of_its_unit(
    sent: Sink, name: str, keys: set[str]
) -> None:
    (point,) = points(sent, name)
    assert set(attributes(point)) == keys


@pytest.mark.parametrize(
    "name",
    [
        *("shop.sales", "shop.time", "shop.open", "p2p.discovery.latency", "p2p.connection.stability"),
        *("content.size.total", "user.interactions"),
    ],
)
def test_everything_else_sends_nothing_that_names_somebody(sent: Sink, name: str) -> None:
    (point,) = points(sent, name)
    found = attributes(point)
    assert set(found) == {"type", "region", "direction", "peer_type", "method", "success"}
    assert not set(found) & set(NAMES)


def test_the_owner_can_name_the_unit_of_a_guarded_metric_of_their_own(sent: Sink) -> None:
    (point,) = points(sent, "shop.orders")
    assert set(attributes(point)) & set(NAMES) == {"user.id"}


@pytest.mark.parametrize(
    ("name", "boundaries"),
    [
        ("content.size", [1024, 10240, 102400, 1048576]),
        ("p2p.connection.duration", [1, 10, 60, 600, 3600, 21600, 86400]),
        ("p2p.discovery.latency", [10, 50, 100, 500, 1000, 5000]),
    ],
)
def test_histograms_have_the_declared_boundaries(sent: Sink, name: str, boundaries: list[float]) -> None:
    (point,) = points(sent, name)
    assert list(point.explicit_bounds) == boundaries


def test_every_metric_is_sent_once(sent: Sink) -> None:
    names = [
        metric.name
        for resource in sent.metrics[-1].resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    ]
    assert len(names) == len(set(names)) == 16


def test_no_request_holds_the_identity_of_anybody_on_open_metrics(sent: Sink) -> None:
    raw = b"".join(request.SerializeToString() for request in sent.metrics)
    for secret in ("192.0.2.7", "example.org", "user=ada"):
        assert secret.encode() not in raw
