"""Turns the state of all series that are alive into the newest values of one part of the catalogue."""

import math
from collections.abc import Callable

from blackhole.query.noise import Interval, about
from blackhole.query.rates import alive, rate
from blackhole.query.recent import NEW_NS, Release, State, p95
from blackhole.query.reports import Newest, SeriesReport
from blackhole.records import MetricType, format_time

MAX_SERIES = 2000

States = tuple[dict[int, State], dict[int, State]]


def report(states: States, belongs: Callable[[str], bool], *, now_ns: int) -> SeriesReport:
    """At most 2,000 series, by metric and attributes. `belongs`: whether a metric is of this part."""
    found = [
        _newest(number, state, states, now_ns=now_ns)
        for number, state in alive(states).items()
        if belongs(state.metric)
    ]
    found.sort(key=lambda entry: (entry.metric, sorted(map(str, entry.attributes.items()))))
    return SeriesReport(found[:MAX_SERIES])


def _newest(number: int, state: State, states: States, *, now_ns: int) -> Newest:
    unit, value = state.unit, state.newest
    interval: Interval | None = None
    release = state.releases.get(state.last_ns)
    if state.is_histogram:
        # A summary has no buckets: its newest mean says more than nothing.
        value = p95([state]) if state.cells else value
    elif state.type is MetricType.COUNTER:
        unit = f"{unit}/s"
        if release is None:
            value = rate(number, *states, now_ns=now_ns, window_ns=NEW_NS)
    if release is not None and value is not None:
        value, interval = _with_noise(value, release, by_second=state.type is MetricType.COUNTER)
    lower, upper = interval or (None, None)
    return Newest(
        metric=state.metric,
        unit=unit,
        privacy_level=state.level.word,
        attributes=state.attributes,
        value=value if value is not None and math.isfinite(value) else None,
        lower=lower,
        upper=upper,
        timestamp=format_time(state.last_ns),
    )


def _with_noise(value: float, release: Release, *, by_second: bool) -> tuple[float, Interval | None]:
    """The newest released value, a second where it is a counter's, with its 95 % interval."""
    by = release.seconds if by_second else 1.0
    interval = about(value, release.noise)
    return value / by, interval and (interval[0] / by, interval[1] / by)
