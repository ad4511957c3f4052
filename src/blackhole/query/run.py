"""Answers questions: from the database, with what the catalogue knows of the metric."""

import difflib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Protocol

import msgspec

from blackhole.catalogue.definition import Definition
from blackhole.catalogue.units import factor
from blackhole.config import Config
from blackhole.errors import QueryError, UnknownMetricError
from blackhole.model.series import MetricType, PrivacyLevel
from blackhole.model.written_times import SECOND
from blackhole.privacy.explain import Explanation, explain_name
from blackhole.promql.engine import Engine
from blackhole.query import answerers, folding, methods, newest, released, sandbox, select, summed
from blackhole.query.answerers import Planned
from blackhole.query.chosen import Chosen, choose
from blackhole.query.closed import Closed
from blackhole.query.folding import Moment
from blackhole.query.health import Health
from blackhole.query.inventory import Begun, found_silent, inventory, last_above, last_heard
from blackhole.query.language import (
    HISTOGRAMS,
    RATES,
    Answer,
    Query,
    Request,
    SqlAnswer,
    Subject,
    check_keys,
    plan,
    range_of,
)
from blackhole.query.outages import Outages
from blackhole.query.privacy import Privacy
from blackhole.query.privacy_answers import BudgetAnswer, LedgerPage, PrivacyNews
from blackhole.query.rates import Present
from blackhole.query.recent import LiveSeriesCache
from blackhole.query.reports import HealthReport, MetricInfo, SeriesReport, ServicesReport
from blackhole.query.scrape import Scrape, Scraper
from blackhole.store.database import Database
from blackhole.store.read.reader import Reader
from blackhole.store.read.regexes import Regexes
from blackhole.store.upkeep.last_queried import LastQueried

_SERIES = "SELECT id, type, unit, attributes, privacy_level FROM series WHERE metric = ?"
_NAMES = "SELECT DISTINCT metric FROM series"

_NO_IDS = {
    PrivacyLevel.SENSITIVE: "without ids in the data the smallest group counts events, not people",
    PrivacyLevel.HIGHLY_SENSITIVE: "without ids in the data one event is protected, not a person",
}

WindowLengths = Config | Mapping[PrivacyLevel, float]
StoredSeries = tuple[int, str, str, str, int]


class QueriedCatalogue(Protocol):
    """What is asked of `blackhole.catalogue.load.Catalogue`."""

    def match(self, name: str, /) -> Definition | None: ...
    def near(self, name: str, /) -> list[str]: ...
    def __iter__(self) -> Iterator[Definition]: ...


class QueryService:
    """Synchronous and thread-safe; every answer comes from one snapshot.

    `windows`: seconds of the window of each guarded level. `now`: Unix seconds. `started`: since when the
    service collects; None where nothing is collected. `uptime`: seconds that go on while the machine sleeps.
    `refusing`: whether nothing is taken from senders now. `promql` answers PromQL.
    """

    def __init__(
        self,
        database: Database,
        catalogue: QueriedCatalogue,
        *,
        windows: WindowLengths,
        now: Callable[[], float] = time.time,
        started: float | None = None,
        uptime: Callable[[], float] | None = None,
        refusing: Callable[[], bool] = lambda: False,
    ) -> None:
        self._database = database
        self._catalogue = catalogue
        self._windows = _windows(windows)
        self._config = windows if isinstance(windows, Config) else Config()
        self._now = now
        self.promql = Engine(database, self._windows, help_of=self._description, now_ns=self._now_ns)
        self._privacy = Privacy(database, lambda: self._catalogue, self._config, self._now_ns)
        self._started = started
        self._recent = LiveSeriesCache(
            database, self._now_ns, windows=self._windows, judged_ns=round((started or 0) * SECOND)
        )
        self._scraper = Scraper(database, self._now_ns, self._description)
        self._outages = Outages(
            None if started is None else round(started * SECOND),
            lambda: round((uptime or now)() * SECOND),
            refusing,
        )
        self._health: Health | None = None
        self._newest = HealthReport([])
        self._health_lock = threading.Lock()
        self._asked = LastQueried(database)
        self._categories: dict[str, str | None] = {}

    def recatalogue(self, catalogue: QueriedCatalogue) -> None:
        """Answers by another catalogue from here on."""
        self._catalogue = catalogue
        self._categories = {}  # after the catalogue, so that a thread that fills the new one knows it

    def forget(self, named: Callable[[str], bool]) -> None:
        """What is remembered of answers goes: values were erased, and of the metrics that are `named` all."""
        self._asked.forget(named)
        self._recent.forget()
        self._scraper.forget()
        with self._health_lock:
            self._health, self._newest = None, HealthReport([])

    def query(self, query: Query) -> Answer:
        """Values of one metric over time. Raises QueryError, UnknownMetricError."""
        check_keys(query)
        definition = self._catalogue.match(query.metric)
        with self._database.reader(yields=True) as reader:
            found = sorted(reader.rows(_SERIES, [query.metric]).rows)
            stored: list[StoredSeries] = [(row[0], row[1], row[2], row[3], row[4]) for row in found]
            if not stored and definition is None:
                raise self._unknown(reader, query.metric)
            self._asked.note(query.metric, self._now())
            subject, notes = _subject(query.metric, definition, stored)
            planned = self._planned(reader, query, subject, stored)
            answered = answerers.answer(reader, planned)
        request = planned.request
        notes += [*_notes(definition, request), *answered.said]
        if planned.kept is not None:
            notes.append(summed.note(planned.kept, request))
        if query.extremes and not request.extremes:
            notes.append("extremes are of averages of open gauges and updowncounters: none in this answer")
        notes += answered.caveats
        if not answered.series and planned.kept is None and not answered.said:
            notes.append("no data in this range" if stored else "nothing of this metric has been stored yet")
        if answered.sampling_rate < 1:
            notes.append(
                f"sampled down to {answered.sampling_rate:g} under load:"
                " sums are exact, other values are of what was kept"
            )
        return Answer(
            metric=query.metric,
            type=subject.type,
            unit=subject.unit,
            privacy_level=subject.level.word,
            aggregation=request.aggregation,
            interval=request.interval,
            series=select.empty(query, answered.series),
            sampling_rate=answered.sampling_rate,
            notes=notes,
        )

    def sql(self, text: str, max_rows: int = 1000) -> SqlAnswer:
        """One SELECT in the sandbox. Raises QueryError, ForbiddenError."""
        return sandbox.run(self._database, text, max_rows)

    def query_document(self, query: Query) -> list[bytes]:
        """The answer of `query` as JSON, in pieces."""
        answer = self.query(query)
        pieces = [msgspec.json.encode(series) for series in answer.series]
        empty = msgspec.json.encode(msgspec.structs.replace(answer, series=[]))
        return sandbox.enclosed(empty, b'"series":[]', pieces)

    def sql_document(self, text: str, max_rows: int = 1000) -> list[bytes]:
        """The answer of `sql` as JSON, in pieces: for many rows."""
        return sandbox.document(self._database, text, max_rows)

    def health(self) -> HealthReport:
        """The services of the last day. Raises QueryError."""
        with self._health_lock:
            if self._health is None:
                health = Health(self._last_above, self._outages)
                with self._database.reader() as reader:
                    heard = last_heard(reader, self._now_ns())
                    health.remember(heard, lambda moment: found_silent(reader, moment))
                self._health = health
            self._newest = self._health.report(Present(self._recent.states(), self._now_ns()))
            return self._newest

    @property
    def newest_health(self) -> HealthReport:
        """As of the newest look: nothing is read for it."""
        return self._newest

    def services(self, start: str | float | None = None, end: str | float | None = None) -> ServicesReport:
        """What the services did from `start` to `end`, by default in the last hour. Raises QueryError."""
        start_ns, end_ns = range_of(start, end, self._now_ns())
        with self._database.reader(yields=True) as reader:
            known, notes = methods.stored(reader)
        return methods.Work(known, self.query, start_ns, end_ns).report(notes)

    def network(self) -> SeriesReport:
        """The newest values of the metrics of category p2p. Raises QueryError."""
        return self._newest_of("p2p")

    def performance(self) -> SeriesReport:
        """The newest values of the metrics of category infrastructure. Raises QueryError."""
        return self._newest_of("infrastructure")

    def scrape(self) -> Scrape:
        """What public metrics have come to since the start, for Prometheus. Raises QueryError."""
        return self._scraper.read()

    def count_for_scrape(self) -> None:
        """Before rows are sealed, so that what nobody asked for until then counts too. Raises QueryError."""
        self._scraper.count()

    def metrics(self) -> list[MetricInfo]:
        """The catalogue's metrics and all that is stored, by name. Raises QueryError."""
        asked = self._asked.times()
        with self._database.reader() as reader:
            return inventory(reader, self._catalogue, asked, self._begun(), self._now_ns())

    def _begun(self) -> Begun | None:
        if self._started is None:
            return None
        since = round(self._started * 1e6)
        epochs, _ = self._database.commit_times.epochs()
        return Begun(since, min((epoch.after_us for epoch in epochs[1:]), default=since))

    def keep_asked(self) -> None:
        """Writes down when metrics were last asked for. Raises StoreError."""
        self._asked.keep()

    def privacy_budget(self) -> BudgetAnswer:
        """What the running budget period has cost, and what is left. Raises QueryError."""
        return self._privacy.budget()

    def privacy_ledger(self, before: int | None = None, limit: int = 100) -> LedgerPage:
        """Rows of the ledger below a sequence, the newest first. Raises QueryError."""
        return self._privacy.ledger(before, limit)

    def privacy_news(self) -> PrivacyNews:
        """What readers of the stream are told of the budget. Raises QueryError."""
        return self._privacy.news()

    def explain(self, metric: str) -> Explanation:
        """What is promised about a metric. Raises QueryError, UnknownMetricError."""
        return explain_name(metric, self._catalogue, self._config)

    def _planned(self, reader: Reader, query: Query, subject: Subject, stored: list[StoredSeries]) -> Planned:
        """Raises QueryError; PrivacyQueryError where released values cannot give the aggregation."""
        moment = Moment(self._now_ns(), round((self._started or 0) * SECOND))
        request = plan(query, subject, self._windows, moment.now_ns)
        chosen = choose(query, _readable(subject, stored), Regexes(reader, lambda: select.TIMEOUT_S))
        request = self._by_period(reader, query, request, chosen, moment)
        noisy = self._is_noisy(reader, request)
        if noisy:
            released.check(request)
        window = self._windows.get(subject.level, 0.0)
        kept = summed.look(reader, request)
        planned = Planned(request, chosen, moment, noisy, kept, None, window, self._privacy.notes)
        if kept is not None and planned.with_sums and query.interval is None:
            planned = replace(planned, request=self._widened(query, request, kept))
        if not subject.level.guarded or request.aggregation not in RATES:
            return planned
        ids = [number for number, *_ in _readable(subject, stored)]
        closed = Closed.of(reader, planned.request, ids, window, with_sums=planned.with_sums)
        return replace(planned, closed=closed)

    def _widened(self, query: Query, request: Request, kept: summed.RollupCoverage) -> Request:
        """Nobody has said how long an interval is to be: long enough for all that is kept."""
        if request.step % kept.width == 0:
            return request
        interval = max(request.step, kept.width) // kept.width * kept.width / SECOND
        return plan(
            msgspec.structs.replace(query, interval=interval), request.subject, self._windows, self._now_ns()
        )

    def _by_period(
        self, reader: Reader, query: Query, request: Request, chosen: Chosen, moment: Moment
    ) -> Request:
        """Nobody has said how long an interval is to be: long enough for a point of each sender."""
        if query.interval is not None or request.subject.level.guarded or not chosen.ids:
            return request
        period_ns = folding.longest_period(reader, request, chosen, moment)
        return plan(query, request.subject, self._windows, moment.now_ns, period_ns=period_ns)

    def _is_noisy(self, reader: Reader, request: Request) -> bool:
        """What was stored while differential privacy was off is answered exactly, if that is still off."""
        if request.subject.level is not PrivacyLevel.HIGHLY_SENSITIVE:
            return False
        return self._config.differential_privacy or released.exist(reader, request)

    def _newest_of(self, category: str) -> SeriesReport:
        return newest.report(
            self._recent.states(),
            lambda metric: self._category(metric) == category,
        )

    def _description(self, metric: str) -> str:
        definition = self._catalogue.match(metric)
        return "" if definition is None else definition.description

    def _category(self, metric: str) -> str | None:
        known = self._categories
        if metric not in known:
            definition = self._catalogue.match(metric)
            known[metric] = None if definition is None else definition.category
        return known[metric]

    def _last_above(self, things: list[list[int]]) -> list[int | None]:
        """What cannot be read now is not known, and nothing is said of it."""
        try:
            with self._database.reader() as reader:
                return last_above(reader, things, self._now_ns())
        except QueryError:
            return [None] * len(things)

    def _now_ns(self) -> int:
        return round(self._now() * SECOND)

    def _unknown(self, reader: Reader, metric: str) -> UnknownMetricError:
        stored = [name for (name,) in reader.rows(_NAMES, max_rows=10_000).rows]
        near = dict.fromkeys([*difflib.get_close_matches(metric, stored, n=3), *self._catalogue.near(metric)])
        hint = f"did you mean {', '.join(list(near)[:3])}?" if near else "see `blackhole catalogue list`"
        return UnknownMetricError(f"no metric of this name is in the catalogue or stored: {hint}")


def _windows(windows: WindowLengths) -> Mapping[PrivacyLevel, float]:
    if isinstance(windows, Config):
        return {
            PrivacyLevel.SENSITIVE: windows.sensitive_window,
            PrivacyLevel.HIGHLY_SENSITIVE: windows.release_window,
        }
    return windows


def _subject(
    metric: str, definition: Definition | None, stored: list[StoredSeries]
) -> tuple[Subject, list[str]]:
    """Of several types and units stored under one name: the catalogue's, else the newest."""
    if not stored:
        if definition is None:
            raise UnknownMetricError("no such metric")
        return Subject(metric, definition.type, definition.unit, definition.level), []
    kinds = dict.fromkeys((row[1], row[2]) for row in reversed(stored))
    kind, unit = min(kinds, key=lambda found: _distance(found[0], found[1], definition))
    if definition is not None and factor(unit, definition.unit) is not None:
        unit = definition.unit
    same = [row for row in stored if row[1] == kind and factor(row[2], unit) is not None]
    levels = [row[4] for row in same] + ([definition.level] if definition is not None else [])
    subject = Subject(metric, MetricType(kind), unit, PrivacyLevel(max(levels)))
    others = [
        f"{other} in {other_unit or 'no unit'}"
        for other, other_unit in kinds
        if other != kind or factor(other_unit, unit) is None
    ]
    notes = [f"also stored as {', '.join(others)}: not in this answer"] if others else []
    return subject, notes


def _readable(subject: Subject, stored: list[StoredSeries]) -> Iterator[tuple[int, str, float]]:
    """The series of its type, with their attributes, and by what their values are multiplied."""
    for number, kind, unit, attributes, _ in stored:
        by = factor(unit, subject.unit)
        if kind == subject.type and by is not None:
            yield number, attributes, by


def _distance(kind: str, unit: str, definition: Definition | None) -> tuple[bool, bool]:
    if definition is None:
        return False, False
    return kind != definition.type, unit != definition.unit


def _notes(definition: Definition | None, request: Request) -> list[str]:
    notes: list[str] = []
    subject, aggregation = request.subject, request.aggregation
    if subject.type in HISTOGRAMS and aggregation in {"max", "min", "last"}:
        notes.append(f"{aggregation} is over the means of the intervals that were sent: p99 shows the tail")
    if subject.type is MetricType.UPDOWNCOUNTER and subject.level.guarded and aggregation == "avg":
        notes.append("of a protected level the means of its series are added up")
    if subject.level is PrivacyLevel.SENSITIVE:
        notes.append("groups that are too small in a window are withheld: their points are absent")
    if definition is not None and subject.level.guarded and not _has_unit_keys(definition):
        notes.append(_NO_IDS[subject.level])
    return notes


def _has_unit_keys(definition: Definition) -> bool:
    unit: Any = definition.privacy_unit
    return unit is not None and unit != "event" and bool(unit.keys)
