"""One row for each table of the file: who writes it, and what may be done with its rows."""

from dataclasses import dataclass
from enum import StrEnum


class Author(StrEnum):
    """Who adds rows to a table."""

    COMMITS = "commits"
    UPKEEP = "upkeep"
    SCHEMA = "schema"


@dataclass(frozen=True, slots=True)
class StoredTable:
    """`appended`: commits never change a row, so it can be copied while they go on.

    `measured`: it holds or tells of what was measured, so that `forget` erases from it. `expires`: the time
    column by which retention deletes rows. `chunks`: its rows are chunks, which go with their last point.
    `shown`: people may read it with SQL. `needed`: a start reads it, so that damage shows at once.
    """

    name: str
    author: Author
    appended: bool = False
    measured: bool = True
    expires: str | None = None
    chunks: bool = False
    shown: bool = False
    needed: bool = False


# Retention deletes in this order.
TABLES = (
    StoredTable("recent_points", Author.COMMITS, appended=True, expires="time", shown=True),
    StoredTable("recent_histogram_points", Author.COMMITS, appended=True, expires="time", shown=True),
    StoredTable("released_lists", Author.COMMITS, appended=True, expires="time", shown=True),
    StoredTable("kept_spans", Author.COMMITS, appended=True, expires="time"),
    StoredTable("kept_logs", Author.COMMITS, appended=True, expires="time"),
    StoredTable("chunks", Author.UPKEEP, appended=True, expires="last", chunks=True, shown=True),
    StoredTable("histogram_chunks", Author.UPKEEP, appended=True, expires="last", chunks=True, shown=True),
    StoredTable("intervals", Author.COMMITS, appended=True, expires="time", shown=True),
    StoredTable("series", Author.COMMITS, appended=True, shown=True, needed=True),
    StoredTable("streams", Author.COMMITS, appended=True, needed=True),
    StoredTable("thinned", Author.COMMITS, appended=True, shown=True),
    # The base of the privacy promise: costs and receipts, never values.
    StoredTable("privacy_ledger", Author.COMMITS, appended=True, measured=False, shown=True, needed=True),
    StoredTable("releases", Author.COMMITS, appended=True, measured=False, shown=True, needed=True),
    StoredTable("metric_aggregates", Author.UPKEEP, shown=True),
    StoredTable("insights", Author.UPKEEP, shown=True),
    StoredTable("asked", Author.UPKEEP),
    StoredTable("retention_policies", Author.SCHEMA, measured=False, shown=True),
    StoredTable("schema_version", Author.SCHEMA, measured=False),
)
