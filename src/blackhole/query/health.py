"""Turns the state of all series that are alive into the health of the services that sent them."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from statistics import median

from blackhole.query.rates import alive, rate
from blackhole.query.recent import SHORT_NS, State, p95
from blackhole.query.reports import HealthReport, ServiceHealth
from blackhole.query.times import SECOND
from blackhole.records import MetricType, format_time

States = tuple[dict[int, State], dict[int, State]]

_SILENT_PERIODS = 3
_LEAST_SILENCE_NS = 30 * SECOND
_REMEMBERED_NS = 86400 * SECOND
_MILLISECONDS = {"s": 1000.0, "seconds": 1000.0, "us": 1e-3, "microseconds": 1e-3, "ns": 1e-6}

_SERVER_DURATIONS = (
    "rpc.server.call.duration",
    "rpc.server.duration",
    "http.server.request.duration",
    "http.server.duration",
    "grpc.request.duration",
)
# A request is seen by several of these; the first one that a service sends counts.
_REQUESTS: tuple[Callable[[str], bool], ...] = (
    lambda name: _is_own(name, "requests.total"),
    lambda name: name in _SERVER_DURATIONS,
    lambda name: name == "traces.span.metrics.calls",
)
_DURATIONS: tuple[Callable[[str], bool], ...] = (
    lambda name: _is_own(name, "request.duration") and name not in _SERVER_DURATIONS,
    lambda name: name in _SERVER_DURATIONS,
    lambda name: name == "traces.span.metrics.duration",
)


def _is_own(name: str, suffix: str) -> bool:
    """Whether it is the metric of a service, `identity.requests.total`, and not of a protocol."""
    return name.partition(".")[2] == suffix


@dataclass(slots=True)
class Service:
    """What is alive of one service, by number of the series."""

    series: dict[int, State] = field(default_factory=dict)

    def first(self, kinds: Iterable[Callable[[str], bool]]) -> dict[int, State]:
        for belongs in kinds:
            found = {number: state for number, state in self.series.items() if belongs(state.metric)}
            if found:
                return found
        return {}


class Health:
    """Remembers services for a day, so that one that fell silent is shown as down."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, int]] = {}

    def remember(self, service: str, last_ns: int) -> None:
        """A service that was heard of before this run."""
        known, period = self._seen.get(service, (0, 0))
        self._seen[service] = (max(known, last_ns), period)

    def report(self, states: States, *, now_ns: int) -> HealthReport:
        services = _by_service(alive(states))
        for name, service in services.items():
            last = max(state.last_ns for state in service.series.values())
            self._seen[name] = (last, _period_ns(service, states[1]))
        self._seen = {
            name: (last, period)
            for name, (last, period) in self._seen.items()
            if now_ns - last < _REMEMBERED_NS
        }
        return HealthReport(
            [self._health(name, services.get(name, Service()), states, now_ns) for name in sorted(self._seen)]
        )

    def _health(self, name: str, service: Service, states: States, now_ns: int) -> ServiceHealth:
        last, period = self._seen[name]
        up = now_ns - last <= max(_SILENT_PERIODS * period, _LEAST_SILENCE_NS)
        return ServiceHealth(
            service=name,
            up=up,
            request_rate=_rate(service.first(_REQUESTS), states, now_ns),
            error_rate=_error_rate(service, states, now_ns),
            p95_ms=_p95_ms(service, states[0]),
            cpu_percent=_cpu(service) if up else None,
            memory_bytes=_newest(service, "process.memory.usage", "blackhole.memory.usage") if up else None,
            last_seen=format_time(last),
        )


def _by_service(states: dict[int, State]) -> dict[str, Service]:
    """Guarded series say nothing about when a service was last heard of."""
    services: dict[str, Service] = defaultdict(Service)
    for number, state in states.items():
        name = state.attributes.get("service.name")
        if name and not state.level.guarded:
            services[str(name)].series[number] = state
    return services


def _period_ns(service: Service, long: dict[int, State]) -> int:
    periods = [
        stream.period
        for number in service.series
        if number in long
        for stream in long[number].streams.values()
        if stream.period is not None
    ]
    return round(median(periods) * SECOND) if periods else 0


def _rate(series: dict[int, State], states: States, now_ns: int) -> float | None:
    if not series:
        return None
    return sum(rate(number, *states, now_ns=now_ns, window_ns=SHORT_NS) for number in series)


def _error_rate(service: Service, states: States, now_ns: int) -> float | None:
    counted = {n: s for n, s in service.series.items() if _is_own(s.metric, "errors.total")}
    if counted:
        return _rate(counted, states, now_ns)
    requests = service.first(_REQUESTS)
    failed = {number: state for number, state in requests.items() if _is_failure(state)}
    return _rate(failed, states, now_ns) if failed or not requests else 0.0


def _is_failure(state: State) -> bool:
    attributes = {key: str(value) for key, value in state.attributes.items()}
    return (
        "error.type" in attributes
        or attributes.get("success", "").lower() == "false"
        or attributes.get("rpc.grpc.status_code", "0") not in {"0", "OK"}
        or attributes.get("rpc.response.status_code", "OK") not in {"0", "OK"}
        or attributes.get("http.response.status_code", "").startswith("5")
        or attributes.get("http.status_code", "").startswith("5")
        or attributes.get("status.code", "").upper() in {"2", "ERROR", "STATUS_CODE_ERROR"}
        or attributes.get("otel.status_code", "").upper() == "ERROR"
    )


def _p95_ms(service: Service, short: dict[int, State]) -> float | None:
    """Over the last minute, or over five where the service reports more seldom."""
    series = {n: s for n, s in service.first(_DURATIONS).items() if s.is_histogram}
    newest = [state for number, state in series.items() if number in short]
    by_unit: dict[float, list[State]] = defaultdict(list)
    for state in newest or series.values():
        by_unit[_MILLISECONDS.get(state.unit, 1.0)].append(state)
    values = [value * factor for factor, states in by_unit.items() if (value := p95(states)) is not None]
    return max(values, default=None)


def _cpu(service: Service) -> float | None:
    share = _newest(service, "process.cpu.utilization")
    percent = _newest(service, "process.cpu.usage", "blackhole.cpu.usage")
    return percent if percent is not None or share is None else share * 100


def _newest(service: Service, *metrics: str) -> float | None:
    levels = (s for s in service.series.values() if s.type is not MetricType.COUNTER)
    found = [level for level in levels if level.metric in metrics]
    return max(found, key=lambda state: state.last_ns).newest if found else None
