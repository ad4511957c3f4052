"""A ledger as the engine writes it, made by hand: periods with a plan, releases, and what interrupts them."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from blackhole.catalogue.definition import Definition
from blackhole.config import Config
from blackhole.model.ledger import LedgerKind, LedgerRow
from blackhole.model.times import TimeRange
from blackhole.privacy.chain import make_row
from blackhole.privacy.mechanism import Mechanism
from blackhole.privacy.plan import Plan, period_at, plan

HOUR = 3600 * 10**9
DAY = 24 * HOUR
# A day that begins at midnight UTC.
START = 1_749_945_600 * 10**9


def entry(name: str, **more: object) -> Definition:
    plain = {
        "description": "",
        "type": "counter",
        "unit": "{operation}",
        "privacy": "highly_sensitive",
        "purpose": "to test",
        "bounds": [0, 1],
        "privacy_unit": {"name": "user", "keys": ["user.id"]},
    }
    return msgspec.convert({**plain, "name": name, **more}, Definition)


ENTRIES = (
    entry("content.operations", keep=["type"], values={"type": ["upload", "share"]}, noise="high"),
    entry("user.active"),
)


@dataclass
class Book:
    """Writes rows one after the other."""

    config: Config = field(default_factory=Config)
    entries: Sequence[Definition] = ENTRIES
    rows: list[LedgerRow] = field(default_factory=list)
    plan: Plan | None = None
    period: TimeRange = field(default_factory=lambda: TimeRange(START, START + DAY))
    time_ns: int = START

    def write(self, kind: LedgerKind, **more: object) -> LedgerRow:
        last = self.rows[-1] if self.rows else None
        row = make_row(last, time_ns=self.time_ns, kind=kind, period=self.period, **more)  # type: ignore[arg-type]
        self.rows.append(row)
        return row

    def begin(self, at_ns: int = START) -> Plan:
        self.time_ns = at_ns
        self.period = period_at(at_ns, self.config)
        self.plan = plan(self.entries, self.config, self.period)
        self.write(LedgerKind.PERIOD, details=msgspec.json.encode(self.plan, order="sorted").decode())
        return self.plan

    def release(
        self, metric: str, hour: int, *, cost: float | None = None, named: str | None = None, **more: object
    ) -> LedgerRow:
        """The window of that hour of the period, charged as planned."""
        assert self.plan is not None
        planned = self.plan.metric(metric)
        assert planned is not None
        terms = planned.terms
        charged = terms.cost if cost is None else cost
        window = TimeRange(self.period.start_ns + hour * HOUR, self.period.start_ns + (hour + 1) * HOUR)
        self.time_ns = max(self.time_ns, window.end_ns)
        in_rho = terms.mechanism == Mechanism.GAUSSIAN
        costs = {"cost_rho": charged if in_rho else 0.0, "cost_epsilon": 0.0 if in_rho else charged}
        return self.write(
            LedgerKind.RELEASE, **{"metric": named or metric, "window": window, **costs, **more}
        )

    def off(self) -> LedgerRow:
        return self.write(LedgerKind.OFF, cost_epsilon=math.inf)


def a_day(hours: Iterable[int] = range(24), config: Config | None = None) -> Book:
    """One period with both metrics released in each of `hours`."""
    book = Book(config or Config())
    book.write(LedgerKind.START)
    book.begin()
    for hour in hours:
        for definition in book.entries:
            book.release(definition.name, hour)
    return book
