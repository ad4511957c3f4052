"""Turns series and a range of time into what is kept besides numbers and intervals: lists, bounds, presence.

Times are milliseconds since the epoch; ranges are left-open, (after, until], as in Prometheus 3.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from blackhole.errors import EvaluationError
from blackhole.store.read import templates
from blackhole.store.read.reader import Reader

MAX_SAMPLES = 2_000_000
_MILLISECOND = 1_000_000
_FIRST, _LAST = -(2**62) // _MILLISECOND, 2**62 // _MILLISECOND

Bounds = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Noisy:
    """Noisy lists of one highly sensitive series with the same bounds, in the order of time."""

    series: int
    bounds: Bounds
    times: Sequence[int]
    cells: Sequence[Sequence[float]]


class Samples:
    """Reads from one snapshot; `left`: answers the seconds that are left for the whole question."""

    def __init__(self, reader: Reader, left: Callable[[], float], max_samples: int = MAX_SAMPLES) -> None:
        self._reader = reader
        self._left = left
        self._max_samples = max_samples
        self._taken = 0

    def releases(self, ids: Sequence[int], after: int, until: int) -> Iterator[Noisy]:
        """Noisy buckets of highly sensitive histograms; for gauges their sum and count, without bounds."""
        for series, bounds, times, noisy in self._rows("releases", ids, after, until):
            self._take(sum(map(len, noisy)))
            yield Noisy(series, tuple(bounds or ()), times, noisy)

    def alive(self, ids: Sequence[int], after: int | None, until: int | None) -> set[int]:
        """The series of `ids` that have samples in the range, or at all. A chunk counts as a whole."""
        return {row[0] for row in self._rows("alive", ids, _or(after, _FIRST), _or(until, _LAST))}

    def bounds(self, ids: Sequence[int], after: int | None, until: int | None) -> dict[int, set[float]]:
        """All bucket bounds that each histogram had in the range, or ever."""
        found: dict[int, set[float]] = {}
        for series, bounds in self._rows("bounds", ids, _or(after, _FIRST), _or(until, _LAST)):
            found.setdefault(series, set()).update(bounds)
        return found

    def _rows(self, name: str, ids: Sequence[int], after: int, until: int) -> Iterator[tuple[Any, ...]]:
        bound = {"ids": list(ids), "from": nanoseconds(after + 1), "until": nanoseconds(until + 1)}
        return self._reader.each(template(name), bound, timeout=self._left())

    def _take(self, samples: int) -> None:
        self._taken += samples
        if self._taken > self._max_samples:
            raise EvaluationError(
                f"more than {self._max_samples:,} samples: ask for fewer series or a shorter range"
            )


def template(name: str) -> str:
    return templates.template(f"promql_{name}")


def nanoseconds(time: int) -> int:
    """Nanoseconds of a time in milliseconds, within what DuckDB takes for a time."""
    return max(_FIRST, min(time, _LAST)) * _MILLISECOND


def positions(expression: str, most: int) -> str:
    """SQL for the list of `expression` of each bucket: much faster than to unnest them."""
    return f"[{', '.join(expression.format(place) for place in range(1, most + 1))}]::DOUBLE[]"


def _or(time: int | None, otherwise: int) -> int:
    return otherwise if time is None else time
