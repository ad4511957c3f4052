"""Files that older versions have left are migrated after a copy, and say what they said."""

import json
import tarfile
from pathlib import Path

import pytest
from tests.store import rates
from tests.store.older import make

from blackhole.store.database import Database
from blackhole.store.upkeep.seal import Sealer

OLDER = Path(__file__).parent / "older"


def sealed(database: Database) -> int:
    with database.reader() as reader:
        rows = reader.rows(
            "SELECT coalesce(sum(count), 0)"
            " FROM (SELECT count FROM chunks UNION ALL SELECT count FROM histogram_chunks)"
        ).rows
    return int(rows[0][0])


@pytest.mark.parametrize("schema", [6, 7, 8])
def test_an_older_file_says_what_it_said_and_is_copied_first(tmp_path: Path, schema: int) -> None:
    with tarfile.open(OLDER / f"schema-{schema}.tar.xz") as packed:
        packed.extractall(tmp_path, filter="data")
    path = tmp_path / "analytics.duckdb"
    before = path.read_bytes()
    told = json.loads((tmp_path / "told.json").read_text())
    database = Database.open(path, clock=lambda: make.NOW)
    assert (tmp_path / f"analytics.duckdb.schema-{schema}.bak").read_bytes() == before
    assert make.told(database) == told
    database._clock = lambda: make.NOW + 86400 * 10**9
    sealer = Sealer(database, pause=0)
    before_sealing = sealed(database)
    assert (before_sealing > 0) == (schema > 6)
    assert sealer.apply() == 80 * make.STREAMS - before_sealing
    assert make.told(database) == told
    assert rates.from_points(database)
    assert rates.differences(database) == []
    database.compact()
    database.close()
    again = Database.open(path, clock=lambda: make.NOW)
    assert make.told(again) == told
    again.close()
