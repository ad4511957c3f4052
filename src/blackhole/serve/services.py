"""Names what the HTTP side needs from the rest of the service, so that it can be built and tested alone."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from blackhole.config import Config
from blackhole.query.language import Answer, Query, SqlAnswer
from blackhole.query.promql.discovery import Span
from blackhole.query.promql.engine import Result
from blackhole.query.promql.names import Labels
from blackhole.query.reports import HealthReport, MetricInfo, SeriesReport


class PromQL(Protocol):
    """Answers PromQL; times in milliseconds. Blocking, thread-safe. Raises BlackholeError."""

    def instant(self, query: str, time: int, /) -> Result: ...
    def range(self, query: str, start: int, end: int, step: int, /) -> Result: ...
    def series(self, selectors: Sequence[str], span: Span | None, /) -> list[Labels]: ...
    def label_names(self, selectors: Sequence[str], span: Span | None, /) -> list[str]: ...
    def label_values(self, name: str, selectors: Sequence[str], span: Span | None, /) -> list[str]: ...
    def metadata(self) -> dict[str, list[dict[str, str]]]: ...


class Runner(Protocol):
    """Answers questions from the database; blocking, thread-safe. Raises BlackholeError."""

    @property
    def promql(self) -> PromQL: ...
    def query(self, query: Query, /) -> Answer: ...
    def sql(self, text: str, max_rows: int = 1000) -> SqlAnswer: ...
    def health(self) -> HealthReport: ...
    def network(self) -> SeriesReport: ...
    def performance(self) -> SeriesReport: ...
    def metrics(self) -> Sequence[MetricInfo]: ...


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """How the process is: `started_at` in Unix seconds, `cpu_percent` of one core."""

    version: str
    started_at: float
    uptime_seconds: float
    cpu_percent: float
    memory_bytes: int
    database_bytes: int
    pending_rows: int
    sampling_rate: float = 1.0
    endpoints: dict[str, str] = {}


def steady(
    status: Callable[[], Status], seconds: float = 1.0, clock: Callable[[], float] = time.monotonic
) -> Callable[[], Status]:
    """Asks at most once in `seconds`: the use of the CPU over a shorter time says nothing."""
    known: Status | None = None
    asked = 0.0

    def remembered() -> Status:
        nonlocal known, asked
        if known is None or clock() - asked >= seconds:
            known, asked = status(), clock()
        return known

    return remembered


@dataclass(frozen=True, slots=True)
class Services:
    """`statistics` is `pipeline.Statistics.snapshot`; `ready` says whether data is accepted.

    What a thread does inside `free()` is not charged to collecting.
    """

    runner: Runner
    statistics: Callable[[], Mapping[str, Any]]
    status: Callable[[], Status]
    config: Config
    ready: Callable[[], bool] = field(default=lambda: True)
    free: Callable[[], AbstractContextManager[None]] = field(default=nullcontext)
