"""`blackhole conformance`: addresses, the table, JSON, exit codes."""

import json
import socket
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from blackhole.cli import main
from blackhole.cli.conformance import report
from blackhole.conformance import suite, target
from blackhole.conformance.check import RuleLevel, Transport
from blackhole.conformance.suite import RuleFinding, SuiteResult
from blackhole.errors import UsageError


class Refusing(BaseHTTPRequestHandler):
    """501 for whatever comes."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self.refuse
        raise AttributeError(name)

    def refuse(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(501)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def refusing() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_receiver_that_conforms_is_exit_code_0(
    service: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["conformance", f"http://{service['otlp_http']}", f"grpc://{service['otlp_grpc']}"]) == 0
    out = capsys.readouterr().out
    assert "✗" not in out
    for check in suite.checks():
        assert f" {check.name} (" in out
        assert check.rule in out


def test_a_receiver_that_does_not_is_exit_code_1(refusing: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["conformance", refusing, "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["conforms"] is False
    assert len(document["findings"]) == len(suite.checks())
    first = document["findings"][0]
    assert (first["name"], first["result"], first["seen"]) == (
        "protobuf metrics",
        "failed",
        "501 instead of 200",
    )
    assert {f["seen"] for f in document["findings"] if f["transport"] == "grpc"} == {
        "no grpc address was given"
    }


def test_what_is_not_taken_at_all_fails_once(refusing: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["conformance", refusing, "--json"])
    findings = {f["name"]: f for f in json.loads(capsys.readouterr().out)["findings"]}
    assert findings["gauge"]["result"] == "skipped"
    assert findings["gauge"]["seen"] == "protobuf metrics is not taken at all"


def test_where_nobody_listens_is_exit_code_3(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"grpc://127.0.0.1:{closed.getsockname()[1]}"
        assert main(["conformance", url]) == 3
    error = capsys.readouterr().err
    assert error.startswith(f"blackhole: {url}: cannot be reached (")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    "urls",
    [
        ["localhost:4318"],
        ["ftp://localhost"],
        ["http://"],
        ["http://localhost:99999"],
        ["http://user@localhost"],
        ["grpc://localhost/v1/metrics"],
        ["http://localhost:1", "https://localhost:2"],
    ],
    ids=str,
)
def test_wrong_addresses_are_exit_code_2(urls: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["conformance", *urls]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("url", "host", "port", "prefix"),
    [
        ("http://localhost", "localhost", 4318, ""),
        ("grpc://localhost", "localhost", 4317, ""),
        ("http://[::1]:80/", "::1", 80, ""),
        ("https://h.example/otlp/v1/metrics", "h.example", 4318, "/otlp"),
        ("http://h.example/opentelemetry/", "h.example", 4318, "/opentelemetry"),
    ],
)
def test_addresses_are_read_as_people_write_them(url: str, host: str, port: int, prefix: str) -> None:
    address = target.parse(url)
    assert (address.host, address.port, address.prefix) == (host, port, prefix)
    assert address.secure == url.startswith("https")


def test_more_than_one_port_in_an_address_is_refused() -> None:
    with pytest.raises(UsageError, match="is not an address"):
        target.parse("http://h:1:2")


def finding(name: str, level: RuleLevel, result: SuiteResult, remedy: str = "mend it") -> RuleFinding:
    return RuleFinding(name, Transport.HTTP, level, "a rule", result, "seen", remedy, 0.1)


def test_only_required_checks_decide() -> None:
    passed = finding("a", RuleLevel.REQUIRED, SuiteResult.PASSED)
    assert suite.conforms([passed, finding("b", RuleLevel.RECOMMENDED, SuiteResult.FAILED)])
    assert suite.conforms([passed, finding("c", RuleLevel.REQUIRED, SuiteResult.SKIPPED)])
    assert not suite.conforms([passed, finding("d", RuleLevel.REQUIRED, SuiteResult.FAILED)])


def test_the_report_names_each_remedy_once_and_counts() -> None:
    findings = [
        finding("good", RuleLevel.REQUIRED, SuiteResult.PASSED),
        finding("first", RuleLevel.REQUIRED, SuiteResult.FAILED),
        finding("second", RuleLevel.ADVICE, SuiteResult.FAILED),
        finding("other", RuleLevel.ADVICE, SuiteResult.SKIPPED),
    ]
    text = report(findings)
    assert text.count("mend it") == 1
    assert "✗ first; second:\n  mend it" in text
    assert text.endswith(
        "required:    1 passed, 1 failed\nrecommended: none\nadvice:      1 failed, 1 skipped"
    )
    assert "good" not in report(findings, only_failed=True)


def test_without_grpcio_only_grpc_addresses_are_refused(
    refusing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "grpc", None)
    monkeypatch.setitem(sys.modules, "grpc.aio", None)
    assert main(["conformance", refusing.replace("http://", "grpc://")]) == 2
    assert "blackhole-analytics[sdk]" in capsys.readouterr().err
    assert main(["conformance", "--failed", refusing]) == 1
