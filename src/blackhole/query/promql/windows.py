"""Turns the samples of one series into the windows that end at each step."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from blackhole.query.promql.values import Run, Values

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Windows:
    """Of each step the samples `[first:last]` of its span, which lie in (end - length, end]; milliseconds.

    `now`: the step itself, which differs from the end of its window by offset and @. `sent`: of a counter the
    values as they came.
    """

    times: Sequence[int]
    values: Sequence[float]
    spans: Sequence[Span]
    ends: Sequence[int]
    length: int
    now: Sequence[int]
    sent: Sequence[float]

    @property
    def samples(self) -> int:
        """How many samples the windows hold in all; one in several windows counts in each."""
        return sum(last - first for first, last in self.spans)


def windows_of(run: Run, ends: Sequence[int], length: int, now: Sequence[int]) -> Windows:
    """`ends` never fall."""
    times = run.times
    spans: list[Span] = []
    first = last = 0
    for end in ends:
        first = bisect_right(times, end - length, first)
        last = bisect_right(times, end, max(first, last))
        spans.append((first, last))
    return Windows(times, run.values, spans, ends, length, now, run.values if run.sent is None else run.sent)


def newest(run: Run, ends: Sequence[int], lookback: int, *, stamps: bool = False) -> Values:
    """The last sample in (end - lookback, end] of each step; `stamps`: its time in seconds instead."""
    times = run.times
    values: Sequence[float] = [time / 1000 for time in times] if stamps else run.values
    found: Values = []
    place = 0
    for end in ends:
        place = bisect_right(times, end, place)
        found.append(values[place - 1] if place and times[place - 1] > end - lookback else None)
    return found
