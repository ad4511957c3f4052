"""A runner and services that answer from memory, for tests of the HTTP side."""

import threading
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

import msgspec

from blackhole.catalogue.allow import Allowed, Permission
from blackhole.catalogue.load import load
from blackhole.config import ApiConfig, Config, Duration
from blackhole.errors import PrivacyError, QueryError, UnknownMetricError, UsageError
from blackhole.model.erasure import BackupAnswer, BackupFile, Forget, Forgotten, Proof
from blackhole.model.insight import StoredInsight
from blackhole.privacy.explain import Explanation, explain
from blackhole.promql.discovery import SearchRange
from blackhole.promql.engine import Result
from blackhole.promql.names import Labels
from blackhole.query.language import Answer, Point, Query, Series, SqlAnswer
from blackhole.query.privacy_answers import (
    BudgetAnswer,
    LedgerEntry,
    LedgerHead,
    LedgerPage,
    MetricBudget,
    PrivacyNews,
)
from blackhole.query.reports import (
    HealthReport,
    HealthVerdict,
    MetricInfo,
    Newest,
    SeriesReport,
    ServiceHealth,
    ServicesReport,
    ServiceWork,
    Sources,
)
from blackhole.query.scrape import Scrape
from blackhole.serve.boards import Boards
from blackhole.serve.services import PromQL, Services, Status

MOMENT = "2026-11-23T10:00:00Z"
VERSION = "9.9.9"


def newest(metric: str, value: float | None, *, level: str = "internal", **attributes: str) -> Newest:
    return Newest(metric, "ms", level, attributes, value, None, None, MOMENT)


class NothingKnown:
    """Answers PromQL where nothing is stored."""

    def instant(self, query: str, time: int, /) -> Result:
        raise QueryError(f"nothing is known at {time} of {query}")

    def range(self, query: str, start: int, end: int, step: int, /) -> Result:
        raise QueryError(f"nothing is known from {start} to {end} by {step} of {query}")

    def series(self, selectors: Sequence[str], span: SearchRange | None, /) -> list[Labels]:
        del selectors, span
        return []

    def label_names(self, selectors: Sequence[str], span: SearchRange | None, /) -> list[str]:
        del selectors, span
        return []

    def label_values(self, name: str, selectors: Sequence[str], span: SearchRange | None, /) -> list[str]:
        del name, selectors, span
        return []

    def metadata(self) -> dict[str, list[dict[str, str]]]:
        return {}


class FakeRunner:
    """Answers what it was given, and remembers what it was asked."""

    def __init__(self) -> None:
        self.promql: PromQL = NothingKnown()
        self.asked: list[Any] = []
        self.computed = 0
        self.failure: Exception | None = None
        self.gate: threading.Event | None = None
        self.findings: list[list[Any]] = []
        self.news = PrivacyNews(0.75, "2026-11-24T00:00:00Z", MOMENT)
        self.points = [newest("p2p.discovery.latency", 12.5, method="dht")]
        self.page = Scrape([])
        self.speeds = [newest("process.cpu.usage", 3.0, level="public", service="identity")]

    def query(self, query: Query) -> Answer:
        self._note(query)
        if query.metric == "nothing.known":
            raise UnknownMetricError("no metric nothing.known: did you mean nothing.knows?")
        point = Point(MOMENT, 1.5, 3)
        return Answer(query.metric, "gauge", "ms", "public", "avg", "10s", [Series({}, [point])])

    def sql(self, text: str, max_rows: int = 1000) -> SqlAnswer:
        self._note((text, max_rows))
        rows = self.findings if "insights" in text else [[1]]
        return SqlAnswer(["n"], ["INTEGER"], rows, truncated=False, elapsed_ms=0.1)

    def query_document(self, query: Query) -> list[bytes]:
        return [msgspec.json.encode(self.query(query))]

    def sql_document(self, text: str, max_rows: int = 1000) -> list[bytes]:
        return [msgspec.json.encode(self.sql(text, max_rows))]

    def health(self) -> HealthReport:
        self._note("health")
        self.computed += 1
        return HealthReport([ServiceHealth("identity", True, 2.0, 0.0, 8.0, 1.0, 5e7, MOMENT)])

    @property
    def newest_health(self) -> HealthReport:
        sentence = "Steady: identity reports, and nothing is beyond its limits."
        return HealthReport([], HealthVerdict("steady", sentence))

    def services(self, start: str | None = None, end: str | None = None) -> ServicesReport:
        self._note((start, end))
        work = ServiceWork("identity", 120.0, 3.0, 8.0, [], [], Sources(["identity.requests.total"]))
        return ServicesReport(start or MOMENT, end or MOMENT, [work])

    def network(self) -> SeriesReport:
        self._note("network")
        return SeriesReport(list(self.points))

    def performance(self) -> SeriesReport:
        return SeriesReport(list(self.speeds))

    def scrape(self) -> Scrape:
        return self.page

    def metrics(self) -> Sequence[MetricInfo]:
        return [
            MetricInfo(
                metric="process.cpu.usage",
                type="gauge",
                unit="%",
                privacy="public",
                category="infrastructure",
                description="CPU use",
                purpose="How busy a service is",
                in_catalogue=True,
                review_after=date(2027, 6, 1),
                stored=True,
                received=9,
                series=1,
                points=9,
                first_seen=MOMENT,
                last_seen=MOMENT,
                last_asked=None,
            )
        ]

    def privacy_budget(self) -> BudgetAnswer:
        return BudgetAnswer(
            epsilon=1.0,
            delta=1e-9,
            spent=0.25,
            remaining=0.75,
            period_begins="2026-11-23T00:00:00Z",
            period_ends="2026-11-24T00:00:00Z",
            state="open",
            measure="rho",
            charged=0.001,
            total=0.01,
            metrics=[MetricBudget("user.active", 1.0, 0.25)],
        )

    def privacy_ledger(self, before: int | None = None, limit: int = 100) -> LedgerPage:
        self._note((before, limit))
        row = LedgerEntry(
            sequence=7,
            time=MOMENT,
            kind="off",
            period_start=MOMENT,
            period_end=MOMENT,
            metric=None,
            window_start=None,
            window_end=None,
            epsilon=None,
            rho=0.0,
            details="{}",
            previous="0" * 64,
            hash="1" * 64,
        )
        return LedgerPage([row], 7, LedgerHead(7, "1" * 64))

    def privacy_news(self) -> PrivacyNews:
        return self.news

    def explain(self, metric: str) -> Explanation:
        self._note(metric)
        if metric == "nothing.known":
            raise UnknownMetricError("nothing.known: not in the catalogue, so it is refused")
        definition = next(entry for entry in load() if entry.name == "user.active")
        return msgspec.structs.replace(explain(definition, [definition], Config()), metric=metric)

    def _note(self, question: object) -> None:
        self.asked.append(question)
        if self.gate is not None:
            self.gate.wait(10)
        if self.failure is not None:
            raise self.failure


class FakeService:
    """All that the HTTP side needs; the test moves it."""

    def __init__(self, api: ApiConfig | None = None, push_interval: float = 0.05) -> None:
        self.runner = FakeRunner()
        self.commits = 1
        self.is_ready = True
        self.permissions: list[Permission] = []
        self.boards = Boards(None)
        self.insights: list[StoredInsight] = []
        self.refused: list[dict[str, Any]] = [
            {"metric": "odd.metric", "reason": "not in the catalogue", "remedy": "allow it", "count": 4},
            {"metric": "user.active", "reason": "waits for noise", "remedy": "wait", "count": None},
        ]
        self.config = Config(api=api or ApiConfig(), push_interval=Duration(push_interval))

    def statistics(self) -> dict[str, Any]:
        return {
            "accepted": {"metrics": 70, "traces": 0, "logs": 0},
            "requests": {"metrics": 7, "traces": 0, "logs": 0},
            "refused": self.refused,
            "commits": self.commits,
            "commit_seconds": 0.25,
            "failed_requests": {"undecodable": 2},
            "commit_durations": {"bounds": [0.01, 0.1], "buckets": [3, 1, 0], "sum": 0.25},
            "request_durations": {"bounds": [0.01, 0.1], "buckets": [0, 6, 1], "sum": 0.9},
        }

    async def forget(self, what: Forget) -> Forgotten:
        if not (what.metric or what.where or what.all):
            raise UsageError("nothing to forget: name a metric, an attribute (where), or all")
        return Forgotten(
            series=1, rows={"points": 2}, bytes_before=2, bytes_after=1, proof=Proof(15, 9, 1, 3)
        )

    def back_up(self, directory: str) -> BackupAnswer:
        return BackupAnswer([BackupFile(f"{directory}/analytics.duckdb", 12)])

    def allow(self, permission: Permission) -> Allowed:
        self.permissions.append(permission)
        if permission.privacy != "internal":
            raise PrivacyError("needs a file: write one")
        return Allowed([], list(permission.names))

    def status(self) -> Status:
        return Status(
            version=VERSION,
            started_at=1.0,
            uptime_seconds=60.0,
            cpu_percent=1.5,
            memory_bytes=100_000_000,
            database_bytes=4096,
            pending_rows=2,
            endpoints={"otlp_grpc": "127.0.0.1:4317"},
        )

    def services(self) -> Services:
        ready: Callable[[], bool] = lambda: self.is_ready  # noqa: E731
        return Services(
            self.runner,
            self.statistics,
            self.status,
            self.config,
            ready,
            allow=self.allow,
            forget=self.forget,
            back_up=self.back_up,
            boards=self.boards,
            found=lambda known: (len(self.insights), self.insights[known:]),
        )
