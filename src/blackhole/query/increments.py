"""Turns what the streams of a counter added into one column, and into the values as they were sent.

A sender that begins anew sends from zero again, while the sum of its increments runs on. Extrapolation must
know: before its zero a counter was not there.
"""

import math
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise


@dataclass(frozen=True, slots=True)
class Column:
    """The samples of one series in the order of time. `before`: what the counter was when they began.

    `sent`: the values as they came, where these are known and not the running sum of `values`.
    """

    series: int
    times: "array[int]"
    values: "array[float]"
    before: float = 0.0
    sent: "array[float] | None" = None


@dataclass(frozen=True, slots=True)
class Part:
    """What one stream added.

    `first`: its first running value as sent, None where it sends increments; `opening`: what it was before
    that; `restarts`: the times at which an increment is all that was sent.
    """

    stream: int
    times: "array[int]"
    values: "array[float]"
    first: float | None
    opening: float | None
    restarts: Sequence[int]

    def sent(self) -> "array[float]":
        return as_sent(self.times, self.values, self.first or 0.0, self.restarts)


def as_sent(
    times: Sequence[int], values: Sequence[float], first: float, restarts: Sequence[int]
) -> "array[float]":
    """`values`: the increments; `first`: the running value of the first of them."""
    level, anew = first, set(restarts)
    found = array("d", (first,))
    for time, value in zip(times[1:], values[1:], strict=True):
        level = value if time in anew else level + value
        found.append(level)
    return found


def run_on(first: float, expected: float, time: int, restarts: Sequence[int]) -> bool:
    """Whether what was sent from `time` on is the running sum, which is `expected` there."""
    return math.isclose(first, expected, rel_tol=1e-12) and all(known <= time for known in restarts)


def joined(series: int, parts: list[Part], older: Mapping[int, float]) -> Column:
    """`older`: what each stream with samples before these came to by then."""
    before = sum(older.values())
    parts.sort(key=lambda part: part.times[0])
    new = [part for part in parts if part.stream not in older]
    if any(part.times[-1] >= later.times[0] for part, later in pairwise(parts)):
        return Column(series, *_together(parts), before + sum(part.opening or 0.0 for part in new))
    for part in new:
        # A stream that follows another began anew, whatever it had counted before it was known.
        if part is parts[0]:
            before += part.opening or 0.0
        else:
            part.values[0] += part.opening or 0.0
    times = parts[0].times if len(parts) == 1 else array("q", chain.from_iterable(p.times for p in parts))
    values = parts[0].values if len(parts) == 1 else array("d", chain.from_iterable(p.values for p in parts))
    if any(part.first is None for part in parts) or _run_on(parts, before):
        return Column(series, times, values, before)
    sent = array("d", chain.from_iterable(part.sent() for part in parts))
    return Column(series, times, values, before, sent)


def _run_on(parts: Sequence[Part], before: float) -> bool:
    first, *others = parts
    return (
        not others
        and first.first is not None
        and run_on(first.first, before + first.values[0], first.times[0], first.restarts)
    )


def _together(parts: Sequence[Part]) -> "tuple[array[int], array[float]]":
    """Streams that send at the same time count together."""
    by_time: dict[int, float] = {}
    for part in parts:
        for time, value in zip(part.times, part.values, strict=True):
            by_time[time] = by_time.get(time, 0.0) + value
    times = sorted(by_time)
    return array("q", times), array("d", (by_time[time] for time in times))
