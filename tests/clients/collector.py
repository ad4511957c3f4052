"""A page as a process that has long been running serves it, and a Collector that scrapes it every second."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from tests.clients.programs import COLLECTOR, Program, installed

_ENTRY = "  - {{name: {}, type: {}, unit: '{}', privacy: public, purpose: to test, {}}}\n"
CATALOGUE = "metrics:\n" + "".join(
    _ENTRY.format(*entry, "description: Told by a test, keep: [kind]")
    for entry in (
        ("shop_orders_total", "counter", "1"),
        ("shop_latency_seconds", "histogram", "s"),
        ("shop_open", "gauge", "1"),
    )
)
CONFIG = """\
receivers:
  prometheus:
    config:
      scrape_configs:
        - job_name: shop
          scrape_interval: 1s
          scrape_timeout: 1s
          static_configs: [{{targets: ['{page}']}}]
exporters:
  otlp: {{endpoint: '{otlp}', tls: {{insecure: true}}}}
service:
  telemetry: {{metrics: {{level: none}}, logs: {{level: error}}}}
  pipelines: {{metrics: {{receivers: [prometheus], exporters: [otlp]}}}}
"""
# What happens at which scrape: another label appears and goes, the process begins anew, the page is away.
APPEARS, RESTARTS, GOES, AWAY, SCRAPES = 4, 7, 10, (12, 13), 18


def state(scrape: int) -> dict[str, float] | None:
    """What the page says at each scrape; None where there is no answer."""
    if scrape in AWAY:
        return None
    since = scrape - RESTARTS if scrape >= RESTARTS else 1000 + scrape
    told = {"orders": 3.0 * since + 2, "count": 4.0 * since, "quick": 3.0 * since, "sum": 0.5 * since}
    told["open"] = float(scrape % 5)
    return {**told, "late": 50.0 + scrape} if APPEARS <= scrape < GOES else told


def text(told: dict[str, float]) -> str:
    late = f'shop_orders_total{{kind="late"}} {told["late"]}\n' if "late" in told else ""
    return f"""\
# TYPE shop_orders_total counter
shop_orders_total{{kind="book"}} {told["orders"]}
{late}# TYPE shop_latency_seconds histogram
shop_latency_seconds_bucket{{le="0.1"}} {told["quick"]}
shop_latency_seconds_bucket{{le="0.5"}} {told["count"]}
shop_latency_seconds_bucket{{le="+Inf"}} {told["count"]}
shop_latency_seconds_sum {told["sum"]}
shop_latency_seconds_count {told["count"]}
# TYPE shop_open gauge
shop_open {told["open"]}
"""


class Page:
    """Serves one state a scrape."""

    def __init__(self) -> None:
        page = self
        self.scrapes = 0
        self._changed = threading.Condition()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                told = page.next()
                body = b"" if told is None else text(told).encode()
                self.send_response(503 if told is None else 200)
                self.send_header("content-type", "text/plain; version=0.0.4")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def next(self) -> dict[str, float] | None:
        with self._changed:
            told = state(self.scrapes)
            self.scrapes += 1
            self._changed.notify_all()
            return told

    def played(self, seconds: float) -> int:
        """Waits until all has been told; how many scrapes there were by then."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.scrapes >= SCRAPES, seconds)
            return self.scrapes


def grown(name: str, scrapes: int) -> float:
    """What was added since the first scrape that had it; a value that fell counts in full."""
    total, before = 0.0, None
    for told in map(state, range(scrapes)):
        if told is None or name not in told:
            continue
        if before is not None:
            total += told[name] - before if told[name] >= before else told[name]
        before = told[name]
    return total


@contextmanager
def collector(directory: Path, page: str, otlp: str) -> Iterator[Program]:
    installed(COLLECTOR, "make clients")
    config = directory / "collector.yaml"
    config.write_text(CONFIG.format(page=page, otlp=otlp), encoding="utf-8")
    with Program([COLLECTOR, f"--config=file:{config}"], {}, directory / "collector.log") as running:
        yield running
