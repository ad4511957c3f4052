import json
import socket
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml
from tests.cli.cli_fakes import FakeService, Runner

from blackhole.cli.serve import AddressType
from blackhole.config import Config, check


@pytest.fixture
def url(service: FakeService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLACKHOLE_URL", service.url)


@pytest.mark.usefixtures("url")
class TestSql:
    ANSWER: ClassVar[dict[str, Any]] = {
        "columns": ["name", "n"],
        "types": ["VARCHAR", "BIGINT"],
        "rows": [["a", 1], ["bb\u001b[31m", None]],
        "truncated": True,
        "elapsed_ms": 1.5,
    }

    def test_rows_are_a_table_without_control_characters(self, service: FakeService, run: Runner) -> None:
        service.answers["/api/analytics/sql"] = (200, self.ANSWER)
        outcome = run("sql", "SELECT 1", "--max-rows", "2")
        assert service.asked[0].body == {"sql": "SELECT 1", "max_rows": 2}
        assert outcome.out.splitlines()[2:] == ["a        1", "bb�[31m  -"]
        assert "more than 2 rows" in outcome.err

    def test_json_and_csv(self, service: FakeService, run: Runner) -> None:
        service.answers["/api/analytics/sql"] = (200, self.ANSWER)
        assert json.loads(run("sql", "SELECT 1", "--json").out) == self.ANSWER
        assert run("sql", "SELECT 1", "--format", "csv").out.splitlines()[:2] == ["name,n", "a,1"]


@pytest.mark.usefixtures("url")
class TestStatus:
    ANSWER: ClassVar[dict[str, Any]] = {
        "version": "0.1.0",
        "started_at": 1777636800.0,
        "uptime_seconds": 5430.2,
        "cpu_percent": 1.25,
        "memory_bytes": 101 * 2**20,
        "database_bytes": 2048,
        "pending_rows": 7,
        "sampling_rate": 0.5,
        "notes": ["1,234 rows were removed before their time"],
        "endpoints": {"otlp_grpc": "127.0.0.1:4317"},
        "statistics": {
            "accepted": {"metrics": 12345, "traces": 0, "logs": 2},
            "refused": [
                {"metric": "x.y", "reason": "not in the catalogue", "remedy": "allow it", "count": None}
            ],
            "failed_requests": {"undecodable": 3},
            "commits": 42,
        },
    }

    def test_it_is_told_in_words(self, service: FakeService, run: Runner) -> None:
        service.answers["/api/analytics/status"] = (200, self.ANSWER)
        out = run("status", "--utc").out
        for words in (
            "since 2026-05-01 12:00:00Z (1h30m)",
            "OTLP over gRPC: 127.0.0.1:4317",
            "12,345 data points, 2 log records",
            "3 requests that were not taken",
            "42, 7 rows waiting",
            "1,234 rows were removed before their time",
            "rate 0.5",
            "101.0 MiB",
            "2.0 KiB",
            "not in the catalogue: allow it",
        ):
            assert words in out

    def test_json_is_the_answer_as_it_came(self, service: FakeService, run: Runner) -> None:
        service.answers["/api/analytics/status"] = (200, self.ANSWER)
        assert json.loads(run("status", "--json").out) == self.ANSWER


class TestConfig:
    def test_what_is_shown_can_be_read_again(self, run: Runner, tmp_path: Path) -> None:
        file = tmp_path / "c.yaml"
        file.write_text("analytics: {commit_wait: 15ms, max_memory_usage: 1GiB}")
        out = run("config", "show", "--config", str(file)).out
        assert "commit_wait: 15ms" in out
        assert "max_memory_usage: 1GiB" in out
        assert "retention_period: 30d" in out
        expected = check({"commit_wait": "15ms", "max_memory_usage": "1GiB"}, where="t")
        assert check(yaml.safe_load(out)["analytics"], where="t") == expected

    def test_json_holds_the_same(self, run: Runner) -> None:
        assert check(json.loads(run("config", "show", "--json").out)["analytics"], where="t") == Config()

    def test_check_says_ok_or_the_error(self, run: Runner, tmp_path: Path) -> None:
        good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
        good.write_text("analytics: {k_anonymity: 3}")
        bad.write_text("analytics: {k_anonimity: 3}")
        assert run("config", "check", str(good)).out == "ok\n"
        outcome = run("config", "check", str(bad))
        assert outcome.code == 2
        assert "did you mean `k_anonymity`" in outcome.err

    def test_check_says_of_a_setting_that_it_has_no_effect_yet(self, run: Runner, tmp_path: Path) -> None:
        file = tmp_path / "c.yaml"
        file.write_text("analytics: {plugins: {prometheus: {}}, alerts: [{name: slow}], k_anonymity: 3}")
        outcome = run("config", "check", str(file))
        assert (outcome.code, outcome.out) == (0, "ok\n")
        lines = outcome.err.splitlines()
        assert [line.split()[0] for line in lines] == ["`analytics.plugins`", "`analytics.alerts`"]
        assert all("has no effect yet" in line for line in lines)

    def test_a_catalogue_file_that_is_named_is_checked_too(self, run: Runner, tmp_path: Path) -> None:
        file = tmp_path / "c.yaml"
        file.write_text(f"analytics: {{catalogue: [{tmp_path / 'absent.yaml'}]}}")
        outcome = run("config", "check", str(file))
        assert outcome.code == 2
        assert "absent.yaml" in outcome.err


class TestCatalogue:
    def test_the_list_can_be_narrowed(self, run: Runner) -> None:
        every = json.loads(run("catalogue", "list", "--json").out)
        some = json.loads(run("catalogue", "list", "--json", "--level", "highly_sensitive").out)
        assert 0 < len(some) < len(every)
        assert {entry["privacy"] for entry in some} == {"highly_sensitive"}
        assert "p2p.connections.total" in run("catalogue", "list", "--category", "p2p").out

    def test_a_metric_is_explained(self, run: Runner) -> None:
        out = run("catalogue", "show", "p2p.connections.total").out
        assert "internal" in out
        assert "purpose:" in out

    def test_an_unknown_metric_has_near_ones(self, run: Runner) -> None:
        outcome = run("catalogue", "show", "p2p.conections.total")
        assert outcome.code == 1
        assert "p2p.connections.total" in outcome.err

    def test_a_file_is_checked(self, run: Runner, tmp_path: Path) -> None:
        file = tmp_path / "m.yaml"
        file.write_text(
            "metrics: [{name: a.b, description: d, type: gauge, unit: '1', privacy: public, purpose: tests}]"
        )
        assert run("catalogue", "check", str(file)).out == f"{file}: ok, 1 metrics\n"
        file.write_text("metrics: [{name: a.b}]")
        assert run("catalogue", "check", str(file)).code == 2


class TestServe:
    @pytest.mark.parametrize(
        ("text", "address"),
        [
            ("127.0.0.1:0", ("127.0.0.1", 0)),
            ("[::1]:4317", ("::1", 4317)),
            ("localhost:65535", ("localhost", 65535)),
        ],
    )
    def test_addresses_are_host_and_port(self, text: str, address: tuple[str, int]) -> None:
        assert AddressType().convert(text, None, None) == address

    @pytest.mark.parametrize("text", ["4317", ":4317", "h:", "h:x", "h:-1", "h:65536", "::1:1", "h:\u0661"])
    def test_what_is_no_address_is_exit_2(self, text: str, run: Runner) -> None:
        outcome = run("serve", "--listen", text)
        assert outcome.code == 2
        assert outcome.err.count("\n") == 1

    def test_an_open_bind_without_a_token_is_exit_2(self, run: Runner, tmp_path: Path) -> None:
        outcome = run("serve", "--data-dir", str(tmp_path), "--listen", "0.0.0.0:0")
        assert outcome.code == 2
        assert "analytics.api.token_file: FILE" in outcome.err


class TestDoctor:
    def test_a_sound_place_is_ok_but_for_ports_in_use(
        self, run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("blackhole.cli.doctor.PORTS", {"page": ("--listen", 0)})
        outcome = run("doctor", "--json", "--data-dir", str(tmp_path / "new"))
        assert outcome.code == 0, outcome.out
        assert all(finding["ok"] for finding in json.loads(outcome.out))
        assert not (tmp_path / "new").exists()

    def test_a_port_in_use_says_what_to_do(
        self, run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            monkeypatch.setattr("blackhole.cli.doctor.PORTS", {"page": ("--listen", port)})
            outcome = run("doctor", "--data-dir", str(tmp_path))
        assert outcome.code == 1
        assert f"BAD  port {port}:" in outcome.out
        assert "--listen 127.0.0.1:0" in outcome.out

    def test_a_broken_configuration_and_file_are_both_named(self, run: Runner, tmp_path: Path) -> None:
        config = tmp_path / "c.yaml"
        config.write_text("analytics: {k_anonymity: 0}")
        (tmp_path / "analytics.duckdb").write_text("no database")
        out = run("doctor", "--config", str(config), "--data-dir", str(tmp_path)).out
        assert "BAD  configuration:" in out
        assert "BAD  database:" in out
