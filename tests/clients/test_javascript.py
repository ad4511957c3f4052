"""OpenTelemetry's JavaScript SDK, as npm has it: every point that it sends is stored."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.clients.support import CLIENTS, count, needed, observed, service, total
from tests.e2e.service import stored

JS = CLIENTS / "js"
ROUNDS = 6


def run(kind: str, endpoint: str, temporality: str) -> dict[str, Any]:
    needed(JS / "node_modules")
    done = subprocess.run(
        ["node", "send.mjs", kind, f"http://{endpoint}", temporality, str(ROUNDS)],
        cwd=JS,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    sent: dict[str, Any] = json.loads(done.stdout)
    return sent


@pytest.mark.parametrize("temporality", ["delta", "cumulative"])
@pytest.mark.parametrize("kind", ["grpc", "http", "proto"])
def test_every_point_of_the_javascript_sdk_is_stored(tmp_path: Path, kind: str, temporality: str) -> None:
    with service(tmp_path) as running:
        place = running.ready["otlp_grpc" if kind == "grpc" else "otlp_http"]
        sent = run(kind, place, temporality)
        assert running.stop() == 0
    data = tmp_path / "data"
    assert sent["failures"] == []
    assert sent["exports"] >= ROUNDS
    assert count(data) == sent["points"] >= 8 * ROUNDS
    assert total(data, "clients.requests") == 2 * sum(range(1, ROUNDS + 1))
    newest = "SELECT DISTINCT arg_max(value, timestamp) OVER (PARTITION BY attributes) FROM metrics WHERE "
    assert stored(data, f"{newest} metric_name = 'clients.open'") == [(3.0 * (ROUNDS / 2) - ROUNDS / 2,)]
    assert observed(data, "clients.latency") == (2 * ROUNDS, 2 * sum(range(1, ROUNDS + 1)) / 8)


def test_the_lock_of_the_javascript_clients_names_no_registry_and_every_version() -> None:
    lock = json.loads((JS / "package-lock.json").read_text())
    asked = json.loads((JS / "package.json").read_text())["dependencies"]
    packages = lock["packages"]
    assert [name for name, package in packages.items() if "resolved" in package] == []
    assert {name: packages[f"node_modules/{name}"]["version"] for name in asked} == asked
