"""A process that seals in small slices and says when it begins: to be killed."""

import sys
from pathlib import Path

from blackhole.store.database import Database
from blackhole.store.seal import Sealer
from blackhole.store.tidy import Tidier


def main(directory: Path) -> None:
    database = Database.open(directory / "analytics.duckdb")
    print("begun", flush=True)
    tidier = Tidier(database, Sealer(database, pause=0, slices=(500, 50)))
    while tidier.apply():
        pass
    tidier.compact()
    database.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
