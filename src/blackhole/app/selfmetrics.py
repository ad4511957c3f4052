"""Turns the state of the service into an OTLP request, which passes the guard like any other."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from blackhole.errors import IntakeError
from blackhole.model.signals import OWN_SERVICE, Encoding, Payload, Signal
from blackhole.pipeline import Pipeline

_CUMULATIVE = 2

_log = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode

OtlpJson = dict[str, Any]
# Attributes and value.
OwnPoint = tuple[Mapping[str, str], float]


class ProcessStatus(Protocol):
    """How the process is (`blackhole.serve.services.Status`)."""

    @property
    def cpu_percent(self) -> float: ...
    @property
    def memory_bytes(self) -> int: ...
    @property
    def database_bytes(self) -> int: ...
    @property
    def pending_rows(self) -> int: ...
    @property
    def sampling_rate(self) -> float: ...


class Reporter:
    """Stores the service's own metrics, and the calls between services, every `seconds`."""

    def __init__(
        self,
        pipeline: Pipeline,
        statistics: Callable[[], Mapping[str, Any]],
        condition: Callable[[], ProcessStatus],
        *,
        seconds: float,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._pipeline = pipeline
        self._statistics = statistics
        self._condition = condition
        self._seconds = seconds
        self._clock_ns = clock_ns
        self._started_ns = clock_ns()

    def report(self) -> None:
        """Hands both to the pipeline and does not wait for the commit. Raises IntakeError."""
        self._pipeline.record_edges()
        now_ns = self._clock_ns()
        body = encode(self._statistics(), self._condition(), started_ns=self._started_ns, now_ns=now_ns)
        self._pipeline.record(Payload(Signal.METRICS, Encoding.JSON, body))

    async def run(self) -> None:
        """Reports until cancelled. It runs in the event loop, so that what is judged keeps its order."""
        while True:
            await asyncio.sleep(self._seconds)
            try:
                self.report()
            except IntakeError as error:
                _log.info("the service's own metrics were not stored this time: %s", error)


def encode(statistics: Mapping[str, Any], condition: ProcessStatus, *, started_ns: int, now_ns: int) -> bytes:
    """An ExportMetricsServiceRequest as OTLP/JSON. Counts are cumulative since `started_ns`."""
    times = {"startTimeUnixNano": str(started_ns), "timeUnixNano": str(now_ns)}
    metrics = [
        *(_sum(name, unit, points, times) for name, unit, points in _counts(statistics)),
        *(_gauge(name, unit, value, times) for name, unit, value in _levels(condition)),
        _histogram("blackhole.request.duration", statistics["request_durations"], times),
        _histogram("blackhole.commit.duration", statistics["commit_durations"], times),
    ]
    resource = {"attributes": _attributes({"service.name": OWN_SERVICE})}
    scope = {"scope": {"name": "blackhole"}, "metrics": metrics}
    return _encode({"resourceMetrics": [{"resource": resource, "scopeMetrics": [scope]}]})


def _counts(statistics: Mapping[str, Any]) -> Iterator[tuple[str, str, Sequence[OwnPoint]]]:
    yield "blackhole.accepted", "{item}", _by("signal", statistics["accepted"])
    yield "blackhole.requests.total", "{request}", _by("signal", statistics["requests"])
    # A zero before the first error says that there was none; else nobody would know.
    failed = _by("error_type", statistics["failed_requests"]) or [({}, 0)]
    yield "blackhole.errors.total", "{error}", failed
    yield "blackhole.refused", "{item}", _by("reason", refused_by_reason(statistics))


def _levels(condition: ProcessStatus) -> Iterator[tuple[str, str, float]]:
    yield "blackhole.queue.rows", "{row}", condition.pending_rows
    yield "blackhole.sampling.rate", "1", condition.sampling_rate
    yield "blackhole.database.size", "By", condition.database_bytes
    # The service uses names of its own, since an average over process.cpu.usage is over other services.
    yield "blackhole.cpu.usage", "percent", condition.cpu_percent
    yield "blackhole.memory.usage", "By", condition.memory_bytes


def refused_by_reason(statistics: Mapping[str, Any]) -> Counter[str]:
    """Refused points, spans and log records, without guarded metrics, whose count is null."""
    refused: Counter[str] = Counter()
    for entry in statistics["refused"]:
        if entry["count"]:
            refused[str(entry["reason"])] += entry["count"]
    return refused


def _by(key: str, counts: Mapping[str, int]) -> list[OwnPoint]:
    return [({key: name}, count) for name, count in sorted(counts.items())]


def _sum(name: str, unit: str, points: Sequence[OwnPoint], times: OtlpJson) -> OtlpJson:
    data = [{**times, "attributes": _attributes(pairs), "asInt": str(value)} for pairs, value in points]
    content = {"dataPoints": data, "aggregationTemporality": _CUMULATIVE, "isMonotonic": True}
    return {"name": name, "unit": unit, "sum": content}


def _gauge(name: str, unit: str, value: float, times: OtlpJson) -> OtlpJson:
    return {"name": name, "unit": unit, "gauge": {"dataPoints": [{**times, "asDouble": float(value)}]}}


def _histogram(name: str, durations: Mapping[str, Any], times: OtlpJson) -> OtlpJson:
    point = {
        **times,
        "count": str(sum(durations["buckets"])),
        "sum": durations["sum"],
        "bucketCounts": [str(count) for count in durations["buckets"]],
        "explicitBounds": durations["bounds"],
    }
    content = {"dataPoints": [point], "aggregationTemporality": _CUMULATIVE}
    return {"name": name, "unit": "s", "histogram": content}


def _attributes(pairs: Mapping[str, str]) -> list[OtlpJson]:
    return [{"key": key, "value": {"stringValue": value}} for key, value in pairs.items()]
