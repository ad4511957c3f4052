from types import SimpleNamespace

import pytest

from blackhole.sdk import classify_peer

PEER = "12D3KooWFjLkG9wjKJuGeV5XJyQf1U1oJwKDgU9S1MMw5NXzJGNK"

RELAY = "12D3KooWRBy97UB99e3J6hiPesre1MZeuNQvfan4gBziswrRJsNK"


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
        (f"/ip4/8.8.8.8/tcp/4001/p2p/{RELAY}/p2p-circuit/p2p/{PEER}", "relay"),
        (f"/ip4/192.168.1.5/tcp/4001/p2p/{RELAY}/p2p-circuit/p2p/{PEER}", "relay"),
        (f"/ip4/8.8.8.8/tcp/4001/p2p/{RELAY}/p2p-circuit", "relay"),
        (f"/memory/7/p2p/{RELAY}/p2p-circuit/p2p/{PEER}", "relay"),
        (SimpleNamespace(peer_id=PEER, addrs=[f"/ip4/8.8.8.8/tcp/1/p2p/{RELAY}/p2p-circuit"]), "relay"),
        (
            SimpleNamespace(
                peer_id=PEER, addrs=[f"/ip4/8.8.8.8/tcp/1/p2p/{RELAY}/p2p-circuit", "/ip4/1.1.1.1/tcp/1"]
            ),
            "network",
        ),
        ("/dns4/p2p-circuit.example.org/tcp/1", "network"),
        ("/ip4/100.64.0.1/tcp/1", "local"),
        ("/ip4/100.127.255.254/tcp/1", "local"),
        ("/ip4/100.128.0.1/tcp/1", "network"),
        ("/ip4/169.254.3.4/tcp/1", "local"),
        ("/ip4/172.31.0.1/tcp/1", "local"),
        ("/ip4/172.32.0.1/tcp/1", "network"),
        ("/ip4/0.0.0.0/tcp/1", "network"),
        ("0.0.0.0:4001", "network"),
        ("/ip6/::/tcp/1", "network"),
        ("/ip4/192.0.2.1/tcp/1", "network"),
        ("/ip4/198.51.100.1/tcp/1", "network"),
        ("/ip4/203.0.113.9/tcp/1", "network"),
        ("/ip4/198.18.0.1/tcp/1", "network"),
        ("/ip4/240.0.0.1/tcp/1", "network"),
        ("/ip4/224.0.0.251/udp/1", "network"),
        ("/ip4/255.255.255.255/udp/1", "network"),
        ("/ip6/2001:db8::1/tcp/1", "network"),
        ("/ip6/3fff::1/tcp/1", "network"),
        ("/ip6/2001:0:4136:e378:8000:63bf:3fff:fdd2/tcp/1", "network"),
        ("/ip6/fd00::1/tcp/1", "local"),
        ("/ip6zone/eth0/ip6/fe80::1/tcp/1", "local"),
        ("[fe80::1%eth0]:4001", "local"),
        ("/ip6/::ffff:192.168.1.1/tcp/1", "local"),
        ("/ip6/::ffff:8.8.8.8/tcp/1", "network"),
        ("/ip6/2002:c0a8:101::1/tcp/1", "local"),
        ("/ip6/2002:808:808::1/tcp/1", "network"),
        ("/ip6/64:ff9b::c0a8:101/tcp/1", "local"),
        ("/ip6/64:ff9b::a00:1/tcp/1", "local"),
        ("/ip6/64:ff9b::808:808/tcp/1", "network"),
        ("/memory/1234", "local"),
        ("/unix/tmp/node.sock", "local"),
        ("/unix/%2Ftmp%2Fnode.sock", "local"),
        ("router.home.arpa:4001", "local"),
        ("/dns4/NODE.LOCAL./tcp/1", "local"),
        ("/onion3/vww6ybal4bd7szmgncyruucpgfkqahzddi37ktceo3ah7ngmcopnpyyd:1234", "network"),
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


def test_a_peer_behind_a_bootstrap_peer_is_no_bootstrap_peer() -> None:
    boot = f"/ip4/8.8.8.8/tcp/4001/p2p/{RELAY}"
    assert classify_peer(f"{boot}/p2p-circuit/p2p/{PEER}", bootstrap=[boot]) == "relay"
    assert classify_peer(f"{boot}/p2p-circuit/p2p/{PEER}", bootstrap=[PEER]) == "bootstrap"
