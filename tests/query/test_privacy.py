"""What is told about the budget: from the ledger and the catalogue, exact enough to be verified."""

import math

import pytest
from tests.guard.ledger_fakes import DAY, ENTRIES, HOUR, START, a_day
from tests.query.ledger_rows import keep
from tests.query.query_fakes import Desk, FakeCatalogue

from blackhole.config import Config
from blackhole.errors import QueryError, UnknownMetricError
from blackhole.model.ledger import LedgerKind
from blackhole.model.times import format_time
from blackhole.privacy.budget import epsilon_of
from blackhole.privacy.verify import verify
from blackhole.query.language import Query
from blackhole.query.privacy_answers import to_row
from blackhole.query.run import QueryService
from blackhole.store.write.ledger import write_head


def runner(asked: Desk, at_ns: int, config: Config | None = None) -> QueryService:
    catalogue = FakeCatalogue(ENTRIES)
    return QueryService(asked.database, catalogue, windows=config or Config(), now=lambda: at_ns / 1e9)


def test_before_anything_happened_all_is_left(asked: Desk) -> None:
    found = runner(asked, START + HOUR).privacy_budget()

    assert (found.epsilon, found.delta, found.spent, found.remaining) == (1.0, 1e-9, 0.0, 1.0)
    assert found.state == "open"
    assert (found.period_begins, found.period_ends) == (format_time(START), format_time(START + DAY))
    assert {one.metric: one.share for one in found.metrics} == pytest.approx(
        {"content.operations": 1 / 3, "user.active": 2 / 3}
    )


def test_what_was_charged_is_spent_as_epsilon(asked: Desk) -> None:
    book = a_day(range(12))
    keep(asked.database, book.rows)
    assert book.plan is not None

    found = runner(asked, START + 12 * HOUR).privacy_budget()

    assert found.charged == pytest.approx(book.plan.total / 2)
    assert found.spent == pytest.approx(epsilon_of(book.plan.total / 2, 1e-9))
    assert found.remaining == pytest.approx(1 - epsilon_of(book.plan.total / 2, 1e-9))
    assert [one.spent for one in found.metrics] == pytest.approx(
        [epsilon_of(book.plan.total * share / 2, 1e-9) for share in (1 / 3, 2 / 3)]
    )


def test_nearly_a_whole_period_leaves_what_its_last_window_costs(asked: Desk) -> None:
    book = a_day(range(23))
    keep(asked.database, book.rows)
    assert book.plan is not None
    found = runner(asked, START + DAY - HOUR // 2).privacy_budget()
    assert found.spent == pytest.approx(epsilon_of(book.plan.total * 23 / 24, 1e-9))
    assert 0 < found.remaining < 0.03


def test_without_delta_epsilons_add_up(asked: Desk) -> None:
    config = Config(privacy_delta=0.0)
    keep(asked.database, a_day(range(6), config).rows)
    found = runner(asked, START + 6 * HOUR, config).privacy_budget()
    assert found.measure == "epsilon"
    assert found.spent == pytest.approx(0.25)
    assert sum(one.spent for one in found.metrics) == pytest.approx(0.25)


def test_the_plan_of_the_ledger_counts_until_its_period_ends(asked: Desk) -> None:
    keep(asked.database, a_day(range(2)).rows)
    changed = Config(privacy_budget=8.0)

    running = runner(asked, START + 2 * HOUR, changed).privacy_budget()
    after = runner(asked, START + DAY, changed).privacy_budget()

    assert running.epsilon == 1.0
    assert (after.epsilon, after.spent, after.remaining) == (8.0, 0.0, 8.0)


def test_a_clock_that_was_put_back_brings_no_new_budget(asked: Desk) -> None:
    book = a_day()
    book.begin(START + DAY)
    book.release("user.active", 0)
    keep(asked.database, book.rows)
    found = runner(asked, START + 5 * HOUR).privacy_budget()
    assert found.period_begins == format_time(START + DAY)


@pytest.mark.parametrize(("kind", "state", "spent"), [("spent", "spent", 0.0), ("off", "off", None)])
def test_a_period_that_is_closed_has_nothing_left(
    asked: Desk, kind: str, state: str, spent: float | None
) -> None:
    book = a_day(())
    book.write(LedgerKind(kind), cost_epsilon=math.inf if kind == "off" else 0.0)
    keep(asked.database, book.rows)

    found = runner(asked, START + HOUR).privacy_budget()

    assert (found.state, found.spent, found.remaining) == (state, spent, 0.0)


def test_a_question_is_told_when_the_budget_refills(asked: Desk) -> None:
    book = a_day(range(2))
    keep(asked.database, book.rows)
    note = (
        f"the privacy budget of this period is spent: nothing is released before {format_time(START + DAY)}"
    )
    question = Query("content.operations")
    assert note not in runner(asked, START + 2 * HOUR).query(question).notes

    book.write(LedgerKind.SPENT)
    keep(asked.database, book.rows[-1:])

    assert note in runner(asked, START + 2 * HOUR).query(question).notes
    assert note not in runner(asked, START + DAY).query(question).notes


def test_the_ledger_is_told_so_exactly_that_it_can_be_verified(asked: Desk) -> None:
    book = a_day()
    book.off()
    keep(asked.database, book.rows)
    write_head(asked.database.path, book.rows[-1:])
    answers = runner(asked, START + DAY)

    pages = [answers.privacy_ledger(before, 20) for before in (None, 32, 12)]
    told = [to_row(entry) for page in reversed(pages) for entry in reversed(page.rows)]

    assert [row.sequence for row in told] == list(range(1, 52))
    assert told == book.rows
    assert pages[0].newest == len(book.rows)
    head = pages[0].head
    assert head is not None
    assert verify(told, (head.sequence, head.hash)).faults == []


@pytest.mark.parametrize("limit", [0, 1001])
def test_pages_of_the_ledger_have_a_limit(asked: Desk, limit: int) -> None:
    with pytest.raises(QueryError, match="limit is from 1 to 1,000"):
        runner(asked, START).privacy_ledger(None, limit)


@pytest.mark.parametrize("content", [None, "", "{}", '{"sequence":"x","hash":1}'])
def test_a_head_that_cannot_be_read_is_told_as_missing(asked: Desk, content: str | None) -> None:
    if content is not None:
        asked.database.path.with_name(asked.database.path.name + ".head").write_text(content)
    assert runner(asked, START).privacy_ledger().head is None


def test_news_come_with_the_ledger_and_with_the_period(asked: Desk) -> None:
    book = a_day(range(2))
    keep(asked.database, book.rows)
    clock = [START + 2 * HOUR]
    answers = QueryService(
        asked.database, FakeCatalogue(ENTRIES), windows=Config(), now=lambda: clock[0] / 1e9
    )

    first = answers.privacy_news()
    assert first is answers.privacy_news()
    assert first.released == format_time(START + 2 * HOUR)
    assert first.period_ends == format_time(START + DAY)

    book.release("user.active", 2)
    keep(asked.database, book.rows[-1:])
    second = answers.privacy_news()
    assert second.remaining < first.remaining
    assert second.released == format_time(START + 3 * HOUR)

    clock[0] = START + DAY
    third = answers.privacy_news()
    assert (third.remaining, third.period_ends) == (1.0, format_time(START + 2 * DAY))


def test_an_explanation_is_the_same_whatever_is_stored(asked: Desk) -> None:
    before = runner(asked, START).explain("content.operations")
    keep(asked.database, a_day().rows)
    assert runner(asked, START + DAY).explain("content.operations") == before
    with pytest.raises(UnknownMetricError, match="not in the catalogue"):
        runner(asked, START).explain("content.op")


def test_people_may_read_the_ledger_and_the_releases_with_sql(asked: Desk) -> None:
    keep(asked.database, a_day(range(1)).rows)
    answers = runner(asked, START)
    assert answers.sql("SELECT count(*) FROM privacy_ledger WHERE kind = 'release'").rows == [[2]]
    assert answers.sql("SELECT receipt, lost FROM releases").rows == []
    assert answers.sql("SELECT noisy FROM released_lists").rows == []


def test_the_inventory_counts_nothing_of_guarded_metrics(asked: Desk) -> None:
    found = {one.metric: one for one in runner(asked, START).metrics()}
    one = found["content.operations"]
    assert (one.series, one.points, one.first_seen, one.last_seen) == (None, None, None, None)


def test_rows_that_only_the_head_has_are_told_as_pending(asked: Desk) -> None:
    book = a_day(range(1))
    keep(asked.database, book.rows[:-1])
    write_head(asked.database.path, book.rows[-2:])
    page = runner(asked, START + HOUR).privacy_ledger()
    assert page.head is not None
    assert [to_row(entry) for entry in page.head.pending] == book.rows[-1:]


def test_what_is_charged_and_what_is_allowed_meanwhile_is_told_at_once(asked: Desk) -> None:
    catalogue = FakeCatalogue(ENTRIES)
    told = QueryService(asked.database, catalogue, windows=Config(), now=lambda: (START + 12 * HOUR) / 1e9)
    assert told.privacy_budget().spent == told.privacy_budget().spent == 0.0

    told.recatalogue(FakeCatalogue(ENTRIES[:1]))
    assert len(told.privacy_budget().metrics) == len(ENTRIES[:1])

    keep(asked.database, a_day(range(12)).rows)
    assert (told.privacy_budget().spent or 0.0) > 0.0
