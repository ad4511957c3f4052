from pathlib import Path
from typing import Any

import pytest
from tests.store.store_fakes import SECOND

from blackhole.store.database import Database
from blackhole.store.file.opening import BLOCK_BYTES
from blackhole.store.upkeep import tidy
from blackhole.store.upkeep.seal import BLOCK_NS, Sealer, block_of
from blackhole.store.upkeep.tidy import Compactor

NOW = block_of(1_750_000_000 * SECOND) + 3600 * SECOND


def fill(
    database: Database,
    rows: int = 400_000,
    *,
    value: str = "i % 97",
    away: str = "0",
    created: str = "make_timestamp(1)",
) -> None:
    with database.write() as connection:
        connection.execute(
            "INSERT INTO series SELECT i, 'a.b', 'counter', '', '{}', 0, NULL,"
            " make_timestamp(1) FROM range(400) t(i)"
        )
        connection.execute(
            "INSERT INTO recent_points SELECT i % 400, i % 400 + 1,"
            f" make_timestamp_ns($1 + i // 400 * 6000000000 + {away}), {value}, NULL, {created}"
            " FROM range($2) t(i)",
            [NOW - 2 * BLOCK_NS, rows],
        )


def summed(database: Database) -> list[tuple[object, ...]]:
    with database.reader() as reader:
        return reader.rows("SELECT series, count(*), sum(value) FROM points GROUP BY ALL ORDER BY 1").rows


def block_size(database: Database) -> int:
    with database.reader() as reader:
        return int(reader.rows("SELECT block_size FROM pragma_database_size()").rows[0][0])


def test_sealed_points_take_a_fraction_of_their_room_and_the_disk_gets_the_rest(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "a.duckdb", clock=lambda: NOW)
    fill(database)
    database.checkpoint()
    before, told = database.size(), summed(database)
    assert Compactor(database, Sealer(database, pause=0)).apply() == 400_000
    assert summed(database) == told
    database.close()
    assert database.size() < before / 2
    assert database.size() < 2.1 * 400_000


def test_a_file_is_not_rewritten_again_and_again(tmp_path: Path) -> None:
    now = [0.0]
    database = Database.open(tmp_path / "a.duckdb", clock=lambda: NOW)
    tidier = Compactor(database, Sealer(database, pause=0), clock=lambda: now[0])
    assert not tidier.compact()
    for expected in (True, False):
        fill(database)
        with database.write() as connection:
            connection.execute("DELETE FROM recent_points")
        assert tidier.compact() is expected
    now[0] = tidy.AGAIN_SMALL_S
    assert tidier.compact()
    database.close()


def test_a_file_is_not_rewritten_without_room_for_a_second_one(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "a.duckdb", clock=lambda: NOW)
    fill(database)
    Sealer(database, pause=0).apply()
    database.checkpoint()
    used = database.used_bytes()
    assert not Compactor(database, Sealer(database), room=lambda: used // 2).compact()
    assert Compactor(database, Sealer(database), room=lambda: 2 * used).compact()
    database.close()


def test_chunks_that_are_gone_from_among_others_are_room_as_well(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "a.duckdb", clock=lambda: NOW)
    fill(database)
    tidier = Compactor(database, Sealer(database, pause=0))
    tidier.apply()
    with database.beside() as connection:
        connection.execute("INSERT INTO chunks SELECT c.* FROM chunks AS c, range(40) AS t(i)")
    database.checkpoint()
    Compactor(database, Sealer(database)).compact()  # it has outgrown its blocks
    again = Compactor(database, Sealer(database))
    assert not again.compact()
    with database.beside() as connection:
        connection.execute("DELETE FROM chunks WHERE rowid % 2 = 1")
    assert again.compact()
    database.close()


@pytest.mark.parametrize("rows", [0, 10])
def test_a_small_file_is_left_alone(tmp_path: Path, rows: int) -> None:
    database = Database.open(tmp_path / "a.duckdb", clock=lambda: NOW)
    fill(database, rows)
    assert Compactor(database, Sealer(database, pause=0)).apply() == rows
    assert not Compactor(database, Sealer(database, pause=0)).compact()
    database.close()


def test_blocks_are_small_as_long_as_the_file_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = Database.open(tmp_path / "a.duckdb", clock=lambda: NOW)
    fill(database)
    Compactor(database, Sealer(database, pause=0)).apply()
    told = summed(database)
    assert block_size(database) == tidy.SMALL_BLOCK_BYTES
    monkeypatch.setattr(tidy, "SMALL_BLOCKS_BELOW", database.used_bytes())
    assert Compactor(database, Sealer(database, pause=0)).compact()
    assert block_size(database) == BLOCK_BYTES
    assert not Compactor(database, Sealer(database, pause=0)).compact()
    assert summed(database) == told
    database.close()


@pytest.mark.parametrize(
    ("values", "size"),
    [
        ({"value": "i // 400 % 2 * 100"}, tidy.SMALL_BLOCK_BYTES),
        ({"value": "i // 400 % 2 * 40000"}, BLOCK_BYTES),
        ({"value": "i // 400 % 2 * 3e9"}, BLOCK_BYTES),
        ({"away": "i // 400 % 7"}, BLOCK_BYTES),
        ({"created": "make_timestamp($1)"}, BLOCK_BYTES),  # not settled: not sealed
    ],
)
def test_blocks_are_large_where_there_is_much_to_pack(
    tmp_path: Path, values: dict[str, Any], size: int
) -> None:
    database = Database.open(tmp_path / "a.duckdb", clock=lambda: NOW)
    fill(database, **values)
    with database.write() as connection:
        connection.execute("CREATE TABLE gone AS SELECT random() FROM range(2000000)")
    database.checkpoint()
    with database.write() as connection:
        connection.execute("DROP TABLE gone")
    Compactor(database, Sealer(database, pause=0)).apply()
    assert block_size(database) == size
    database.close()


def test_a_file_in_many_pieces_is_rewritten_and_answers_as_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each checkpoint ends row groups, so that what comes little by little takes more memory each hour."""
    monkeypatch.setattr(tidy, "MANY_PIECES", 1500)
    now = [0.0]
    database = Database.open(tmp_path / "a.duckdb", clock=lambda: NOW)
    tidier = Compactor(database, Sealer(database, pause=0), clock=lambda: now[0])
    fill(database, 400)
    come_little_by_little(database, 20)
    assert not tidier.compact()
    come_little_by_little(database, 20)
    told, pieces = summed(database), tidier._pieces()
    assert pieces > tidy.MANY_PIECES
    assert tidier.compact()
    assert summed(database) == told
    assert tidier._pieces() < pieces / 10
    come_little_by_little(database, 40)
    assert not tidier.compact()
    now[0] = tidy.AGAIN_SMALL_S
    assert tidier.compact()
    database.close()


def come_little_by_little(database: Database, times: int) -> None:
    for _ in range(times):
        with database.write() as connection:
            connection.execute(
                "INSERT INTO recent_points"
                " SELECT i, i + 1, make_timestamp_ns($1), i % 7, NULL, make_timestamp(1) FROM range(20) t(i)",
                [NOW],
            )
            connection.execute(
                "INSERT INTO recent_histogram_points"
                " (series, stream, time, count, bounds, buckets, created_at)"
                " SELECT i, i + 1, make_timestamp_ns($1), 6, [1.0, 2.0], [1, 2, 3], make_timestamp(1)"
                " FROM range(20) t(i)",
                [NOW],
            )
        database.checkpoint()
