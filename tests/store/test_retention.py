import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from tests.store.store_fakes import SECOND, Histogram, Interval, Point, batch, series, stream

from blackhole.catalogue.definition import Definition
from blackhole.config import Config, Duration, Size
from blackhole.model.series import MetricType, PrivacyLevel
from blackhole.store.database import Database
from blackhole.store.upkeep.retention import Retention, policy_of
from blackhole.store.upkeep.seal import Sealer
from blackhole.store.writer import insert

DAY = 86400 * SECOND
JUNE = datetime(2025, 6, 1, tzinfo=UTC).replace(tzinfo=None)
POLICIES = [
    ("infrastructure.*", 30, None),
    ("p2p.*", 14, None),
    ("business.*", 7, None),
    ("p2p.ping.*", 2, None),
    ("a.b", 1, None),
]


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
    assert (policy_of(metric, category, POLICIES) or (None, None))[1] == days


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


def test_what_leaves_in_time_is_not_said_to_be_early(database: Database) -> None:
    fill(database, [1, 31], ["other"])
    retention = Retention(database, FakeCatalogue({}), Config())
    assert retention.apply() == 2
    assert (retention.removed_early.rows, retention.notes()) == (0, [])


def test_old_points_leave_while_new_ones_are_committed(database: Database) -> None:
    fill(database, [1, 40], ["a.b", "c.d"])
    with database.write():
        done = threading.Thread(target=Retention(database, FakeCatalogue({}), Config()).apply)
        done.start()
        done.join(0.2)
        assert done.is_alive()  # its COMMIT waits for this one, never the other way round
    done.join(10)
    assert left(database) == {"a.b": [1], "c.d": [1]}


@pytest.mark.parametrize("sealed", [False, True])
def test_intervals_leave_with_their_points(database: Database, *, sealed: bool) -> None:
    """Those of a chunk, too, of which the last point is younger."""
    noon = database.now_ns() // DAY * DAY + DAY // 2
    database._clock = lambda: noon
    times = [noon - 31 * DAY + k * 6 * 3600 * SECOND for k in range(8)]
    given = batch(
        [Point(1, time, 1.0, stream=1) for time in times],
        series=[series(1)],
        streams=[stream(1, 1)],
        intervals=[Interval(1, 1, time, time - SECOND, 1.0) for time in times],
    )
    with database.write() as connection:
        insert(connection, given.rows, given.series, given.streams, created_us=times[0] // 1000)
    if sealed:
        Sealer(database, pause=0).apply()
    Retention(database, FakeCatalogue({}), Config()).apply()
    with database.reader() as reader:
        points = reader.rows("SELECT time FROM points ORDER BY 1").rows
        assert reader.rows("SELECT time FROM intervals ORDER BY 1").rows == points
    assert 0 < len(points) < len(times)


def test_nothing_is_kept_longer_than_the_retention_period(database: Database) -> None:
    fill(database, [1, 3, 13], ["net.score"])
    config = msgspec.structs.replace(Config(), retention_period=Duration(2 * 86400))
    Retention(database, FakeCatalogue({"net.score": "p2p"}), config).apply()
    assert left(database) == {"net.score": [1]}


def test_a_file_that_is_too_large_loses_its_oldest_points_and_keeps_the_newest(database: Database) -> None:
    now = database.now_ns()
    with database.write() as connection:
        connection.execute(
            "INSERT INTO recent_points (series, stream, time, value, cumulative, created_at) "
            "SELECT 1, i, make_timestamp_ns($1 - i * 1000000), random(), NULL, "
            "'2024-01-01' FROM range(600000) t(i)",
            [now],
        )
    database.checkpoint()
    limit = database.used_bytes() // 2
    config = msgspec.structs.replace(Config(), max_database_size=Size(limit))
    retention = Retention(database, FakeCatalogue({}), config)
    deleted = retention.apply()
    assert database.used_bytes() <= limit
    assert retention.removed_early.rows == deleted
    (note,) = retention.notes()
    assert note.startswith(f"{deleted:,} rows from before 20")
    assert "max_database_size" in note
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


def aggregates(database: Database) -> list[tuple[object, ...]]:
    with database.reader() as reader:
        return reader.rows(
            "SELECT metric_name, strftime(time_bucket, '%d %H'), aggregation_type, aggregated_value,"
            " sample_count FROM metric_aggregates ORDER BY ALL"
        ).rows


def policy(database: Database, pattern: str, days: int, strategy: str | None) -> None:
    with database.write() as connection:
        connection.execute(
            "INSERT INTO retention_policies VALUES (?, ?, ?, now()::TIMESTAMP)", [pattern, days, strategy]
        )


MIDNIGHT = datetime(2025, 6, 20, tzinfo=UTC)


@pytest.fixture
def june(tmp_path: Path) -> Iterator[Database]:
    """Its clock stands at noon of 20 June 2025."""
    database = Database.open(tmp_path / "june.duckdb", clock=lambda: ns(20, 12))
    yield database
    database.close()


def ns(day: int, hour: float) -> int:
    return round((MIDNIGHT + timedelta(days=day - 20, hours=hour)).timestamp()) * SECOND


def put(
    database: Database,
    name: str,
    kind: MetricType,
    values: dict[int, float],
    level: PrivacyLevel = PrivacyLevel.PUBLIC,
) -> None:
    number = len(database.series()) + 1
    stream_of = 0 if level.guarded else number
    given = batch(
        [Point(number, time, value, stream=stream_of) for time, value in values.items()],
        series=[series(number, name, kind, level=level)],
        streams=[stream(number, number)],
    )
    with database.write() as connection:
        insert(connection, given.rows, given.series, given.streams, created_us=1)


@pytest.mark.parametrize("sealed", [False, True])
def test_old_points_become_hours_or_days_by_their_policy(june: Database, *, sealed: bool) -> None:
    policy(june, "a.hour", 1, "hourly_aggregation")
    policy(june, "a.day", 1, "daily_aggregation")
    told = {ns(18, 1): 1.5, ns(18, 1.5): 2.0, ns(18, 3): -1.0, ns(19, 11): 7.0, ns(19, 13): 8.0}
    put(june, "a.hour", MetricType.GAUGE, told)
    put(june, "a.day", MetricType.GAUGE, told)
    if sealed:
        assert Sealer(june, pause=0).apply() == 10
    Retention(june, FakeCatalogue({}), Config()).apply()
    assert aggregates(june) == [
        *[
            ("a.day", "18 00", *row)
            for row in (("avg", 2.5 / 3, 3), ("max", 2.0, 3), ("min", -1.0, 3), ("sum", 2.5, 3))
        ],
        *[
            ("a.hour", "18 01", *row)
            for row in (("avg", 1.75, 2), ("max", 2.0, 2), ("min", 1.5, 2), ("sum", 3.5, 2))
        ],
        *[("a.hour", "18 03", kind, -1.0, 1) for kind in ("avg", "max", "min", "sum")],
    ]
    with june.reader() as reader:
        rest = reader.rows("SELECT series, value FROM points ORDER BY ALL").rows
    assert rest == [(1, 7.0), (1, 8.0), (2, 7.0), (2, 8.0)]


def test_what_comes_late_is_added_to_its_aggregate(june: Database) -> None:
    policy(june, "a.*", 1, "daily_aggregation")
    put(june, "a.b", MetricType.COUNTER, {ns(18, 1): 3.0})
    Retention(june, FakeCatalogue({}), Config()).apply()
    with june.write() as connection:
        insert(connection, batch([Point(1, ns(18, 2), 5.0, stream=1)]).rows, (), (), created_us=1)
    Retention(june, FakeCatalogue({}), Config()).apply()
    found = {row[2]: row[3:] for row in aggregates(june)}
    assert found == {"sum": (8.0, 2), "avg": (4.0, 2), "min": (3.0, 2), "max": (5.0, 2)}


def test_releases_are_added_up_and_open_metrics_are_not_taken_for_releases(
    june: Database, caplog: pytest.LogCaptureFixture
) -> None:
    policy(june, "b.*", 1, "daily_aggregation_with_noise")
    told = {ns(18, 1): 3.25, ns(18, 2): -1.0}
    put(june, "b.noisy", MetricType.COUNTER, told, level=PrivacyLevel.HIGHLY_SENSITIVE)
    put(june, "b.open", MetricType.COUNTER, told)
    Retention(june, FakeCatalogue({}), Config()).apply()
    assert aggregates(june) == [("b.noisy", "18 00", "avg", 1.125, 2), ("b.noisy", "18 00", "sum", 2.25, 2)]
    assert "b.open is not" in caplog.text


def test_histograms_become_aggregates_of_their_observations(june: Database) -> None:
    policy(june, "c.*", 1, "hourly_aggregation")
    given = batch(
        histograms=[
            Histogram(1, ns(18, 1), 2, 6.0, (1.0,), (0, 2), min=1.0, max=5.0, stream=1),
            Histogram(1, ns(18, 1.5), 1, 3.0, (1.0,), (0, 1), stream=1),
        ],
        series=[series(1, "c.d", MetricType.HISTOGRAM)],
    )
    with june.write() as connection:
        insert(connection, given.rows, given.series, (), created_us=1)
    Sealer(june, pause=0).apply()
    Retention(june, FakeCatalogue({}), Config()).apply()
    found = {row[2]: row[3:] for row in aggregates(june)}
    assert found == {"sum": (9.0, 3), "avg": (3.0, 3), "min": (1.0, 3), "max": (5.0, 3)}


def test_aggregates_leave_after_their_own_time(june: Database) -> None:
    policy(june, "a.*", 1, "daily_aggregation")
    put(june, "a.b", MetricType.GAUGE, {ns(18, 1): 3.0})
    config = msgspec.structs.replace(Config(), aggregate_retention_period=Duration(3 * 86400))
    Retention(june, FakeCatalogue({}), config).apply()
    assert len(aggregates(june)) == 4
    config = msgspec.structs.replace(config, aggregate_retention_period=Duration(86400))
    Retention(june, FakeCatalogue({}), config).apply()
    assert aggregates(june) == []


def sizes(database: Database) -> list[int]:
    tables = ("recent_points", "chunks", "metric_aggregates", "streams", "thinned")
    with database.reader() as reader:
        return [reader.rows(f"SELECT count(*) FROM {table}").rows[0][0] for table in tables]


def test_nothing_leaves_by_age_while_the_clock_is_doubted(june: Database) -> None:
    policy(june, "a.*", 1, "daily_aggregation")
    put(june, "a.b", MetricType.GAUGE, {ns(18, 1): 3.0})
    put(june, "c.d", MetricType.GAUGE, {ns(19, 1): 3.0})
    with june.write() as connection:
        connection.execute(
            "INSERT INTO streams (id, series, key, created_at) VALUES (99, 1, 'x'::BLOB, ?)", [JUNE]
        )
        connection.execute("INSERT INTO thinned VALUES (?, 0.5)", [JUNE])
    Retention(june, FakeCatalogue({}), Config()).apply()
    before = sizes(june)
    assert min(before[0] + before[1], *before[2:]) > 0
    june._clock = lambda: ns(18, 1) + 9000 * DAY
    assert Retention(june, FakeCatalogue({}), Config(), doubted=lambda: True).apply() == 0
    assert sizes(june) == before
    Retention(june, FakeCatalogue({}), Config()).apply()
    assert sizes(june) == [0] * 5


def test_the_size_limit_deletes_while_the_clock_is_doubted(database: Database) -> None:
    fill(database, [1, 8, 13], ["a.b"])
    config = msgspec.structs.replace(Config(), max_database_size=Size(1))
    assert Retention(database, FakeCatalogue({}), config, doubted=lambda: True).apply() > 0
