"""The real engine's releases, asked for as people do: intervals, budget, stream, proof, also after a kill."""

import asyncio
import json
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

from tests.e2e.service import BLACKHOLE, Service, counter, request
from websockets.asyncio.client import connect

METRIC = "page.views"
USERS = 40
CATALOGUE = f"""
metrics:
  - name: {METRIC}
    description: Pages that were looked at
    type: counter
    unit: "{{request}}"
    privacy: highly_sensitive
    purpose: to test
    keep: [kind]
    values: {{kind: [a, b]}}
    privacy_unit: {{name: user, keys: [user.id]}}
    bounds: [0, 1]
"""


def a_service(directory: Path) -> Service:
    (directory / "catalogue.yaml").write_text(CATALOGUE)
    (directory / "analytics.yaml").write_text(
        f"analytics: {{catalogue: ['{directory / 'catalogue.yaml'}'], release_window: 1s,"
        " budget_period: 1h, privacy_budget: 2000}"
    )
    return Service(directory / "data", ("--config", str(directory / "analytics.yaml")))


def send(running: Service, start: int) -> None:
    of_users: list[dict[str, Any]] = [{"user.id": f"u{n}", "kind": "a"} for n in range(USERS)]
    metrics = [counter(METRIC, 1.0, start=start, delta=True, **attributes) for attributes in of_users]
    assert running.post(request(*metrics))[0] == 200


def get(running: Service, path: str) -> Any:
    with urllib.request.urlopen(f"{running.ready['api']}/api/analytics/{path}", timeout=30) as answer:  # noqa: S310
        return json.loads(answer.read())


def verified(directory: Path, *options: str) -> dict[str, Any]:
    arguments = ["--config", str(directory / "analytics.yaml"), *options, "--json"]
    done = subprocess.run(
        [str(BLACKHOLE), "privacy", "verify", *arguments], capture_output=True, text=True, check=False
    )
    found: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (0 if found["ok"] else 1)
    return found


async def news_of(running: Service) -> dict[str, Any]:
    async with connect(running.ready["api"].replace("http", "ws", 1) + "/analytics/stream") as socket:
        while True:
            message = json.loads(await asyncio.wait_for(socket.recv(), 10))
            if message["type"] == "privacy":
                data: dict[str, Any] = message["data"]
                return data


def test_what_was_released_is_answered_with_its_error_and_what_it_cost_is_proved(tmp_path: Path) -> None:
    begun = time.time_ns()
    with a_service(tmp_path) as running:
        deadline = time.monotonic() + 60
        points: list[dict[str, Any]] = []
        while len(points) < 3 and time.monotonic() < deadline:
            send(running, begun)
            time.sleep(0.5)
            answer = running.query(METRIC, aggregation="sum", interval="1s")
            points = [point for series in answer["series"] for point in series["points"]]
        assert len(points) >= 3
        for point in points:
            assert point["lower"] < point["value"] < point["upper"]
            assert point["sample_count"] is None
        budget, news = get(running, "privacy/budget"), asyncio.run(news_of(running))
        assert 0 < budget["spent"] < 2000
        assert abs(news["remaining"] - (2000 - budget["spent"])) < 100
        assert news["released"] is not None
        status = get(running, "status")
        assert (status["accepted"]["metrics"], status["requests"]["metrics"]) == (0, 0)
        by_service = verified(tmp_path, "--url", running.ready["api"])
        running.kill()
    by_file = verified(tmp_path, "--data-dir", str(tmp_path / "data"))
    assert by_service["ok"], by_service
    assert by_file["ok"], by_file
    assert by_file["releases"] >= by_service["releases"] > 3
