"""A checkpoint that is killed halfway is undone: what it wrote in place is put back."""

import os
from pathlib import Path

import duckdb
import pytest
from tests.store.store_fakes import SECOND, Point, batch, series, stream

from blackhole.model.series import MetricType
from blackhole.store.database import Database
from blackhole.store.file import checkpoint_undo as spare
from blackhole.store.file.checkpoint_undo import UndoFile
from blackhole.store.writer import insert

COUNT = "SELECT count(*), sum(value) FROM points"


def filled(path: Path, first: int = 0) -> Database:
    database = Database.open(path)
    known = [] if first else [series(1, "a.b", MetricType.GAUGE)]
    points = [Point(1, (first + n) * SECOND, float(n), stream=1) for n in range(1, 500)]
    given = batch(points, series=known, streams=[stream(1, 1)] if known else [])
    with database.write() as connection:
        insert(connection, given.rows, given.series, given.streams, created_us=1)
    return database


def told(database: Database) -> object:
    with database.reader() as reader:
        return reader.rows(COUNT).rows


def metadata_blocks(path: Path) -> list[int]:
    with duckdb.connect(str(path), read_only=True) as connection:
        return [row[0] for row in connection.execute(spare._NUMBERS).fetchall()]


def cut_off(path: Path) -> tuple[object, Path]:
    """A file with half of a block written, as the process that was killed left it beside its copies."""
    database = filled(path)
    database.checkpoint()
    database.close()
    database = filled(path, 1000)
    expected = told(database)
    open_file = UndoFile(path)
    copies = path.with_name(path.name + spare.SUFFIX)
    database._connection.execute("BEGIN")
    with pytest.raises(KeyboardInterrupt), open_file.kept(database._connection):
        raise KeyboardInterrupt
    database._connection.execute("ROLLBACK")
    kept = copies.read_bytes()
    killed = path.with_name("killed.duckdb")
    # The process ends without closing: the file and its log are as they are, on the same inode.
    for suffix in ("", ".wal", ".key"):
        source = path.with_name(path.name + suffix)
        if source.exists():
            os.link(source, path.with_name("killed.duckdb" + suffix))
    database._doubtful = True  # so that it is closed without a checkpoint
    database.close()
    open_file.close()
    (number, *_) = metadata_blocks(killed)
    _, _, size = _state(killed)
    with killed.open("r+b") as file:
        file.seek(spare._FIRST_BLOCK + number * size + size // 2)
        file.write(os.urandom(size // 2))
    copies.unlink(missing_ok=True)
    copies = killed.with_name(killed.name + spare.SUFFIX)
    copies.write_bytes(kept)
    return expected, killed


def _state(path: Path) -> tuple[int, int, int]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return spare._state(descriptor)
    finally:
        os.close(descriptor)


def test_a_block_of_which_half_was_written_is_put_back(tmp_path: Path) -> None:
    expected, killed = cut_off(tmp_path / "a.duckdb")
    with pytest.raises(duckdb.Error, match="checksum"):
        duckdb.connect(str(killed), read_only=True)
    database = Database.open(killed)
    assert told(database) == expected
    database.close()
    assert not killed.with_name(killed.name + spare.SUFFIX).exists()


def test_copies_that_are_not_whole_or_of_another_state_are_not_put_back(tmp_path: Path) -> None:
    path = tmp_path / "a.duckdb"
    database = filled(path)
    with database.reader():
        pass
    open_file = UndoFile(path)
    copies = path.with_name(path.name + spare.SUFFIX)
    with pytest.raises(KeyboardInterrupt), open_file.kept(database._connection):
        raise KeyboardInterrupt
    kept = copies.read_bytes()
    database.checkpoint()  # comes to its end
    expected = told(database)
    database.close()
    open_file.close()
    before = path.read_bytes()
    for content in (kept, kept[:-1], b"", kept[:40]):
        copies.write_bytes(content)
        assert not spare.restore(path)
        assert not copies.exists()
        assert path.read_bytes() == before
    again = Database.open(path)
    assert told(again) == expected
    again.close()


def test_nothing_is_left_beside_the_file_when_checkpoints_have_succeeded(tmp_path: Path) -> None:
    database = filled(tmp_path / "a.duckdb")
    database.checkpoint()
    database.close()
    assert not list(tmp_path.glob(f"*{spare.SUFFIX}"))
