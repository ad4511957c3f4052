"""The guarded window against a plain model: bounds on a unit, folding, and what is forgotten."""

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from tests.core.support import (
    CUMULATIVE,
    DELTA,
    NOW,
    Script,
    apply,
    counter,
    gauge,
    histograms,
    level,
    point,
    read,
    request,
    some,
    table,
)

from blackhole import _core

OLD = NOW - 1_000


def guarded(k: int = 1, lower: float = 0.0, upper: float = 100.0, **more: object) -> Script:
    """Group and unit are attributes of the points."""
    rule = _core.Rule(9, series_limit=1_000_000, guarded=True, k=k, lower=lower, upper=upper, **more)  # type: ignore[arg-type]

    def treat(new: _core.NewSeries) -> _core.Treatment:
        unit = new.attributes.get("unit")
        return _core.Treatment.window(
            int(str(new.attributes["group"])), str(unit).encode() if unit is not None else None
        )

    return Script(rule, treat)


def closed(known: _core.SeriesTable) -> dict[int, float]:
    return {value.group: value.value for value in known.close_window()}


def fold(groups: dict[int, dict[str, float]], k: int, lower: float, upper: float) -> dict[int, float]:
    """PRIVACY.md: fold small groups into `other` until it has at least k units, else withhold it."""
    other = dict(groups.get(0, {}))
    whole = {group: units for group, units in groups.items() if group != 0}
    for group in sorted(whole, key=lambda group: (len(whole[group]), group)):
        if len(whole[group]) < k or 0 < len(other) < k:
            for unit, value in whole.pop(group).items():
                other[unit] = other.get(unit, 0.0) + value
    if len(other) >= k and other:
        whole[0] = other
    return {group: sum(min(max(v, lower), upper) for v in units.values()) for group, units in whole.items()}


events = st.tuples(st.integers(0, 6), st.sampled_from("abcdefgh"), st.integers(1, 60))


@some
@given(st.lists(events, max_size=40), st.integers(1, 4), st.sampled_from([5, 100]))
def test_windows_follow_the_model(sent: list[tuple[int, str, int]], k: int, upper: int) -> None:
    known, groups = table(), defaultdict[int, dict[str, float]](dict)
    data = []
    for time, (group, unit, value) in enumerate(sent):
        data.append(point(value, NOW + time, group=str(group), unit=unit))
        groups[group][unit] = groups[group].get(unit, 0.0) + value
    outcome = apply(known, request(counter(*data, temporality=DELTA)), guarded(k, upper=upper))
    assert (outcome.guarded, outcome.accepted, outcome.columns.points) == (len(sent), 0, 0)
    assert closed(known) == fold(groups, k, 0, upper)
    assert closed(known) == {}


@some
@given(st.permutations([(group, unit) for group in range(1, 5) for unit in "abc"]))
def test_the_groups_of_a_unit_are_limited_in_any_order(order: list[tuple[int, str]]) -> None:
    known = table()
    data = [point(1, NOW + time, group=str(group), unit=unit) for time, (group, unit) in enumerate(order)]
    apply(known, request(counter(*data, temporality=DELTA)), guarded(max_groups=2))
    assert sum(closed(known).values()) == 6


def test_a_guarded_cumulative_counter_begins_with_a_baseline_and_outlives_the_window() -> None:
    known, script = table(), guarded()
    where = {"group": "1", "unit": "u"}
    apply(known, request(counter(point(50, NOW, OLD, **where))), script)
    assert closed(known) == {}
    apply(known, request(counter(point(53, NOW + 1, OLD, **where))), script)
    assert closed(known) == {1: 3.0}
    apply(known, request(counter(point(53, NOW + 2, OLD, **where))), script)
    assert closed(known) == {}


def test_a_guarded_series_that_was_let_go_of_is_not_counted_in_full_again() -> None:
    known, script = table(), guarded()
    where = {"group": "1", "unit": "u"}
    apply(known, request(counter(point(50, NOW + 1, NOW, **where))), script)
    assert closed(known) == {1: 50.0}
    assert known.evict(NOW + 1) == 1
    apply(
        known,
        request(counter(point(60, NOW + 2, NOW, **where), point(1, NOW + 10**10, NOW + 5 * 10**9, **where))),
        script,
    )
    assert closed(known) == {1: 1.0}
    apply(known, request(counter(point(63, NOW + 3, NOW, **where))), script)
    assert closed(known) == {1: 3.0}


def test_gauges_give_the_mean_of_the_last_value_of_each_unit() -> None:
    known = table()
    sent = [("a", 1.0), ("a", 5.0), ("b", 7.0)]
    data = [point(value, NOW + time, group="1", unit=unit) for time, (unit, value) in enumerate(sent)]
    apply(known, request(gauge(*data)), guarded(k=2, gauge=True))
    assert closed(known) == {1: 6.0}


@pytest.mark.parametrize("temporality", [DELTA, CUMULATIVE])
def test_updowncounters_give_the_level_at_the_close(temporality: int) -> None:
    known, script = table(), guarded()
    for time, value in enumerate([5, 3]):
        data = [point(value, NOW + time, group="1", unit="u", series=name) for name in "xy"]
        apply(known, request(level(*data, temporality=temporality)), script)
    assert closed(known) == {1: 16.0 if temporality == DELTA else 6.0}


def test_points_without_a_unit_are_one_unit() -> None:
    known = table()
    data = [point(1, NOW + time, group="1", series=str(time)) for time in range(9)]
    apply(known, request(counter(*data, temporality=DELTA)), guarded(k=2))
    assert closed(known) == {}


def test_events_count_for_themselves_where_they_are_the_unit() -> None:
    known = table()
    data = [point(3, NOW, group="1"), point(9, NOW + 1, group="2")]
    apply(known, request(counter(*data, temporality=DELTA)), guarded(k=5, by_event=True, upper=1.0))
    assert closed(known) == {0: 12.0}


def test_values_go_to_the_nearest_step() -> None:
    known = table()
    apply(
        known,
        request(counter(point(7, NOW, group="1", unit="u"), temporality=DELTA)),
        guarded(snap=[0, 5, 10]),
    )
    assert closed(known) == {1: 5.0}


def test_values_that_cannot_be_bounded_do_no_harm() -> None:
    known, script = table(), guarded()
    for time, value in enumerate([1e308, 1e308, 5.0]):
        data = [point(value, NOW + time, group="1", unit="u", series=name) for name in "xy"]
        apply(known, request(level(*data)), script)
    [result] = known.close_window()
    assert 0.0 <= result.value <= 100.0


def test_histograms_fill_the_declared_buckets() -> None:
    metric = Metric(name="h")
    metric.histogram.aggregation_temporality = DELTA  # type: ignore[assignment]
    for unit in "ab":
        data = metric.histogram.data_points.add(time_unix_nano=NOW, count=9, sum=1)
        data.explicit_bounds.extend([1.0, 2.0, 3.0])
        data.bucket_counts.extend([1, 2, 0, 6])
        data.attributes.extend(point(0, 0, group="4", unit=unit).attributes)
    known = table()
    apply(known, request(metric), guarded(k=2, upper=5.0, boundaries=[2.0, 4.0]))
    [value] = known.close_window()
    assert (value.rule, value.group, value.value, value.buckets) == (9, 4, 16.0, [6, 0, 10])
    columns = known.window_columns([(77, NOW, value)])
    assert (columns.points, columns.histograms) == (0, 1)
    [row] = read(columns.histogram_stream())
    assert (row["series"], row["stream"], row["count"], row["sum"]) == (77, 0, 16, None)
    assert (row["bounds"], row["buckets"], row["cumulative_count"]) == ([2.0, 4.0], [6, 0, 10], None)
    assert histograms(apply(known, request(), guarded())) == []


def test_closed_windows_become_rows_of_no_stream() -> None:
    known = table()
    apply(known, request(counter(point(7, NOW, group="1", unit="u"), temporality=DELTA)), guarded())
    [row] = read(known.window_columns([(5, NOW, value) for value in known.close_window()]).point_stream())
    assert row == {"series": 5, "stream": 0, "time": NOW, "value": 7.0, "cumulative": None}


def test_open_windows_outlive_a_change_of_rules() -> None:
    known, script = table(), guarded()
    apply(known, request(counter(point(7, NOW, group="1", unit="u"), temporality=DELTA)), script)
    known.forget_rules()
    assert closed(known) == {1: 7.0}


@pytest.mark.parametrize(
    "wrong", [{"lower": 2.0, "upper": 1.0}, {"upper": float("nan")}, {"boundaries": [2.0, 1.0]}]
)
def test_rules_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must"):
        guarded(**wrong)  # type: ignore[arg-type]
