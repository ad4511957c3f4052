from collections.abc import Iterator
from pathlib import Path

import pytest

from blackhole.store.database import Database


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(tmp_path / "a.duckdb")
    yield opened
    opened.close()
