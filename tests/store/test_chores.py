"""Work beside commits: they go on meanwhile, nothing of theirs is lost, and nothing of it is half done."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.store.store_fakes import SECOND

from blackhole.errors import StoreError
from blackhole.store.database import Database
from blackhole.store.file.compact import OnlineCopy
from blackhole.store.upkeep.seal import BLOCK_NS, Sealer, SliceSizes, block_of

NOW = block_of(1_750_000_000 * SECOND) + 3600 * SECOND
OLD = NOW - 2 * BLOCK_NS
ADD = """
INSERT INTO recent_points
SELECT 1, $1, make_timestamp_ns($2 + i), i, NULL, make_timestamp($3) FROM range($4) t(i)
"""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database.open(tmp_path / "a.duckdb", clock=lambda: NOW)
    with database.write() as connection:
        connection.execute(
            "INSERT INTO series VALUES (1, 'a', 'gauge', '', '{}', 0, NULL, make_timestamp(1))"
        )
    yield database
    database.close()


def add(
    database: Database, stream: int, rows: int, *, start: int = NOW, created_us: int = NOW // 1000
) -> None:
    with database.write() as connection:
        connection.execute(ADD, [stream, start, created_us, rows])


def count(database: Database, condition: str = "true") -> int:
    with database.reader() as reader:
        return int(reader.rows(f"SELECT count(*) FROM points WHERE {condition}").rows[0][0])


@contextmanager
def committing(database: Database) -> Iterator[list[float]]:
    """Commits go on: how long each took."""
    took: list[float] = []
    stop = threading.Event()

    def run() -> None:
        while not stop.is_set():
            began = time.perf_counter()
            add(database, 2, 10)
            took.append(time.perf_counter() - began)
            time.sleep(0.002)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield took
    finally:
        stop.set()
        thread.join()


def test_others_commit_while_something_is_done_beside(database: Database) -> None:
    add(database, 1, 5)
    with database.beside() as connection:
        connection.execute("DELETE FROM recent_points")
        add(database, 2, 3)
        assert count(database) == 8
    assert count(database) == 3


def test_what_fails_beside_is_undone(database: Database) -> None:
    add(database, 1, 5)
    with pytest.raises(StoreError, match="not written"), database.beside() as connection:
        connection.execute("DELETE FROM recent_points; SELECT no_such_function()")
    assert count(database) == 5
    with database.beside() as connection:
        connection.execute("DELETE FROM recent_points")
    assert count(database) == 0


def test_what_is_done_beside_ends_when_the_file_is_closed(database: Database) -> None:
    add(database, 1, 100_000)
    failed: list[str] = []
    begun = threading.Event()

    def long_work() -> None:
        try:
            with database.beside() as connection:
                connection.execute("DELETE FROM recent_points WHERE stream = 1")
                begun.set()
                connection.execute(
                    "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range + b.range < 0"
                )
        except StoreError as error:
            failed.append(str(error))

    thread = threading.Thread(target=long_work)
    thread.start()
    assert begun.wait(10)
    database.close()
    thread.join(5)
    assert len(failed) == 1
    again = Database.open(database.path, clock=lambda: NOW)
    assert count(again) == 100_000
    again.close()


def test_nothing_is_lost_while_rows_come_and_are_sealed(database: Database) -> None:
    add(database, 1, 200_000, start=OLD, created_us=1)
    with committing(database) as took:
        assert Sealer(database, pause=0, slices=SliceSizes(20_000, 1)).apply() == 200_000
        database.checkpoint()
    assert count(database, "stream = 1") == 200_000
    assert count(database, "stream = 2") == 10 * len(took)


def test_nothing_is_lost_while_rows_come_and_the_file_is_compacted(database: Database) -> None:
    add(database, 1, 600_000, start=OLD)
    with database.beside() as connection:
        connection.execute("DELETE FROM recent_points WHERE epoch_ns(time) % 3 > 0")
    database.checkpoint()
    with committing(database) as took:
        told = database.compact()
    assert told.bytes_after < told.bytes_before / 1.5
    assert count(database, "stream = 1") == 200_000
    assert count(database, "stream = 2") == 10 * len(took)
    with database.reader() as reader:
        rows = reader.rows("SELECT stream, epoch_ns(time) FROM recent_points ORDER BY rowid").rows
    assert rows[:200_000] == [(1, OLD + 3 * n) for n in range(200_000)]
    path = database.path
    database.close()
    again = Database.open(path, clock=lambda: NOW)
    assert count(again) == 200_000 + 10 * len(took)
    again.close()


ADDITIONS: dict[str, Callable[[Database], object]] = {
    "a row": lambda database: add(database, 2, 1),
    "a finding that is changed": lambda database: _say(
        database, "INSERT INTO asked VALUES ('a', '2025-01-01')"
    ),
    "what is asked for again": lambda database: _say(
        database,
        "INSERT INTO asked VALUES ('b', '2025-01-02')"
        " ON CONFLICT DO UPDATE SET last_asked = excluded.last_asked",
    ),
    "a policy that is gone": lambda database: _say(database, "DELETE FROM retention_policies"),
}


def _say(database: Database, sql: str) -> None:
    with database.write() as connection:
        connection.execute(sql)


def told(database: Database) -> list[object]:
    sql = "SELECT count(*), bit_xor(hash(t)) FROM {} AS t"
    with database.reader() as reader:
        return [
            reader.rows(sql.format(name)).rows for name in ("points", "asked", "retention_policies", "series")
        ]


@pytest.mark.parametrize("name", ADDITIONS)
@pytest.mark.parametrize("moment", ["copy", "catch_up"])
def test_what_is_committed_at_any_moment_of_compacting_is_there(
    database: Database, monkeypatch: pytest.MonkeyPatch, name: str, moment: str
) -> None:
    add(database, 1, 50_000)
    _say(database, "INSERT INTO asked VALUES ('b', '2025-01-01')")
    expected: list[object] = []
    original = getattr(OnlineCopy, moment)

    def and_commit(*given: object) -> None:
        original(*given)
        ADDITIONS[name](database)
        expected[:] = told(database)

    monkeypatch.setattr(OnlineCopy, moment, and_commit)
    database.compact()
    assert told(database) == expected


def test_a_copy_that_is_not_the_same_does_not_take_the_place_of_the_file(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(database, 1, 5000)
    monkeypatch.setattr("blackhole.store.file.compact.rewrite.copy_rows", lambda *_: 0)
    with pytest.raises(StoreError, match="not the same"):
        database.compact()
    monkeypatch.undo()
    assert count(database) == 5000
    database.compact()
    assert count(database) == 5000


def test_a_commit_that_fails_ends_what_is_done_beside(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the file is believed then, and it cannot be opened anew while somebody works on it."""
    add(database, 1, 1000)
    copied = threading.Event()
    failed: list[str] = []
    original = OnlineCopy.copy

    def copy(self: OnlineCopy, block_size: int) -> None:
        original(self, block_size)
        copied.set()
        self._connection.execute(
            "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range + b.range < 0"
        )

    monkeypatch.setattr(OnlineCopy, "copy", copy)

    def compact() -> None:
        try:
            database.compact()
        except StoreError as error:
            failed.append(str(error))

    thread = threading.Thread(target=compact)
    thread.start()
    assert copied.wait(20)
    with database._write_lock:
        database._reopen()
    thread.join(10)
    assert len(failed) == 1
    add(database, 2, 1)
    assert count(database) == 1001
