from dataclasses import dataclass

import msgspec
import pytest
from tests.store.store_fakes import SECOND, Histogram, Point, batch, series, stream

from blackhole.catalogue.definition import Definition
from blackhole.config import Config, Duration, Size
from blackhole.records import MetricType
from blackhole.store.append import insert
from blackhole.store.database import Database
from blackhole.store.retention import Retention, retention_days

DAY = 86400 * SECOND
POLICIES = [("infrastructure.*", 30), ("p2p.*", 14), ("business.*", 7), ("p2p.ping.*", 2), ("a.b", 1)]


@dataclass
class FakeCatalogue:
    categories: dict[str, str]

    def match(self, name: str) -> Definition | None:
        if name not in self.categories:
            return None
        return msgspec.convert(
            {
                "name": name,
                "description": "",
                "type": MetricType.GAUGE,
                "unit": "",
                "privacy": "public",
                "purpose": "",
                "category": self.categories[name],
            },
            Definition,
        )


@pytest.mark.parametrize(
    ("metric", "category", "days"),
    [
        ("process.cpu.usage", "infrastructure", 30),
        ("p2p.bandwidth.usage", "p2p", 14),
        ("network.health.score", "p2p", 14),
        ("p2p.ping.latency", "p2p", 2),
        ("content.operations", "business", 7),
        ("a.b", "infrastructure", 30),
        ("a.b", None, 1),
        ("unknown", None, None),
    ],
)
def test_the_most_specific_policy_of_the_name_or_its_category_counts(
    metric: str, category: str | None, days: int | None
) -> None:
    assert retention_days(metric, category, POLICIES) == days


def fill(database: Database, days: list[int], names: list[str]) -> None:
    now = database.now_ns()
    given = batch(
        [Point(n, now - day * DAY, float(day), stream=n) for n, _ in enumerate(names) for day in days],
        [Histogram(n, now - day * DAY, 1, 1.0, stream=n) for n, _ in enumerate(names) for day in days],
        series=[series(n, name) for n, name in enumerate(names)],
        streams=[stream(n, n) for n, _ in enumerate(names)],
    )
    with database.write() as connection:
        insert(connection, given.rows, given.series, given.streams, created_us=now // 1000)


def left(database: Database) -> dict[str, list[float]]:
    with database.reader() as reader:
        numbers = reader.rows(
            "SELECT s.metric, list(value ORDER BY value) FROM points p JOIN series s ON s.id = p.series "
            "GROUP BY 1"
        ).rows
        histograms = reader.rows("SELECT series, count(*) FROM histogram_points GROUP BY 1").rows
    assert sorted(count for _, count in histograms) == sorted(len(values) for _, values in numbers)
    return dict(numbers)


def test_points_leave_when_their_policy_says_so(database: Database) -> None:
    fill(database, [1, 8, 13, 15, 29, 31], ["process.cpu.usage", "net.score", "content.size", "other"])
    catalogue = FakeCatalogue(
        {"process.cpu.usage": "infrastructure", "net.score": "p2p", "content.size": "business"}
    )
    deleted = Retention(database, catalogue, Config()).apply()
    assert left(database) == {
        "process.cpu.usage": [1, 8, 13, 15, 29],
        "net.score": [1, 8, 13],
        "content.size": [1],
        "other": [1, 8, 13, 15, 29],
    }
    assert deleted == 2 * (24 - 14)


def test_nothing_is_kept_longer_than_the_retention_period(database: Database) -> None:
    fill(database, [1, 3, 13], ["net.score"])
    config = msgspec.structs.replace(Config(), retention_period=Duration(2 * 86400))
    Retention(database, FakeCatalogue({"net.score": "p2p"}), config).apply()
    assert left(database) == {"net.score": [1]}


def test_a_file_that_is_too_large_loses_its_oldest_points_and_keeps_the_newest(database: Database) -> None:
    now = database.now_ns()
    with database.write() as connection:
        connection.execute(
            "INSERT INTO points (series, stream, time, value, cumulative, created_at) "
            "SELECT 1, i, make_timestamp_ns($1 - i * 1000000), random(), NULL, "
            "'2024-01-01' FROM range(600000) t(i)",
            [now],
        )
    database.checkpoint()
    limit = database.used_bytes() // 2
    config = msgspec.structs.replace(Config(), max_database_size=Size(limit))
    deleted = Retention(database, FakeCatalogue({}), config).apply()
    assert database.used_bytes() <= limit
    with database.reader() as reader:
        rows = reader.rows("SELECT count(*), min(stream), max(stream) FROM points").rows
    assert rows == [(600_000 - deleted, 0, 600_000 - deleted - 1)]
    assert deleted < 590_000


def test_a_silent_stream_is_forgotten_long_after_its_points(database: Database) -> None:
    now = database.now_ns()
    for number, age in ((1, 200), (2, 20), (3, 200)):
        given = batch(streams=[stream(number, number)])
        with database.write() as connection:
            insert(connection, given.rows, (), given.streams, created_us=(now - age * DAY) // 1000)
    with database.write() as connection:
        insert(connection, batch([Point(3, now, 1.0, stream=3)]).rows, (), (), created_us=now // 1000)
    Retention(database, FakeCatalogue({}), Config()).apply()
    with database.reader() as reader:
        assert reader.rows("SELECT id FROM streams ORDER BY id").rows == [(2,), (3,)]


def test_an_empty_database_has_nothing_to_delete(database: Database) -> None:
    config = msgspec.structs.replace(Config(), max_database_size=Size(1))
    assert Retention(database, FakeCatalogue({}), config).apply() == 0
