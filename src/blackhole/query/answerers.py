"""Answers a planned query: the first answerer that fits reads the rows and says what is true of them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from blackhole.model.written_times import shown_until
from blackhole.query import folding, percentiles, released, select, summed
from blackhole.query.chosen import Chosen
from blackhole.query.closed import Closed
from blackhole.query.folding import Moment
from blackhole.query.language import HISTOGRAMS, QUANTILES, Request, Series, is_folded
from blackhole.query.summed import RollupCoverage
from blackhole.store.read.reader import Reader


@dataclass(frozen=True, slots=True)
class Planned:
    """A query with all that decides how it is answered.

    `kept`: what retention has summed up of it. `closed`: the windows by which a guarded rate is divided.
    `window`: how long one is, in seconds. `withheld`: why released values may be absent.
    """

    request: Request
    chosen: Chosen
    moment: Moment
    noisy: bool
    kept: RollupCoverage | None
    closed: Closed | None
    window: float
    withheld: Callable[[Reader], list[str]]

    @property
    def with_sums(self) -> bool:
        """Whether what retention has summed up belongs into the answer."""
        return self.kept is not None and self.request.aggregation in summed.aggregations(self.request)

    @property
    def is_empty(self) -> bool:
        return not self.chosen.ids or self.request.start >= shown_until(self.moment.now_ns)


@dataclass(frozen=True, slots=True)
class Answered:
    """`said`: of these series; `caveats`: of all answers of this kind."""

    series: list[Series]
    said: list[str] = field(default_factory=list)
    caveats: list[str] = field(default_factory=list)
    sampling_rate: float = 1.0


class Answerer(Protocol):
    def fits(self, planned: Planned, /) -> bool: ...
    def answer(self, reader: Reader, planned: Planned, /) -> Answered:
        """Raises QueryError."""


class _ByRelease:
    """What was released with noise; never thinned."""

    def fits(self, planned: Planned) -> bool:
        return planned.noisy

    def answer(self, reader: Reader, planned: Planned) -> Answered:
        request = planned.request
        series = [] if planned.is_empty else released.run(reader, request, planned.chosen, planned.closed)
        caveats = [*released.notes(request), *released.too_short(request, planned.window)]
        return Answered(series, caveats=[*caveats, *planned.withheld(reader)])


class _Empty:
    def fits(self, planned: Planned) -> bool:
        return planned.is_empty

    def answer(self, _: Reader, __: Planned) -> Answered:
        return Answered([])


class _ByPercentile:
    def fits(self, planned: Planned) -> bool:
        request = planned.request
        return request.subject.type in HISTOGRAMS and request.aggregation in QUANTILES

    def answer(self, reader: Reader, planned: Planned) -> Answered:
        series, said = percentiles.run(reader, planned.request, planned.chosen)
        return _sampled(reader, planned, series, said)


class _ByFold:
    """Rates and levels, by the core."""

    def fits(self, planned: Planned) -> bool:
        return is_folded(planned.request.aggregation, planned.request.subject)

    def answer(self, reader: Reader, planned: Planned) -> Answered:
        with_sums = planned.with_sums
        series = folding.run(reader, planned.request, planned.chosen, planned.moment, with_sums=with_sums)
        return _sampled(reader, planned, series)


class _ByBucket:
    """All else, in SQL."""

    def fits(self, _: Planned) -> bool:
        return True

    def answer(self, reader: Reader, planned: Planned) -> Answered:
        series = select.run(
            reader,
            planned.request,
            planned.chosen,
            with_sums=planned.with_sums,
            closed=planned.closed,
        )
        return _sampled(reader, planned, series)


_ANSWERERS: tuple[Answerer, ...] = (_ByRelease(), _Empty(), _ByPercentile(), _ByFold(), _ByBucket())


def answer(reader: Reader, planned: Planned) -> Answered:
    """Raises QueryError."""
    first = next(answerer for answerer in _ANSWERERS if answerer.fits(planned))
    return first.answer(reader, planned)


def _sampled(
    reader: Reader, planned: Planned, series: list[Series], said: list[str] | None = None
) -> Answered:
    rate = select.sampling_rate(reader, planned.request, planned.chosen) if series else 1.0
    return Answered(series, said or [], sampling_rate=rate)
