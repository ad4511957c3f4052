from pathlib import Path

import pytest

from blackhole.errors import StoreError
from blackhole.store.file import checkpoints, files
from blackhole.store.file.checkpoints import Checkpoints


class Maker:
    """Makes checkpoints, or fails to."""

    def __init__(self, path: Path) -> None:
        self.now = 100.0
        self.made = 0
        self.fails = False
        self.checkpoints = Checkpoints(path, self._make, lambda: self.now)

    def _make(self) -> None:
        self.made += 1
        if self.fails:
            raise StoreError("a.duckdb: no checkpoint: the disk is full")


@pytest.fixture
def maker(tmp_path: Path) -> Maker:
    path = tmp_path / "a.duckdb"
    with files.beside(path, files.WAL).open("wb") as log:
        log.truncate(checkpoints.DUE_BYTES)
    return Maker(path)


def test_one_that_fails_is_said_once_and_not_tried_at_each_commit(
    maker: Maker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    maker.fails = True
    for _ in range(5):
        maker.checkpoints.when_due()
    assert maker.made == 1
    maker.now += checkpoints.AGAIN_S
    maker.checkpoints.when_due()
    assert maker.made == 2
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "the disk is full" in caplog.text
    maker.fails = False
    maker.now += checkpoints.AGAIN_S
    maker.checkpoints.when_due()
    maker.checkpoints.when_due()
    assert maker.made == 4
    assert caplog.text.count("succeeded again") == 1


def test_a_short_log_is_left_alone(tmp_path: Path) -> None:
    maker = Maker(tmp_path / "a.duckdb")
    maker.checkpoints.when_due()
    assert maker.made == 0
