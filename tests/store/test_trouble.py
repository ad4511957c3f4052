import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from blackhole.errors import StoreError
from blackhole.store.database import Database
from blackhole.store.file import damage as trouble
from blackhole.store.file import files

ROWS = 300_000


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database, with rows in the file and more in its log, as after `kill -9`."""
    directory = tmp_path_factory.mktemp("original")
    database = Database.open(directory / "a.duckdb")
    with database.write() as connection:
        connection.execute(
            "INSERT INTO series SELECT i, 'm' || i, 'gauge', '', '{}', 0, NULL, '2025-01-01'"
            " FROM range(500) AS t(i)"
        )
        connection.execute(
            "INSERT INTO recent_points SELECT i % 500, i, make_timestamp_ns(i), random(), NULL, '2025-01-01'"
            " FROM range(?) AS t(i)",
            [ROWS],
        )
    database.checkpoint()
    with database.write() as connection:
        connection.execute("INSERT INTO recent_points VALUES (1, 1, '2025-01-01', 1, NULL, '2025-01-01')")
    code = "import shutil, sys; [shutil.copy(sys.argv[1] + x, sys.argv[2] + x) for x in ('', '.wal', '.key')]"
    copy = directory / "copy"
    copy.mkdir()
    subprocess.run([sys.executable, "-c", code, database.path, copy / "a.duckdb"], check=True)
    database.close()
    return copy


@pytest.fixture
def path(tmp_path: Path, original: Path) -> Path:
    shutil.copytree(original, tmp_path / "b")
    return tmp_path / "b" / "a.duckdb"


def overwrite(path: Path, place: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(place)
        file.write(content)


def noise(count: int) -> bytes:
    return random.Random(1).randbytes(count)


def all_blocks(path: Path) -> None:
    overwrite(path, 12288, noise(path.stat().st_size - 12288))


WHOLE: dict[str, Callable[[Path], None]] = {
    "empty": lambda path: os.truncate(path, 0),
    "cut in its head": lambda path: os.truncate(path, 100),
    "cut in the middle": lambda path: os.truncate(path, path.stat().st_size // 2),
    "another beginning": lambda path: overwrite(path, 8, b"XXXX"),
    "a bit of the head": lambda path: overwrite(path, 20, b"\x55"),
    "both headers": lambda path: overwrite(path, 4096, bytes(8192)),
    "all blocks": all_blocks,
}
LOG: dict[str, Callable[[Path], None]] = {
    "garbage in the log": lambda path: overwrite(files.beside(path, ".wal"), 150, noise(60)),
    "garbage at its beginning": lambda path: overwrite(files.beside(path, ".wal"), 0, noise(60)),
}


def count(database: Database) -> int:
    with database.reader() as reader:
        return int(reader.rows("SELECT count(*) FROM points").rows[0][0])


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir() if not path.is_dir()}


@pytest.mark.parametrize("name", WHOLE)
def test_a_damaged_file_is_set_aside_as_it_is_and_a_new_one_begun(path: Path, name: str) -> None:
    WHOLE[name](path)
    before = contents(path.parent)
    with pytest.raises(trouble.DamagedError, match="is damaged") as refused:
        Database.open(path)
    assert "\n" not in str(refused.value)
    assert contents(path.parent) == before  # who only looks changes nothing
    database = Database.open(path, set_aside=True)
    assert count(database) == 0
    database.close()
    aside = files.set_aside(path)
    assert [file.read_bytes() for file in aside] == [before["a.duckdb"], before["a.duckdb.wal"]]
    assert files.beside(path, ".key").read_bytes() == before["a.duckdb.key"]


@pytest.mark.parametrize("name", LOG)
def test_of_a_damaged_log_only_that_is_set_aside(path: Path, name: str) -> None:
    LOG[name](path)
    before = contents(path.parent)
    with pytest.raises(trouble.DamagedError, match=r"a\.duckdb\.wal: is damaged"):
        Database.open(path)
    assert contents(path.parent) == before
    database = Database.open(path, set_aside=True)
    assert count(database) == ROWS
    database.close()
    assert [file.read_bytes() for file in files.set_aside(path)] == [before["a.duckdb.wal"]]


def test_both_may_be_damaged(path: Path) -> None:
    LOG["garbage at its beginning"](path)
    WHOLE["all blocks"](path)
    database = Database.open(path, set_aside=True)
    assert count(database) == 0
    database.close()
    assert len(files.set_aside(path)) == 2


def test_garbage_in_the_middle_is_an_error_of_one_line_for_who_reads_it(path: Path) -> None:
    for place in range(12288, path.stat().st_size, 65536):
        overwrite(path, place + 1000, noise(16))
    with pytest.raises(StoreError) as refused:
        count(Database.open(path))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("set_aside", [True, False])
def test_a_file_of_somebody_else_is_left_alone(tmp_path: Path, *, set_aside: bool) -> None:
    path = tmp_path / "letters.txt"
    path.write_text("Dear Ada, " * 2000)
    with pytest.raises(StoreError, match="not a database of Blackhole"):
        Database.open(path, set_aside=set_aside)
    other = tmp_path / "other.duckdb"
    with duckdb.connect(str(other)) as connection:
        connection.execute("CREATE TABLE mine (a INTEGER)")
    with pytest.raises(StoreError, match="a DuckDB file of something else"):
        Database.open(other, set_aside=set_aside)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["letters.txt", "other.duckdb"]


def test_a_newer_database_is_left_alone(path: Path) -> None:
    database = Database.open(path)
    with database.write() as connection:
        connection.execute("INSERT INTO schema_version VALUES (99, 1)")
    database.close()
    before = contents(path.parent)
    with pytest.raises(StoreError, match="newer Blackhole"):
        Database.open(path, set_aside=True)
    assert contents(path.parent) == before


def test_two_damaged_files_of_one_second_keep_both(path: Path) -> None:
    for _ in range(3):
        os.truncate(path, 100)
        Database.open(path, set_aside=True).close()
    assert len([file for file in files.set_aside(path) if file.suffix != ".wal"]) == 3


@pytest.mark.parametrize(
    ("words", "is_damage"),
    [
        ("Corrupt database file: computed checksum 1 does not match stored checksum 2", True),
        ("Failure while replaying WAL file: Corrupt WAL file", True),
        ("Failure while replaying WAL file: Out of Memory Error: failed to allocate", False),
        ("Failure while replaying WAL file: Could not write: No space left on device", False),
        ('IO Error: Could not set lock on file "x": Conflicting lock is held', False),
        ("trying to read a file with version 99: created with a newer version of DuckDB, corrupt?", False),
        ('IO Error: Cannot open file "x": Permission denied', False),
        ("not a valid DuckDB database file", False),
    ],
)
def test_what_may_pass_is_no_damage(tmp_path: Path, words: str, *, is_damage: bool) -> None:
    assert trouble.is_damage(tmp_path / "a.duckdb", duckdb.Error(words)) is is_damage


def test_a_key_that_is_none_is_named_and_not_replaced(path: Path) -> None:
    key = files.beside(path, ".key")
    key.write_bytes(b"short")
    with pytest.raises(StoreError, match=r"a\.duckdb\.key: not a key"):
        Database.open(path, set_aside=True)
    assert key.read_bytes() == b"short"


def test_a_log_whose_database_is_gone_is_set_aside(path: Path) -> None:
    """DuckDB deletes it when it begins a new file, and what was committed last is in nothing else."""
    held = files.beside(path, files.WAL).read_bytes()
    path.rename(path.with_name("elsewhere"))
    with pytest.raises(StoreError, match="its database is gone"):
        Database.open(path)
    Database.open(path, set_aside=True).close()
    (aside,) = files.set_aside(path)
    assert aside.read_bytes() == held


def test_a_log_of_another_state_of_the_file_is_named_and_left_alone(path: Path, original: Path) -> None:
    log, held = files.beside(path, files.WAL), files.beside(original / "a.duckdb", files.WAL).read_bytes()
    database = Database.open(path)
    database.checkpoint()
    database.close()
    log.write_bytes(held)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"a\.duckdb\.wal: is the log of another state.*move it away"):
        Database.open(path, set_aside=True)
    assert (path.read_bytes(), log.read_bytes()) == (before, held)
