"""`catalogue unused` names what nobody asks for and what is due for review; no counts of guarded metrics."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.cli.cli_fakes import FakeService, Runner
from tests.store.store_fakes import Point, batch, series

from blackhole.model.series import MetricType, PrivacyLevel
from blackhole.store.database import Database
from blackhole.store.upkeep.last_queried import LastQueried
from blackhole.store.writer import insert

NOW = datetime.now(UTC)
PLAIN: dict[str, Any] = {
    "privacy": "internal",
    "stored": True,
    "received": 3,
    "points": 70,
    "first_seen": "2026-05-01T10:00:00Z",
    "last_asked": None,
    "review_after": "2999-01-01",
}
GUARDED = {"privacy": "highly_sensitive", "points": None, "first_seen": None, "received": None}


def days_ago(days: float) -> str:
    return (NOW - timedelta(days=days)).isoformat(timespec="seconds")


METRICS = [
    PLAIN | {"metric": "never.asked"},
    PLAIN | {"metric": "asked.long.ago", "last_asked": days_ago(31)},
    PLAIN | {"metric": "asked.lately", "last_asked": days_ago(29)},
    PLAIN | {"metric": "known.only", "stored": False, "received": 0},
    PLAIN | {"metric": "received.only", "stored": False},
    PLAIN | {"metric": "content.operations"} | GUARDED,
    PLAIN | {"metric": "overdue", "last_asked": days_ago(1), "review_after": "2020-01-01"},
]


@pytest.fixture(autouse=True)
def answers(service: FakeService, monkeypatch: pytest.MonkeyPatch) -> None:
    service.answers["/api/analytics/metrics"] = (200, {"metrics": METRICS, "refused": []})
    monkeypatch.setenv("BLACKHOLE_URL", service.url)


def test_what_is_stored_and_not_asked_for_is_named(run: Runner) -> None:
    answer = json.loads(run("catalogue", "unused", "--json").out)
    assert [one["metric"] for one in answer["unused"]] == [
        "never.asked",
        "asked.long.ago",
        "received.only",
        "content.operations",
    ]
    assert answer["review"] == [{"metric": "overdue", "review_after": "2020-01-01"}]


def test_the_days_can_be_said(run: Runner) -> None:
    answer = json.loads(run("catalogue", "unused", "--days", "40", "--json").out)
    assert "asked.long.ago" not in [one["metric"] for one in answer["unused"]]


def test_guarded_metrics_have_no_counts_and_no_times(run: Runner) -> None:
    lines = run("catalogue", "unused").out.splitlines()
    (line,) = [line for line in lines if line.startswith("content.operations")]
    assert line.split() == ["content.operations", "highly", "sensitive", "-", "-", "never"]


def test_when_all_are_used_it_says_so(run: Runner, service: FakeService) -> None:
    service.answers["/api/analytics/metrics"] = (200, {"metrics": [], "refused": []})
    assert run("catalogue", "unused").out == "every metric that is stored was asked for in the last 30 days\n"


def test_without_a_service_the_file_answers(
    run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BLACKHOLE_URL")
    database = Database.open(tmp_path / "stopped" / "analytics.duckdb")
    kinds = {"process.cpu.usage": PrivacyLevel.PUBLIC, "process.memory.usage": PrivacyLevel.PUBLIC}
    given = batch(
        [Point(1, 10**18, 1.0), Point(2, 10**18, 1.0)],
        series=[
            series(number, metric, MetricType.GAUGE, level=level)
            for number, (metric, level) in enumerate(kinds.items(), 1)
        ],
    )
    with database.write() as connection:
        insert(connection, given.rows, given.series, given.streams, created_us=1)
    asked = LastQueried(database)
    asked.note("process.cpu.usage", NOW.timestamp())
    asked.keep()
    database.close()
    answer = json.loads(run("catalogue", "unused", "--json", "--data-dir", str(tmp_path / "stopped")).out)
    assert [one["metric"] for one in answer["unused"]] == ["process.memory.usage"]
