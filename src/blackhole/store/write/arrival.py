"""Finds the rows that came last of their streams, where their times do not say so.

A clock that went back makes rows that are earlier than some that came before them. Rows stand in the order in
which they came, chunks do not: so these rows stay rows, and what they say is where their streams go on.
"""

import duckdb

_CHUNKS = {"recent_points": "chunks", "recent_histogram_points": "histogram_chunks"}
TABLES = tuple(_CHUNKS)

_LAST = """
SELECT max(rowid) FROM {table} WHERE stream > 0
GROUP BY stream HAVING arg_max(time, rowid) <= make_timestamp_ns($ahead)
"""

# While something of the stream that is later, and came before, would be taken for its end.
_NEEDED = """
SELECT row FROM (
    SELECT stream, max(rowid) AS row, arg_max(time, rowid) AS time, max(time) AS latest
    FROM {table} WHERE stream > 0
    GROUP BY stream HAVING arg_max(time, rowid) <= make_timestamp_ns($ahead)
) AS one
WHERE time < latest
    OR EXISTS (SELECT 1 FROM {chunks} AS c WHERE c.stream = one.stream AND c.last > one.time)
"""


def needed_rows(connection: duckdb.DuckDBPyConnection, ahead_ns: int) -> dict[str, list[int]]:
    """Of each table those of `last_rows` without which a stream would go on from what came before them."""
    if not ahead_ns:
        return {}
    return {
        table: [row for (row,) in connection.execute(sql, {"ahead": ahead_ns}).fetchall()]
        for table, sql in ((table, _NEEDED.format(table=table, chunks=_CHUNKS[table])) for table in TABLES)
    }


def last_rows(connection: duckdb.DuckDBPyConnection, table: str, ahead_ns: int) -> list[int]:
    """Those of up to `ahead_ns`, until which the order of times says nothing; 0: it always does."""
    if not ahead_ns:
        return []
    return [row for (row,) in connection.execute(_LAST.format(table=table), {"ahead": ahead_ns}).fetchall()]
