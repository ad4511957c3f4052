"""Names the metrics that tell requests, errors, durations, CPU and memory of a service, in order.

One table for the Overview, the Performance page, insights and the API, so that all of them count the same.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache

from blackhole.catalogue.units import factor
from blackhole.model.series import Attributes
from blackhole.query import outcomes
from blackhole.query.outcomes import text

_ANY = "*."
KIND = "span.kind"
# As our decoder and the Collector write it, and other ways.
SERVED_KINDS = (
    *("SPAN_KIND_SERVER", "SPAN_KIND_CONSUMER", "SERVER", "CONSUMER", "Server", "Consumer"),
    *("server", "consumer", "2", "5"),
)
_NOT_BUSY = frozenset({"idle", "wait", "iowait"})
_MOST_NAMES = 4096

Failed = Callable[[Attributes], bool | None]


class Role(StrEnum):
    REQUESTS = "requests"
    ERRORS = "errors"
    DURATIONS = "durations"


@dataclass(frozen=True, slots=True)
class Convention:
    """One way in which services tell of their requests, and what the attributes of a request say of it.

    `requests`, `errors`, `durations`: names of metrics; `*.` stands for any word. Where `errors` came they
    count, and not the attributes. `filters`: what tells those that the service answered from those it made.
    """

    title: str
    requests: str
    durations: str
    failed: Failed
    errors: str = ""
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def is_served(self, attributes: Attributes) -> bool:
        return all(text(attributes, key) in values for key, values in self.filters.items())

    @property
    def names(self) -> Mapping[Role, str]:
        names = {Role.REQUESTS: self.requests, Role.ERRORS: self.errors, Role.DURATIONS: self.durations}
        return {role: name for role, name in names.items() if name}


def _timed(metric: str, title: str, failed: Failed) -> Convention:
    """A histogram that counts the requests as well."""
    return Convention(title, metric, metric, failed)


# A request is seen by several of these: the first that a service sends counts, never their sum.
# HTTP, RPC, messages, with the stable name before older ones; spans; what the service counts itself.
SOURCES: tuple[Convention, ...] = (
    _timed("http.server.request.duration", "HTTP", outcomes.of_http),
    _timed("http.server.duration", "HTTP, older name", outcomes.of_http),
    _timed("http.server.requests", "HTTP, Micrometer", outcomes.of_http),
    _timed("http_server_requests_seconds", "HTTP, Micrometer for Prometheus", outcomes.of_http),
    Convention(
        "HTTP, for Prometheus", "http_requests_total", "http_request_duration_seconds", outcomes.of_http
    ),
    _timed("http_request_duration_seconds", "HTTP, for Prometheus", outcomes.of_http),
    _timed("rpc.server.call.duration", "RPC", outcomes.of_rpc_call),
    _timed("rpc.server.duration", "RPC, older name", outcomes.of_rpc),
    _timed("grpc.server.call.duration", "gRPC", outcomes.of_rpc),
    Convention(
        "gRPC, for Prometheus", "grpc_server_handled_total", "grpc_server_handling_seconds", outcomes.of_rpc
    ),
    _timed("grpc.request.duration", "gRPC, as a node reports it", outcomes.of_rpc),
    Convention("RPC, by messages", "rpc.server.requests_per_rpc", "", outcomes.of_rpc),
    _timed("messaging.process.duration", "messages processed", outcomes.of_message),
    Convention("messages processed, older name", "messaging.process.messages", "", outcomes.of_message),
    Convention("messages consumed", "messaging.client.consumed.messages", "", outcomes.of_message),
    Convention(
        "messages received, older name",
        "messaging.receive.messages",
        "messaging.receive.duration",
        outcomes.of_message,
    ),
    Convention(
        "spans of servers and consumers",
        "traces.span.metrics.calls",
        "traces.span.metrics.duration",
        outcomes.of_span,
        filters={KIND: SERVED_KINDS},
    ),
    Convention(
        "its own counters", "*.requests.total", "*.request.duration", outcomes.of_own, errors="*.errors.total"
    ),
    _timed("*.request.duration", "its own durations", outcomes.of_own),
    _timed("flower.task.runtime.seconds", "Celery tasks", outcomes.nothing_known),
)
_EXACT = frozenset(name for source in SOURCES for name in source.names.values() if not name.startswith(_ANY))


@lru_cache(_MOST_NAMES)
def roles_of(metric: str) -> tuple[tuple[int, Role], ...]:
    """What a metric is in SOURCES: the place of the source, and the role there."""
    return tuple(
        (place, role)
        for place, source in enumerate(SOURCES)
        for role, name in source.names.items()
        if _is_called(metric, name)
    )


def filters_of(metric: str) -> Mapping[str, tuple[str, ...]]:
    roles = roles_of(metric)
    return SOURCES[roles[0][0]].filters if roles else {}


def word_of(metric: str, name: str) -> str:
    """What the `*` of a name stands for."""
    return metric.partition(".")[0] if name.startswith(_ANY) else ""


def _is_called(metric: str, name: str) -> bool:
    if not name.startswith(_ANY):
        return metric == name
    return metric.partition(".")[2] == name.removeprefix(_ANY) and metric not in _EXACT


@dataclass(frozen=True, slots=True)
class Use:
    """A metric that tells how much CPU, in percent, or memory, in bytes, the processes of a service take.

    `by_second`: it counts seconds, and its rate is the use. `telling`: which of its series are added up.
    `whole`: a process sends each of its series once, so that its streams are processes.
    """

    metric: str
    by_second: bool = False
    whole: bool = False
    telling: Callable[[Attributes], bool] = lambda _: True


def _is_busy(attributes: Attributes) -> bool:
    return text(attributes, "cpu.mode", "process.cpu.state", "state", "type") not in _NOT_BUSY


def _is_resident(attributes: Attributes) -> bool:
    return text(attributes, "type") in {"rss", ""}


def _seconds(metric: str, *, whole: bool = True) -> Use:
    return Use(metric, by_second=True, whole=whole, telling=_is_busy)


# Percent of one core where that can be known; shares come last, since they are of all CPUs that it may use.
CPU: tuple[Use, ...] = (
    Use("process.cpu.usage", whole=True),
    Use("blackhole.cpu.usage", whole=True),
    _seconds("process.cpu.time"),
    _seconds("jvm.cpu.time"),
    _seconds("dotnet.process.cpu.time"),
    _seconds("process.runtime.cpython.cpu_time"),
    _seconds("process.runtime.pypy.cpu_time"),
    _seconds("process_cpu_seconds_total"),
    Use("process.cpu.utilization", telling=_is_busy, whole=True),
    Use("process.runtime.cpython.cpu.utilization", whole=True),
    Use("process.runtime.pypy.cpu.utilization", whole=True),
    Use("jvm.cpu.recent_utilization", whole=True),
    Use("container.cpu.usage"),
    _seconds("container.cpu.time", whole=False),
)
# What the system holds for the process; where nothing says it, what its runtime has in use.
MEMORY: tuple[Use, ...] = (
    Use("process.memory.usage", whole=True),
    Use("blackhole.memory.usage", whole=True),
    Use("process.memory.physical_usage", whole=True),
    Use("process.runtime.cpython.memory", whole=True, telling=_is_resident),
    Use("process.runtime.pypy.memory", whole=True, telling=_is_resident),
    Use("dotnet.process.memory.working_set", whole=True),
    Use("process_resident_memory_bytes", whole=True),
    Use("jvm.memory.used"),
    Use("go.memory.used"),
    Use("process.runtime.go.mem.heap_sys"),
    Use("go_memstats_sys_bytes"),
    Use("v8js.memory.heap.used"),
    Use("container.memory.working_set"),
    Use("container.memory.usage"),
)

# One CPU in use is a whole core.
_CPUS = "{cpu}"


@lru_cache(_MOST_NAMES)
def milliseconds(unit: str) -> float:
    """How many a value in this unit of time is."""
    return factor(unit, "ms") or 1.0


@lru_cache(_MOST_NAMES)
def percent(use: Use, unit: str) -> float:
    """How many a value in this unit is; of seconds that are counted, a second of them."""
    if use.by_second:
        return 100.0 * (factor(unit, "s") or 1.0)
    return 100.0 if unit == _CPUS else factor(unit, "%") or 1.0


@lru_cache(_MOST_NAMES)
def in_bytes(unit: str) -> float:
    return factor(unit, "By") or 1.0
