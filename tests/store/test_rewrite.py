import resource
from pathlib import Path

import duckdb
import pytest

from blackhole.errors import StoreError
from blackhole.store.database import Database
from blackhole.store.file import files
from blackhole.store.file.rewrite import RewritePlan, RowCondition

OTHERS = """
CREATE TABLE others (
    series UINTEGER NOT NULL, times BIGINT[], small SMALLINT[], start TIMESTAMP_NS, note VARCHAR
);
CREATE INDEX chunk_series ON others (series);
CREATE VIEW unpacked AS SELECT series, unnest(small) AS value FROM others;
INSERT INTO others SELECT i % 100, range(i, i + 500), [j::SMALLINT FOR j IN range(500)],
    make_timestamp_ns(i), repeat('x', 20) FROM range(5000) AS t(i);
"""


def fill(database: Database) -> None:
    with database.write() as connection:
        connection.execute(OTHERS)
        connection.execute(
            "INSERT INTO recent_points SELECT i % 100, i, make_timestamp_ns(i), i / 7, NULL,"
            " make_timestamp(i) FROM range(300000) AS t(i)"
        )


def counted(database: Database, sql: str) -> object:
    with database.reader() as reader:
        return reader.rows(sql).rows[0]


def test_tables_that_others_made_are_copied_with_their_views_and_indexes(database: Database) -> None:
    fill(database)
    sums = "SELECT count(*), sum(len(times)), sum(list_sum(small)), bit_xor(hash(c)) FROM others AS c"
    before = counted(database, sums)
    points = counted(database, "SELECT count(*), bit_xor(hash(p)) FROM points AS p")
    told = database.rewrite(RewritePlan())
    assert sum(told.left_out.values()) == 0
    assert counted(database, sums) == before
    assert counted(database, "SELECT count(*), bit_xor(hash(p)) FROM points AS p") == points
    assert counted(database, "SELECT count(*) FROM unpacked") == (5000 * 500,)
    assert counted(database, "SELECT index_name FROM duckdb_indexes()") == ("chunk_series",)
    assert counted(database, "SELECT count(*) FROM retention_policies") == (3,)


def test_rows_are_left_out_and_their_room_is_given_back(database: Database) -> None:
    fill(database)
    database.checkpoint()
    told = database.rewrite(
        RewritePlan(dict.fromkeys(("recent_points", "others"), RowCondition("series < $1", (90,))))
    )
    assert (told.left_out["recent_points"], told.left_out["others"]) == (270_000, 4500)
    assert told.bytes_after < told.bytes_before / 3
    assert counted(database, "SELECT count(*), min(series) FROM points") == (30_000, 90)


def test_the_order_of_rows_stays(database: Database) -> None:
    with database.write() as connection:
        connection.execute(OTHERS)
    database.rewrite(RewritePlan({"others": RowCondition("series = 3")}))
    with database.reader() as reader:
        rows = [row for (row,) in reader.rows("SELECT epoch_ns(start) FROM others").rows]
    assert rows == [number for number in range(5000) if number % 100 != 3]


def test_another_block_size_is_taken_over_and_kept(database: Database) -> None:
    fill(database)
    sql = "SELECT block_size FROM pragma_database_size()"
    database.rewrite(RewritePlan(block_size=65536))
    assert counted(database, sql) == (65536,)
    database.rewrite(RewritePlan())
    assert counted(database, sql) == (65536,)


def test_writing_and_reading_go_on_afterwards_and_the_file_is_private(
    database: Database, tmp_path: Path
) -> None:
    fill(database)
    database.rewrite(RewritePlan())
    with database.write() as connection:
        connection.execute("INSERT INTO recent_points VALUES (1, 1, '2024-01-01', 1, NULL, '2024-01-01')")
    assert counted(database, "SELECT count(*) FROM points") == (300_001,)
    assert database.path.stat().st_mode & 0o777 == 0o600
    database.close()
    again = Database.open(tmp_path / "a.duckdb")
    assert counted(again, "SELECT count(*) FROM points") == (300_001,)
    again.close()


def test_a_check_that_fails_changes_nothing(database: Database) -> None:
    fill(database)
    before = counted(database, "SELECT count(*) FROM points")

    def refuse(_: Path) -> None:
        raise StoreError("no")

    with pytest.raises(StoreError, match="no"):
        database.rewrite(RewritePlan({"recent_points": RowCondition("true")}, check=refuse))
    assert counted(database, "SELECT count(*) FROM points") == before
    assert files.leftovers(database.path) == []


def test_a_question_that_runs_is_ended_or_answered_never_cut_off(database: Database) -> None:
    fill(database)
    with database.reader(yields=True) as reader:
        chunks = reader.chunks("SELECT value FROM points", max_rows=300_000)
        next(chunks)
        chunks.close()
    database.rewrite(RewritePlan())
    assert counted(database, "SELECT count(*) FROM points") == (300_000,)


def test_a_table_of_another_schema_is_not_lost(database: Database) -> None:
    with database.write() as connection:
        connection.execute("CREATE SCHEMA other; CREATE TABLE other.a (x INTEGER)")
    with pytest.raises(StoreError, match=r"other\.a"):
        database.rewrite(RewritePlan())
    assert counted(database, "SELECT count(*) FROM other.a") == (0,)


def test_a_full_disk_leaves_the_old_file(database: Database) -> None:
    fill(database)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    database.checkpoint()
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, before[1]))
    try:
        with pytest.raises(StoreError, match="nothing was changed"):
            database.rewrite(RewritePlan())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert counted(database, "SELECT count(*) FROM points") == (300_000,)
    assert files.leftovers(database.path) == []
    database.rewrite(RewritePlan())
    with database.write() as connection:
        connection.execute("INSERT INTO recent_points VALUES (1, 1, '2024-01-01', 1, NULL, '2024-01-01')")


def test_the_new_file_can_be_read_by_any_duckdb(database: Database) -> None:
    fill(database)
    database.rewrite(RewritePlan())
    database.close()
    with duckdb.connect(str(database.path), read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM metrics").fetchall() == [(0,)]
        assert connection.execute("SELECT count(*) FROM unpacked").fetchall() == [(2_500_000,)]
