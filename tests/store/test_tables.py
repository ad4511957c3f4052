"""Each table of the file has one row that says what may be done with it."""

from collections import Counter
from pathlib import Path

from blackhole.store.database import Database
from blackhole.store.tables import TABLES


def columns(tmp_path: Path) -> dict[str, set[str]]:
    database = Database.open(tmp_path / "a.duckdb")
    try:
        with database.reader() as reader:
            rows = reader.rows(
                "SELECT t.table_name, list(c.column_name) FROM duckdb_tables() AS t"
                " JOIN duckdb_columns() AS c ON c.table_oid = t.table_oid GROUP BY 1"
            ).rows
    finally:
        database.close()
    return {str(table): set(names) for table, names in rows}


def test_the_tables_of_the_file_are_those_that_are_listed_each_once(tmp_path: Path) -> None:
    assert Counter(table.name for table in TABLES) == Counter(columns(tmp_path).keys())


def test_what_expires_has_the_time_by_which_it_does(tmp_path: Path) -> None:
    there = columns(tmp_path)
    assert [table.name for table in TABLES if table.expires and table.expires not in there[table.name]] == []


def test_what_has_a_series_is_erased_with_it(tmp_path: Path) -> None:
    """The ledger and its receipts name the series of a release, never what was measured."""
    kept = {table.name for table in TABLES if not table.measured}
    of_series = {name for name, names in columns(tmp_path).items() if "series" in names}
    assert of_series & kept <= {"releases"}
    assert {"recent_points", "chunks", "streams"} <= of_series


def test_rows_of_a_table_that_is_copied_while_commits_go_on_are_never_changed() -> None:
    """An UPDATE would be lost in a compaction; at the start nothing is copied."""
    source = Path(__file__).parents[2] / "src" / "blackhole"
    changed = {
        (path.name, table.name)
        for path in (*source.rglob("*.py"), *source.rglob("*.sql"))
        for table in TABLES
        if table.appended and f"UPDATE {table.name} " in path.read_text(encoding="utf-8")
        if path.parent.name != "schema"
    }
    assert changed == {("opening.py", "streams")}
