"""A process that seals in small slices while it commits, and says how many rows are safe: to be killed."""

import sys
import threading
import time
from pathlib import Path

from blackhole.store.database import Database
from blackhole.store.upkeep.seal import Sealer, SliceSizes
from blackhole.store.upkeep.tidy import Compactor

COMMITTED = 4_000_000_000
BATCH = 10


def commit(database: Database, stop: threading.Event) -> None:
    """As much and as fast as a busy sender."""
    while not stop.is_set():
        with database.write() as connection:
            connection.execute(
                "INSERT INTO recent_points SELECT $1, 0, make_timestamp_ns($2), i, NULL, make_timestamp($3)"
                " FROM range($4) t(i)",
                [COMMITTED, time.time_ns(), time.time_ns() // 1000, BATCH],
            )
        print(BATCH, flush=True)
        time.sleep(0.002)


def main(directory: Path) -> None:
    database = Database.open(directory / "analytics.duckdb")
    print("begun", flush=True)
    stop = threading.Event()
    committing = threading.Thread(target=commit, args=(database, stop), daemon=True)
    committing.start()
    tidier = Compactor(database, Sealer(database, pause=0, slices=SliceSizes(500, 50)))
    while tidier.apply():
        pass
    tidier.compact()
    stop.set()
    committing.join()
    database.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
