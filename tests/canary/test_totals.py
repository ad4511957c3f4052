"""What is counted, measured and stored beside releases is the same with and without private data."""

import json
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from tests.canary import readers
from tests.canary.test_canary import configured
from tests.e2e.service import Service, counter, request

# Its fixtures take long: one worker makes them, for all of its tests.
pytestmark = [pytest.mark.xdist_group("totals"), pytest.mark.timeout(400)]

CATALOGUE = Path(__file__).with_name("catalogue.yaml").read_text()
ROUNDS = 5
POINTS = 10_000
# What differs from run to run whatever comes: times, sizes, load.
_VOLATILE = re.compile(
    r"time|_at$|seconds|duration|cpu|memory|bytes|uptime|p95|endpoint|timestamp|first_seen|last_seen"
)
# Tables of releases and of their ledger; how many windows there were depends on when the run was stopped.
_RELEASES = ("releases", "released_lists", "privacy_ledger", "schema_version")


@dataclass(frozen=True)
class Seen:
    """Everything that shows, but for what is different in any two runs."""

    answers: list[tuple[int, bytes]]
    status: Any
    metrics: Any
    health: Any
    prometheus: list[str]
    own: list[tuple[Any, ...]]
    tables: dict[str, list[tuple[Any, ...]]]
    log: list[str]


def private(number: int) -> list[bytes]:
    """Requests with private points alone: good ones, bad ones, of every kind."""
    metrics: list[Metric] = []
    for name in ("app.shared.count", "app.secret.count", "app.secret.level"):
        metric = Metric(name=name)
        metric.sum.aggregation_temporality = 1  # type: ignore[assignment]
        metric.sum.is_monotonic = True
        for user in range(POINTS // 3 // ROUNDS):
            value = float("nan") if user % 50 == 0 else 1.0
            point = metric.sum.data_points.add(time_unix_nano=time.time_ns(), as_double=value)
            point.attributes.add(key="user.id").value.string_value = f"u{number}-{user}"
        metrics.append(metric)
    wrong = Metric(name="app.secret.time")
    wrong.gauge.data_points.add(as_double=1.0)
    return [request(metric) for metric in (*metrics, wrong)]


def opened(number: int) -> bytes:
    """Open points, and some that are refused."""
    start = time.time_ns() - 10**9
    good = [counter("app.count", 1, start=start, delta=True, kept=f"k{n}") for n in range(20)]
    bad = [counter("app.count", -1, start=start, delta=True), counter(f"nowhere.n{number}", 1, start=start)]
    return request(*good, *bad)


def run(directory: Path, *, with_private: bool) -> Seen:
    with configured(directory, CATALOGUE) as service:
        answers = []
        for number in range(ROUNDS):
            for body in private(number) if with_private else ():
                assert service.post(body)[0] == 200
            answers.append(service.post(opened(number)))
            time.sleep(0.3)
        time.sleep(1.5)  # the last window is published, and the service has said how it is
        seen = _look(service)
        service.stop()
    tables = _tables(service.data_dir / "analytics.duckdb")
    log = [re.sub(r"\d+", "0", line) for line in (directory / "stderr").read_text().splitlines()]
    return Seen(answers, *seen, tables, log)


def _look(service: Service) -> tuple[Any, Any, Any, list[str], list[tuple[Any, ...]]]:
    def get(name: str) -> Any:
        answer = readers.ask(service, f"/api/analytics/{name}")
        return steady(json.loads(answer[answer.index("{") :]))

    text = readers.ask(service, "/metrics")
    lines = [line for line in text.splitlines() if line.startswith(("blackhole_", "app_"))]
    kept = [line for line in lines if "_seconds_count" in line or not _VOLATILE.search(line.split("{")[0])]
    own = readers.sql(
        service,
        "SELECT metric_name, attributes::VARCHAR, sum(value) FROM metrics WHERE metric_name IN "
        "('blackhole.accepted', 'blackhole.requests.total', 'blackhole.refused', 'blackhole.errors.total') "
        "GROUP BY ALL ORDER BY ALL",
    )
    return get("status"), get("metrics"), get("health"), sorted(kept), [tuple(row) for row in own]


def steady(value: Any) -> Any:
    """Without what is different in any two runs."""
    if isinstance(value, dict):
        return {key: steady(inner) for key, inner in value.items() if not _VOLATILE.search(key)}
    return [steady(inner) for inner in value if _counts(inner)] if isinstance(value, list) else value


def _counts(entry: Any) -> bool:
    """Not so what was refused of a sensitive metric: it is named, without a number."""
    return not isinstance(entry, dict) or entry.get("count", 0) is not None


def _tables(database: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Rows of the open path in their order, without times; of closed windows the series of every run."""
    with duckdb.connect(str(database), read_only=True) as connection:
        names = [name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
        assert {"streams", "recent_points", "series"} <= set(names)
        own = "(SELECT id FROM series WHERE metric LIKE 'blackhole.%' OR privacy_level > 1)"
        asked = {
            "recent_points": "SELECT value, cumulative FROM recent_points "
            f"WHERE series NOT IN {own} ORDER BY rowid",
            "recent_histogram_points": "SELECT count, sum FROM recent_histogram_points "
            f"WHERE series NOT IN {own}",
            "streams": f"SELECT count(*) FROM streams WHERE series NOT IN {own}",
            "private streams": "SELECT count(*) FROM streams JOIN series ON series.id = streams.series "
            "WHERE privacy_level > 1",
            "series": "SELECT metric, type, unit, attributes::VARCHAR FROM series WHERE privacy_level <> 2 "
            "ORDER BY ALL",
            "asked": "SELECT count(*) FROM asked",
            "thinned": "SELECT count(*) FROM thinned",
        }
        others = set(names) - set(_RELEASES) - set(asked)
        asked |= {name: f'SELECT count(*) FROM "{name}"' for name in others}
        return {name: connection.execute(sql).fetchall() for name, sql in asked.items()}


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Seen, Seen]:
    directory = tmp_path_factory.mktemp("totals")
    return run(directory / "without", with_private=False), run(directory / "with", with_private=True)


@pytest.mark.parametrize("what", Seen.__dataclass_fields__)
def test_private_points_show_in_nothing_that_is_counted(both: tuple[Seen, Seen], what: str) -> None:
    without, with_private = (getattr(seen, what) for seen in both)
    assert without
    assert _but_for_windows(with_private) == _but_for_windows(without)


def _but_for_windows(seen: Any) -> Any:
    """How many commits of windows and own reports there were depends on when a run began and its length."""
    if isinstance(seen, dict):
        for metric in seen.get("metrics", ()):
            if metric["privacy"] == "sensitive":
                metric["stored"] = None  # what is published of its windows is there to be seen
            if metric["metric"].startswith("blackhole."):
                metric["received"] = metric["points"] = None
        return {
            key: value for key, value in seen.items() if key not in {"commits", "sequence", "pending_rows"}
        }
    if isinstance(seen, list):
        return [line for line in seen if not str(line).startswith(("blackhole_commit", "blackhole_pending"))]
    return seen
