import subprocess
import sys
from hashlib import md5

import pytest

from blackhole.errors import StoreError, UsageError
from blackhole.model.erasure import Forget, Forgotten
from blackhole.store.database import Database
from blackhole.store.file import files
from blackhole.store.file.rewrite import RewritePlan
from blackhole.store.upkeep import erase

FILLED = """
INSERT INTO series VALUES
    (1, 'shop.sales', 'counter', '', '{"color":"red","n":200}', 1, NULL, '2025-01-01'),
    (2, 'shop.sales', 'counter', '', '{"color":"blue"}', 1, NULL, '2025-01-01'),
    (3, 'shop.visits', 'gauge', '', '{"color":"red","a/b~c.d":"x"}', 2, NULL, '2025-01-01'),
    (4, 'shopping', 'gauge', '', '{}', 0, NULL, '2025-01-01');
INSERT INTO streams SELECT i, encode('key-of-stream-' || i), i, '2025-01-01',
    1234567890123456789 + i, 9876543210123456789 + i, '2025-01-01', false FROM range(1, 5) AS t(i);
INSERT INTO recent_points SELECT i, i, '2025-01-01', i, i, '2025-01-01' FROM range(1, 5) AS t(i);
INSERT INTO recent_histogram_points SELECT i, i, '2025-01-01', 1, 1, 1, 1, [1], [1, 0], 1, 1, [1], [1, 0],
    '2025-01-01' FROM range(1, 5) AS t(i);
INSERT INTO intervals SELECT i, i, '2025-01-01', '2024-12-31', i, NULL, false, 60, '2025-01-01'
    FROM range(1, 5) AS t(i);
INSERT INTO released_lists SELECT i, '2025-01-01', NULL, [1, 2], '2025-01-01' FROM range(1, 5) AS t(i);
INSERT INTO kept_spans SELECT i, '2025-01-01', 1, 1, 1, 1, '2025-01-01' FROM range(1, 5) AS t(i);
INSERT INTO kept_logs SELECT i, '2025-01-01', 'a body of ' || i, '2025-01-01' FROM range(1, 5) AS t(i);
INSERT INTO chunks SELECT i, i, '2025-01-01', '2025-01-01', 0, 1, NULL, 0, 0, 0, NULL, NULL, NULL, NULL,
    [1.5], NULL, [1], [1.5], NULL, '2025-01-01', NULL, NULL, '2024-12-31', 60, [1.5] FROM range(1, 5) AS t(i);
INSERT INTO histogram_chunks SELECT i, i, '2025-01-01', '2025-01-01', 0, 1, NULL, [1], 2, [1], [1],
    NULL, NULL, [1, 0], NULL, NULL, NULL, NULL, NULL, '2025-01-01', '2024-12-31', 60
    FROM range(1, 5) AS t(i);
INSERT INTO metric_aggregates VALUES
    (1, '2025-01-01', 'shop.sales', 'sum', 1, 1, '{"color":"red"}', '2025-01-01'),
    (2, '2025-01-01', 'shop.sales', 'sum', 1, 1, '{"color":"blue"}', '2025-01-01'),
    (3, '2025-01-01', 'shop.sales', 'sum', 1, 1, NULL, '2025-01-01'),
    (4, '2025-01-01', 'shopping', 'sum', 1, 1, NULL, '2025-01-01'),
    (5, '2025-01-01', 'shop.sealed', 'sum', 1, 1, '{"color":"red"}', '2025-01-01');
INSERT INTO insights VALUES
    (1, 'trend', 'shop.sales rises', 'since Monday', 'info', '["shop.sales"]', '2025-01-01', NULL),
    (2, 'trend', 'all is well', 'because red is', 'info', '["shop.visits"]', '2025-01-01', NULL),
    (3, 'trend', 'quiet', NULL, NULL, NULL, '2025-01-01', NULL);
INSERT INTO asked VALUES ('shop.sales', '2025-01-01'), ('shopping', '2025-01-01');
INSERT INTO thinned VALUES ('2025-01-01', 0.5);
INSERT INTO releases SELECT 1, 'shop.visits', '2025-01-01', '2025-01-02', 'user', 'm', 1, 0, 1, 1, NULL, NULL,
    NULL, '{}', false, '2025-01-01';
"""
BOTH = ["shop.sales", "shopping"]
OF_SERIES = (
    *("recent_points", "recent_histogram_points", "released_lists", "kept_spans", "kept_logs"),
    *("chunks", "histogram_chunks", "streams", "intervals"),
)


@pytest.fixture
def filled(database: Database) -> Database:
    with database.write() as connection:
        connection.execute(FILLED)
    return database


def forget(database: Database, **what: object) -> Forgotten:
    target = erase.find(database, Forget(**what))  # type: ignore[arg-type]
    return erase.erase(database, target, created_ns=77)


def column(database: Database, sql: str) -> list[object]:
    with database.reader() as reader:
        return [row[0] for row in reader.rows(sql).rows]


@pytest.mark.parametrize(
    ("what", "series", "others"),
    [
        ({"metric": "shop.sales"}, [3, 4], ([4, 5], [2, 3], ["shopping"])),
        ({"metric": ["shop.sales", "shopping"]}, [3], ([5], [2, 3], [])),
        ({"metric": "shop.*"}, [4], ([4], [3], ["shopping"])),
        # Sums over a key that they do not have hold what is to be forgotten, and cannot be taken apart.
        ({"where": {"color": "red"}}, [2, 4], ([2, 4], [1, 3], BOTH)),
        ({"metric": "shop.sales", "where": {"color": "red"}}, [2, 3, 4], ([2, 4, 5], [1, 3], BOTH)),
        ({"where": {"color": "red", "n": "200"}}, [2, 3, 4], ([2, 4, 5], [1, 3], BOTH)),
        ({"where": {"a/b~c.d": "x"}}, [1, 2, 4], None),
        ({"where": {"color": "green"}}, [1, 2, 3, 4], ([1, 2, 3, 4, 5], [1, 2, 3], BOTH)),
        ({"all": True}, [], ([], [], [])),
    ],
    ids=str,
)
def test_what_is_forgotten_is_gone_from_every_table_and_nothing_else(
    filled: Database,
    what: dict[str, object],
    series: list[int],
    others: tuple[list[object], list[object], list[object]] | None,
) -> None:
    answer = forget(filled, **what)
    assert column(filled, "SELECT id FROM series ORDER BY 1") == series
    for table in OF_SERIES:
        assert column(filled, f"SELECT series FROM {table} ORDER BY 1") == series, table
        assert answer.rows.get(table, 0) == 4 - len(series)
    tables = (("metric_aggregates", "id"), ("insights", "id"), ("asked", "metric"))
    for (table, key), left in zip(tables, others or (), strict=bool(others)):
        assert column(filled, f"SELECT {key} FROM {table} ORDER BY 1") == left, table
    assert column(filled, "SELECT metric FROM releases") == ["shop.visits"]
    assert column(filled, "SELECT count(*) FROM retention_policies") == [3]
    assert answer.proof.rows > 0


def test_bytes_that_deleting_leaves_are_gone_after_forgetting(filled: Database) -> None:
    """Keys that were deleted are in the file still after CHECKPOINT, and not after `forget`."""
    with filled.write() as connection:
        connection.execute(
            "INSERT INTO streams (id, key, series, created_at)"
            " SELECT i, unhex(md5(CAST(i AS VARCHAR))), 1, '2025-01-01'"
            " FROM range(10, 40000) AS t(i)"
        )
    filled.checkpoint()
    with filled.write() as connection:
        connection.execute("DELETE FROM streams WHERE series = 1")
    filled.checkpoint()
    marks = [md5(str(number).encode(), usedforsecurity=False).digest() for number in range(10, 40000, 400)]

    def found() -> int:
        # A child: whoever closes a file lets go of its lock.
        code = "import sys; sys.stdout.buffer.write(open(sys.argv[1], 'rb').read())"
        content = subprocess.run([sys.executable, "-c", code, filled.path], check=True, capture_output=True)
        return sum(mark in content.stdout for mark in marks)

    assert found() > len(marks) // 2
    forget(filled, metric="shop.sales")
    assert found() == 0


def test_the_proof_finds_what_a_rewriting_left(filled: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rewriting that leaves rows in, or bytes, does not get into the old file's place."""
    target = erase.find(filled, Forget(metric="shop.sales"))
    monkeypatch.setattr(
        "blackhole.store.upkeep.erase.RewritePlan", lambda _, amend, check: RewritePlan({}, amend, check)
    )
    with pytest.raises(StoreError, match=r"rows of .* are left.*nothing was changed"):
        erase.erase(filled, target, created_ns=1)
    monkeypatch.setattr("blackhole.store.file.proof._left", lambda *_: False)
    hidden = "blackhole.store.file.proof.ForensicMarks._texts_in"
    monkeypatch.setattr(hidden, lambda *_: iter(()))
    with pytest.raises(StoreError, match=r"bytes of it are left.*nothing was changed"):
        erase.erase(filled, target, created_ns=1)
    assert column(filled, "SELECT count(*) FROM recent_points") == [4]


def test_a_table_that_nobody_foresaw_is_not_passed_over(filled: Database) -> None:
    with filled.write() as connection:
        connection.execute("CREATE TABLE notes (words VARCHAR); INSERT INTO notes VALUES ('shop.sales!')")
    with pytest.raises(StoreError, match=r"the table notes still names .*: nothing was changed"):
        forget(filled, metric="shop.sales")
    assert column(filled, "SELECT count(*) FROM series") == [4]
    forget(filled, all=True)
    assert column(filled, "SELECT count(*) FROM notes") == [0]


def test_forgotten_streams_make_the_file_count_as_made_now(filled: Database) -> None:
    assert filled.created_ns != 77
    forget(filled, metric="shop.sales")
    assert filled.created_ns == 77


def test_copies_that_hold_it_are_named_and_all_removes_them(filled: Database) -> None:
    copies = [
        files.beside(filled.path, suffix)
        for suffix in (".damaged-20250101T000000", ".damaged-20250101T000000.wal", ".schema-2.bak")
    ]
    for copy in copies:
        copy.write_bytes(b"old")
    files.beside(filled.path, ".key").stat()
    answer = forget(filled, metric="shop.sales")
    assert (answer.copies, answer.removed) == ([str(copy) for copy in copies], [])
    answer = forget(filled, all=True)
    assert (answer.copies, answer.removed) == ([], [str(copy) for copy in copies])
    assert [copy for copy in copies if copy.exists()] == []


@pytest.mark.parametrize(
    "what",
    [
        {},
        {"all": True, "metric": "a"},
        {"all": True, "where": {"a": "b"}},
        {"metric": "*"},
        {"metric": ".*"},
        {"metric": "a*b"},
        {"metric": [f"m{number}" for number in range(101)]},
    ],
    ids=str,
)
def test_what_says_nothing_or_too_much_is_refused(filled: Database, what: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        forget(filled, **what)
    assert column(filled, "SELECT count(*) FROM series") == [4]


def test_a_number_that_others_have_in_another_column_is_no_remains(filled: Database) -> None:
    with filled.write() as connection:
        connection.execute("UPDATE recent_points SET value = 8.64 WHERE series = 4")
        connection.execute("UPDATE histogram_chunks SET sums = [8.64] WHERE series = 1")
    assert forget(filled, metric="shopping").proof.marks


def test_a_word_of_the_schema_is_no_remains(filled: Database) -> None:
    with filled.write() as connection:
        connection.execute("UPDATE series SET type = 'histogram' WHERE id = 4")
    assert forget(filled, metric="shopping").rows["series"] == 1


REMAINS = """
INSERT INTO series SELECT 10 + i, 'own.' || i, 'gauge', '', '{}', 0, NULL, '2025-01-01' FROM range(6) AS t(i);
INSERT INTO recent_points SELECT 10 + n % 6, 1, '2025-01-01', (1234567 + 7919 * n) / 100, NULL, '2025-01-01'
    FROM range(1500) AS t(n);
INSERT INTO histogram_chunks SELECT 4, 4, '2025-01-01', '2025-01-01', 0, 3, NULL, NULL, NULL, [1, 1, 1],
    [round(sqrt(n), 4), round(sqrt(n + 1), 4) + round(sqrt(n + 2), 4), sqrt(n)],
    NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2025-01-01', NULL, NULL FROM range(16000) AS t(n);
"""


def test_memory_that_held_what_is_erased_does_not_come_into_the_new_file(filled: Database) -> None:
    """Blocks have gaps, in which DuckDB writes what their memory held before: here, the marks themselves."""
    with filled.write() as connection:
        connection.execute(REMAINS)
    for n in range(6):
        assert forget(filled, metric=f"own.{n}").proof.marks


def test_sums_of_series_that_never_had_the_key_stay(filled: Database) -> None:
    """They are of one series each, as retention writes them: nothing of another is in them."""
    with filled.write() as connection:
        connection.execute("""
            INSERT INTO series VALUES (5, 'shop.sales', 'counter', '', '{"size":"s"}', 1, NULL, '2025-01-01');
            INSERT INTO metric_aggregates VALUES
                (6, '2025-01-01', 'shop.sales', 'sum', 1, 1, '{"size":"s"}', '2025-01-01'),
                (7, '2025-01-01', 'shop.sales', 'sum', 1, 1, '{"size":"m"}', '2025-01-01'),
                (8, '2025-01-01', 'shop.visits', 'sum', 1, 1, '{"size":"s"}', '2025-01-01');
        """)
    forget(filled, where={"color": "red"})
    assert column(filled, "SELECT id FROM metric_aggregates ORDER BY 1") == [2, 4, 6]
