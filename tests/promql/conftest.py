from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.promql.shop import Shop

from blackhole.store.database import Database


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    database = Database.open(tmp_path / "analytics.duckdb")
    yield Shop(database)
    database.close()
