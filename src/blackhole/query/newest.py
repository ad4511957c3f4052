"""Turns the state of all series that are alive into the newest values of one part of the catalogue."""

import math
from collections.abc import Callable

from blackhole.query.rates import alive, rate
from blackhole.query.recent import NEW_NS, State, p95
from blackhole.query.reports import Newest, SeriesReport
from blackhole.query.times import format_time
from blackhole.records import MetricType

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
    if state.is_histogram:
        # A summary has no buckets: its newest mean says more than nothing.
        value = p95([state]) if state.cells else value
    elif state.type is MetricType.COUNTER:
        unit = f"{unit}/s"
        value = rate(number, *states, now_ns=now_ns, window_ns=NEW_NS)
    return Newest(
        metric=state.metric,
        unit=unit,
        privacy_level=state.level.word,
        attributes=state.attributes,
        value=value if value is not None and math.isfinite(value) else None,
        lower=None,
        upper=None,
        timestamp=format_time(state.last_ns),
    )
