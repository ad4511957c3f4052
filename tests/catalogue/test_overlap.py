"""An open metric that counts the events of a guarded one is found by its name, its keys or its origin."""

from collections.abc import Sequence
from typing import Any

import pytest

from blackhole.catalogue.definition import Definition
from blackhole.catalogue.overlap import Overlap, overlaps
from blackhole.catalogue.parse import parse

PLAIN: dict[str, Any] = {
    "description": "what is measured",
    "type": "counter",
    "unit": "1",
    "privacy": "internal",
    "purpose": "which question it answers",
}
UNIT = {"name": "user", "keys": ["user.id", "enduser.id"]}
SECRET = PLAIN | {
    "privacy": "highly_sensitive",
    "privacy_unit": UNIT,
    "bounds": [0, 1],
    "category": "business",
}
PEERS = SECRET | {"name": "p2p.peer.connections", "category": "p2p", "privacy": "sensitive"}
GUARDED = [SECRET | {"name": "content.operations"}, SECRET | {"name": "user.active"}, PEERS]


def judged(entry: dict[str, Any], guarded: Sequence[dict[str, Any]] = GUARDED) -> list[Overlap]:
    entries: list[Definition] = parse({"metrics": [*guarded, PLAIN | entry]}, where="my.yaml")
    return list(overlaps(entries))


THE_SAME: dict[str, tuple[dict[str, Any], str]] = {
    "a name in the domain": ({"name": "content.uploads"}, "content.operations"),
    "a name deep in the domain": ({"name": "user.sessions.started"}, "user.active"),
    "the domain in another spelling": ({"name": "content_uploads_total"}, "content.operations"),
    "a pattern in the domain": ({"name": "content.custom.*"}, "content.operations"),
    "a pattern over the domain": ({"name": "p2p.*"}, "p2p.peer.connections"),
    "a suffix whose word may be the domain": ({"name": "*.uploads"}, "content.operations"),
    "a name of the same words": ({"name": "p2p.connections.total"}, "p2p.peer.connections"),
    "a histogram in the domain": ({"name": "content.time", "type": "histogram"}, "content.operations"),
    "a level of things in the domain": (
        {"name": "user.online", "type": "gauge", "unit": "{user}"},
        "user.active",
    ),
    "calls by method": ({"name": "shop.calls", "keep": ["method"]}, "content.operations"),
    "times by route": ({"name": "shop.t", "type": "histogram", "keep": ["http.route"]}, "content.operations"),
    "calls by the aggregation's operation": (
        {"name": "shop.calls", "aggregation": "by_operation_type"},
        "content.operations",
    ),
    "the conventions' calls, without any key": (
        {"name": "rpc.server.duration", "type": "histogram", "keep": []},
        "content.operations",
    ),
    "counts of spans": ({"name": "traces.span.metrics.calls", "keep": []}, "content.operations"),
    "counts of log records": ({"name": "log.record.count", "keep": []}, "content.operations"),
    "a gateway's handlers": (
        {"name": "ipfs_http_requests_total", "category": "p2p", "keep": ["handler"]},
        "content.operations",
    ),
}


@pytest.mark.parametrize("case", THE_SAME)
def test_the_same_events_are_found_unless_the_entry_says_why(case: str) -> None:
    entry, guarded = THE_SAME[case]
    (found,) = judged(entry)
    assert (found.name, found.key) == (entry["name"], "same_events_ok")
    assert f"`{guarded}`" in found.problem
    assert judged(entry | {"same_events_ok": "no users in it, and it never leaves the node"}) == []


OTHERS: dict[str, dict[str, Any]] = {
    "a percentage in the domain": {"name": "content.cache.ratio", "type": "gauge", "unit": "1"},
    "bytes in the domain": {"name": "content.disk", "type": "gauge", "unit": "bytes"},
    "a word that begins alike": {"name": "contention.count"},
    "a machine": {"name": "process.cpu.time", "keep": ["cpu.mode"]},
    "a sister of the network": {"name": "p2p.discovery.attempts", "category": "p2p", "keep": ["method"]},
    "one word in common": {"name": "connections.total"},
    "a gauge by method": {"name": "shop.load", "type": "gauge", "keep": ["method"]},
    "open connections": {"name": "http.client.connection.duration", "type": "histogram"},
}


@pytest.mark.parametrize("case", OTHERS)
def test_other_events_are_left_alone(case: str) -> None:
    assert judged(OTHERS[case]) == []


def test_a_suffix_is_judged_by_all_words_of_the_domain() -> None:
    assert judged({"name": "*.discovery.total"}, guarded=[PEERS]) == []
    assert len(judged({"name": "*.peer.total"}, guarded=[PEERS])) == 1


def test_a_guarded_entry_may_count_them() -> None:
    assert judged(SECRET | {"name": "content.uploads"}) == []


def test_nothing_is_found_where_nothing_is_guarded() -> None:
    assert judged({"name": "content.uploads", "keep": ["method"]}, guarded=()) == []


def test_whose_operations_are_guarded_does_not_matter() -> None:
    own = SECRET | {"name": "shop.orders", "category": "infrastructure"}
    (found,) = judged({"name": "till.receipts", "keep": ["method"]}, guarded=[own])
    assert "`shop.orders`" in found.problem


def test_no_reason_lets_an_open_metric_keep_the_id_of_a_privacy_unit() -> None:
    (found,) = judged({"name": "shop.visits", "keep": ["enduser.id"], "same_events_ok": "we want to know"})
    assert found.key == "keep"
    assert "`enduser.id` is the id of a user of `content.operations`" in found.problem
