import shutil
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from tests.store.store_fakes import Histogram, Point, batch, series, stream

from blackhole.errors import QueriesPreemptedError, QueryError, StoreError
from blackhole.model.series import MetricType, PrivacyLevel
from blackhole.store.database import MAX_READERS, Database
from blackhole.store.file.migrate import SCHEMA, steps
from blackhole.store.read.cancellation import asked_by
from blackhole.store.writer import insert

NOW = 1_750_000_000 * 10**9
ENDLESS = "SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE a.range * b.range = 7"


def fill(database: Database) -> None:
    given = batch(
        [Point(1, NOW, 2.5, stream=1), Point(2, NOW, 0.0, stream=2, cumulative=9.0)],
        [
            Histogram(3, NOW, 4, 10.0, (1.0,), (2, 2), stream=3),
            Histogram(3, NOW + 1, 0, 0.0, (1.0,), (0, 0), stream=3),
        ],
        series=[
            series(1, attributes='{"service.name":"node"}'),
            series(2, "p2p.connections.total", MetricType.COUNTER, level=PrivacyLevel.INTERNAL),
            series(3, "p2p.discovery.latency", MetricType.HISTOGRAM, level=PrivacyLevel.INTERNAL),
        ],
        streams=[stream(n, n) for n in (1, 2, 3)],
    )
    with database.write() as connection:
        insert(connection, given.rows, given.series, given.streams, created_us=NOW // 1000)


def test_a_second_start_finds_what_the_first_one_left(tmp_path: Path) -> None:
    first = Database.open(tmp_path / "data" / "a.duckdb", clock=lambda: NOW)
    fill(first)
    first.close()
    second = Database.open(tmp_path / "data" / "a.duckdb", clock=lambda: NOW + 5)
    assert (second.created_ns, second.key) == (NOW, first.key)
    assert [row.metric for row in second.series()] == [
        "process.cpu.usage",
        "p2p.connections.total",
        "p2p.discovery.latency",
    ]
    assert second.series()[0].attributes == '{"service.name":"node"}'
    assert second.next_stream == 4
    second.close()


def test_only_its_owner_reads_the_database_and_its_key(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "data" / "a.duckdb")
    for path in (tmp_path / "data" / "a.duckdb", tmp_path / "data" / "a.duckdb.key"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    assert len(database.key) == 16
    database.close()


def test_metrics_has_exactly_the_columns_of_the_specification(database: Database) -> None:
    fill(database)
    with database.reader() as reader:
        table = reader.rows("SELECT * FROM metrics ORDER BY metric_name")
    assert list(zip(table.columns, table.types, strict=True)) == [
        ("id", "BIGINT"),
        ("timestamp", "TIMESTAMP"),
        ("metric_name", "VARCHAR"),
        ("metric_type", "VARCHAR"),
        ("value", "DOUBLE"),
        ("attributes", "JSON"),
        ("node_id", "VARCHAR"),
        ("privacy_level", "INTEGER"),
        ("created_at", "TIMESTAMP"),
    ]
    assert [(row[2], row[3], row[4], row[6], row[7]) for row in table.rows] == [
        ("p2p.connections.total", "counter", 0.0, None, 1),
        ("p2p.discovery.latency", "histogram", 2.5, None, 1),
        ("process.cpu.usage", "gauge", 2.5, None, 0),
    ]
    assert len({row[0] for row in table.rows}) == 3


def test_the_default_policies_are_those_of_the_specification(database: Database) -> None:
    with database.reader() as reader:
        rows = reader.rows("SELECT * EXCLUDE created_at FROM retention_policies ORDER BY 2 DESC").rows
    assert rows == [
        ("infrastructure.*", 30, "hourly_aggregation"),
        ("p2p.*", 14, "daily_aggregation"),
        ("business.*", 7, "daily_aggregation_with_noise"),
    ]


def test_a_stopped_database_is_readable_with_plain_duckdb(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "a.duckdb")
    fill(database)
    database.close()
    with duckdb.connect(str(tmp_path / "a.duckdb"), read_only=True) as plain:
        assert plain.execute("SELECT count(*), sum(value) FROM metrics").fetchall() == [(3, 5.0)]


def test_without_its_key_every_running_series_begins_with_a_baseline(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "a.duckdb", clock=lambda: NOW)
    fill(database)
    old_key = database.key
    database.close()
    (tmp_path / "a.duckdb.key").unlink()
    database = Database.open(tmp_path / "a.duckdb", clock=lambda: NOW + 7)
    assert database.key != old_key
    assert database.created_ns == NOW + 7
    assert database.recall([stream(1, 1).key]) == {}
    database.close()


def text_file(path: Path) -> None:
    path.write_text("something else entirely\n" * 1000)


def other_database(path: Path) -> None:
    with duckdb.connect(str(path)) as other:
        other.execute("CREATE TABLE songs (title VARCHAR)")


def newer_database(path: Path) -> None:
    Database.open(path).close()
    with duckdb.connect(str(path)) as newer:
        newer.execute("INSERT INTO schema_version VALUES (99, 0)")


def broken_key(path: Path) -> None:
    Database.open(path).close()
    path.with_name(path.name + ".key").write_bytes(b"short")


def directory(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (text_file, "not a database of Blackhole"),
        (other_database, "a DuckDB file of something else"),
        (newer_database, "upgrade Blackhole"),
        (broken_key, "not a key of 16 bytes"),
        (directory, "a directory, not a database"),
    ],
)
def test_a_file_that_is_not_ours_is_refused_in_one_line_and_left_alone(
    tmp_path: Path, make: Callable[[Path], None], words: str
) -> None:
    path = tmp_path / "a.duckdb"
    make(path)
    before = path.read_bytes() if path.is_file() else b""
    with pytest.raises(StoreError, match=words) as refused:
        Database.open(path)
    assert "\n" not in str(refused.value)
    assert str(path) in str(refused.value)
    assert (path.read_bytes() if path.is_file() else b"") == before


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"file/sub: Not a directory: choose a writable --data-dir"):
        Database.open(tmp_path / "file" / "sub" / "a.duckdb")


HOLD = """
import sys
from pathlib import Path
from blackhole.store.database import Database
from blackhole.store.file.migrate import SCHEMA, steps
database = Database.open(Path(sys.argv[1]))
print("open", flush=True)
sys.stdin.read()
database.close()
"""


@pytest.mark.parametrize("read_only", [True, False])
def test_a_database_that_a_service_uses_is_refused_with_its_process(
    tmp_path: Path, *, read_only: bool
) -> None:
    path = tmp_path / "a.duckdb"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as service:
        assert service.stdout is not None
        assert service.stdout.readline() == "open\n"
        with pytest.raises(
            StoreError, match=f"process {service.pid} is using it, probably a running service"
        ):
            Database.open(path, read_only=read_only)
        service.communicate("", timeout=20)
    assert service.returncode == 0


def test_reading_creates_nothing_and_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.duckdb"
    with pytest.raises(StoreError, match="no such database"):
        Database.open(path, read_only=True)
    assert list(tmp_path.iterdir()) == []
    Database.open(path, clock=lambda: NOW).close()
    database = Database.open(path, read_only=True)
    assert database.created_ns == NOW
    assert database.series() == []
    with pytest.raises(StoreError, match="not written"), database.write() as connection:
        connection.execute("DELETE FROM retention_policies")
    database.close()


def two_steps(tmp_path: Path, second: str) -> tuple[Path, Path]:
    old, new = tmp_path / "old", tmp_path / "new"
    for where in (old, new):
        where.mkdir()
        (where / "0001_first.sql").write_text(
            "CREATE TABLE streams (id UINTEGER, key BLOB); CREATE TABLE a AS SELECT 1 AS x;"
        )
    (new / "0002_second.sql").write_text(second)
    return old, new


def test_an_older_file_is_copied_and_then_migrated(tmp_path: Path) -> None:
    old, new = two_steps(tmp_path, "ALTER TABLE a ADD COLUMN y INTEGER DEFAULT 2;")
    path = tmp_path / "a.duckdb"
    Database.open(path, schema=old, clock=lambda: NOW).close()
    database = Database.open(path, schema=new, clock=lambda: NOW + 9)
    with database.reader() as reader:
        assert reader.rows("SELECT x, y FROM a").rows == [(1, 2)]
    assert database.created_ns == NOW
    database.close()
    with duckdb.connect(str(tmp_path / "a.duckdb.schema-1.bak"), read_only=True) as copy:
        assert copy.execute("SELECT * FROM a").fetchall() == [(1,)]


def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    old, new = two_steps(tmp_path, "ALTER TABLE a ADD COLUMN y INTEGER; SELECT * FROM missing;")
    path = tmp_path / "a.duckdb"
    Database.open(path, schema=old).close()
    with pytest.raises(StoreError, match="missing"):
        Database.open(path, schema=new)
    database = Database.open(path, schema=old)
    with database.reader() as reader:
        assert reader.rows("SELECT * FROM a").columns == ["x"]
    database.close()


def test_an_old_file_is_not_read_with_the_new_schema(tmp_path: Path) -> None:
    old, new = two_steps(tmp_path, "ALTER TABLE a ADD COLUMN y INTEGER;")
    path = tmp_path / "a.duckdb"
    Database.open(path, schema=old).close()
    with pytest.raises(StoreError, match="schema 1 is old: start the service once"):
        Database.open(path, schema=new, read_only=True)


def write_and_raise(database: Database, sql: str, error: Exception) -> None:
    with database.write() as connection:
        connection.execute(sql)
        raise error


def test_an_error_undoes_the_whole_transaction(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        write_and_raise(database, "DELETE FROM retention_policies", ZeroDivisionError())
    with database.reader() as reader:
        assert reader.rows("SELECT count(*) FROM retention_policies").rows == [(3,)]


class Unwilling:
    """A connection whose COMMIT fails and leaves everything where it is."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def execute(self, sql: str) -> object:
        if sql == "COMMIT":
            raise duckdb.TransactionException("Failed to commit: could not allocate block of size 4.0 KiB")
        return self._connection.execute(sql)

    def close(self) -> None:
        self._connection.close()


class Failing(Database):
    fails = False

    def _writing_connection(self) -> duckdb.DuckDBPyConnection:
        connection = super()._writing_connection()
        return Unwilling(connection) if self.fails else connection  # type: ignore[return-value]


def test_after_a_commit_that_failed_only_the_file_is_believed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    database = Failing.open(tmp_path / "a.duckdb")
    fill(database)
    database.fails = True
    with pytest.raises(StoreError, match="not written"), database.write() as connection:
        connection.execute("DELETE FROM recent_points")
    assert "opening the database anew" in caplog.text
    database.fails = False
    with database.reader() as reader:
        assert reader.rows("SELECT count(*) FROM points").rows == [(2,)]
    database.close()
    with duckdb.connect(str(tmp_path / "a.duckdb"), read_only=True) as plain:
        assert plain.execute("SELECT count(*) FROM points").fetchall() == [(2,)]


def test_opening_anew_does_not_write_what_is_in_memory(tmp_path: Path) -> None:
    """Rows that DuckDB keeps of a COMMIT that failed would be written by a checkpoint."""
    database = Failing.open(tmp_path / "a.duckdb")
    fill(database)
    before = (tmp_path / "a.duckdb").stat().st_mtime_ns, (tmp_path / "a.duckdb.wal").stat().st_size
    database.fails = True
    with pytest.raises(StoreError), database.write() as connection:
        connection.execute("DELETE FROM recent_points")
    assert ((tmp_path / "a.duckdb").stat().st_mtime_ns, (tmp_path / "a.duckdb.wal").stat().st_size) == before
    database.close()


def test_a_closed_file_has_no_log_beside_it(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "a.duckdb")
    fill(database)
    database.close()
    assert not (tmp_path / "a.duckdb.wal").exists()


def test_questions_are_ended_when_the_file_is_opened_anew(tmp_path: Path) -> None:
    database = Failing.open(tmp_path / "a.duckdb")
    fill(database)
    ended: list[QueryError] = []

    def ask() -> None:
        with database.reader(yields=True) as reader:
            started.set()
            with pytest.raises(QueryError) as caught:
                reader.rows(ENDLESS, timeout=60)
            ended.append(caught.value)

    started = threading.Event()
    asking = threading.Thread(target=ask)
    asking.start()
    assert started.wait(10)
    time.sleep(0.2)
    database.fails = True
    with pytest.raises(QueriesPreemptedError), database.write() as connection:
        connection.execute("DELETE FROM recent_points")
    asking.join(10)
    assert "no memory left" in str(ended[0])
    database.close()


def test_questions_end_when_who_asked_has_gone_also_those_that_wait_for_a_place(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "a.duckdb")
    gone = threading.Event()
    ended: list[str] = []

    def ask() -> None:
        with pytest.raises(QueryError) as caught, asked_by(gone), database.reader() as reader:
            reader.rows(ENDLESS, timeout=60)
        ended.append(str(caught.value))

    asking = [threading.Thread(target=ask) for _ in range(MAX_READERS + 1)]
    for one in asking:
        one.start()
    time.sleep(0.3)
    assert ended == []
    gone.set()
    for one in asking:
        one.join(2)
    assert ended == ["who asked has gone: nobody waits for the answer"] * (MAX_READERS + 1)
    with database.reader() as reader:
        assert reader.rows("SELECT 1").rows == [(1,)]
    database.close()


def test_a_commit_that_had_no_memory_comes_before_the_next_question(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "a.duckdb")
    fill(database)
    with pytest.raises(StoreError), database.write():
        raise duckdb.OutOfMemoryException("Out of Memory Error: none left")
    answered: list[int] = []

    def ask() -> None:
        with database.reader(yields=True) as reader:
            answered.extend(*reader.rows("SELECT count(*) FROM points").rows)

    asking = threading.Thread(target=ask)
    asking.start()
    time.sleep(0.2)
    with database.write() as connection:
        connection.execute("DELETE FROM recent_points")
        assert answered == []
    asking.join(10)
    assert answered == [0]
    database.close()


def test_what_was_kept_of_thinned_rows_is_still_known_after_migrating(tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.mkdir()
    for step in steps(SCHEMA)[:4]:
        shutil.copy(step, old)
    path = tmp_path / "a.duckdb"
    database = Database.open(path, schema=old)
    with database.write() as connection:
        connection.execute(
            """
            INSERT INTO points
            SELECT 1, 1, make_timestamp_ns(i), i, NULL, make_timestamp(i % 3), 1 / (1 << (i % 3))
            FROM range(6) r(i)
            """
        )
        connection.execute(
            "INSERT INTO histogram_points (series, stream, time, count, created_at, sampling_rate) "
            "VALUES (2, 2, make_timestamp_ns(0), 1, make_timestamp(2), 0.25), "
            "(2, 2, make_timestamp_ns(1), 1, make_timestamp(7), 0.125)"
        )
    database.close()
    database = Database.open(path)
    with database.reader() as reader:
        rates = reader.rows("SELECT epoch_us(created_at), sampling_rate FROM thinned ORDER BY 1").rows
        points = reader.rows("SELECT count(*), sum(value) FROM points").rows
        shown = reader.rows("SELECT * FROM metrics LIMIT 0").columns
    assert rates == [(1, 0.5), (2, 0.25), (7, 0.125)]
    assert points == [(6, 15.0)]
    assert shown[-1] == "created_at"
    with pytest.raises(QueryError, match="longer than"), database.reader() as reader:
        reader.rows(ENDLESS, timeout=0.1)
    database.close()


def test_a_file_that_duckdb_gave_up_is_opened_anew(database: Database) -> None:
    fill(database)
    with pytest.raises(StoreError, match="invalidated"):
        write_and_raise(
            database, "DELETE FROM recent_points", duckdb.FatalException("FATAL Error: invalidated")
        )
    with database.reader() as reader:
        assert reader.rows("SELECT count(*) FROM points").rows == [(2,)]
    with database.write() as connection:
        connection.execute("DELETE FROM recent_points")
    with database.reader() as reader:
        assert reader.rows("SELECT count(*) FROM points").rows == [(0,)]


def test_a_closed_database_says_so(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "a.duckdb")
    database.close()
    with pytest.raises(QueryError, match="closed"), database.reader():
        pass


def test_what_is_deleted_frees_its_room(database: Database) -> None:
    with database.write() as connection:
        connection.execute(
            "INSERT INTO recent_points (series, stream, time, value, cumulative, created_at) "
            "SELECT 1, i, make_timestamp_ns(i), random(), NULL, '2024-01-01' "
            "FROM range(500000) t(i)"
        )
    database.checkpoint()
    full = database.used_bytes()
    with database.write() as connection:
        connection.execute("DELETE FROM recent_points WHERE time < make_timestamp_ns(400000)")
    database.checkpoint()
    assert database.used_bytes() < 0.6 * full


def test_a_checkpoint_waits_for_the_commit_under_way(database: Database) -> None:
    """DuckDB makes none while a transaction has updated something."""
    updating = threading.Event()

    def commit() -> None:
        with database.write() as connection:
            connection.execute("UPDATE retention_policies SET retention_days = 1")
            updating.set()
            time.sleep(0.3)

    thread = threading.Thread(target=commit)
    thread.start()
    assert updating.wait(10)
    database.checkpoint()
    thread.join()
