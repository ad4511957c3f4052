"""Releases without noise against a plain model: bounds, grid, groups, windows, kinds and temporalities."""

from collections import Counter, defaultdict
from collections.abc import Iterable

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric, NumberDataPoint
from tests.core import releases, wire
from tests.core.releases import close, rule, script, whole_steps
from tests.core.support import (
    CUMULATIVE,
    DELTA,
    NOW,
    apply,
    counter,
    gauge,
    level,
    point,
    request,
    some,
    table,
)

from blackhole import _core
from blackhole.privacy import factorisation as toeplitz

GROUPS = (1, 2, 3)
# Group, unit, stream of the unit, and what is said. Group 4 is not declared.
said = st.tuples(st.integers(1, 4), st.sampled_from("abcde"), st.sampled_from("xy"), st.floats(0, 90))
changes = st.tuples(st.integers(1, 4), st.sampled_from("abcde"), st.sampled_from("xy"), st.floats(-90, 90))
bounds = st.sampled_from([(0.0, 100.0), (0.0, 5.0), (-7.3, 11.9), (2.0, 2.0), (-20.0, -1.0)])
grids = st.sampled_from([1.0, 0.25, 8.0])


def start(given_rule: _core.Rule) -> _core.SeriesTable:
    known = table()
    known.declare([given_rule], fresh=True)
    return known


def expected(
    units: dict[tuple[int, str], float], lower: float, upper: float, grid: float
) -> dict[int, list[float]]:
    sums = dict.fromkeys(GROUPS, 0.0)
    for (group, _), value in units.items():
        if group in sums:
            sums[group] += whole_steps(value, lower, upper, grid)
    return {group: [value] for group, value in sums.items()}


def numbers(sent: Iterable[tuple[int, str, str, float]], *, cumulative: bool) -> list[NumberDataPoint]:
    """The points of counters; a cumulative one begins under our eyes, so its first value counts."""
    totals: Counter[tuple[int, str, str]] = Counter()
    points = []
    for time, (group, unit, stream, value) in enumerate(sent, NOW + 1):
        totals[group, unit, stream] += value  # type: ignore[assignment]
        shown = float(totals[group, unit, stream]) if cumulative else value
        points.append(point(shown, time, NOW, group=str(group), unit=unit, stream=stream))
    return points


@some
@given(st.lists(said, max_size=30), bounds, grids, st.booleans())
def test_counters_add_up_within_the_bounds_of_each_unit(
    sent: list[tuple[int, str, str, float]], within: tuple[float, float], grid: float, cumulative: bool
) -> None:
    lower, upper = within
    given_rule = rule(GROUPS, grid=grid, lower=lower, upper=upper)
    known = start(given_rule)
    rounded = [(group, unit, stream, round(value * 8) / 8) for group, unit, stream, value in sent]
    data = numbers(rounded, cumulative=cumulative)
    apply(known, request(counter(*data, temporality=CUMULATIVE if cumulative else DELTA)), script(given_rule))
    units = defaultdict[tuple[int, str], float](float)
    for group, unit, _, value in rounded:
        if value:
            units[group, unit] += value
    assert close(known) == expected(units, lower, upper, grid)
    assert close(known) == expected({}, lower, upper, grid)


@some
@given(st.lists(changes, max_size=30), bounds, st.booleans())
def test_levels_are_those_at_the_close(
    sent: list[tuple[int, str, str, float]], within: tuple[float, float], cumulative: bool
) -> None:
    lower, upper = within
    given_rule = rule(GROUPS, lower=lower, upper=upper)
    known = start(given_rule)
    levels: dict[tuple[int, str, str], float] = {}
    points = []
    for time, (group, unit, stream, raw) in enumerate(sent, NOW + 1):
        value, key = round(raw * 8) / 8, (group, unit, stream)
        levels[key] = value if cumulative else levels.get(key, 0.0) + value
        points.append(point(value, time, NOW, group=str(group), unit=unit, stream=stream))
    metric = level(*points, temporality=CUMULATIVE if cumulative else DELTA)
    apply(known, request(metric), script(given_rule))
    units = defaultdict[tuple[int, str], float](float)
    for (group, unit, _), value in levels.items():
        units[group, unit] += value
    assert close(known) == expected(units, lower, upper, 1.0)


@some
@given(st.lists(changes, max_size=30), bounds)
def test_gauges_give_a_sum_and_a_count_of_the_last_values(
    sent: list[tuple[int, str, str, float]], within: tuple[float, float]
) -> None:
    lower, upper = within
    given_rule = rule(GROUPS, lower=lower, upper=upper, gauge=True)
    known = start(given_rule)
    data = [
        point(value, time, group=str(group), unit=unit)
        for time, (group, unit, _, value) in enumerate(sent, NOW)
    ]
    apply(known, request(gauge(*data)), script(given_rule))
    last = {(group, unit): value for group, unit, _, value in sent}
    sums = expected(last, lower, upper, 1.0)
    counts = Counter(group for group, _ in last)
    assert close(known) == {group: [*value, float(counts[group])] for group, value in sums.items()}


def histogram(sent: Iterable[tuple[int, str, list[int]]], *, cumulative: bool) -> Metric:
    metric = Metric(name="h")
    metric.histogram.aggregation_temporality = CUMULATIVE if cumulative else DELTA  # type: ignore[assignment]
    totals: dict[tuple[int, str], list[int]] = {}
    for time, (group, unit, counts) in enumerate(sent, NOW + 1):
        before = totals.get((group, unit), [0] * len(counts)) if cumulative else [0] * len(counts)
        totals[group, unit] = shown = [a + b for a, b in zip(before, counts, strict=True)]
        data = metric.histogram.data_points.add(
            time_unix_nano=time, start_time_unix_nano=NOW, count=sum(shown), explicit_bounds=[1.0, 2.0, 3.0]
        )
        data.bucket_counts.extend(shown)
        data.attributes.extend(point(0, 0, group=str(group), unit=unit).attributes)
    return metric


spread = st.tuples(
    st.integers(1, 3), st.sampled_from("abcde"), st.lists(st.integers(0, 9), min_size=4, max_size=4)
)


@some
@given(st.lists(spread, max_size=20), st.booleans(), st.booleans())
def test_histograms_fill_declared_buckets_with_bounded_counts(
    sent: list[tuple[int, str, list[int]]], cumulative: bool, by_event: bool
) -> None:
    given_rule = rule(GROUPS, upper=12.0, boundaries=[2.0, 4.0], by_event=by_event)
    known = start(given_rule)
    apply(known, request(histogram(sent, cumulative=cumulative)), script(given_rule))
    units = defaultdict[tuple[int, int, str], int](int)
    for group, unit, (one, two, three, more) in sent:
        for bucket, count in enumerate((one + two, three, more)):
            units[group, bucket, unit] += count
    sums = {group: [0.0, 0.0, 0.0] for group in GROUPS}
    for (group, bucket, _), count in units.items():
        sums[group][bucket] += count if by_event else min(count, 12)
    assert close(known) == sums


@some
@given(
    st.lists(st.tuples(st.integers(1, 3), st.sampled_from("abcde")), max_size=40, unique=True),
    st.integers(1, 3),
)
def test_a_unit_counts_in_so_many_groups_and_no_more(sent: list[tuple[int, str]], most: int) -> None:
    given_rule = rule(GROUPS, max_groups=most)
    known = start(given_rule)
    data = [point(7, time, group=str(group), unit=unit) for time, (group, unit) in enumerate(sent, NOW)]
    apply(known, request(counter(*data, temporality=DELTA)), script(given_rule))
    groups = Counter(unit for _, unit in sent)
    released = close(known)
    assert released is not None
    assert sum(value for [value] in released.values()) == sum(7 * min(most, n) for n in groups.values())


@some
@given(st.lists(st.sets(st.sampled_from("abc")), max_size=8), st.integers(1, 3))
def test_a_unit_counts_in_so_many_windows_and_no_more(windows: list[set[str]], most: int) -> None:
    given_rule = rule([1], release={"most_windows": most})
    known, told = start(given_rule), script(given_rule)
    counted: Counter[str] = Counter()
    for time, units in enumerate(windows, NOW):
        data = [point(5, time, group="1", unit=unit) for unit in sorted(units)]
        apply(known, request(counter(*data, temporality=DELTA)), told)
        counted.update(units)
        assert close(known) == {1: [5.0 * sum(counted[unit] <= most for unit in units)]}


@some
@given(st.lists(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9)), max_size=5), max_size=12))
def test_running_totals_are_the_sums_of_all_windows(windows: list[list[tuple[str, int]]]) -> None:
    given_rule = rule([1], upper=20.0, release={"coefficients": toeplitz.fixed()})
    known, told = start(given_rule), script(given_rule)
    total = exact = 0.0
    for window, sent in enumerate(windows):
        data = [
            point(value, NOW + window * 100 + time, group="1", unit=unit)
            for time, (unit, value) in enumerate(sent)
        ]
        apply(known, request(counter(*data, temporality=DELTA)), told)
        units: Counter[str] = Counter()
        for unit, value in sent:
            units[unit] += value
        exact += sum(min(value, 20) for value in units.values())
        released = close(known)
        assert released is not None
        total += released[1][0]
        assert total == exact


def test_events_count_in_whole_numbers_whatever_is_sent() -> None:
    given_rule = rule([1], upper=1.0, by_event=True)
    known, told = start(given_rule), script(given_rule)
    data = [point(value, NOW + time, group="1") for time, value in enumerate([3.0, 2.4, 0.4, 1e18])]
    apply(known, request(counter(*data, temporality=DELTA)), told)
    assert close(known) == {1: [1e18]}


@pytest.mark.parametrize("kind", ["counter", "gauge"])
def test_every_declared_group_is_released_in_the_same_order_whatever_came(kind: str) -> None:
    given_rule = rule([5, 3, 9], gauge=kind == "gauge")
    orders = []
    for groups in ([], [9, 3], [3, 5, 9], [9, 9, 7]):
        known = start(given_rule)
        data = [
            point(1.0, NOW + time, group=str(group), unit=f"u{time}") for time, group in enumerate(groups)
        ]
        metric = gauge(*data) if kind == "gauge" else counter(*data, temporality=DELTA)
        apply(known, request(metric), script(given_rule))
        [released] = known.close_release([releases.NUMBER])
        assert released.groups is not None
        orders.append([group for group, _ in released.groups])
    assert orders == [[5, 3, 9]] * 4


def test_a_million_combinations_of_attributes_are_bounded_and_close_the_window_for_everybody() -> None:
    """Of the guarded series of one metric 200,000 are held; the answer is the same for all of them."""
    given_rule = rule([1])
    known, told = start(given_rule), script(given_rule)
    apply(known, request(counter(point(1, NOW, group="1", unit="alice"), temporality=DELTA)), told)
    before = psutil.Process().memory_info().rss
    for block in range(10):
        outcome = apply(known, combinations(block * 100_000, 100_000), told)
        assert (outcome.guarded, outcome.rejected, outcome.accepted) == (100_000, 0, 0)
    assert len(known) == 200_000
    assert len(told.seen) == 200_000
    told.seen.clear()
    assert psutil.Process().memory_info().rss - before < 256 * 2**20
    assert close(known) is None
    assert close(known) == {1: [0.0]}


def combinations(first: int, count: int) -> bytes:
    """A request of so many points, each with a unit of its own, written by hand: it is large."""
    group = wire.field(7, wire.field(1, b"group") + wire.field(2, wire.field(1, b"1")))
    rest = b"\x19" + NOW.to_bytes(8, "little") + b"\x31" + (1).to_bytes(8, "little")
    points = b"".join(
        wire.field(
            1, group + wire.field(7, wire.field(1, b"unit") + wire.field(2, wire.field(1, b"%d" % n))) + rest
        )
        for n in range(first, first + count)
    )
    metric = wire.field(1, b"jobs") + wire.field(7, points + b"\x10\x01\x18\x01")
    return wire.field(1, wire.field(2, wire.field(2, metric)))
