"""Turns the state of all series that are alive into the health of the services that sent them."""

from collections import defaultdict
from collections.abc import Iterable
from statistics import median
from typing import TypeVar

import msgspec

from blackhole.query.conventions import in_bytes, milliseconds, percent
from blackhole.query.facts import Facts, Part, Used, facts, filters_of_all, metrics_of
from blackhole.query.limits import LastAbove, Limits
from blackhole.query.quantiles import Percentile, quantile
from blackhole.query.rates import Present, alive
from blackhole.query.recent import State
from blackhole.query.reports import HealthReport, ServiceHealth, Sources
from blackhole.query.times import SECOND
from blackhole.query.verdict import verdict
from blackhole.records import format_time

Value = TypeVar("Value", float, Percentile)

# What is alive of one service, by number of the series.
Service = dict[int, State]

_SILENT_PERIODS = 3
_LEAST_SILENCE_NS = 30 * SECOND
_REMEMBERED_NS = 86400 * SECOND


class Health:
    """Remembers services for a day, so that one that fell silent is shown as down."""

    def __init__(self, last_above: LastAbove) -> None:
        self._limits = Limits(last_above)
        self._seen: dict[str, tuple[int, int]] = {}

    def remember(self, service: str, last_ns: int) -> None:
        """A service that was heard of before this run."""
        known, period = self._seen.get(service, (0, 0))
        self._seen[service] = (max(known, last_ns), period)

    def report(self, present: Present) -> HealthReport:
        now_ns, services = present.now_ns, _by_service(alive(present.states))
        for name, service in services.items():
            last = max(state.last_ns for state in service.values())
            self._seen[name] = (last, _period_ns(service, present.states[1]))
        self._seen = {
            name: (last, period)
            for name, (last, period) in self._seen.items()
            if now_ns - last < _REMEMBERED_NS
        }
        found = [self._health(name, services.get(name, {}), present) for name in sorted(self._seen)]
        up = {service.service for service in found if service.up}
        return HealthReport(found, verdict(found, self._limits.look(present.states[1], up, now_ns)))

    def _health(self, name: str, service: Service, present: Present) -> ServiceHealth:
        last, period = self._seen[name]
        up = present.now_ns - last <= max(_SILENT_PERIODS * period, _LEAST_SILENCE_NS)
        alive = {number: state for number, state in service.items() if present.streams(number)}
        told = facts(alive)
        request_rate, error_rate = (_rate(part, present) for part in (told.requests, told.errors))
        slow, timed = _first((part, _p95_ms(part, service, present)) for part in told.durations)
        cpu, by_cpu = _first((used, _cpu(used, service, present)) for used in told.cpu)
        memory, by_memory = _first((used, _memory(used, service, present)) for used in told.memory)
        return ServiceHealth(
            service=name,
            up=up,
            request_rate=request_rate,
            error_rate=error_rate,
            p95_ms=None if slow is None else slow.value,
            cpu_percent=cpu if up else None,
            memory_bytes=memory if up else None,
            last_seen=format_time(last),
            processes=_processes(told, present),
            sources=Sources(
                requests=metrics_of(told.requests),
                errors=metrics_of(told.errors),
                durations=timed,
                cpu=by_cpu,
                memory=by_memory,
                filters=filters_of_all((*metrics_of(told.requests), *timed)),
            ),
            p95_over=(slow is not None and slow.over) or msgspec.UNSET,
        )


def _by_service(states: dict[int, State]) -> dict[str, Service]:
    """Guarded series say nothing about when a service was last heard of."""
    services: dict[str, Service] = defaultdict(dict)
    for number, state in states.items():
        name = state.attributes.get("service.name")
        if name and not state.level.guarded:
            services[str(name)][number] = state
    return services


def _period_ns(service: Service, long: dict[int, State]) -> int:
    periods = [
        stream.period
        for number in service
        if number in long
        for stream in long[number].streams.values()
        if stream.period is not None
    ]
    return round(median(periods) * SECOND) if periods else 0


def _first(told: Iterable[tuple[Part[int] | Used[int], Value | None]]) -> tuple[Value | None, list[str]]:
    """The first that has a value, and the metrics that tell it."""
    for one, value in told:
        if value is not None:
            return value, list(one.metrics)
    return None, []


def _rate(part: Part[int] | None, present: Present) -> float | None:
    return None if part is None else sum(present.rate(number) or 0.0 for number in part.series)


def _p95_ms(part: Part[int], service: Service, present: Present) -> Percentile | None:
    """Of all buckets of the last minute, or of five where the service reports more seldom."""
    short = present.states[0]
    newest = [number for number in part.series if number in short]
    cells = [
        cell.times(milliseconds(service[number].unit))
        for number in newest or part.series
        for cell in service[number].cells
    ]
    return quantile(cells, 0.95)


def _cpu(used: Used[int], service: Service, present: Present) -> float | None:
    value = present.rate if used.use.by_second else present.level
    return _sum((value(number), percent(used.use, service[number].unit)) for number in used.series)


def _memory(used: Used[int], service: Service, present: Present) -> float | None:
    return _sum((present.level(number), in_bytes(service[number].unit)) for number in used.series)


def _sum(values: Iterable[tuple[float | None, float]]) -> float | None:
    """Of what is known of values, each with what it is multiplied by."""
    known = [value * by for value, by in values if value is not None]
    return sum(known) if known else None


def _processes(told: Facts[int], present: Present) -> int | None:
    """By the metrics of which each process sends one stream a series."""
    whole = [used for used in (*told.cpu, *told.memory) if used.use.whole]
    counts = [present.streams(number) for used in whole for number in used.series]
    return max(counts, default=None)
