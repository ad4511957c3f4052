"""The ring keeps the newest messages within its bounds."""

import json

import msgspec

from blackhole.serve.ring import Ring

DATA = msgspec.Raw(b'{"n":1}')


def test_sequences_count_from_one_and_are_in_the_message() -> None:
    ring = Ring()
    kept = [ring.append("a", "t", DATA) for _ in range(3)]
    assert [json.loads(k.text)["sequence"] for k in kept] == [1, 2, 3]
    assert (ring.first, ring.latest) == (1, 3)


def test_an_empty_ring_has_nothing_next() -> None:
    ring = Ring()
    assert ring.next(0) is None
    assert (ring.first, ring.latest) == (1, 0)


def test_the_oldest_leave_when_there_are_too_many_or_too_much() -> None:
    by_count = Ring(max_messages=2)
    by_size = Ring(max_bytes=150)
    for _ in range(5):
        by_count.append("a", "t", DATA)
        by_size.append("a", "t", msgspec.Raw(b'"' + b"x" * 100 + b'"'))
    assert by_count.first == 4
    assert by_size.first == 5


def test_next_is_the_oldest_that_is_newer() -> None:
    ring = Ring(max_messages=3)
    for _ in range(6):
        ring.append("a", "t", DATA)
    found = [ring.next(place) for place in (0, 3, 4, 5, 6, 7)]
    assert [kept.sequence if kept else None for kept in found] == [4, 4, 5, 6, None, None]


def test_newest_is_one_of_each_kind_in_order() -> None:
    ring = Ring()
    for kind in "abac":
        ring.append(kind, "t", DATA)
    assert [(kept.kind, kept.sequence) for kept in ring.newest()] == [("b", 2), ("a", 3), ("c", 4)]


def test_a_cleared_ring_keeps_no_message_and_counts_on() -> None:
    ring = Ring()
    ring.append("a", "t", msgspec.Raw(b"1"))
    ring.clear()
    assert (ring.newest(), ring.next(0), ring.first, ring.latest) == ([], None, 2, 1)
    assert ring.append("a", "t", msgspec.Raw(b"2")).sequence == 2
    assert ring.next(0) is not None
