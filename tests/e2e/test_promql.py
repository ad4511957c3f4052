"""What services send over OTLP is what Grafana gets, over the real service."""

import json
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.service import Service, counter, request

SECOND = 10**9
CATALOGUE = """
metrics:
  - {name: shop.orders, description: Orders, type: counter, unit: "{order}", privacy: public,
     purpose: to test, keep: [kind]}
"""


def ask(running: Service, endpoint: str, **parameters: Any) -> Any:
    url = f"{running.ready['api']}/api/v1/{endpoint}?{urllib.parse.urlencode(parameters)}"
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - loopback
        return json.load(answer)["data"]


def test_a_counter_that_begins_anew_rises_on(tmp_path: Path) -> None:
    (tmp_path / "catalogue.yaml").write_text(CATALOGUE)
    config = tmp_path / "analytics.yaml"
    config.write_text(f"analytics: {{catalogue: ['{tmp_path / 'catalogue.yaml'}']}}")
    with Service(tmp_path / "data", ("--config", str(config))) as running:
        now = time.time_ns()
        # The first value of what began before the database did adds nothing; else it counts in full.
        first, second = now - 100 * SECOND, now + 5 * SECOND
        for start, ago, value in ((first, 90, 10), (first, 60, 16), (second, -10, 3), (second, -40, 8)):
            metric = counter("shop.orders", value, start=start, when=now - ago * SECOND, kind="book")
            status, _ = running.post(request(metric, service="api"))
            assert status == 200
        selector = 'shop_orders_total{job="api",kind="book"}'
        (raw,) = ask(running, "query", query=f"{selector}[5m]", time=now / SECOND + 50)["result"]
        levels = [float(value) for _, value in raw["values"]]
        assert levels == [10, 16, 19, 24]
        (rise,) = ask(running, "query", query=f"increase({selector}[2m])", time=now / SECOND + 50)["result"]
        assert float(rise["value"][1]) == pytest.approx(8 * 120 / 100, rel=1e-3)
        assert ask(running, "label/kind/values") == ["book"]
        assert ask(running, "metadata")["shop_orders_total"][0]["help"] == "Orders"
