"""`blackhole privacy`: the same answers from a service and from the file, and a proof that can fail."""

import json
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from tests.cli.cli_fakes import FakeService, Runner
from tests.guard.ledger_fakes import DAY, START, Book, a_day
from tests.query.ledger_rows import keep

from blackhole.model.ledger import LedgerRow
from blackhole.query.privacy_answers import BudgetAnswer, LedgerHead, LedgerPage, MetricBudget, to_entry
from blackhole.store.database import Database
from blackhole.store.write.ledger import write_head

BASE = "/api/analytics/privacy"


def a_file(directory: Path, rows: Sequence[LedgerRow], head: LedgerRow | None) -> str:
    path = directory / "analytics.duckdb"
    database = Database.open(path)
    keep(database, rows)
    database.close()
    if head is not None:
        write_head(path, [head])
    return str(directory)


@pytest.fixture
def book() -> Book:
    return a_day(range(3))


def test_a_right_ledger_is_verified_from_the_file(tmp_path: Path, run: Runner, book: Book) -> None:
    place = a_file(tmp_path / "data", book.rows, book.rows[-1])

    outcome = run("privacy", "verify", "--data-dir", place)
    as_json = json.loads(run("privacy", "verify", "--data-dir", place, "--json").out)

    assert outcome.code == 0, outcome.err
    assert "8 rows, 6 releases in 1 budget periods" in outcome.out
    assert as_json == {"ok": True, "rows": 8, "periods": 1, "releases": 6, "faults": []}


def test_a_ledger_longer_than_a_page_is_verified_whole(tmp_path: Path, run: Runner) -> None:
    book = Book()
    for day in range(25):
        book.begin(START + day * DAY)
        for hour in range(24):
            book.release("user.active", hour)
            book.release("content.operations", hour)
    place = a_file(tmp_path / "data", book.rows, book.rows[-1])
    found = json.loads(run("privacy", "verify", "--data-dir", place, "--json").out)
    assert (found["ok"], found["rows"], found["releases"]) == (True, len(book.rows), 1200)

    database = Database.open(Path(place) / "analytics.duckdb")
    with database.write() as connection:
        connection.execute("DELETE FROM privacy_ledger WHERE sequence = 1100")
    database.close()
    assert "row 1100: is missing" in run("privacy", "verify", "--data-dir", place).out


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE privacy_ledger SET rho = rho / 2 WHERE sequence = 5", "row 5: was changed"),
        ("DELETE FROM privacy_ledger WHERE sequence = 4", "row 4: is missing"),
        ("DELETE FROM privacy_ledger WHERE sequence > 6", "row 7: is missing"),
    ],
)
def test_a_ledger_that_was_tampered_with_fails_and_says_where(
    tmp_path: Path, run: Runner, book: Book, change: str, said: str
) -> None:
    place = a_file(tmp_path / "data", book.rows, book.rows[-1])
    database = Database.open(Path(place) / "analytics.duckdb")
    with database.write() as connection:
        connection.execute(change)
    database.close()

    outcome = run("privacy", "verify", "--data-dir", place)

    assert outcome.code == 1
    assert said in outcome.out


def test_overspending_fails_and_is_listed(tmp_path: Path, run: Runner, book: Book) -> None:
    book.release("user.active", 2)
    place = a_file(tmp_path / "data", book.rows, book.rows[-1])
    outcome = run("privacy", "verify", "--data-dir", place, "--json")
    assert outcome.code == 1
    (fault,) = json.loads(outcome.out)["faults"]
    assert fault == {"sequence": 9, "words": "releases a window of user.active a second time"}


def test_rows_that_only_the_head_has_are_no_fault(tmp_path: Path, run: Runner, book: Book) -> None:
    place = a_file(tmp_path / "data", book.rows[:-2], None)
    write_head(Path(place) / "analytics.duckdb", book.rows[-2:])
    outcome = run("privacy", "verify", "--data-dir", place)
    assert outcome.code == 0, outcome.out
    assert "2 rows are in the head file only" in outcome.out
    assert "8 rows, 6 releases" in outcome.out


def test_a_missing_head_fails(tmp_path: Path, run: Runner, book: Book) -> None:
    outcome = run("privacy", "verify", "--data-dir", a_file(tmp_path / "data", book.rows, None))
    assert outcome.code == 1
    assert "head file is missing" in outcome.out


def test_the_ledger_of_a_service_is_verified_over_its_api(
    run: Runner, service: FakeService, book: Book
) -> None:
    last = book.rows[-1]
    entries = [to_entry(row) for row in reversed(book.rows)]
    for path, rows in (("limit=1", entries[:1]), ("limit=8&before=9", entries)):
        page = LedgerPage(rows, last.sequence, LedgerHead(last.sequence, last.hash))
        service.answers[f"{BASE}/ledger?{path}"] = (200, _plain(page))

    assert run("privacy", "verify", "--url", service.url).code == 0

    service.answers[f"{BASE}/ledger?limit=8&before=9"] = (
        200,
        _plain(LedgerPage(entries[1:], last.sequence, None)),
    )
    assert run("privacy", "verify", "--url", service.url).code == 1


def _plain(answer: object) -> object:
    return msgspec.to_builtins(answer)


def test_the_budget_is_told_in_words(run: Runner, service: FakeService) -> None:
    answer = BudgetAnswer(
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
        metrics=[MetricBudget("user.active", 0.5, 0.125)],
    )
    service.answers[f"{BASE}/budget"] = (200, _plain(answer))

    outcome = run("privacy", "budget", "--url", service.url, "--utc")

    assert outcome.code == 0, outcome.err
    assert "ε = 0.75" in outcome.out
    assert "2026-11-24 00:00:00Z" in outcome.out
    assert "user.active  50.0%          0.125" in outcome.out


def test_a_spent_budget_says_when_it_refills(run: Runner, tmp_path: Path) -> None:
    place = a_file(tmp_path / "data", (), None)
    (tmp_path / "off.yaml").write_text("analytics: {differential_privacy: false}\n")

    outcome = run("privacy", "budget", "--data-dir", place, "--config", str(tmp_path / "off.yaml"))

    assert "differential privacy is off" in outcome.out
    assert "nothing: no highly sensitive metric is released before" in outcome.out


def test_the_ledger_is_listed_with_what_each_row_cost(run: Runner, tmp_path: Path, book: Book) -> None:
    book.release("user.active", 4, cost=0.0)
    book.off()
    place = a_file(tmp_path / "data", book.rows, book.rows[-1])

    outcome = run("privacy", "ledger", "--data-dir", place, "--limit", "4", "--utc")

    lines = outcome.out.splitlines()
    assert "without bound" in lines[2]
    assert "paid before" in lines[3]
    assert "user.active" in lines[4]
    assert "2025-06-15 02:00:00Z" in lines[4]
    assert "\u03c1 0.0" in lines[4]
    assert "--before 7" in outcome.err
    assert json.loads(run("privacy", "ledger", "--data-dir", place, "--json").out)["newest"] == 10


def test_an_empty_ledger_says_so(run: Runner, tmp_path: Path) -> None:
    place = a_file(tmp_path / "data", (), None)
    assert "the ledger is empty" in run("privacy", "ledger", "--data-dir", place).out
    assert run("privacy", "verify", "--data-dir", place).code == 0


def test_a_metric_is_explained_without_service_and_file(run: Runner, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("analytics: {privacy_budget: 2}\n")
    outcome = run("privacy", "explain", "content.operations", "--config", str(tmp_path / "mine.yaml"))
    assert outcome.code == 0, outcome.err
    assert "ε = 2" in outcome.out
    assert "This holds if:" in outcome.out
    document = json.loads(run("privacy", "explain", "content.operations", "--json").out)
    assert document["expected_error_95"] > document["scale"] > 0
    assert run("privacy", "explain", "process.cpu.usage").code == 0


def test_a_metric_is_explained_by_the_configuration_of_the_running_service(
    run: Runner, service: FakeService
) -> None:
    here = json.loads(run("privacy", "explain", "content.operations", "--json").out)
    path = "/api/analytics/privacy/explain/content.operations"
    service.answers[path] = 200, {**here, "words": "It is said there."}
    outcome = run("privacy", "explain", "content.operations", "--url", service.url)
    assert outcome.out.startswith(
        f"content.operations is highly sensitive, by the configuration of {service.url}.\n\nIt is said there."
    )


def test_an_unknown_metric_is_one_line_with_near_names(run: Runner) -> None:
    outcome = run("privacy", "explain", "content.operation")
    assert outcome.code == 1
    assert outcome.err.count("\n") == 1
    assert "content.operations" in outcome.err
