"""Names what the HTTP side needs from the rest of the service, so that it can be built and tested alone."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from blackhole.catalogue.allow import Allowed, Permission
from blackhole.config import Config
from blackhole.errors import UnavailableError
from blackhole.model.erasure import BackupAnswer, Forget, Forgotten
from blackhole.model.insight import StoredInsight
from blackhole.privacy.explain import Explanation
from blackhole.promql.discovery import SearchRange
from blackhole.promql.engine import Result
from blackhole.promql.names import Labels
from blackhole.query.language import Query, SqlAnswer
from blackhole.query.privacy_answers import BudgetAnswer, LedgerPage, PrivacyNews
from blackhole.query.reports import HealthReport, MetricInfo, SeriesReport, ServicesReport
from blackhole.query.scrape import Scrape
from blackhole.runtime.turned_away import TurnedAway
from blackhole.serve.boards import Boards


class PromQL(Protocol):
    """Answers PromQL; times in milliseconds. Blocking, thread-safe. Raises BlackholeError."""

    def instant(self, query: str, time: int, /) -> Result: ...
    def range(self, query: str, start: int, end: int, step: int, /) -> Result: ...
    def series(self, selectors: Sequence[str], span: SearchRange | None, /) -> list[Labels]: ...
    def label_names(self, selectors: Sequence[str], span: SearchRange | None, /) -> list[str]: ...
    def label_values(self, name: str, selectors: Sequence[str], span: SearchRange | None, /) -> list[str]: ...
    def metadata(self) -> dict[str, list[dict[str, str]]]: ...


class Queries(Protocol):
    """Answers questions from the database; blocking, thread-safe. Raises BlackholeError.

    A document is the answer as JSON, in pieces: what is large is sent without being put together.
    """

    @property
    def promql(self) -> PromQL: ...
    def query_document(self, query: Query, /) -> list[bytes]: ...
    def sql_document(self, text: str, max_rows: int = 1000) -> list[bytes]: ...
    def sql(self, text: str, max_rows: int = 1000) -> SqlAnswer: ...
    def health(self) -> HealthReport: ...
    @property
    def newest_health(self) -> HealthReport: ...
    def services(self, start: str | None = None, end: str | None = None, /) -> ServicesReport: ...
    def network(self) -> SeriesReport: ...
    def performance(self) -> SeriesReport: ...
    def scrape(self) -> Scrape: ...
    def metrics(self) -> Sequence[MetricInfo]: ...
    def privacy_budget(self) -> BudgetAnswer: ...
    def privacy_ledger(self, before: int | None = None, limit: int = 100) -> LedgerPage: ...
    def privacy_news(self) -> PrivacyNews: ...
    def explain(self, metric: str, /) -> Explanation: ...


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """How the process is: `started_at` in Unix seconds, `cpu_percent` of one core.

    `set_aside`: damaged database files beside the one that is used. `removed_early`: rows that were removed
    since the start because the file was at its limit. `notes`: what the owner should know, in sentences.
    """

    version: str
    started_at: float
    uptime_seconds: float
    cpu_percent: float
    memory_bytes: int
    database_bytes: int
    pending_rows: int
    sampling_rate: float = 1.0
    set_aside: list[str] = []
    removed_early: int = 0
    notes: list[str] = []
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


def _allow_nothing(_: Permission) -> Allowed:
    raise UnavailableError("nothing can be allowed here: ask the service that collects")


def _find_nothing(known: int) -> tuple[int, Sequence[StoredInsight]]:
    return known, ()


async def _forget_nothing(_: Forget) -> Forgotten:
    raise UnavailableError("nothing can be forgotten here: ask the service that collects")


def _back_up_nothing(_: str) -> BackupAnswer:
    raise UnavailableError("nothing can be backed up here: ask the service that collects")


@dataclass(frozen=True, slots=True)
class Services:
    """`statistics` is `pipeline.Statistics.snapshot`; `ready` says whether data is accepted.

    `allow` adds to the catalogue, and is called on the event loop; so is `forget`, which erases.
    `back_up` copies the database into a directory; blocking. `found` answers how many insights this run has
    found, and those after the first `known`. `away` knows who cannot reach us.

    What a thread does inside `free()` is not charged to collecting.
    """

    runner: Queries
    statistics: Callable[[], Mapping[str, Any]]
    status: Callable[[], Status]
    config: Config
    ready: Callable[[], bool] = field(default=lambda: True)
    free: Callable[[], AbstractContextManager[None]] = field(default=nullcontext)
    allow: Callable[[Permission], Allowed] = field(default=_allow_nothing)
    forget: Callable[[Forget], Awaitable[Forgotten]] = field(default=_forget_nothing)
    back_up: Callable[[str], BackupAnswer] = field(default=_back_up_nothing)
    boards: Boards = field(default_factory=lambda: Boards(None))
    found: Callable[[int], tuple[int, Sequence[StoredInsight]]] = field(default=_find_nothing)
    away: TurnedAway = field(default_factory=TurnedAway)
