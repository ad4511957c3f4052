"""Turns the series of a service into those that tell its requests, errors, durations, CPU and memory."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from blackhole.model.series import MetricType
from blackhole.query.conventions import (
    CPU,
    MEMORY,
    SOURCES,
    Convention,
    Role,
    Use,
    filters_of,
    roles_of,
    word_of,
)

FactKey = TypeVar("FactKey", bound=Hashable)

_COUNTED = frozenset({MetricType.COUNTER, MetricType.HISTOGRAM, MetricType.SUMMARY})
_TIMED = frozenset({MetricType.HISTOGRAM, MetricType.SUMMARY})
_LEVELS = frozenset({MetricType.GAUGE, MetricType.UPDOWNCOUNTER})


class SentSeries(Protocol):
    """A series as it is stored."""

    @property
    def metric(self) -> str: ...
    @property
    def type(self) -> MetricType: ...
    @property
    def attributes(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Part(Generic[FactKey]):
    """Series of one source that are added up to tell one thing, and the metrics that it was told by."""

    source: Convention
    metrics: tuple[str, ...]
    series: tuple[FactKey, ...]


@dataclass(frozen=True, slots=True)
class Used(Generic[FactKey]):
    """Series of one metric that are added up to tell a use."""

    use: Use
    series: tuple[FactKey, ...]

    @property
    def metrics(self) -> tuple[str, ...]:
        return (self.use.metric,)


@dataclass(frozen=True, slots=True)
class Facts(Generic[FactKey]):
    """What tells of one service.

    `errors`: the requests that failed, without series where none has; None where nothing tells. Of
    `durations`, `cpu` and `memory` the first counts that has an answer.
    """

    requests: Part[FactKey] | None
    errors: Part[FactKey] | None
    durations: tuple[Part[FactKey], ...]
    cpu: tuple[Used[FactKey], ...]
    memory: tuple[Used[FactKey], ...]


def facts(series: Mapping[FactKey, SentSeries]) -> Facts[FactKey]:
    """`series`: those of one service that it sends now, or sent in the range that is asked about.

    Requests are those of the first source that has any. Errors and durations come from the same source where
    that can tell them, else from the next that can.
    """
    found = _by_source(series)
    requests = next((part for place in found if (part := _requests(place, found[place], series))), None)
    if requests is not None:
        first = SOURCES.index(requests.source)
        found = {place: parts for place, parts in found.items() if place >= first}
    errors = next((part for place in found if (part := _errors(place, found[place], series))), None)
    timed = (_part(SOURCES[place], parts[Role.DURATIONS], series, _TIMED) for place, parts in found.items())
    durations = {part.metrics: part for part in timed if part is not None}
    return Facts(
        requests,
        errors,
        tuple(durations.values()),
        tuple(_uses(CPU, series)),
        tuple(_uses(MEMORY, series)),
    )


def metrics_of(part: Part[FactKey] | None) -> list[str]:
    return [] if part is None else list(part.metrics)


def filters_of_all(metrics: Iterable[str]) -> dict[str, list[str]]:
    """What tells, of these metrics, the requests that a service answered from those that it made."""
    return {key: list(values) for metric in metrics for key, values in filters_of(metric).items()}


def _by_source(series: Mapping[FactKey, SentSeries]) -> dict[int, dict[Role, list[FactKey]]]:
    """By place in SOURCES, in that order."""
    found: dict[int, dict[Role, list[FactKey]]] = defaultdict(lambda: defaultdict(list))
    for key, one in series.items():
        for place, role in roles_of(one.metric):
            if one.type in _COUNTED and SOURCES[place].is_served(one.attributes):
                found[place][role].append(key)
    return dict(sorted(found.items()))


def _requests(
    place: int, parts: Mapping[Role, list[FactKey]], series: Mapping[FactKey, SentSeries]
) -> Part[FactKey] | None:
    return _part(SOURCES[place], parts[Role.REQUESTS], series, _COUNTED)


def _part(
    source: Convention,
    keys: Iterable[FactKey],
    series: Mapping[FactKey, SentSeries],
    types: frozenset[MetricType],
) -> Part[FactKey] | None:
    fitting = tuple(key for key in keys if series[key].type in types)
    return Part(source, _metrics(fitting, series), fitting) if fitting else None


def _metrics(keys: Iterable[FactKey], series: Mapping[FactKey, SentSeries]) -> tuple[str, ...]:
    return tuple(sorted({series[key].metric for key in keys}))


def _errors(
    place: int, parts: Mapping[Role, list[FactKey]], series: Mapping[FactKey, SentSeries]
) -> Part[FactKey] | None:
    """Errors by a counter of their own, else by the marks of requests; None: neither tells."""
    source = SOURCES[place]
    counted = parts[Role.ERRORS]
    words = {word_of(series[key].metric, source.errors) for key in counted}
    requests = parts[Role.REQUESTS]
    marked = [key for key in requests if word_of(series[key].metric, source.requests) not in words]
    outcomes = {key: source.failed(series[key].attributes) for key in marked}
    telling = [key for key in marked if outcomes[key] is not None]
    if not counted and not telling:
        return None
    failed = [key for key in telling if outcomes[key]]
    return Part(source, _metrics([*counted, *telling], series), (*counted, *failed))


def _uses(table: Sequence[Use], series: Mapping[FactKey, SentSeries]) -> list[Used[FactKey]]:
    by_metric: dict[str, list[FactKey]] = defaultdict(list)
    for key, one in series.items():
        by_metric[one.metric].append(key)
    found = []
    for use in table:
        types = {MetricType.COUNTER} if use.by_second else _LEVELS
        keys = [key for key in by_metric.get(use.metric, ()) if series[key].type in types]
        telling = tuple(key for key in keys if use.telling(series[key].attributes))
        if telling:
            found.append(Used(use, telling))
    return found
