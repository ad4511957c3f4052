from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.query.query_fakes import Desk, desk


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[Desk]:
    opened = desk(tmp_path)
    yield opened
    opened.database.close()
