import json
from pathlib import Path

import pytest
from tests.cli.cli_fakes import Runner

from blackhole.store.database import Database


@pytest.fixture
def stopped(tmp_path: Path) -> str:
    """The data directory of a service that does not run."""
    directory = tmp_path / "stopped"
    database = Database.open(directory / "analytics.duckdb")
    with database.write() as connection:
        connection.execute(
            "INSERT INTO series (id, metric, type, unit, attributes, privacy_level, created_at)"
            " VALUES (1, 'process.cpu.usage', 'gauge', '1', '{\"region\":\"eu\"}', 0, now())"
        )
        connection.execute(
            "INSERT INTO recent_points (series, stream, time, value, cumulative, created_at)"
            " VALUES (1, 1, make_timestamp_ns(1777636800000000000), 0.5, NULL, now())"
        )
    database.close()
    return str(directory)


def test_the_file_answers_queries_when_no_service_runs(stopped: str, run: Runner) -> None:
    arguments = ["--start", "2026-05-01T12:00:00Z", "--end", "2026-05-01T13:00:00Z", "--data-dir", stopped]
    outcome = run("query", "process.cpu.usage", *arguments, "--by", "region", "--json")
    assert outcome.code == 0, outcome.err
    (series,) = json.loads(outcome.out)["series"]
    assert series["attributes"] == {"region": "eu"}
    assert [point["value"] for point in series["points"]] == [0.5]


def test_the_file_answers_sql_and_refuses_writing(stopped: str, run: Runner) -> None:
    outcome = run("sql", "SELECT value FROM metrics", "--data-dir", stopped, "--json")
    assert json.loads(outcome.out)["rows"] == [[0.5]]
    outcome = run("sql", "DELETE FROM recent_points", "--data-dir", stopped)
    assert outcome.code == 1
    assert outcome.err.count("\n") == 1


def test_a_question_that_privacy_rules_forbid_has_an_exit_code_of_its_own(stopped: str, run: Runner) -> None:
    for options in (["--agg", "max"], ["--interval", "1s"]):
        outcome = run("query", "content.operations", *options, "--data-dir", stopped)
        assert outcome.code == 4
        assert "highly sensitive" in outcome.err


def test_the_status_says_that_nothing_runs_and_what_is_stored(stopped: str, run: Runner) -> None:
    out = run("status", "--data-dir", stopped).out
    assert "no service answers" in out
    assert "1 points of 1 metrics" in out
    assert json.loads(run("status", "--data-dir", stopped, "--json").out)["running"] is False


def test_an_unknown_metric_has_near_ones(stopped: str, run: Runner) -> None:
    outcome = run("query", "process.cpu.usag", "--data-dir", stopped)
    assert outcome.code == 1
    assert "process.cpu.usage" in outcome.err


def test_a_foreign_file_is_one_line(tmp_path: Path, run: Runner) -> None:
    (tmp_path / "analytics.duckdb").write_text("something else")
    outcome = run("status", "--data-dir", str(tmp_path))
    assert outcome.code == 1
    assert outcome.err.count("\n") == 1
    assert "analytics.duckdb" in outcome.err


def test_a_directory_in_its_place_is_one_line(tmp_path: Path, run: Runner) -> None:
    (tmp_path / "analytics.duckdb").mkdir()
    outcome = run("status", "--data-dir", str(tmp_path))
    assert (outcome.code, outcome.err.count("\n")) == (1, 1)
    assert "a directory, not a database" in outcome.err
    assert "chmod" not in run("doctor", "--data-dir", str(tmp_path)).out


def test_what_cannot_be_a_directory_is_no_place_for_an_export(stopped: str, run: Runner) -> None:
    arguments = ["--metric", "process.cpu.usage", "--format", "csv", "--data-dir", stopped]
    outcome = run("export", *arguments, "--to", "/dev/null")
    assert (outcome.code, outcome.err) == (2, "blackhole: /dev/null: File exists: name another --to\n")
