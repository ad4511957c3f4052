"""Turns the wall clock into the times of commits: each has one of its own, and they go back with the clock.

They rise until the clock goes back; there an epoch ends and another begins. Where the times of two epochs lie
among one another, their last digits tell which commit is of which.
"""

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass

from blackhole.store.read.reader import Reader

# Times of one epoch are the same but for whole steps; in each second the first marks are those of windows.
STEP_US = 1000
_FIRST_MARK = 4
# Many commits within a moment, or a clock that is corrected a little, are no return.
_RETURN_US = 10 * 10**6
_MOST_EPOCHS = 256

_MARKS = " UNION ".join(
    f"SELECT epoch_us(created_at) % {STEP_US} FROM {table} WHERE created_at > make_timestamp($after)"
    for table in ("recent_points", "recent_histogram_points", "series", "streams", "thinned")
)


@dataclass(frozen=True, slots=True)
class Epoch:
    """All its times are later than `after_us` and end in `mark`, as no others do that are later than that."""

    number: int
    mark: int
    after_us: int


class CommitTimes:
    """Of one run. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._epochs: list[Epoch] = []
        self._last_us = 0

    def next_us(self, now_us: int, taken: Callable[[int], Collection[int]]) -> int:
        """Unlike any other in the file, or that a closed window has (`guard.release.created_us`).

        `taken`: which marks there are after a moment. All commits of an epoch must be in the file when a time
        of the next one is asked for.
        """
        with self._lock:
            if not self._epochs or now_us < self._last_us - _RETURN_US:
                self._begin(now_us - STEP_US, taken)
            self._last_us = max(_marked(now_us, self._epochs[-1].mark), self._last_us + STEP_US)
            return self._last_us

    def epochs(self) -> tuple[list[Epoch], int]:
        """The last ones, oldest first, and the latest time of the newest."""
        with self._lock:
            return list(self._epochs), self._last_us

    def _begin(self, after_us: int, taken: Callable[[int], Collection[int]]) -> None:
        others = set(taken(after_us))
        before = self._epochs[-1] if self._epochs else Epoch(0, _FIRST_MARK - 1, 0)
        marks = [_following(before.mark + step) for step in range(STEP_US - _FIRST_MARK)]
        mark = next((mark for mark in marks if mark not in others), marks[0])
        self._epochs = [*self._epochs, Epoch(before.number + 1, mark, after_us)][-_MOST_EPOCHS:]
        self._last_us = _marked(after_us, mark)


def marks(reader: Reader, after_us: int) -> set[int]:
    """Those of what is stored that was committed later than `after_us`."""
    return {mark for (mark,) in reader.rows(_MARKS, {"after": after_us}).rows}


def _marked(time_us: int, mark: int) -> int:
    """The last one that is not later."""
    return (time_us - mark) // STEP_US * STEP_US + mark


def _following(mark: int) -> int:
    return _FIRST_MARK + (mark + 1 - _FIRST_MARK) % (STEP_US - _FIRST_MARK)
