"""The table of series: whom it asks, what it refuses, what it forgets, and that threads do not harm it."""

import threading
from collections.abc import Sequence

import pytest
from tests.core import wire
from tests.core.support import (
    CUMULATIVE,
    NOW,
    Script,
    apply,
    counter,
    gauge,
    histograms,
    point,
    points,
    request,
    table,
    values,
)

from blackhole import _core

OLD = NOW - 1_000


def test_each_metric_and_series_is_asked_about_once() -> None:
    known, script = table(), Script()
    for time in range(3):
        apply(known, request(gauge(point(1, NOW + time, a="1"), point(2, NOW + time, a="2"))), script)
    assert script.metrics == [("heat", "", _core.GAUGE, "")]
    assert [new.attributes for new in script.seen] == [{"a": "1"}, {"a": "2"}]
    assert (len(known), {new.rule for new in script.seen}) == (2, {1})


def test_a_metric_named_twice_in_a_request_is_asked_about_once() -> None:
    script = Script()
    outcome = apply(table(), request(gauge(point(1, NOW)), gauge(point(2, NOW, a="b"))), script)
    assert (len(script.metrics), outcome.accepted) == (1, 2)
    refusing = Script(rule=123)
    outcome = apply(table(), request(gauge(point(1, NOW)), gauge(point(2, NOW, a="b"))), refusing)
    assert (len(refusing.metrics), outcome.refusals) == (1, [("heat", 123, 2)])


def test_refused_metrics_are_remembered() -> None:
    known, script = table(), Script(rule=100)
    for _ in range(2):
        assert apply(known, request(gauge(point(1, NOW))), script).refusals == [("heat", 100, 1)]
    assert (len(script.metrics), len(known)) == (1, 0)


def test_more_refused_metrics_than_are_remembered() -> None:
    known, script = table(), Script(rule=100)
    many = [gauge(point(1, NOW), name=f"m{number}") for number in range(10_050)]
    outcome = apply(known, request(*many, *many[:3]), script)
    assert (outcome.rejected, len(outcome.refusals), len(script.metrics)) == (10_053, 64, 10_050)


def test_dropped_series_are_remembered() -> None:
    known, script = table(), Script(treat=lambda _: _core.Treatment.drop(105))
    for _ in range(2):
        assert apply(known, request(gauge(point(1, NOW))), script).refusals == [("heat", 105, 1)]
    assert (len(script.seen), len(known)) == (1, 1)


def test_a_metric_has_a_limit_of_series() -> None:
    known, script = table(), Script(_core.Rule(1, series_limit=2))
    data = [point(1, NOW, a=str(number)) for number in range(5)]
    for _ in range(2):
        outcome = apply(known, request(gauge(*data)), script)
        assert outcome.refusals == [("heat", _core.METRIC_SERIES_LIMIT, 3)]
    assert len(script.seen) == 2


def test_the_table_has_a_limit_of_series() -> None:
    known, script = table(max_series=2), Script()
    data = [point(1, NOW, a=str(number)) for number in range(5)]
    assert apply(known, request(gauge(*data)), script).refusals == [("heat", _core.SERIES_LIMIT, 3)]
    assert known.evict(NOW + 1) == 2
    assert apply(known, request(gauge(*data[3:])), script).rejected == 0


def test_series_of_different_scopes_resources_and_starts_differ() -> None:
    script = Script()
    known = table()
    apply(known, request(counter(point(1, NOW, OLD), point(0, NOW, OLD + 5 * 10**9))), script)
    apply(known, request(counter(point(1, NOW, OLD)), service="second"), script)
    other = request(counter(point(1, NOW, OLD)))
    other.resource_metrics[0].scope_metrics[0].scope.version = "2"
    apply(known, other, script)
    other.resource_metrics[0].scope_metrics[0].schema_url = "https://example.org"
    apply(known, other, script)
    assert len({new.key for new in script.seen}) == len(known) == 5


def test_keys_are_the_same_in_every_run() -> None:
    first, second = Script(), Script()
    for script in (first, second):
        apply(table(), request(counter(point(1, NOW, OLD, a="b"))), script)
    assert first.seen[0].key == second.seen[0].key
    assert len(first.seen[0].key) == 16


def test_idle_series_leave_and_come_back_as_new() -> None:
    known, script = table(), Script()
    apply(known, request(counter(point(5, NOW, NOW))), script, now_ns=NOW)
    apply(known, request(gauge(point(5, NOW))), script, now_ns=NOW + 10)
    assert (known.evict(NOW + 5), len(known)) == (1, 1)
    assert values(apply(known, request(counter(point(7, NOW + 1, OLD))), script)) == [0.0]
    assert known.evict(NOW) == 0


def test_forgetting_rules_keeps_state() -> None:
    known, script = table(), Script()
    apply(known, request(counter(point(5, NOW, OLD))), script)
    known.forget_rules()
    assert values(apply(known, request(counter(point(9, NOW + 1, OLD))), script)) == [4.0]
    assert (len(script.metrics), len(script.seen), len(known)) == (2, 2, 1)


@pytest.mark.parametrize("method", ["metric", "series"])
def test_a_resolver_that_fails_changes_nothing(method: str) -> None:
    class Failing(Script):
        def metric(self, *asked: object) -> _core.Rule | int:
            if method == "metric":
                raise LookupError("no catalogue")
            return super().metric(*asked)  # type: ignore[arg-type]

        def series(self, new: Sequence[_core.NewSeries]) -> Sequence[_core.Treatment]:
            raise LookupError(f"no store for {len(new)} series")

    known = table()
    sent = request(counter(point(5, NOW, OLD)))
    with pytest.raises(LookupError, match="no"):
        apply(known, sent, Failing())
    assert len(known) == 0
    assert values(apply(known, sent, Script())) == [0.0]


def test_a_resolver_must_answer_for_every_series() -> None:
    class Short(Script):
        def series(self, new: Sequence[_core.NewSeries]) -> Sequence[_core.Treatment]:
            return super().series(new)[1:]

    with pytest.raises(ValueError, match="one treatment"):
        apply(table(), request(gauge(point(1, NOW))), Short())


def test_a_resolver_may_use_the_table() -> None:
    known = table()
    script = Script(treat=lambda _: _core.Treatment.open(len(known) + 1, known.evict(0) + 1))
    assert apply(known, request(gauge(point(1, NOW))), script).accepted == 1


def test_columns_merge_in_order() -> None:
    known, script = table(), Script()
    outcomes = [apply(known, request(gauge(point(value, NOW + value))), script) for value in (1, 2, 3)]
    merged = outcomes[0].columns.merge([outcome.columns for outcome in outcomes[1:]])
    assert (merged.points, outcomes[0].columns.points) == (3, 1)
    stream = merged.point_stream()
    stream.__arrow_c_stream__()
    assert len(points(outcomes[0])) == 1
    assert histograms(outcomes[0]) == []


def test_threads_count_everything_once() -> None:
    known, script, lock = table(), Script(), threading.Lock()
    totals: list[float] = []

    def send(worker: int) -> None:
        for step in range(50):
            data = [
                point(step + 1, NOW + step + 1, NOW, worker=str(worker), a=str(number)) for number in range(5)
            ]
            outcome = apply(known, request(counter(*data, temporality=CUMULATIVE)), script)
            with lock:
                totals.extend(values(outcome))
            if step % 10 == 0:
                known.forget_rules()

    workers = [threading.Thread(target=send, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert (sum(totals), len(known)) == (4 * 5 * 50, 20)


def test_of_too_many_metrics_and_units_all_are_asked_about_again() -> None:
    known, script = table(), Script()

    def named(first: int, count: int) -> bytes:
        metrics = b"".join(
            wire.field(2, wire.field(1, b"jobs") + wire.field(3, b"u%d" % unit) + wire.field(5, b""))
            for unit in range(first, first + count)
        )
        return wire.field(1, wire.field(2, metrics))

    apply(known, named(0, 100_000), script)
    apply(known, named(0, 10), script)
    assert len(script.metrics) == 100_010
    apply(known, named(5, 10), script)
    assert len(script.metrics) == 100_015
