"""What an expression is while it is evaluated: a grid of steps, and series of values on it."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from blackhole.errors import EvaluationError, EvaluationTimeoutError
from blackhole.promql.names import NAME, Labels
from blackhole.store.read.cancellation import check_asker

Values = list[float | None]
ScalarValues = list[float]
Key = tuple[tuple[str, str], ...]

MAX_CELLS = 3_000_000
TIMEOUT_S = 10.0
_BREATH_EVERY_S = 0.002
_BREATH_S = 0.0002


@dataclass(frozen=True, slots=True)
class Grid:
    """Steps in milliseconds since the epoch; `resolution`: their distance where it is a subquery's."""

    start: int
    step: int
    count: int
    resolution: int = 0

    @property
    def times(self) -> range:
        return range(self.start, self.start + self.step * self.count, self.step)

    @property
    def end(self) -> int:
        return self.start + self.step * (self.count - 1)


@dataclass(slots=True)
class VectorSeries:
    """One value a step; None: no sample there."""

    labels: Labels
    values: Values


Vector = list[VectorSeries]


@dataclass(frozen=True, slots=True)
class Run:
    """The samples of one series in the order of time (milliseconds)."""

    labels: Labels
    times: Sequence[int]
    values: Sequence[float]


# Milliseconds: beyond all that can be stored.
ANY_TIME = 2**62 // 10**6


class Allowance:
    """What one question may use: seconds, and cells (values on a grid that are held at once or in turn).

    `newest`: samples of later than this, in milliseconds, are not shown.
    """

    def __init__(self, seconds: float = TIMEOUT_S, cells: int = MAX_CELLS, newest: int = ANY_TIME) -> None:
        self.newest = newest
        self._seconds = seconds
        self._until = time.monotonic() + seconds
        self._cells = cells
        self._breathed = time.monotonic()

    @property
    def left(self) -> float:
        """Seconds. Raises EvaluationTimeoutError when there are none, QueryError when nobody waits."""
        check_asker()
        left = self._until - time.monotonic()
        if left <= 0:
            raise EvaluationTimeoutError(
                f"the query took longer than {self._seconds:g} s: narrow the time range"
            )
        return left

    def breathe(self) -> None:
        """Lets those who write have the interpreter, who would wait for it as long as evaluation lasts.

        Raises EvaluationTimeoutError.
        """
        if time.monotonic() - self._breathed > _BREATH_EVERY_S:
            time.sleep(_BREATH_S)
            self._breathed = time.monotonic()
        _ = self.left

    def take(self, cells: int) -> None:
        """Raises EvaluationError when too much was taken, EvaluationTimeoutError when too late."""
        self._cells -= cells
        if self._cells < 0:
            raise EvaluationError("the query needs too many values: ask for fewer series or a longer step")
        self.breathe()


def key_of(labels: Labels) -> Key:
    return tuple(sorted(labels.items()))


def nameless(labels: Labels) -> Labels:
    return {name: value for name, value in labels.items() if name != NAME}


def merged(vector: Iterable[VectorSeries]) -> Vector:
    """Series with the same labels as one. Raises EvaluationError where two have a value at one step."""
    known: dict[Key, VectorSeries] = {}
    for series in vector:
        key = key_of(series.labels)
        if key in known:
            known[key] = VectorSeries(series.labels, _joined(known[key].values, series.values))
        else:
            known[key] = series
    return list(known.values())


def _joined(left: Values, right: Values) -> Values:
    if any(a is not None and b is not None for a, b in zip(left, right, strict=True)):
        raise EvaluationError("vector cannot contain metrics with the same labelset")
    return [b if a is None else a for a, b in zip(left, right, strict=True)]
