"""Points that come again long after their stream has forgotten them: the store is asked, none is doubled."""

import pytest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from tests.core.support import (
    CUMULATIVE,
    DELTA,
    NOW,
    Script,
    apply,
    counter,
    gauge,
    level,
    point,
    points,
    request,
    table,
    values,
)

from blackhole import _core

MANY = 30


def jobs(*times: int, temporality: int = DELTA) -> Metric:
    return counter(*(point(1, NOW + time) for time in times), temporality=temporality)


def keys(script: Script, *times: int) -> set[tuple[int, int]]:
    return {(number, NOW + time) for number in script.streams.values() for time in times}


def test_a_request_that_comes_again_adds_nothing_however_many_points_it_has() -> None:
    known, script, sent = table(), Script(), request(jobs(*range(MANY)))
    assert values(apply(known, sent, script)) == [1.0] * MANY
    assert script.doubted == []
    script.found = keys(script, *range(MANY))
    again = apply(known, sent, script)
    assert (again.accepted, values(again)) == (MANY, [])
    assert set(script.doubted) < keys(script, *range(MANY)), "the latest times are remembered"


def test_a_late_point_that_the_store_does_not_have_is_taken() -> None:
    known, script = table(), Script()
    apply(known, request(jobs(*range(0, 2 * MANY, 2))), script)
    script.found = keys(script, *range(0, 2 * MANY, 2))
    assert values(apply(known, request(jobs(1, 2, 3)), script)) == [1.0, 1.0]
    assert keys(script, 1, 2, 3) == set(script.doubted)


def test_points_in_order_ask_nothing() -> None:
    known, script = table(), Script()
    for first in range(0, 200, 20):
        apply(known, request(jobs(*range(first, first + 20))), script)
    assert script.doubted == []


@pytest.mark.parametrize("times", [(*range(MANY), *range(MANY)), (*range(MANY, 0, -1), *range(MANY, 0, -1))])
def test_a_point_twice_in_one_request_is_one(times: tuple[int, ...]) -> None:
    script = Script()
    assert len(values(apply(table(), request(jobs(*times)), script))) == MANY
    assert script.doubted == []


def test_what_is_remembered_before_a_request_is_not_forgotten_within_it() -> None:
    known, script = table(), Script()
    apply(known, request(jobs(1, 2, 3)), script)
    assert values(apply(known, request(jobs(*range(10, 10 + MANY), 2, 1, 3)), script)) == [1.0] * MANY


def test_after_a_restart_only_what_is_older_than_what_was_recalled_is_asked_about() -> None:
    times = list(range(MANY))
    recall = _core.Recall(NOW + times[-1], earlier_ns=[NOW + time for time in times[-2:-6:-1]])
    script = Script(treat=lambda _: _core.Treatment.open(1, 1, recall))
    script.streams[b"recalled"] = 1
    script.found = keys(script, *times)
    assert values(apply(table(), request(jobs(*times, MANY)), script)) == [1.0]
    assert set(script.doubted) == keys(script, *times[:-5])


def test_late_values_of_cumulative_streams_are_not_asked_about() -> None:
    known, script = table(), Script()
    apply(known, request(jobs(*range(MANY), temporality=CUMULATIVE)), script)
    again = apply(known, request(jobs(*range(MANY), temporality=CUMULATIVE)), script)
    assert (again.accepted, values(again), script.doubted) == (MANY, [], [])


def test_gauges_and_levels_that_come_again_are_one_point() -> None:
    known, script = table(), Script()
    sent = request(
        gauge(*(point(float(time), NOW + time) for time in range(MANY))),
        level(*(point(1, NOW + time) for time in range(MANY)), temporality=DELTA),
    )
    apply(known, sent, script)
    script.found = keys(script, *range(MANY))
    assert points(apply(known, sent, script)) == []


def test_a_late_change_of_a_level_is_found_at_its_own_time_and_moves_the_level_of_now() -> None:
    known = table()
    sent = [level(point(value, NOW + time), temporality=DELTA) for value, time in ((5, 10), (3, 8))]
    rows = [row for one in sent for row in points(apply(known, request(one), Script()))]
    assert [(row["time"] - NOW, row["value"]) for row in rows] == [(10, 5.0), (8, 8.0), (11, 8.0)]


def test_nothing_is_applied_when_the_store_cannot_be_asked() -> None:
    class Busy(Script):
        def stored(self, points: object) -> list[tuple[int, int]]:
            raise LookupError(f"busy: {points}")

    known, script = table(), Script()
    apply(known, request(jobs(*range(MANY))), script)
    with pytest.raises(LookupError, match="busy"):
        apply(known, request(jobs(0, MANY)), Busy(treat=script.treat))
    script.found = keys(script, 0)
    assert values(apply(known, request(jobs(0, MANY)), script)) == [1.0]


def test_rows_say_which_points_and_streams_they_hold() -> None:
    script = Script()
    rows = apply(table(), request(jobs(1, 2), gauge(point(1.0, NOW))), script).columns
    assert set(rows.find([(1, NOW + 1), (1, NOW + 2), (1, NOW), (2, NOW), (3, NOW)])) == {
        (1, NOW + 1),
        (1, NOW + 2),
        (2, NOW),
    }
    assert rows.streams([1, 3]) == {1}
