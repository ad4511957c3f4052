"""Turns the state of all series that are alive into the health of the services that sent them."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import TypeVar

import msgspec

from blackhole.model.signals import OWN_SERVICE
from blackhole.model.times import format_time
from blackhole.query.conventions import in_bytes, milliseconds, percent
from blackhole.query.facts import Facts, Part, Used, facts, filters_of_all, metrics_of
from blackhole.query.limits import LastAbove, Limits
from blackhole.query.outages import Outages
from blackhole.query.quantiles import Percentile, quantile
from blackhole.query.rates import Present, alive
from blackhole.query.recent import LiveSeries
from blackhole.query.reports import HealthReport, OutageReport, ServiceHealth, Sources
from blackhole.query.silence import DOWN, UP, WAITING, Heard, Silence, period_of
from blackhole.query.verdict import verdict

Measured = TypeVar("Measured", float, Percentile)

# What is alive of one service, by number of the series.
Service = dict[int, LiveSeries]

# What a scraper says of each of its targets.
_TARGET = "up"


class Health:
    """Remembers services for a day, so that one that fell silent is shown as down."""

    def __init__(self, last_above: LastAbove, outages: Outages) -> None:
        self._outages = outages
        self._silence = Silence(outages)
        self._limits = Limits(last_above)

    def remember(self, heard: Sequence[Heard], held: Callable[[int], AbstractSet[str]]) -> None:
        """Services that were heard of before this run. `held`: the findings of silence as of a moment."""
        own = max((one.last_ns for one in heard if one.service == OWN_SERVICE), default=None)
        if own is not None:
            self._outages.remember(own)
        titles = None if self._outages.begin_ns == 0 else held(self._outages.begin_ns)
        for one in heard:
            found = None if titles is None else silence_title(one.service) in titles
            self._silence.remember(one, found_silent=found)

    def report(self, present: Present) -> HealthReport:
        now_ns, services = present.now_ns, _by_service(alive(present.states))
        self._outages.look(now_ns)
        for name, service in services.items():
            self._silence.hear(name, service.values(), _period_ns(service, present.states.lately), now_ns)
        found = [
            self._health(name, state, last, services.get(name, {}), present)
            for name, (state, last) in self._silence.judge(now_ns).items()
        ]
        up = {service.service for service in found if service.up}
        served = [(one.service, one.request_rate, one.error_rate) for one in found]
        beyond = self._limits.look(present.states.lately, up, now_ns, self._outages.within, served)
        outages = [
            OutageReport(format_time(one.begin_ns), format_time(one.end_ns), one.reason)
            for one in self._outages.told(now_ns)
        ]
        return HealthReport(found, verdict(found, beyond), outages)

    def _health(self, name: str, state: str, last: int, service: Service, present: Present) -> ServiceHealth:
        alive = {number: state for number, state in service.items() if present.streams(number)}
        targets, answering = _targets(alive.values())
        if state == UP and targets and not answering:
            state = DOWN
        up = state in {UP, WAITING}
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
            state=state,
            targets_down=targets - answering,
        )


def silence_title(service: str) -> str:
    """How the finding that it is silent is called."""
    return f"{service} is silent"


def _targets(states: Iterable[LiveSeries]) -> tuple[int, int]:
    """How many targets a scraper tells of, and how many of them answer."""
    told = [state for state in states if state.metric == _TARGET and state.is_level]
    targets = sum(state.alive for state in told)
    return targets, min(round(sum(state.now or 0.0 for state in told)), targets)


def _by_service(states: dict[int, LiveSeries]) -> dict[str, Service]:
    """Guarded series say nothing about when a service was last heard of."""
    services: dict[str, Service] = defaultdict(dict)
    for number, state in states.items():
        name = state.attributes.get("service.name")
        if name and not state.level.guarded:
            services[str(name)][number] = state
    return services


def _period_ns(service: Service, long: dict[int, LiveSeries]) -> int:
    return period_of(
        stream for number in service if number in long for stream in long[number].streams.values()
    )


def _first(
    told: Iterable[tuple[Part[int] | Used[int], Measured | None]],
) -> tuple[Measured | None, list[str]]:
    """The first that has a value, and the metrics that tell it."""
    for one, value in told:
        if value is not None:
            return value, list(one.metrics)
    return None, []


def _rate(part: Part[int] | None, present: Present) -> float | None:
    return None if part is None else sum(present.rate(number) or 0.0 for number in part.series)


def _p95_ms(part: Part[int], service: Service, present: Present) -> Percentile | None:
    """Of all buckets of the last minute, or of five where the service reports more seldom."""
    short = present.states.minute
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
