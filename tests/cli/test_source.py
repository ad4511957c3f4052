import json
from pathlib import Path

import pytest
from tests.cli.cli_fakes import FakeService, Runner

STATUS = "/api/analytics/status"


def answering(service: FakeService, name: str) -> FakeService:
    service.answers[STATUS] = (200, {"name": name})
    return service


def test_a_service_is_found_by_option_and_variable(
    service: FakeService, run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(service, "here")
    assert json.loads(run("status", "--json", "--url", service.url).out) == {"name": "here"}
    monkeypatch.setenv("BLACKHOLE_URL", service.url + "/")
    assert json.loads(run("status", "--json").out) == {"name": "here"}


def test_a_service_is_found_by_its_run_file(service: FakeService, run: Runner, tmp_path: Path) -> None:
    answering(service, "here")
    (tmp_path / "blackhole.run").write_text(json.dumps({"api": service.url, "pid": 1}))
    assert json.loads(run("status", "--json", "--data-dir", str(tmp_path)).out) == {"name": "here"}


def test_a_service_is_found_at_the_default_port(
    service: FakeService, run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blackhole.cli.source.DEFAULT_URL", answering(service, "here").url)
    assert json.loads(run("status", "--json").out) == {"name": "here"}


@pytest.mark.parametrize(
    "arguments", [["query", "m"], ["sql", "SELECT 1"], ["status"], ["catalogue", "unused"]]
)
def test_who_names_a_directory_is_not_answered_by_another_node(
    service: FakeService, run: Runner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: list[str]
) -> None:
    monkeypatch.setattr("blackhole.cli.source.DEFAULT_URL", answering(service, "another").url)
    outcome = run(*arguments, "--data-dir", str(tmp_path / "nonexistent"))
    assert (outcome.code, service.asked) == (3, [])
    assert "does not exist" in outcome.err


@pytest.mark.parametrize("text", ["", "[]", "{", '{"api": 1}', '{"api": "http://127.0.0.1:9"}'])
def test_a_stale_run_file_is_passed_over(text: str, run: Runner, tmp_path: Path) -> None:
    (tmp_path / "blackhole.run").write_text(text)
    outcome = run("status", "--data-dir", str(tmp_path))
    assert outcome.code == 3
    assert "does not exist" in outcome.err


def test_a_named_service_that_is_not_there_is_exit_3(run: Runner) -> None:
    outcome = run("status", "--url", "http://127.0.0.1:9")
    assert outcome.code == 3
    assert "http://127.0.0.1:9: no Blackhole answers there" in outcome.err


def test_neither_service_nor_file_is_exit_3_and_makes_none(run: Runner, tmp_path: Path) -> None:
    directory = tmp_path / "empty"
    for arguments in (["query", "m"], ["sql", "SELECT 1"], ["status"]):
        outcome = run(*arguments, "--data-dir", str(directory))
        assert outcome.code == 3
        assert outcome.err.count("\n") == 1
    assert not directory.exists()


@pytest.mark.parametrize("url", ["file:///etc/passwd", "127.0.0.1:8080", "ftp://x", "http://"])
def test_only_http_addresses_are_asked(url: str, run: Runner) -> None:
    outcome = run("status", "--url", url)
    assert outcome.code == 2
    assert "is not an address" in outcome.err


def test_the_token_comes_from_the_environment_or_the_file(
    service: FakeService, run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(service, "here")
    (tmp_path / "token").write_text("of-the-file\n")
    config = tmp_path / "c.yaml"
    config.write_text(f"analytics: {{api: {{token_file: {tmp_path / 'token'}}}}}")
    run("status", "--json", "--url", service.url, "--config", str(config))
    monkeypatch.setenv("BLACKHOLE_TOKEN", "of-the-environment")
    run("status", "--json", "--url", service.url, "--config", str(config))
    assert [asked.token for asked in service.asked] == ["Bearer of-the-file", "Bearer of-the-environment"]


def test_a_missing_token_says_where_to_put_it(service: FakeService, run: Runner) -> None:
    service.answers[STATUS] = (401, {"detail": "no"})
    outcome = run("status", "--url", service.url)
    assert outcome.code == 2
    assert "$BLACKHOLE_TOKEN" in outcome.err


def test_a_proxy_of_the_environment_never_sees_a_question(
    service: FakeService, run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(service, "here")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    assert run("status", "--json", "--url", service.url).code == 0
