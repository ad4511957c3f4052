import time
from collections.abc import Callable

import duckdb
import pytest

from blackhole.errors import QueryError
from blackhole.model.batch import ArrowExporter
from blackhole.store.database import Database
from blackhole.store.read.reader import Reader

SLOW = "SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE a.range * b.range = 7"


def test_rows_come_with_their_names_and_types(database: Database) -> None:
    with database.reader() as reader:
        table = reader.rows("SELECT ?::INTEGER AS a, 'x' AS b", [3])
    assert (table.columns, table.types, table.rows, table.truncated) == (
        ["a", "b"],
        ["INTEGER", "VARCHAR"],
        [(3, "x")],
        False,
    )


@pytest.mark.parametrize(("asked", "given", "truncated"), [(9, 9, True), (10, 10, False), (11, 10, False)])
def test_more_rows_than_asked_for_are_cut_and_it_says_so(
    database: Database, asked: int, given: int, *, truncated: bool
) -> None:
    with database.reader() as reader:
        table = reader.rows("SELECT * FROM range(10)", max_rows=asked)
    assert (len(table.rows), table.truncated) == (given, truncated)


def test_a_query_ends_at_its_time_and_the_next_one_runs(database: Database) -> None:
    began = time.monotonic()
    with database.reader() as reader:
        with pytest.raises(QueryError, match=r"longer than 0.2 s"):
            reader.rows(SLOW, timeout=0.2)
        assert time.monotonic() - began < 5
    with database.reader() as reader:
        assert reader.rows("SELECT 1").rows == [(1,)]


def sizes(database: Database, sql: str) -> list[int]:
    with database.reader() as reader:
        return [len(chunk) for chunk in reader.chunks(sql, max_rows=10_000)]


def test_rows_come_in_chunks_that_are_as_small_as_the_rows_are_large(database: Database) -> None:
    assert sum(sizes(database, "FROM range(10000)")) == 10_000
    assert max(sizes(database, "FROM range(10000)")) == 1000
    assert max(sizes(database, "SELECT range || repeat('x', 100000) FROM range(100)")) <= 5
    assert max(sizes(database, "SELECT [range] FROM range(100)")) == 4


def test_a_question_ends_when_memory_is_short_and_writing_goes_on(database: Database) -> None:
    began = time.monotonic()
    with database.reader(yields=True) as asked, database.reader() as writing:
        database.yield_when(lambda: time.monotonic() - began > 0.3)
        with pytest.raises(QueryError, match="no memory left for questions"):
            asked.rows(SLOW, timeout=20)
        assert time.monotonic() - began < 5
        assert writing.rows("SELECT count(*) FROM range(1000000)").rows == [(1_000_000,)]


def test_a_question_waits_a_moment_for_memory_and_is_refused_without(database: Database) -> None:
    began = time.monotonic()
    database.yield_when(lambda: time.monotonic() - began < 0.3)
    with database.reader(yields=True) as reader:
        assert reader.rows("SELECT 1").rows == [(1,)]
    database.yield_when(lambda: True)
    with pytest.raises(QueryError, match="no memory left"), database.reader(yields=True):
        pass
    with database.reader() as reader:
        assert reader.rows("SELECT 1").rows == [(1,)]


def test_a_question_cannot_take_all_of_the_memory_of_commits(database: Database) -> None:
    with database.reader(yields=True) as reader:
        share = reader.rows("SELECT current_setting('operator_memory_limit')").rows[0][0]
    assert share == "21.3 MiB"


def test_an_answer_that_is_too_large_is_refused(database: Database) -> None:
    with database.reader() as reader, pytest.raises(QueryError, match="larger than 1 MiB"):
        reader.rows("SELECT range::VARCHAR || 'xxxxxxxxxxxxxxxxxxxxxxxx' FROM range(100000)", max_bytes=2**20)


def test_a_query_that_needs_too_much_memory_is_refused(database: Database) -> None:
    with database.reader() as reader, pytest.raises(QueryError, match="more memory"):
        reader.rows("SELECT quantile_cont(range, 0.5) FROM range(20000000)", timeout=60)


def test_a_snapshot_cannot_write(database: Database) -> None:
    with database.reader() as reader, pytest.raises(QueryError, match="read-only"):
        reader.rows("DELETE FROM retention_policies")


def test_a_snapshot_does_not_see_what_comes_later(database: Database) -> None:
    with database.reader() as reader:
        before = reader.rows("SELECT count(*) FROM retention_policies").rows
        with database.write() as connection:
            connection.execute("DELETE FROM retention_policies")
        assert reader.rows("SELECT count(*) FROM retention_policies").rows == before == [(3,)]


def test_values_never_show_in_the_repr_of_a_table(database: Database) -> None:
    with database.reader() as reader:
        assert "secret" not in repr(reader.rows("SELECT 'secret' AS a"))


class Taker:
    """What a door in the core does: reads a stream with the interpreter free, and fails with a ValueError."""

    def __init__(self) -> None:
        self.rows: list[tuple[object, ...]] = []

    def __call__(self, given: ArrowExporter) -> None:
        with duckdb.connect(config={"threads": 1}) as connection:
            try:
                connection.register("given", given)
                self.rows += connection.execute("FROM given").fetchall()
            except duckdb.Error as error:
                raise ValueError(str(error)) from None


def test_an_answer_is_handed_on_as_an_arrow_stream(database: Database) -> None:
    taker = Taker()
    with database.reader() as reader:
        reader.hand(
            "SELECT range AS a, [range, NULL] AS b FROM range($end)"
            " WHERE range IN (SELECT unnest($ids::BIGINT[]))",
            {"end": 5000, "ids": [3, 4999, 9000]},
            taker,
        )
        reader.hand("SELECT 'x'", {}, taker)
        assert reader.rows("SELECT 1").rows == [(1,)]
    assert taker.rows == [(3, [3, None]), (4999, [4999, None]), ("x",)]


class Public:
    """A connection of another DuckDB, with what is promised of each alone."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.execute = connection.execute
        self.sql = connection.sql
        self.interrupt = connection.interrupt


def test_it_is_handed_on_by_any_duckdb(database: Database) -> None:
    taker = Taker()
    with duckdb.connect() as connection:
        reader = Reader(Public(connection), database._watch, yields=False)  # type: ignore[arg-type]
        reader.hand("SELECT range FROM range($end)", {"end": 3}, taker)
        reader.hand("SELECT 'x'", {}, taker)
    assert taker.rows == [(0,), (1,), (2,), ("x",)]


def handed(database: Database, sql: str, *, timeout: float = 10.0) -> Callable[[], None]:
    def ask() -> None:
        with database.reader(yields=True) as reader:
            reader.hand(sql, {}, Taker(), timeout=timeout)

    return ask


LATE = "SELECT if(range = 1000000, error('too late'), 'x') FROM range(1000001)"
SLOWLY = "SELECT count(*) OVER () FROM range(3) UNION ALL " + SLOW
GREEDY = "SELECT list(range::VARCHAR || 'xxxxxxxxxxxxxxxxxxxxxxxxxx') FROM range(9000000) GROUP BY range % 7"


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("SELECT nothing", "nothing"),
        (LATE, "too late"),
        (SLOW, "longer than 0.2 s"),
        (SLOWLY, "longer than 0.2 s"),
    ],
)
def test_what_is_handed_on_ends_as_other_questions_do(database: Database, sql: str, words: str) -> None:
    began = time.monotonic()
    with pytest.raises(QueryError, match=words):
        handed(database, sql, timeout=0.2 if "longer" in words else 10)()
    assert time.monotonic() - began < 8
    with database.reader() as reader:
        assert reader.rows("SELECT 1").rows == [(1,)]


def test_what_is_handed_on_makes_way_for_writing(database: Database) -> None:
    began = time.monotonic()
    database.yield_when(lambda: time.monotonic() - began > 0.3)
    with pytest.raises(QueryError, match="no memory left for questions"):
        handed(database, SLOW, timeout=20)()


def test_what_is_handed_on_may_not_take_all_memory(database: Database) -> None:
    with pytest.raises(QueryError, match="needs more memory"):
        handed(database, GREEDY, timeout=30)()
