from types import SimpleNamespace

import pytest

from blackhole.sdk import classify_peer

PEER = "12D3KooWFjLkG9wjKJuGeV5XJyQf1U1oJwKDgU9S1MMw5NXzJGNK"


@pytest.mark.parametrize(
    ("peer", "word"),
    [
        ("/ip4/127.0.0.1/tcp/4001", "local"),
        (f"/ip4/192.168.1.7/tcp/4001/p2p/{PEER}", "local"),
        ("/ip6/fe80::1/tcp/4001", "local"),
        ("/dns4/node.local/tcp/4001", "local"),
        (("10.0.0.3", 4001), "local"),
        ("[::1]:4001", "local"),
        ("localhost:4001", "local"),
        ("/ip4/8.8.8.8/tcp/4001", "network"),
        ("/dns/example.org/tcp/4001", "network"),
        ("example.org:4001", "network"),
        (f"/p2p/{PEER}", "network"),
        (PEER, "network"),
        ("", "network"),
        (SimpleNamespace(peer_id=PEER, addrs=["/ip4/127.0.0.1/tcp/1"]), "local"),
        (SimpleNamespace(peer_id=PEER, addrs=[]), "network"),
    ],
)
def test_an_address_becomes_a_word(peer: object, word: str) -> None:
    assert classify_peer(peer) == word


@pytest.mark.parametrize(
    "bootstrap", [PEER, f"/ip4/8.8.8.8/tcp/4001/p2p/{PEER}", f"/dns/boot.org/tcp/1/p2p/{PEER}"]
)
def test_a_bootstrap_peer_is_known_by_its_id_at_any_address(bootstrap: str) -> None:
    info = SimpleNamespace(peer_id=PEER, addrs=["/ip4/127.0.0.1/tcp/1"])
    assert classify_peer(info, bootstrap=[bootstrap]) == "bootstrap"
    assert classify_peer(f"/ip4/1.1.1.1/tcp/9/p2p/{PEER}", bootstrap=[bootstrap]) == "bootstrap"


def test_no_other_peer_is_taken_for_the_bootstrap_peer() -> None:
    boot = SimpleNamespace(peer_id=PEER, addrs=["/ip4/8.8.8.8/tcp/1"])
    assert classify_peer("/ip4/8.8.8.8/tcp/2/p2p/12D3KooWother", bootstrap=[boot]) == "network"
