"""What keeps the service from starting is one line that says what to do."""

import http.client
import itertools
import json
import os
import socket
import subprocess
from contextlib import closing
from pathlib import Path

import duckdb
import pytest
from tests.e2e.service import BLACKHOLE, Service, command, counter, request


def refused(arguments: list[str], code: int) -> str:
    """The one line; nothing else may be printed."""
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


@pytest.mark.parametrize("flag", ["--otlp-grpc", "--otlp-http", "--listen"])
def test_a_port_in_use_is_named_with_its_flag(tmp_path: Path, flag: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        line = refused(command(tmp_path / "data", flag, place), 2)
    assert place in line
    assert flag in line


def test_a_second_service_on_one_file_is_refused(tmp_path: Path) -> None:
    with Service(tmp_path / "data") as running:
        line = refused(command(tmp_path / "data"), 1)
        assert running.is_running
    assert str(tmp_path) in line


def test_an_unwritable_directory_is_named(tmp_path: Path) -> None:
    place = Path("/proc/none") if os.geteuid() == 0 else tmp_path / "locked"
    if os.geteuid() != 0:
        place.mkdir(mode=0o500)
    assert str(place) in refused(command(place / "data"), 1)


def test_a_foreign_database_is_left_alone(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    file = data / "analytics.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute("CREATE TABLE somebody_elses AS SELECT 42 AS answer")
    assert str(file) in refused(command(data), 1)
    with duckdb.connect(str(file), read_only=True) as connection:
        assert connection.execute("SELECT answer FROM somebody_elses").fetchall() == [(42,)]


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    file = data / "analytics.duckdb"
    file.write_text("a diary, not a database\n" * 1000)
    assert str(file) in refused(command(data), 1)
    assert file.read_text() == "a diary, not a database\n" * 1000


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("analytics: [", "YAML"),
        ("analytics: {comit_wait: 1s}", "commit_wait"),
        ("analytics: {commit_wait: soon}", "duration"),
        ("other: {}", "analytics:"),
        ("analytics: {otlp: {max_request_size: 1}}", "max_request_size"),
        ("analytics: {otlp: {token_file: /no/such/token}}", "/no/such/token"),
        ("analytics: {catalogue: [/no/such/catalogue.yaml]}", "/no/such/catalogue.yaml"),
    ],
)
def test_a_broken_configuration_is_named_with_the_remedy(tmp_path: Path, text: str, words: str) -> None:
    config = tmp_path / "analytics.yaml"
    config.write_text(text)
    assert words in refused(command(tmp_path / "data", "--config", str(config)), 2)


def test_serving_everyone_without_a_token_is_refused(tmp_path: Path) -> None:
    line = refused(command(tmp_path / "data", "--otlp-http", "0.0.0.0:0"), 2)
    assert "token_file" in line


def test_unknown_flags_are_refused() -> None:
    done = subprocess.run([BLACKHOLE, "serve", "--no-such-flag"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--no-such-flag" in done.stderr


def test_nobody_else_may_read_what_is_written(tmp_path: Path) -> None:
    home = tmp_path / "open"
    home.mkdir(mode=0o755)
    with Service(home) as running:
        modes: dict[str, int] = {}
        for value in itertools.count(1):  # a checkpoint takes the log away until the next commit
            assert running.post(request(counter("identity.requests.total", value, start=1)))[0] == 200
            modes |= {path.name: path.stat().st_mode & 0o777 for path in home.glob("*") if path.is_file()}
            if {"analytics.duckdb", "analytics.duckdb.wal"} <= set(modes):
                break
    assert set(modes.values()) == {0o600}


def test_the_first_status_names_the_addresses_of_the_ready_line(tmp_path: Path) -> None:
    with Service(tmp_path / "data") as running:
        place = running.ready["api"].removeprefix("http://")
        with closing(http.client.HTTPConnection(place, timeout=10)) as connection:
            connection.request("GET", "/api/analytics/status")
            status = json.load(connection.getresponse())
    assert status["endpoints"] == {name: running.ready[name] for name in ("otlp_grpc", "otlp_http", "api")}


def test_the_start_says_of_a_setting_that_it_has_no_effect_yet(tmp_path: Path) -> None:
    file = tmp_path / "analytics.yaml"
    file.write_text("analytics: {federation_endpoint: 'https://example.org', retention_period: 14d}")
    with Service(tmp_path / "data", ("--config", str(file))) as service:
        assert service.stop() == 0
    told = [line for line in (tmp_path / "stderr").read_text().splitlines() if "no effect yet" in line]
    assert len(told) == 1
    assert "`analytics.federation_endpoint` has no effect yet" in told[0]
    assert "example.org" not in told[0]
