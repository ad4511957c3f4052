import duckdb
import psutil

from blackhole.store.file import allocator


def test_what_duckdb_has_freed_is_given_back_to_the_system() -> None:
    me = psutil.Process()
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute("CREATE TABLE t AS SELECT random() AS x FROM range(3000000)")
        connection.execute("SELECT list(x ORDER BY x) FROM t").fetchall()
        full = me.memory_info().rss
        connection.execute("DROP TABLE t")
    assert allocator.give_memory_back()
    assert me.memory_info().rss < full - 10 * 2**20
