"""Finds the rows that came last of their streams, where their times do not say so.

A clock that went back makes rows that are earlier than some that came before them. Rows stand in the order in
which they came, chunks do not: so these rows stay rows, and what they say is where their streams go on.
"""

import duckdb

TABLES = ("recent_points", "recent_histogram_points")

_LAST = """
SELECT max(rowid) FROM {table} WHERE stream > 0
GROUP BY stream HAVING arg_max(time, rowid) <= make_timestamp_ns($ahead)
"""


def last_rows(connection: duckdb.DuckDBPyConnection, table: str, ahead_ns: int) -> list[int]:
    """Those of up to `ahead_ns`, until which the order of times says nothing; 0: it always does."""
    if not ahead_ns:
        return []
    return [row for (row,) in connection.execute(_LAST.format(table=table), {"ahead": ahead_ns}).fetchall()]
