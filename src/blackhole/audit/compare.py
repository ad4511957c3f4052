"""Turns trials with and without one unit into a lower bound on what its presence gives away.

Events are chosen on one half of the trials and judged on the other, so that the choice costs no confidence.
They are ranked by their lower bound: a raw ratio picks the far tail, where nothing can be shown.
Sources: Jagielski, Ullman, Oprea, "Auditing Differentially Private Machine Learning" (2020); Dong, Roth, Su,
"Gaussian Differential Privacy" (2022), for μ.
"""

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from blackhole.audit.directions import Direction, directions
from blackhole.audit.samples import AuditFinding, AuditSample, Claim, Outcome
from blackhole.audit.statistics import lower, normal_quantile, upper
from blackhole.privacy.mechanism import Mechanism

CONFIDENCE = 0.999
_THRESHOLDS = 48
_MOST_VALUES = 16


class Counts(NamedTuple):
    """Of each side: how many trials, or how many of them an event holds in."""

    without: int
    with_unit: int


class _Half(NamedTuple):
    """Trials of both sides."""

    without: AuditSample
    with_unit: AuditSample

    @property
    def trials(self) -> Counts:
        return Counts(len(self.without), len(self.with_unit))


@dataclass(frozen=True, slots=True)
class Event:
    words: str
    holds: Callable[[Outcome], bool]


def compare(
    without: AuditSample, with_unit: AuditSample, claim: Claim, *, confidence: float = CONFIDENCE
) -> AuditFinding:
    """Whether the two samples can be told apart better than claimed. Each needs two trials or more."""
    middles = len(without) // 2, len(with_unit) // 2
    first = _Half(without[: middles[0]], with_unit[: middles[1]])
    second = _Half(without[middles[0] :], with_unit[middles[1] :])

    def bound(counts: Counts, half: _Half) -> float:
        return _bound(counts, half.trials, claim, confidence)

    event, _ = max(_events(*first), key=lambda found: bound(found[1], first))
    counts = Counts(sum(map(event.holds, second.without)), sum(map(event.holds, second.with_unit)))
    measured = max(bound(counts, second), 0.0)
    return AuditFinding(
        check="one unit more or less",
        measured=measured,
        allowed=claim.bound,
        passed=measured <= claim.bound,
        words=f"{claim.symbol} of at least {measured:.3g}, by {event.words}",
    )


def _bound(counts: Counts, trials: Counts, claim: Claim, confidence: float) -> float:
    """What the unit gives away at least by this event, whichever side has it more often."""
    (a, b), (n, m) = counts, trials
    if a * m > b * n:
        (a, b), (n, m) = (b, a), (m, n)
    often, seldom = lower(b, m, confidence), upper(a, n, confidence)
    if claim.mechanism == Mechanism.GAUSSIAN:
        return normal_quantile(often) - normal_quantile(seldom)
    return math.log(often / seldom) if often > 0 else -math.inf


def _events(without: AuditSample, with_unit: AuditSample) -> Iterator[tuple[Event, Counts]]:
    """Events worth trying, each with its counts in these samples."""
    for direction in directions(without, with_unit):
        yield from _half_lines(direction, without, with_unit)
    for place in range(len(without[0])):
        yield from _single_values(place, without, with_unit)


def _half_lines(
    direction: Direction, without: AuditSample, with_unit: AuditSample
) -> Iterator[tuple[Event, Counts]]:
    of = direction.of
    low, high = sorted(map(of, without)), sorted(map(of, with_unit))
    for threshold in _spread(sorted({*low, *high})):
        at_least = Counts(len(low) - bisect_left(low, threshold), len(high) - bisect_left(high, threshold))
        at_most = Counts(bisect_right(low, threshold), bisect_right(high, threshold))
        yield _above(direction, threshold), at_least
        yield _below(direction, threshold), at_most


def _above(direction: Direction, threshold: float) -> Event:
    return Event(f"{direction.words} ≥ {threshold:.6g}", lambda outcome: direction.of(outcome) >= threshold)


def _below(direction: Direction, threshold: float) -> Event:
    return Event(f"{direction.words} ≤ {threshold:.6g}", lambda outcome: direction.of(outcome) <= threshold)


def _single_values(
    place: int, without: AuditSample, with_unit: AuditSample
) -> Iterator[tuple[Event, Counts]]:
    """The commonest values of a coordinate, and that it has none."""
    low = Counter(outcome[place] for outcome in without)
    high = Counter(outcome[place] for outcome in with_unit)
    common = [value for value, _ in (low + high).most_common(_MOST_VALUES)]
    for value in dict.fromkeys((*common, None)):
        yield _equal(place, value), Counts(low[value], high[value])


def _equal(place: int, value: float | None) -> Event:
    words = f"value {place + 1} " + ("absent" if value is None else f"= {value:.6g}")
    return Event(words, lambda outcome: outcome[place] == value)


def _spread(values: Sequence[float]) -> Sequence[float]:
    """At most so many of the values, evenly spread over their ranks."""
    if len(values) <= _THRESHOLDS:
        return values
    step = (len(values) - 1) / (_THRESHOLDS - 1)
    return [values[round(i * step)] for i in range(_THRESHOLDS)]
