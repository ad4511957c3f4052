from pathlib import Path
from typing import Any

import pytest
from tests.cli.cli_fakes import FakeService, Runner

ANSWER: dict[str, Any] = {
    "series": 2,
    "rows": {"points": 1500, "series": 2},
    "bytes_before": 4096,
    "bytes_after": 1024,
    "proof": {"tables": 15, "rows": 3000, "bytes": 1024, "marks": 7},
    "removed": [],
    "copies": ["/data/analytics.duckdb.schema-2.bak"],
    "notes": ["a note"],
}


def test_the_service_is_asked_and_what_it_did_is_told(run: Runner, service: FakeService) -> None:
    service.answers["/api/analytics/forget"] = (200, ANSWER)
    done = run(
        "forget", "--yes", "--url", service.url, "--metric", "a.b", "--metric", "c.*", "--where", "k=v=w"
    )
    assert done.code == 0
    assert service.asked[0].body == {"metric": ["a.b", "c.*"], "where": {"k": "v=w"}, "all": False}
    for words in ("1,500 of points", "4.0 KiB before, 1.0 KiB now", "7 marks", "schema-2.bak", "a note"):
        assert words in done.out


def test_a_service_of_another_directory_is_not_asked(
    run: Runner, service: FakeService, tmp_path: Path
) -> None:
    """Erasing there what was meant here could not be undone."""
    (tmp_path / "home").mkdir()
    done = run("forget", "--yes", "--data-dir", str(tmp_path / "home"), "--all")
    assert done.code == 3
    assert service.asked == []


def test_a_refusal_keeps_its_exit_code(run: Runner, service: FakeService) -> None:
    problem = {"type": "urn:blackhole:problem:usage", "detail": "nothing to forget"}
    service.answers["/api/analytics/forget"] = (400, problem)
    done = run("forget", "--yes", "--url", service.url)
    assert (done.code, done.err) == (2, "blackhole: nothing to forget\n")


@pytest.mark.parametrize("where", [["zone=eu", "zone=us"], ["zone!=eu"], ["zone=~e.*"], ["zone"], ["=x"]])
def test_what_would_erase_something_else_than_was_meant_is_refused(
    run: Runner, service: FakeService, where: list[str]
) -> None:
    done = run(
        "forget", "--yes", "--url", service.url, *(word for pair in where for word in ("--where", pair))
    )
    assert done.code == 2
    assert "--where" in done.err
    assert service.asked == []
