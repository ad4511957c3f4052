"""A process that adds rows and makes a checkpoint of them, over and over, and says what is safe."""

import itertools
import sys
from pathlib import Path

from blackhole.store.database import Database

ROWS = 200


def main(directory: Path, first: int) -> None:
    database = Database.open(directory / "analytics.duckdb")
    print("begun", flush=True)
    for turn in itertools.count(first):
        with database.write() as connection:
            connection.execute(
                "INSERT INTO recent_points SELECT i % 20, 0, make_timestamp_ns(($1 * $2 + i) * 1000),"
                " $1 + i / 8, NULL, make_timestamp($1) FROM range($2) AS t(i)",
                [turn, ROWS],
            )
        print(turn, flush=True)
        database.checkpoint()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
