"""`python -m tests.crash.compacting DIR POINT`: compacts while rows are added, and kills itself at POINT."""

import sys
from collections.abc import Callable
from pathlib import Path

from tests.crash.releasing import after, before

from blackhole.runtime.process import leave
from blackhole.store.database import Database
from blackhole.store.file import files, rewrite
from blackhole.store.file.compact import OnlineCopy

ADDED = 7

# In the order in which a compaction passes them, all after rows were added.
POINTS: dict[str, Callable[[], None]] = {
    "when all is copied": lambda: before(OnlineCopy, "catch_up"),
    "when what was added is copied": lambda: after(OnlineCopy, "catch_up"),
    "when the rest is copied": lambda: after(OnlineCopy, "finish"),
    "when the old file is closed": lambda: before(rewrite, "exchange"),
    "before it is renamed": lambda: before(Path, "replace"),
    "when it is renamed": lambda: after(Path, "replace"),
    "before the new file is opened": lambda: after(rewrite, "exchange"),
    "when it is opened": lambda: after(Database, "_open_anew"),
    "when what is left is removed": lambda: before(files, "leftovers"),
}


def main(directory: Path, point: str) -> None:
    database = Database.open(directory / "analytics.duckdb")
    copy = OnlineCopy.copy

    def copy_and_add(copying: OnlineCopy, block_size: int) -> None:
        copy(copying, block_size)
        with database.write() as connection:
            connection.execute(
                "INSERT INTO recent_points SELECT 2, 0, make_timestamp_ns(i * 1000), i + 0.5, NULL,"
                " now()::TIMESTAMP FROM range(?) AS t(i)",
                [ADDED],
            )
        POINTS.get(point, lambda: None)()

    OnlineCopy.copy = copy_and_add  # type: ignore[method-assign,assignment]
    database.compact()
    if point in POINTS:
        raise SystemExit(f"{point}: was not passed")
    database.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
    leave(0)
