"""Public metrics on a page of Prometheus: totals never fall, names stand once, no value is lost."""

import itertools
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.serve import page_of_prometheus
from tests.serve.page_of_prometheus import Family

from blackhole.model.series import PrivacyLevel
from blackhole.promql.engine import Engine
from blackhole.query.scrape import Scraper
from blackhole.serve import exposition
from blackhole.serve.services import Status
from blackhole.store.database import Database

NOW = 1_750_000_000 * 10**9
SECOND = 10**9
STATUS = Status(
    version="1",
    started_at=0,
    uptime_seconds=1,
    cpu_percent=0,
    memory_bytes=1,
    database_bytes=1,
    pending_rows=0,
)


class Place:
    """A database into which a test commits points, and the page of it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.now = NOW
        self.numbers = 0
        self.scraper = Scraper(database, lambda: self.now, lambda metric: f'about "{metric}"\nand \\ more')
        self.engine = Engine(database, {})

    def series(
        self,
        metric: str,
        kind: str,
        unit: str = "1",
        attributes: dict[str, Any] | None = None,
        level: PrivacyLevel = PrivacyLevel.PUBLIC,
    ) -> int:
        self.numbers += 1
        document = msgspec.json.encode(attributes or {}).decode()
        with self.database.write() as connection:
            connection.execute(
                "INSERT INTO series VALUES (?, ?, ?, ?, ?, ?, NULL, make_timestamp(0))",
                [self.numbers, metric, kind, unit, document, int(level)],
            )
        return self.numbers

    def committed(self) -> int:
        """The time of a commit that is made now."""
        return self.database.commit_times.next_us(self.now // 1000, lambda _: ())

    def point(self, series: int, value: float, *, stream: int = 0, ago: float = 0.0) -> None:
        self.now += SECOND
        with self.database.write() as connection:
            connection.execute(
                "INSERT INTO recent_points (series, stream, time, value, created_at)"
                " VALUES (?, ?, make_timestamp_ns(?), ?, make_timestamp(?))",
                [series, stream or series, self.now - int(ago * SECOND), value, self.committed()],
            )

    def interval(
        self, series: int, bounds: list[float] | None, buckets: list[int], total: float | None
    ) -> None:
        self.now += SECOND
        with self.database.write() as connection:
            connection.execute(
                "INSERT INTO recent_histogram_points"
                " (series, stream, time, count, sum, bounds, buckets, created_at)"
                " VALUES (?, ?, make_timestamp_ns(?), ?, ?, ?, ?, make_timestamp(?))",
                [
                    *(series, series, self.now, sum(buckets), total, bounds),
                    *(None if bounds is None else buckets, self.committed()),
                ],
            )

    def page(self) -> dict[str, Family]:
        text = exposition.render(STATUS, {}, 0, self.scraper.read())
        found = page_of_prometheus.read(text)
        return {name: family for name, family in found.items() if not name.startswith("blackhole_")}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    database = Database.open(tmp_path / "analytics.duckdb")
    yield Place(database)
    database.close()


def values(family: Family) -> list[float]:
    return list(family.samples.values())


def test_a_counter_is_a_total_that_grows_with_what_is_committed(place: Place) -> None:
    number = place.series("http.requests", "counter", "{request}", {"service.name": "api"})
    place.point(number, 5)
    place.point(number, 2)
    family = place.page()["http_requests_total"]
    assert (family.kind, values(family)) == ("counter", [7])
    assert values(place.page()["http_requests_total"]) == [7]
    place.point(number, 3, ago=7200)
    assert values(place.page()["http_requests_total"]) == [10]


def test_a_total_does_not_fall_when_old_points_are_deleted(place: Place) -> None:
    number = place.series("requests", "counter")
    place.point(number, 5)
    place.page()
    with place.database.write() as connection:
        connection.execute("DELETE FROM recent_points")
    place.point(number, 1)
    assert values(place.page()["requests_total"]) == [6]
    place.scraper.forget()
    assert place.page() == {}


def test_a_histogram_has_cumulative_buckets_a_sum_and_a_count(place: Place) -> None:
    number = place.series("latency", "histogram", "s", {"le": "mine"})
    place.interval(number, [1.0, 2.0], [1, 2, 3], 9.0)
    place.interval(number, [1.0, 4.0], [1, 0, 1], 6.5)
    family = place.page()["latency_seconds"]
    own = (("exported_le", "mine"),)
    assert family.kind == "histogram"
    assert family.samples == {
        ("_bucket", (*own, ("le", "1"))): 2,
        ("_bucket", (*own, ("le", "2"))): 4,
        ("_bucket", (*own, ("le", "4"))): 4,
        ("_bucket", (*own, ("le", "+Inf"))): 8,
        ("_sum", own): 15.5,
        ("_count", own): 8,
    }


def test_a_histogram_without_buckets_and_a_summary_have_a_count(place: Place) -> None:
    place.interval(place.series("size", "histogram"), None, [3], None)
    place.interval(place.series("told", "summary"), None, [3], 4.5)
    page = place.page()
    assert page["size"].samples == {("_bucket", (("le", "+Inf"),)): 3, ("_count", ()): 3}
    assert (page["told"].kind, page["told"].samples) == ("summary", {("_sum", ()): 4.5, ("_count", ()): 3})


def test_levels_are_gauges_and_those_of_several_senders_add_up(place: Place) -> None:
    peers, load = place.series("peers", "updowncounter"), place.series("load", "gauge")
    for stream, value in ((11, 4.0), (12, 1.0)):
        place.point(peers, value, stream=stream)
        place.point(load, value, stream=stream)
    page = place.page()
    assert (page["peers"].kind, values(page["peers"]), values(page["load_ratio"])) == ("gauge", [5], [1])
    place.now += 600 * SECOND
    assert place.page() == {}


def test_metrics_that_become_one_name_are_both_there(place: Place) -> None:
    for value, (kind, metric) in enumerate(itertools.product(("gauge", "counter"), ("a.b", "a_b")), 1):
        place.point(place.series(metric, kind, ""), value)
    page = place.page()
    assert sorted(values(page["a_b"])) == [1, 2]
    assert sorted(values(page["a_b_total"])) == [3, 4]
    assert {dict(labels)["otel_metric_name"] for _, labels in page["a_b"].samples} == {"a.b", "a_b"}
    assert sorted(point[0][1] for _, point in place.engine.instant("a_b", place.now // 10**6).series) == [
        1,
        2,
    ]


def test_types_that_become_one_name_are_two_families(place: Place) -> None:
    place.point(place.series("x", "counter", ""), 1)
    place.point(place.series("x.total", "gauge", ""), 2)
    place.interval(place.series("y", "histogram", ""), [1.0], [1, 1], 1.0)
    place.point(place.series("y.count", "gauge", ""), 3)
    page = place.page()
    assert {name: family.kind for name, family in page.items()} == {
        "x_total": "counter",
        "x_total_gauge": "gauge",
        "y": "histogram",
        "y_count_gauge": "gauge",
    }
    time = place.now // 10**6
    for query, value in (("x_total", 1), ("x_total_gauge", 2), ("y_count", 2), ("y_count_gauge", 3)):
        (found,) = place.engine.instant(query, time).series
        assert found[1][0][1] == value
    kinds = {name: [entry["type"] for entry in entries] for name, entries in place.engine.metadata().items()}
    assert kinds == {
        "x_total": ["counter"],
        "x_total_gauge": ["gauge"],
        "y": ["histogram"],
        "y_count_gauge": ["gauge"],
    }


def test_keys_that_become_one_label_stand_once_with_all_values(place: Place) -> None:
    place.point(place.series("load", "gauge", "", {"x.y": "one", "x_y": "two"}), 1)
    (sample,) = place.page()["load"].samples
    assert sample[1] == (("x_y", "one;two"),)


def test_series_that_cannot_be_told_apart_count_together(place: Place) -> None:
    for key in ("x.y", "x_y"):
        place.point(place.series("done", "counter", "", {key: "v"}), 2)
        place.point(place.series("open", "updowncounter", "", {key: "v"}), 2)
        place.interval(place.series("size", "histogram", "", {key: "v"}), [1.0], [1, 1], 3.0)
    page = place.page()
    assert (values(page["done_total"]), values(page["open"])) == ([4], [4])
    assert page["size"].samples["_count", (("x_y", "v"),)] == 4


def test_units_do_not_share_a_family(place: Place) -> None:
    for unit, value in (("s", 1.0), ("ns", 1e9)):
        place.point(place.series("process.cpu.time", "counter", unit), value)
    page = place.page()
    assert values(page["process_cpu_time_seconds_total"]) == [1]
    assert values(page["process_cpu_time_nanoseconds_total"]) == [1e9]


def test_labels_that_prometheus_keeps_for_itself_have_another_name(place: Place) -> None:
    attributes = {"__name__": "evil", "__address__": "a", "le": "b", "quantile": "c", "job": "d", "9": "e"}
    place.point(place.series("load", "gauge", "", attributes), 1)
    place.interval(place.series("size", "summary", "", attributes), None, [1], 1.0)
    page = place.page()
    ((_, labels),) = page["load"].samples
    assert set(dict(labels).values()) == {"evil", "a", "b", "c", "d", "e"}
    assert {name for name, _ in labels} >= {"key__name__", "key__address__", "le", "job", "key_9"}
    assert all("quantile" not in dict(labels) for _, labels in page["size"].samples)


@pytest.mark.parametrize("level", [level for level in PrivacyLevel if level is not PrivacyLevel.PUBLIC])
def test_what_is_not_public_is_not_there(place: Place, level: PrivacyLevel) -> None:
    place.point(place.series("secret", "counter", "", {"who": "x"}, level), 1)
    place.point(place.series("private", "gauge", "", {"who": "x"}, level), 1)
    place.interval(place.series("hidden", "histogram", "", {"who": "x"}, level), [1.0], [1, 1], 1.0)
    assert place.page() == {}


def test_what_the_service_says_of_itself_is_not_said_twice(place: Place) -> None:
    place.point(place.series("blackhole.memory.bytes", "gauge", ""), 1)
    place.point(place.series("blackhole_memory_bytes", "gauge", ""), 2)
    text = exposition.render(STATUS, {}, 0, place.scraper.read())
    families = page_of_prometheus.read(text)
    assert values(families["blackhole_memory_bytes_gauge"]) == [2]


WORDS = [
    "a",
    "b",
    "total",
    "seconds",
    "count",
    "sum",
    "bucket",
    "ratio",
    "le",
    "__x__",
    "9",
    "é",
    "blackhole",
    "A",
    "_",
]
UNITS = ["", "1", "s", "ns", "ms", "By", "{request}", "By/s", "%", "odd unit", "é"]
KINDS = ["counter", "gauge", "updowncounter", "histogram", "summary"]
TEXTS = ["x", "", 'quote " in', "back\\slash", "new\nline", "\ud800", "é", "\x00", ";", "}", "0"]
NUMBERS = [0.0, -0.0, 1.0, 0.1, 1e308, 5e-324, float("inf"), float("-inf"), float("nan"), -3.0, 1e21]


@pytest.mark.parametrize("seed", range(6))
def test_the_page_is_valid_whatever_the_catalogue_holds(place: Place, seed: int) -> None:
    chance = random.Random(seed)

    def word() -> str:
        return chance.choice("._:-").join(chance.choice(WORDS) for _ in range(chance.randrange(1, 4)))

    for _ in range(25):
        kind = chance.choice(KINDS)
        attributes = {word(): chance.choice(TEXTS).replace("\ud800", "?") for _ in range(chance.randrange(4))}
        attributes |= {chance.choice(["le", "quantile", "job", "__name__", "service.name"]): "v"}
        number = place.series(word(), kind, chance.choice(UNITS), attributes)
        for _ in range(chance.randrange(1, 4)):
            if kind in {"histogram", "summary"}:
                bounds = (
                    sorted(chance.sample([-1.0, 0.0, 0.5, 1e21, 3.0], 2)) if chance.random() < 0.7 else None
                )
                cells = [chance.randrange(9) for _ in range(3 if bounds else 1)]
                place.interval(number, bounds, cells, chance.choice([None, *NUMBERS]))
            else:
                place.point(number, chance.choice(NUMBERS))
    before, after = place.page(), place.page()
    assert before
    for name, family in before.items():
        if family.kind == "counter":
            assert all(after[name].samples[key] >= value for key, value in family.samples.items())
    time = place.now // 10**6
    for name, family in before.items():
        for suffix in {suffix for suffix, _ in family.samples}:
            selector = f'{{__name__="{name}{suffix}"}}'
            assert place.engine.instant(selector, time).kind == "vector"
            assert place.engine.series([selector])
    assert place.engine.metadata()
