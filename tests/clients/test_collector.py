"""A Collector scrapes a page for us: what its counters held before the first scrape is not counted now."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.clients.collector import CATALOGUE, SCRAPES, Page, collector, grown, state
from tests.clients.support import ROOT
from tests.e2e.service import Service, stored
from tests.service.road import Clock, Road

from blackhole.catalogue.load import load
from blackhole.config import Config, Duration
from blackhole.model.signals import Signal
from blackhole.query.language import Query
from blackhole.query.run import QueryService
from blackhole.store.database import Database

GOLDEN = ROOT / "tests" / "golden" / "collector"
SECOND = 10**9


def catalogue(directory: Path) -> Path:
    file = directory / "catalogue.yaml"
    file.write_text(CATALOGUE, encoding="utf-8")
    return file


class Replay:
    """What the Collector sent then, in a database that was there before it."""

    def __init__(self, directory: Path) -> None:
        self.truth: dict[str, Any] = json.loads((GOLDEN / "truth.json").read_text())
        arrived = self.truth["arrived"]
        clock = Clock(arrived[0] - 3600 * SECOND)
        config = Config(retention_period=Duration(30 * 86400))
        known = load([catalogue(directory)])
        self.database = Database.open(directory / "analytics.duckdb", clock=clock)
        road = Road(self.database, known, config, clock)
        for at, body in zip(arrived, sorted(GOLDEN.glob("*.bin")), strict=True):
            road.send(Signal.METRICS, body.read_bytes(), at)
        road.close()
        self.now = arrived[-1] / SECOND
        self.runner = QueryService(self.database, known, windows=config, now=lambda: self.now)

    def values(self, metric: str, aggregation: str, interval: float, **filters: Any) -> list[float]:
        start = self.truth["arrived"][0] / SECOND - 60
        asked = Query(
            metric, start, self.now + 1, aggregation=aggregation, interval=interval, filters=filters
        )
        (series,) = self.runner.query(asked).series
        return [point.value for point in series.points if point.value is not None]


@pytest.fixture
def replay(tmp_path: Path) -> Iterator[Replay]:
    made = Replay(tmp_path)
    yield made
    made.database.close()


def test_what_was_counted_before_the_first_scrape_is_not_counted_now(replay: Replay) -> None:
    scrapes = replay.truth["scrapes"]
    book, late = (sum(replay.values("shop_orders_total", "sum", 1, kind=kind)) for kind in ("book", "late"))
    assert (book, late) == (grown("orders", scrapes), grown("late", scrapes))


def test_histograms_begin_and_restart_as_counters_do(replay: Replay) -> None:
    scrapes = replay.truth["scrapes"]
    assert sum(replay.values("shop_latency_seconds", "count", 1)) == grown("count", scrapes)
    assert sum(replay.values("shop_latency_seconds", "sum", 1)) == pytest.approx(grown("sum", scrapes))
    # Three of four took at most 0.1 s, all others at most 0.5.
    assert replay.values("shop_latency_seconds", "p95", 3600) == [pytest.approx(0.1 + 0.4 * 0.2 / 0.25)]


def test_a_rate_is_never_more_than_the_process_did_in_a_second(replay: Replay) -> None:
    """3 a second, and once 3 × 3 after two scrapes that failed, which are spread over these."""
    rates = replay.values("shop_orders_total", "rate", 1, kind="book")
    assert rates
    assert max(rates) <= 3 * 1.05
    assert min(rates) >= 0


def test_a_gauge_is_what_the_page_said(replay: Replay) -> None:
    seen = {told["open"] for told in map(state, range(replay.truth["scrapes"])) if told is not None}
    assert set(replay.values("shop_open", "last", 0.1)) == seen


@pytest.mark.slow
def test_a_collector_that_scrapes_today_is_counted_as_the_recorded_one(tmp_path: Path) -> None:
    config = tmp_path / "analytics.yaml"
    config.write_text(f"analytics: {{catalogue: ['{catalogue(tmp_path)}']}}")
    with Service(tmp_path / "data", ("--config", str(config))) as running, Page() as page:
        with collector(tmp_path, page.address, running.ready["otlp_grpc"]):
            page.played(SCRAPES + 30)
            time.sleep(2)
        scrapes = page.scrapes
        start = time.time() - 300
        found = running.query("shop_orders_total", start_time=start, aggregation="sum", group_by=["kind"])
        total = {
            one["attributes"]["kind"]: sum(point["value"] for point in one["points"])
            for one in found["series"]
        }
        assert total["late"] == grown("late", scrapes)
        assert total["book"] in (grown("orders", scrapes), grown("orders", scrapes - 1))
        assert running.stop() == 0
    rows = stored(tmp_path / "data", "SELECT max(value) FROM metrics WHERE metric_name = 'shop_orders_total'")
    assert rows[0][0] < 1000
