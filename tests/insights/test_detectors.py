"""The three insights find what they are for, and are quiet about what is usual."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from blackhole.insights.budget import budget_nearly_spent
from blackhole.insights.engine import HOLD_S, InsightEngine
from blackhole.insights.observation import Observation
from blackhole.insights.services import ErrorRate, silent_services
from blackhole.model.insight import Insight
from blackhole.model.times import format_time
from blackhole.privacy.explain import Explanation
from blackhole.query.privacy_answers import BudgetAnswer, MetricBudget
from blackhole.query.reports import HealthReport, OutageReport, ServiceHealth
from blackhole.store.database import Database
from blackhole.store.upkeep.findings import Findings

DAY = datetime(2026, 6, 1, tzinfo=UTC).timestamp()


def service(name: str = "node", *, up: bool = True, rate: float = 10.0, errors: float = 0.0) -> ServiceHealth:
    return ServiceHealth(name, up, rate, errors, 8.0, 1.0, 5e7, "2026-06-01T05:12:30Z")


def budget(charged: float = 0.0, state: str = "open") -> BudgetAnswer:
    return BudgetAnswer(
        epsilon=1.0,
        delta=1e-9,
        spent=charged,
        remaining=1.0 - charged,
        period_begins="2026-06-01T00:00:00Z",
        period_ends="2026-06-02T00:00:00Z",
        state=state,
        measure="rho",
        charged=None if state == "off" else charged,
        total=1.0,
        metrics=[MetricBudget("content.operations", 1.0, charged)],
    )


def seen(
    *services: ServiceHealth,
    hour: float = 0.0,
    spent: BudgetAnswer | None = None,
    windows: tuple[int, int] = (24, 24),
) -> Observation:
    report = HealthReport(list(services))
    return Observation(DAY + hour * 3600, report, spent or budget(), {"content.operations": windows})


def test_a_service_that_fell_silent_is_found_by_name_and_time() -> None:
    (found,) = silent_services(seen(service("identity", up=False), service("node")))
    assert found.title == "identity is silent"
    assert "since 05:12 UTC" in found.description


def watch_errors(*shares: float) -> Sequence[Insight]:
    """What is found in the last of samples a quarter of a minute apart."""
    detect = ErrorRate()
    found: Sequence[Insight] = []
    for number, share in enumerate(shares):
        found = detect(seen(service(errors=10 * share), hour=number * 15 / 3600))
    return found


def test_failing_more_often_than_before_is_found_with_both_shares() -> None:
    (found,) = watch_errors(*[0.02] * 40, 0.3)
    assert found.title == "node fails more often"
    assert "30% of its requests" in found.description
    assert "it was 2%" in found.description
    assert found.severity == "warning"


@pytest.mark.parametrize(
    "shares",
    [[0.3] * 40, [0.0] * 40 + [0.03], [0.3], [0.02] * 40 + [0.04]],
    ids=["always", "rare", "without a past", "a little more"],
)
def test_usual_failures_are_no_news(shares: list[float]) -> None:
    assert watch_errors(*shares) == []


def test_without_a_past_only_a_service_that_mostly_fails_is_found() -> None:
    (found,) = watch_errors(0.8)
    assert found.severity == "critical"


def test_services_that_are_gone_leave_no_history() -> None:
    detect = ErrorRate()
    for number in range(300):
        detect(seen(service(f"s{number}")))
    assert len(detect._history) == 1


@pytest.mark.parametrize(
    ("charged", "hour", "windows", "title"),
    [
        (0.95, 23.5, (24, 24), None),
        (0.85, 10, (24, 24), "The privacy budget is nearly spent"),
        (1.0, 8, (24, 6), None),
        (1.0, 1, (24, 6), "The privacy budget is nearly spent"),
        (0.3, 1, (24, 24), None),
    ],
    ids=["by plan", "ahead of it", "free from here on", "ahead of few windows", "much is left"],
)
def test_a_budget_that_runs_out_before_its_time_is_found(
    charged: float, hour: float, windows: tuple[int, int], title: str | None
) -> None:
    found = budget_nearly_spent(seen(hour=hour, spent=budget(charged), windows=windows))
    assert [one.title for one in found] == ([] if title is None else [title])


def test_a_spent_budget_says_when_it_refills_and_no_budget_says_nothing() -> None:
    (found,) = budget_nearly_spent(seen(spent=budget(0.2, "spent")))
    assert found.title == "The privacy budget is spent"
    assert "refills at 00:00 UTC" in found.description
    assert budget_nearly_spent(seen(spent=budget(state="off"))) == []


class Answers:
    """What the detectors ask for, from memory."""

    def __init__(self) -> None:
        self.services = [service(up=False)]
        self.outages: list[OutageReport] = []

    def health(self) -> HealthReport:
        return HealthReport(self.services, outages=self.outages)

    def privacy_budget(self) -> BudgetAnswer:
        return budget()

    def explain(self, metric: str) -> Explanation:
        return Explanation(
            metric=metric,
            privacy="highly_sensitive",
            keep=[],
            aggregation=None,
            privacy_unit="event",
            bounds=(0, 1),
            max_groups_per_unit=1,
            max_windows_per_unit=None,
            assumptions=[],
            words="",
            windows=24,
        )


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[tuple[InsightEngine, Answers, Callable[[float], None]]]:
    database = Database.open(tmp_path / "a.duckdb")
    times = [DAY]
    answers = Answers()

    def advance(seconds: float) -> None:
        times[0] += seconds

    yield InsightEngine(answers, Findings(database), now=lambda: times[0]), answers, advance
    database.close()


def test_a_finding_is_told_once_while_it_goes_on_and_again_when_it_comes_back(
    watch: tuple[InsightEngine, Answers, Callable[[float], None]],
) -> None:
    looking, answers, advance = watch
    assert looking.found(0) == (0, ())
    looking.look()
    count, (told,) = looking.found(0)
    assert (count, told.title) == (1, "node is silent")
    advance(15)
    looking.look()
    assert looking.found(count) == (1, ())
    answers.services = [service()]
    advance(HOLD_S + 1)
    looking.look()
    answers.services = [service(up=False)]
    looking.look()
    assert [one.id for one in looking.found(count)[1]] == [2]


def test_what_held_before_an_outage_of_ours_is_not_announced_anew_and_the_outage_is_once(
    watch: tuple[InsightEngine, Answers, Callable[[float], None]],
) -> None:
    looking, answers, advance = watch
    looking.look()
    advance(7200)
    begin, end = (format_time(round((DAY + after) * 1e9)) for after in (10.0, 7190.0))
    answers.outages = [OutageReport(begin, end, "not_running")]
    assert looking.look() == 1
    assert looking.found(1)[1][0].title == "This service did not run from 00:00 to 01:59 UTC"
    advance(15)
    assert looking.look() == 0


def test_neither_a_job_that_ended_nor_what_is_waited_for_is_a_finding() -> None:
    states = {"ended": False, "waiting": True}
    others = [msgspec.structs.replace(service(up=up), state=state) for state, up in states.items()]
    assert silent_services(seen(*others)) == []
