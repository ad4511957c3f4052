"""When a metric was last asked for survives a restart and a failed commit; there are never too many."""

from contextlib import contextmanager
from pathlib import Path

import pytest

from blackhole.errors import StoreError
from blackhole.store.database import Database
from blackhole.store.upkeep.last_queried import MOST_METRICS, LastQueried


def test_the_last_time_is_there_after_a_restart(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "a.duckdb")
    asked = LastQueried(database)
    asked.note("a.b", 1_750_000_000.5)
    asked.keep()
    asked.note("a.b", 1_750_000_060.25)
    asked.note("c.d", 1_750_000_001.0)
    asked.keep()
    database.close()
    again = Database.open(tmp_path / "a.duckdb", read_only=True)
    assert LastQueried(again).times() == {"a.b": 1_750_000_060.25, "c.d": 1_750_000_001.0}
    again.close()


def test_of_too_many_the_one_of_longest_ago_is_forgotten(database: Database) -> None:
    asked = LastQueried(database)
    for number in range(MOST_METRICS):
        asked.note(f"m{number}", 1e9 + number)
    asked.keep()
    asked.note("m0", 2e9)
    asked.note("new", 2e9)
    asked.keep()
    for known in (asked, LastQueried(database)):
        times = known.times()
        assert len(times) == MOST_METRICS
        assert "m0" in times
        assert "m1" not in times


class Broken:
    """A database that reads but does not write, until it is mended."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.mended = False
        self.writes = 0
        self.reader = database.reader

    @contextmanager
    def write(self):  # type: ignore[no-untyped-def]  # noqa: ANN201
        self.writes += 1
        if not self.mended:
            raise StoreError("not written: make room")
        with self.database.write() as connection:
            yield connection


def test_what_could_not_be_written_is_written_next_time(database: Database) -> None:
    broken = Broken(database)
    asked = LastQueried(broken)  # type: ignore[arg-type]
    asked.note("a.b", 1e9)
    with pytest.raises(StoreError):
        asked.keep()
    broken.mended = True
    asked.keep()
    assert LastQueried(database).times() == {"a.b": 1e9}
    asked.keep()
    assert broken.writes == 2  # nothing new costs no transaction
