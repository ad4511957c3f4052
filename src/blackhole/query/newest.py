"""Turns the state of all series that are alive into the newest values of one part of the catalogue."""

from collections.abc import Callable

import msgspec

from blackhole.model.series import MetricType
from blackhole.model.times import format_time
from blackhole.privacy.intervals import Interval, about
from blackhole.query.language import finite
from blackhole.query.rates import alive
from blackhole.query.recent import LiveSeries, RecentStates, Release, p95
from blackhole.query.reports import Newest, SeriesReport

MAX_SERIES = 2000


def report(states: RecentStates, belongs: Callable[[str], bool]) -> SeriesReport:
    """At most 2,000 series, by metric and attributes. `belongs`: whether a metric is of this part."""
    found = [_newest(state) for state in alive(states).values() if belongs(state.metric)]
    found.sort(key=lambda entry: (entry.metric, sorted(map(str, entry.attributes.items()))))
    return SeriesReport(found[:MAX_SERIES])


def _newest(state: LiveSeries) -> Newest:
    unit, value = state.unit, state.newest
    interval: Interval | None = None
    over: bool | msgspec.UnsetType = msgspec.UNSET
    release = state.releases.get(state.last_ns)
    if state.is_histogram:
        # A summary has no buckets: its newest mean says more than nothing.
        if (found := p95([state])) is not None:
            value, over = found.value, found.over or msgspec.UNSET
    elif state.type is MetricType.COUNTER:
        unit = f"{unit}/s"
        value = state.now if release is None else value
    elif state.type is MetricType.UPDOWNCOUNTER:
        value = state.now
    if release is not None and value is not None:
        value, interval = _with_noise(value, release, by_second=state.type is MetricType.COUNTER)
    lower, upper = interval or (None, None)
    return Newest(
        metric=state.metric,
        unit=unit,
        privacy_level=state.level.word,
        attributes=state.attributes,
        value=finite(value),
        lower=lower,
        upper=upper,
        timestamp=format_time(state.last_ns),
        over=over,
    )


def _with_noise(value: float, release: Release, *, by_second: bool) -> tuple[float, Interval | None]:
    """The newest released value, a second where it is a counter's, with its 95 % interval."""
    by = release.seconds if by_second else 1.0
    interval = about(value, release.noise)
    return value / by, interval and (interval[0] / by, interval[1] / by)
