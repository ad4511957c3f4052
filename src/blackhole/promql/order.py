"""Turns values and texts into Go's order of them, also where its comparisons contradict themselves."""

import math
import re
from collections.abc import Callable, Sequence
from functools import cmp_to_key
from typing import TypeVar

T = TypeVar("T")
# Two items into whether the first goes before the second.
Less = Callable[[T, T], bool]

# Up to here Go's sort inserts one item after the other, which keeps the order of equals.
_INSERTED = 12
_CHUNKS = re.compile(r"[0-9]+|[^0-9]+")
_LARGEST_INT = 2**63 - 1


def in_order(items: Sequence[T], before: Less[T]) -> list[T]:
    """As Go's sort.Sort does for few items; of more, equals keep their order."""

    def compared(left: T, right: T) -> int:
        return before(right, left) - before(left, right)

    if len(items) > _INSERTED:
        return sorted(items, key=cmp_to_key(compared))
    found: list[T] = []
    for item in items:
        place = len(found)
        while place and before(item, found[place - 1]):
            place -= 1
        found.insert(place, item)
    return found


def lower(left: float, right: float) -> bool:
    """The order of topk's heap: NaN is below everything, also below NaN."""
    return math.isnan(left) or left < right


def higher(left: float, right: float) -> bool:
    return math.isnan(left) or left > right


def best(items: Sequence[tuple[float, int]], k: int, worse: Less[float]) -> list[tuple[float, int]]:
    """The `k` best of (value, place), the best first; which of equals are kept is decided as by Go's heap."""
    heap: list[tuple[float, int]] = []
    for item in items:
        if len(heap) < k:
            heap.append(item)
            _rise(heap, worse)
        elif heap and _replaces(item[0], heap[0][0], worse):
            heap[0] = item
            _sink(heap, worse)
    return in_order(heap, lambda a, b: worse(b[0], a[0]))


def _replaces(value: float, worst: float, worse: Less[float]) -> bool:
    return not math.isnan(value) and worse(worst, value)


def _rise(heap: list[tuple[float, int]], worse: Less[float]) -> None:
    place = len(heap) - 1
    while place:
        parent = (place - 1) // 2
        if not worse(heap[place][0], heap[parent][0]):
            return
        heap[place], heap[parent] = heap[parent], heap[place]
        place = parent


def _sink(heap: list[tuple[float, int]], worse: Less[float]) -> None:
    place, child = 0, 1
    while child < len(heap):
        if child + 1 < len(heap) and worse(heap[child + 1][0], heap[child][0]):
            child += 1
        if not worse(heap[child][0], heap[place][0]):
            return
        heap[place], heap[child] = heap[child], heap[place]
        place, child = child, 2 * child + 1


def natural(left: str, right: str) -> bool:
    """Whether `left` goes before `right` where digits in a row count as one number (facette/natsort)."""
    lefts, rights = _CHUNKS.findall(left), _CHUNKS.findall(right)
    for place, (a, b) in enumerate(zip(lefts, rights, strict=False)):
        first, second = _number(a), _number(b)
        numbers = first is not None and second is not None
        if first == second if numbers else a == b:
            if place == len(lefts) - 1:
                return True
            continue
        return first < second if first is not None and second is not None else a < b
    return False


def _number(chunk: str) -> int | None:
    number = int(chunk) if "0" <= chunk[0] <= "9" and len(chunk) < 20 else None  # noqa: PLR2004 - digits of an int64
    return None if number is None or number > _LARGEST_INT else number
