import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackhole.query.quantiles import Bucket, Percentile, quantile

BOUNDS = (10.0, 50.0, 100.0)


def value_of(cells: list[Bucket], q: float) -> float:
    found = quantile(cells, q)
    assert found is not None
    return found.value


def cells(buckets: list[float], least: float | None = None, most: float | None = None) -> list[Bucket]:
    edges = [None, *BOUNDS, None]
    return [
        Bucket(edges[place], edges[place + 1], count, least, most)
        for place, count in enumerate(buckets)
        if count
    ]


@pytest.mark.parametrize(
    ("buckets", "q", "value"),
    [
        ([10, 0, 0, 0], 0.5, 5.0),
        ([0, 10, 0, 0], 0.5, 30.0),
        ([5, 5, 0, 0], 0.5, 10.0),
        ([1, 1, 2, 0], 0.75, 75.0),
        ([0, 0, 0, 4], 0.5, 100.0),
        ([1, 1, 1, 1], 0.99, 100.0),
    ],
)
def test_percentiles_are_linear_inside_buckets(buckets: list[float], q: float, value: float) -> None:
    assert value_of(cells(buckets), q) == pytest.approx(value)


def test_the_last_bucket_ends_at_the_greatest_value_where_that_is_known() -> None:
    assert quantile(cells([0, 0, 0, 4], most=300.0), 0.5) == Percentile(200.0)
    assert quantile(cells([0, 0, 0, 4], most=60.0), 0.5) == Percentile(100.0, over=True)


@pytest.mark.parametrize(
    ("buckets", "q", "wanted"),
    [
        ([0, 0, 0, 4], 0.5, Percentile(100.0, over=True)),
        ([0, 0, 95, 5], 0.95, Percentile(100.0)),
        ([0, 0, 94, 6], 0.95, Percentile(100.0, over=True)),
        ([0, 0, 19, 1], 0.95, Percentile(100.0)),
        ([0, 0, 57, 3], 0.95, Percentile(100.0)),
    ],
)
def test_what_lies_in_a_bucket_without_an_end_is_said_to_be_over_its_bound(
    buckets: list[float], q: float, wanted: Percentile
) -> None:
    assert quantile(cells(buckets), q) == wanted


def test_what_may_lie_anywhere_above_a_bound_leaves_only_what_is_sure() -> None:
    unknown, known = Bucket(10.0, None, 50), Bucket(50.0, 100.0, 50)
    assert quantile([unknown, known], 0.5) == Percentile(10.0, over=True)
    assert quantile([Bucket(10.0, None, 1), Bucket(0.0, 5.0, 99)], 0.5) == Percentile(50 / 99 * 5)


def test_the_first_bucket_begins_at_the_least_value_where_it_may_be_negative() -> None:
    assert value_of([Bucket(None, 0.0, 4, -8.0)], 0.5) == pytest.approx(-4.0)
    assert value_of([Bucket(None, 0.0, 4)], 0.5) == 0.0
    assert value_of([Bucket(None, -5.0, 4, -9.0)], 0.25) == pytest.approx(-8.0)
    assert value_of([Bucket(None, 10.0, 4, -10.0)], 0.5) == pytest.approx(0.0)
    assert value_of([Bucket(None, 10.0, 4, 8.0)], 0.5) == pytest.approx(5.0)


def test_without_observations_or_buckets_there_is_no_percentile() -> None:
    assert quantile([], 0.5) is None
    assert quantile([Bucket(0.0, 1.0, 0.0)], 0.5) is None
    assert quantile([Bucket(None, None, 5.0)], 0.5) is None


def test_histograms_with_differing_bounds_share_what_overlaps() -> None:
    wide = Bucket(0.0, 100.0, 100.0)
    narrow = Bucket(0.0, 50.0, 100.0)
    # Below 50 lie 150 of the 200.
    assert value_of([wide, narrow], 0.75) == pytest.approx(50.0)
    assert value_of([wide, narrow], 0.375) == pytest.approx(25.0)
    assert value_of([wide, narrow], 0.875) == pytest.approx(75.0)


@given(
    st.lists(st.floats(0.001, 100.0), min_size=1, max_size=200),
    st.sampled_from([0.5, 0.9, 0.95, 0.99]),
)
def test_the_answer_lies_in_the_bucket_of_the_true_percentile(values: list[float], q: float) -> None:
    counts = [0.0] * 4
    for value in values:
        counts[sum(value > bound for bound in BOUNDS)] += 1
    truth = sorted(values)[max(math.ceil(q * len(values)) - 1, 0)]
    answer = value_of(cells(counts), q)
    place = sum(truth > bound for bound in BOUNDS)
    edges = [0.0, *BOUNDS]
    assert edges[place] - 1e-9 <= answer <= [*BOUNDS, 100.0][place] + 1e-9


@given(
    st.lists(st.tuples(st.floats(0, 100), st.floats(0.1, 50), st.integers(1, 1000)), min_size=1, max_size=20)
)
def test_percentiles_rise_with_their_share(raw: list[tuple[float, float, int]]) -> None:
    merged = [Bucket(lower, lower + width, observed) for lower, width, observed in raw]
    numbers = [value_of(merged, q) for q in (0.01, 0.25, 0.5, 0.75, 0.99)]
    assert numbers == sorted(numbers)
    assert min(cell.lower or 0 for cell in merged) <= numbers[0]
    assert numbers[-1] <= max(cell.upper or 0 for cell in merged)
