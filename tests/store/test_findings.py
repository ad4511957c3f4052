"""A finding is one row while it holds, another one when it comes back, and leaves after a month."""

from blackhole.model.insight import Insight
from blackhole.store.database import Database
from blackhole.store.upkeep.findings import KEEP_S, Findings

NOW = 1_780_000_000.0
SILENT = Insight("service_silent", "node is silent", "since 10:00", "warning", ("a.b",))


def rows(database: Database) -> list[tuple[object, ...]]:
    with database.reader() as reader:
        return reader.rows(
            "SELECT id, title, description, epoch(generated_at), epoch(expires_at) FROM insights ORDER BY id"
        ).rows


def test_what_is_found_again_stays_one_row_and_holds_longer(database: Database) -> None:
    findings = Findings(database)
    (first,) = findings.keep([SILENT], now=NOW, hold=60)
    assert (first.id, first.insight_type, first.metrics) == (1, "service_silent", ("a.b",))
    assert first.generated_at == "2026-05-28T20:26:40Z"
    later = Insight("service_silent", "node is silent", "since 10:00, still", "critical", ("a.b",))
    assert findings.keep([later], now=NOW + 30, hold=60) == []
    assert rows(database) == [(1, "node is silent", "since 10:00, still", NOW, NOW + 90)]


def test_what_comes_back_after_it_was_over_is_new(database: Database) -> None:
    findings = Findings(database)
    findings.keep([SILENT], now=NOW, hold=60)
    (again,) = findings.keep([SILENT], now=NOW + 61, hold=60)
    assert again.id == 2
    assert [row[0] for row in rows(database)] == [1, 2]


def test_what_was_over_a_month_ago_is_forgotten(database: Database) -> None:
    findings = Findings(database)
    findings.keep([SILENT], now=NOW, hold=60)
    findings.keep([SILENT], now=NOW + KEEP_S + 61, hold=60)
    assert [row[0] for row in rows(database)] == [2]


def test_nothing_is_forgotten_by_age_while_the_clock_is_doubted(database: Database) -> None:
    findings = Findings(database, lambda: True)
    findings.keep([SILENT], now=NOW, hold=60)
    findings.keep([SILENT], now=NOW + KEEP_S + 61, hold=60)
    assert [row[0] for row in rows(database)] == [1, 2]


def test_finding_nothing_writes_nothing(database: Database) -> None:
    assert Findings(database).keep([], now=NOW, hold=60) == []
    assert rows(database) == []
