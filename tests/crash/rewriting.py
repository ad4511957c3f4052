"""`python -m tests.crash.rewriting DIR POINT`: forgets one of two metrics, and kills itself at POINT."""

import sys
from collections.abc import Callable
from pathlib import Path

from tests.crash.releasing import after, before

from blackhole.model.erasure import Forget
from blackhole.runtime.process import leave
from blackhole.store.database import Database
from blackhole.store.file import files, proof, rewrite
from blackhole.store.upkeep import erase

# In the order in which a rewriting passes them.
POINTS: dict[str, Callable[[], None]] = {
    "before the new file is made": lambda: before(rewrite, "copy"),
    "when it has its tables": lambda: before(rewrite, "_copy_table"),
    "when it has some of the rows": lambda: after(rewrite, "_row_bytes"),
    "when it has one table": lambda: after(rewrite, "_copy_table"),
    "when it has all rows": lambda: before(proof.ForensicMarks, "gather"),
    "when it is closed but not on the disk": lambda: before(files, "sync"),
    "when it is on the disk": lambda: after(rewrite, "copy"),
    "before it is proved": lambda: before(proof.ForensicMarks, "search"),
    "when it is proved": lambda: after(proof.ForensicMarks, "search"),
    "when the old file is closed": lambda: before(rewrite, "exchange"),
    "before it is renamed": lambda: before(Path, "replace"),
    "when it is renamed but the directory is not on the disk": lambda: after(Path, "replace"),
    "before the new file is opened": lambda: after(rewrite, "exchange"),
    "when it is opened": lambda: after(Database, "_reopen"),
    "when nobody is told yet": lambda: after(erase, "erase"),
}
RENAMED = list(POINTS).index("when it is renamed but the directory is not on the disk")


def main(directory: Path, point: str) -> None:
    database = Database.open(directory / "analytics.duckdb")
    target = erase.find(database, Forget(metric="gone"))
    if point in POINTS:
        POINTS[point]()
    erase.erase(database, target, created_ns=1)
    if point in POINTS:
        raise SystemExit(f"{point}: was not passed")
    database.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
    leave(0)
