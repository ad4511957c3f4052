"""Equal values, NaN and numbers in texts stand in the order in which Prometheus, that is Go, puts them."""

import math

import pytest

from blackhole.promql.order import best, higher, in_order, lower, natural

NAN = math.nan


@pytest.mark.parametrize(
    ("values", "k", "places"),
    [
        ([1.0, 1.0, 2.0], 2, [2, 1]),
        ([1.0, 1.0, 1.0], 2, [0, 1]),
        ([3.0, 1.0, 2.0], 5, [0, 2, 1]),
        ([NAN, 1.0, NAN, 2.0], 2, [3, 1]),
        ([NAN, NAN], 1, [0]),
        ([1.0, 2.0], 0, []),
    ],
)
def test_the_best_are_those_that_the_heap_of_topk_keeps(
    values: list[float], k: int, places: list[int]
) -> None:
    ranked = best([(value, place) for place, value in enumerate(values)], k, lower)
    assert [place for _, place in ranked] == places


def test_nan_is_worst_at_both_ends() -> None:
    values = [(2.0, 0), (NAN, 1), (1.0, 2)]
    assert [place for _, place in best(values, 2, higher)] == [2, 0]
    assert [place for _, place in best(values, 3, lower)] == [0, 2, 1]


@pytest.mark.parametrize("count", [5, 40])
def test_equals_keep_their_order(count: int) -> None:
    items = [(place % 2, place) for place in range(count)]
    assert in_order(items, lambda a, b: a[0] < b[0]) == sorted(items)


@pytest.mark.parametrize(
    ("left", "right", "before"),
    [
        ("v2", "v10", True),
        ("v10", "v2", False),
        ("1.9.0", "1.10.0", True),
        ("a", "a1", True),
        ("a1", "a", False),
        ("a1b2", "a1b10", True),
        ("10", "a", True),
        ("99999999999999999999", "100000000000000000000", False),
        ("", "a", False),
        ("a", "", False),
    ],
)
def test_digits_in_a_row_are_one_number(left: str, right: str, before: bool) -> None:
    assert natural(left, right) is before
