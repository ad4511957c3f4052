"""Insights and alerts are read from the service, or from its file."""

import json
from pathlib import Path

import pytest
from tests.cli.cli_fakes import FakeService, Runner

from blackhole.store.database import Database


@pytest.fixture
def stopped(tmp_path: Path) -> str:
    directory = tmp_path / "stopped"
    database = Database.open(directory / "analytics.duckdb")
    with database.write() as connection:
        connection.execute(
            "INSERT INTO insights (id, insight_type, title, description, severity, generated_at) VALUES"
            " (1, 'trend', 'Slower discovery', 'p95 doubled', 'warning', '2026-05-01 12:00:00'),"
            " (2, 'alert', 'No peers', 'none for 5 minutes', 'critical', '2026-05-01 13:00:00')"
        )
    database.close()
    return str(directory)


@pytest.mark.parametrize(
    ("name", "title", "others"),
    [("insights", "Slower discovery", "No peers"), ("alerts", "No peers", "Slower discovery")],
)
def test_each_command_shows_its_own_rows(
    stopped: str, run: Runner, name: str, title: str, others: str
) -> None:
    out = run(name, "--data-dir", stopped, "--utc").out
    assert title in out
    assert "2026-05-01 1" in out
    assert others not in out
    (row,) = json.loads(run(name, "--data-dir", stopped, "--json").out)[name]
    assert row["title"] == title


@pytest.mark.parametrize(("name", "words"), [("insights", "nothing was found yet"), ("alerts", "no alerts")])
def test_nothing_found_is_said_and_no_error(service: FakeService, run: Runner, name: str, words: str) -> None:
    answer = {"columns": [], "types": [], "rows": [], "truncated": False, "elapsed_ms": 1}
    service.answers["/api/analytics/sql"] = (200, answer)
    outcome = run(name, "--url", service.url)
    assert (outcome.code, outcome.out) == (0, f"{words}\n")
    assert json.loads(run(name, "--url", service.url, "--json").out) == {name: []}
