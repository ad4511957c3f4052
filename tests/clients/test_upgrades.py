"""Who offers HTTP/2 with a first request is answered as if it had not been offered."""

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from tests.clients.support import CLIENTS
from tests.e2e.service import Service, counter, request

JSON, PROTOBUF = "application/json", "application/x-protobuf"
Command = Callable[[str, str, Path], Sequence[str]]


def with_curl(place: str, kind: str, body: Path) -> Sequence[str]:
    header = f"content-type: {kind}"
    sent = ["--data-binary", f"@{body}", "-H", header, "-w", "\n%{http_code}", place]
    return ["curl", "-sS", "--noproxy", "*", "--http2", *sent]


def with_the_jdk(place: str, kind: str, body: Path) -> Sequence[str]:
    return ["java", str(CLIENTS / "java" / "Send.java"), place, kind, str(body)]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("upgrades") / "data") as running:
        yield running


@pytest.mark.parametrize("command", [with_curl, with_the_jdk])
def test_both_servers_read_the_body_of_who_offers_http_2(
    service: Service, tmp_path: Path, command: Command
) -> None:
    program = command("", "", tmp_path)[0]
    if shutil.which(program) is None:
        pytest.skip(f"{program} is missing")
    body, question = tmp_path / "body", tmp_path / "question"
    now = time.time_ns()
    body.write_bytes(
        request(counter("node.requests.total", 5, start=now - 10**9, when=now, delta=True), service=program)
    )
    question.write_text(json.dumps({"metric": "node.requests.total", "aggregation": "sum"}))
    answers = [
        subprocess.run(
            command(place, kind, sent), capture_output=True, text=True, timeout=60, check=True
        ).stdout
        for place, kind, sent in (
            (f"http://{service.ready['otlp_http']}/v1/metrics", PROTOBUF, body),
            (f"{service.ready['api']}/api/analytics/query", JSON, question),
        )
    ]
    assert "200" in answers[0]
    assert "400" not in answers[0]
    assert '"metric":"node.requests.total"' in answers[1]
    (found,) = service.query("node.requests.total", aggregation="sum", interval="1d")["series"]
    assert sum(point["value"] for point in found["points"]) >= 5
