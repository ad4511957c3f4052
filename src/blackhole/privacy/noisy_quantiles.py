"""Turns noisy bucket counts of a histogram into a percentile and its 95 % interval."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate

from blackhole.privacy.intervals import HALF_STEP, Noise

_CHORDS = 5


@dataclass(frozen=True, slots=True)
class NoisyBuckets:
    """Noisy counts of the buckets between `bounds` (one more than those), each with independent noise."""

    bounds: tuple[float, ...]
    counts: tuple[float, ...]
    noise: tuple[Noise, ...]

    @property
    def total(self) -> float:
        return sum(self.counts)

    @property
    def total_noise(self) -> Noise:
        return sum(self.noise, Noise())


@dataclass(frozen=True, slots=True)
class Estimate:
    """`over`: it lies in the last bucket, which has no end; `value` is where that begins."""

    value: float
    lower: float
    upper: float
    over: bool = False


def merge(parts: Sequence[NoisyBuckets]) -> NoisyBuckets | None:
    """One set of buckets between the bounds that all have; None where they share none."""
    shared = set(parts[0].bounds).intersection(*(part.bounds for part in parts[1:]))
    if not shared:
        return None
    bounds = tuple(sorted(shared))
    counts = [0.0] * (len(bounds) + 1)
    noise = [Noise()] * (len(bounds) + 1)
    for part in parts:
        place = 0
        for number, count in enumerate(part.counts):
            counts[place] += count
            noise[place] += part.noise[number]
            if number < len(part.bounds) and place < len(bounds) and part.bounds[number] == bounds[place]:
                place += 1
    return NoisyBuckets(bounds, tuple(counts), tuple(noise))


def quantile(buckets: NoisyBuckets, share: float) -> Estimate | None:
    """The value below which a share lies, linear inside buckets; None unless the count is clearly positive.

    The interval is of that percentile of the true bucket counts. From either end each place is asked
    whether the count below it, less the share of the total, can be nothing but noise; the first where it
    can ends the interval, so that chance has one try only: at the place of the true percentile.
    """
    total = buckets.total
    if total <= buckets.total_noise.half_width(whole=True):
        return None
    line = _Segment(buckets, share)
    lower, upper = line.lower(), line.upper()
    value, over = line.crossing()
    return Estimate(min(max(value, lower), upper), lower, upper, over)


class _Segment:
    """The excess of the count below a place over the share of the total; places are bucket + part of it."""

    def __init__(self, buckets: NoisyBuckets, share: float) -> None:
        self._buckets = buckets
        self._share = share
        counts, noise = buckets.counts, buckets.noise
        self._below = [0.0, *accumulate(counts)]
        mixed = any(one.laplace for one in noise)
        measures = [one.measure(beside_laplace=mixed) for one in noise]
        self._factor = measures[0][0]
        self._squares = list(accumulate((squared for _, squared in measures), initial=0.0))
        bounds = buckets.bounds
        first = 0.0 if bounds[0] > 0 else bounds[0]
        self._edges = [first, *bounds, bounds[-1]]

    def excess(self, bucket: int, part: float) -> float:
        counted = self._below[bucket] + part * self._buckets.counts[bucket]
        return counted - self._share * self._below[-1]

    def half(self, bucket: int, part: float) -> float:
        """How far the noise may move the excess there, 95 times of 100."""
        share, first, last = self._share, self._squares[bucket], self._squares[bucket + 1]
        below, own, above = (1 - share) ** 2, (part - share) ** 2, share * share
        squared = below * first + own * (last - first) + above * (self._squares[-1] - last)
        return self._factor * math.sqrt(squared) + HALF_STEP

    def lower(self) -> float:
        for bucket in range(len(self._buckets.counts)):
            over = partial(self._over, bucket)
            if over(1.0) >= 0:
                return self._value(bucket, _root(over))
        return self._edges[-1]

    def upper(self) -> float:
        for bucket in reversed(range(len(self._buckets.counts))):
            under = partial(self._under, bucket)
            if under(1.0) >= 0:
                return self._value(bucket, 1 - _root(under))
        return self._edges[0]

    def _over(self, bucket: int, part: float) -> float:
        """Above 0 where the place is not surely below the percentile."""
        return self.excess(bucket, part) + self.half(bucket, part)

    def _under(self, bucket: int, part: float) -> float:
        """Above 0 where the place, seen from the end of the bucket, is not surely above the percentile."""
        return self.half(bucket, 1 - part) - self.excess(bucket, 1 - part)

    def crossing(self) -> tuple[float, bool]:
        """Where the counts, made to rise, reach the share, and whether that is in the last bucket."""
        total = self._below[-1]
        risen = [0.0, *(min(max(count, 0.0), total) for count in _rising(self._below[1:-1])), total]
        wanted = self._share * total
        bucket = next(b for b in range(len(risen) - 1) if risen[b + 1] >= wanted)
        width = risen[bucket + 1] - risen[bucket]
        value = self._value(bucket, (wanted - risen[bucket]) / width if width > 0 else 1.0)
        return value, bucket == len(self._buckets.bounds)

    def _value(self, bucket: int, part: float) -> float:
        first, last = self._edges[bucket], self._edges[bucket + 1]
        return first + (last - first) * part


def _root(function: Callable[[float], float]) -> float:
    """Where a convex function, at least 0 at 1, first is 0: never more than that, and hardly less.

    The chord to the end lies above such a function, so its root comes before the function's.
    """
    place, end = 0.0, function(1.0)
    for _ in range(_CHORDS):
        value = function(place)
        if value >= 0:
            break
        place += (1 - place) * value / (value - end)
    return place


def _rising(values: Sequence[float]) -> list[float]:
    """The nearest sequence that never falls (pool adjacent violators)."""
    pools: list[tuple[float, int]] = []
    for value in values:
        mean, size = value, 1
        while pools and pools[-1][0] > mean:
            before, many = pools.pop()
            mean, size = (mean * size + before * many) / (size + many), size + many
        pools.append((mean, size))
    return [mean for mean, size in pools for _ in range(size)]
