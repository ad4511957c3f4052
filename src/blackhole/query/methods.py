"""Turns a range of time into what each service did in it: requests, errors, durations, by method and kind.

By the table of `conventions`, so that it says the same of the range as the health of a service says of now.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from msgspec import UNSET

from blackhole.model.series import Attributes, MetricType
from blackhole.model.times import format_time
from blackhole.query.conventions import KIND, filters_of, milliseconds, roles_of
from blackhole.query.facts import Facts, Part, facts, filters_of_all, metrics_of
from blackhole.query.language import HISTOGRAMS, Answer, Filter, Query
from blackhole.query.naming import METHOD_KEYS, names
from blackhole.query.outcomes import STATUS_KEYS, kind_of, text
from blackhole.query.reports import ErrorKind, Method, ServicesReport, ServiceWork, Sources
from blackhole.store.read.reader import Reader

MOST_METRICS = 100
MOST_SHOWN = 100
_SERVICE = "service.name"
_KEYS = frozenset((_SERVICE, KIND, *METHOD_KEYS, *STATUS_KEYS))
# Longer than any range, so that all of it is one bucket, and a percentile that of the whole range.
_ONE_BUCKET = "36500d"

_NAMES = "SELECT DISTINCT metric FROM series WHERE privacy_level < 2"
_STORED = """
SELECT metric, arg_max(type, id), list(DISTINCT key)
FROM (
    SELECT metric, type, id, unnest(json_keys(attributes)) AS key
    FROM series WHERE metric IN (SELECT unnest($names)) AND privacy_level < 2
)
GROUP BY metric
ORDER BY metric
"""

Ask = Callable[[Query], Answer]
Where = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class StoredMetric:
    """A metric that a source names, and the attributes of its series that say something."""

    metric: str
    type: MetricType
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MethodGroup:
    """What one metric says of the requests in the range that are alike: how many, or how slow in ms.

    `over`: slower than that, since it is the last bound of the metric's buckets.
    """

    metric: str
    type: MetricType
    attributes: Attributes
    value: float
    over: bool = False


@dataclass(frozen=True, slots=True)
class ServiceCounts:
    """Of one service. `tells`: errors are of the same source as the requests, so they are known of each."""

    requests: list[MethodGroup]
    errors: list[MethodGroup]
    tells: bool

    @classmethod
    def of(cls, told: Facts[int], groups: Sequence[MethodGroup]) -> "ServiceCounts":
        requests, errors = told.requests, told.errors
        tells = requests is not None and errors is not None and requests.source is errors.source
        return cls(_taken(requests, groups), _taken(errors, groups), tells)


@dataclass(slots=True)
class Calls:
    """What is added up of one method; `first` is where it is found."""

    first: MethodGroup
    requests: float | None = None
    errors: float | None = None
    slow: MethodGroup | None = None


def stored(reader: Reader) -> tuple[list[StoredMetric], list[str]]:
    """At most so many, in the order of the sources, and what to know about it. Raises QueryError."""
    found = [name for (name,) in reader.rows(_NAMES, max_rows=100_000).rows if roles_of(name)]
    found.sort(key=lambda name: (roles_of(name)[0], name))
    rows = reader.rows(_STORED, {"names": found[:MOST_METRICS]}).rows
    known = [
        StoredMetric(metric, MetricType(kind), tuple(sorted(_KEYS.intersection(keys))))
        for metric, kind, keys in rows
    ]
    more = len(found) - MOST_METRICS
    return known, [f"{more} more metrics tell of requests: not in this answer"] if more > 0 else []


class Work:
    """Answers about one range, in nanoseconds; each question is asked once."""

    def __init__(self, known: Iterable[StoredMetric], ask: Ask, start: int, end: int) -> None:
        self._known = {one.metric: one for one in known}
        self._ask = ask
        self._start, self._end = format_time(start), format_time(end)
        self._slow: dict[tuple[str, bool], dict[str, list[MethodGroup]]] = {}

    def report(self, notes: Sequence[str] = ()) -> ServicesReport:
        """Raises QueryError."""
        by_service: dict[str, list[MethodGroup]] = defaultdict(list)
        for one in self._known.values():
            for group in self._read(one, one.keys, "count" if one.type in HISTOGRAMS else "sum"):
                by_service[text(group.attributes, _SERVICE)].append(group)
        by_service.pop("", None)
        services = [self._service(name, groups) for name, groups in sorted(by_service.items())]
        return ServicesReport(self._start, self._end, services, list(notes))

    def _service(self, name: str, groups: Sequence[MethodGroup]) -> ServiceWork:
        told = facts(dict(enumerate(groups)))
        counted = ServiceCounts.of(told, groups)
        slowest, timed = self._slowest(told, name)
        slow = [group for metric in timed for group in self._slow_of(metric, name, by_method=True)]
        name_of = _called((*slow, *counted.requests, *counted.errors))
        return ServiceWork(
            service=name,
            requests=None if told.requests is None else sum(group.value for group in counted.requests),
            errors=None if told.errors is None else sum(group.value for group in counted.errors),
            p95_ms=None if slowest is None else slowest.value,
            methods=_methods(name_of, slow, counted)[:MOST_SHOWN],
            kinds=_kinds(name_of, counted.errors)[:MOST_SHOWN],
            sources=Sources(
                requests=metrics_of(told.requests),
                errors=metrics_of(told.errors),
                durations=timed,
                filters=filters_of_all((*metrics_of(told.requests), *timed)),
            ),
            p95_over=(slowest is not None and slowest.over) or UNSET,
        )

    def _slowest(self, told: Facts[int], service: str) -> tuple[MethodGroup | None, list[str]]:
        """What 95 % of its requests take at most, by the first source with buckets, and its metrics."""
        for part in told.durations:
            slow = (self._slow_of(metric, service, by_method=False) for metric in part.metrics)
            found = [group for groups in slow for group in groups]
            if found:
                return max(found, key=_slowness), list(part.metrics)
        return None, []

    def _slow_of(self, metric: str, service: str, *, by_method: bool) -> list[MethodGroup]:
        """The 95th percentiles of a service."""
        if (metric, by_method) not in self._slow:
            one = self._known[metric]
            keys = [key for key in one.keys if key == _SERVICE or (by_method and key in METHOD_KEYS)]
            found: dict[str, list[MethodGroup]] = defaultdict(list)
            for group in self._read(one, keys, "p95"):
                found[text(group.attributes, _SERVICE)].append(group)
            self._slow[metric, by_method] = found
        return self._slow[metric, by_method].get(service, [])

    def _read(self, one: StoredMetric, keys: Sequence[str], aggregation: str) -> Iterator[MethodGroup]:
        """One value a group. Raises QueryError."""
        served: dict[str, Filter] = {key: list(values) for key, values in filters_of(one.metric).items()}
        asked = Query(
            one.metric, self._start, self._end, aggregation, _ONE_BUCKET, filters=served, group_by=list(keys)
        )
        answer = self._ask(asked)
        by = milliseconds(answer.unit) if aggregation == "p95" else 1.0
        for series in answer.series:
            whole = series.overall
            if whole is not UNSET and whole.value is not None:
                kind, over = MetricType(answer.type), whole.over is True
                yield MethodGroup(one.metric, kind, series.attributes, by * whole.value, over)


def _taken(part: Part[int] | None, groups: Sequence[MethodGroup]) -> list[MethodGroup]:
    return [] if part is None else [groups[key] for key in part.series]


def _where(group: MethodGroup) -> Where:
    """What tells the method."""
    return tuple((key, value) for key in METHOD_KEYS if (value := text(group.attributes, key)))


def _called(groups: Iterable[MethodGroup]) -> dict[Where, str]:
    wheres = list(dict.fromkeys(_where(group) for group in groups))
    return dict(zip(wheres, names([dict(where) for where in wheres]), strict=True))


def _methods(
    name_of: Mapping[Where, str], slow: Sequence[MethodGroup], counted: ServiceCounts
) -> list[Method]:
    """The slowest first."""
    calls: dict[str, Calls] = {}
    for group in slow:
        one = calls.setdefault(name_of[_where(group)], Calls(group))
        one.slow = group if one.slow is None else max(one.slow, group, key=_slowness)
    for group in counted.requests:
        one = calls.setdefault(name_of[_where(group)], Calls(group))
        one.requests = (one.requests or 0.0) + group.value
        one.errors = 0.0 if counted.tells else None
    for group in counted.errors if counted.tells else ():
        one = calls.setdefault(name_of[_where(group)], Calls(group))
        one.errors = (one.errors or 0.0) + group.value
    found = [
        Method(
            name,
            one.requests,
            one.errors,
            None if one.slow is None else one.slow.value,
            one.first.metric,
            dict(_where(one.first)),
            (one.slow is not None and one.slow.over) or UNSET,
        )
        for name, one in calls.items()
    ]
    return sorted(found, key=lambda one: (-(one.p95_ms or -1.0), -(one.requests or 0.0), one.method))


def _slowness(group: MethodGroup) -> tuple[float, bool]:
    return group.value, group.over


def _kinds(name_of: Mapping[Where, str], errors: Sequence[MethodGroup]) -> list[ErrorKind]:
    """The most frequent first."""
    counted: dict[tuple[str, str], float] = defaultdict(float)
    for group in errors:
        counted[kind_of(group.attributes), name_of[_where(group)]] += group.value
    found = [ErrorKind(kind, method, count) for (kind, method), count in counted.items() if count > 0]
    return sorted(found, key=lambda one: (-one.errors, one.kind, one.method))
