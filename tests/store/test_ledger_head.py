"""The head file says what was written, whatever it was, and anything else is refused."""

import math
from pathlib import Path

import pytest

from blackhole.errors import StoreError
from blackhole.model.ledger import LedgerEnd, LedgerKind
from blackhole.model.times import TimeRange
from blackhole.privacy.chain import make_row
from blackhole.store.write.ledger import head_path, read_head, write_head


def test_a_head_is_read_as_it_was_written_with_an_infinite_cost_too(tmp_path: Path) -> None:
    period = TimeRange(0, 86400 * 10**9)
    off = make_row(None, time_ns=5, kind=LedgerKind.OFF, period=period, cost_epsilon=math.inf)
    stop = make_row(off, time_ns=6, kind=LedgerKind.STOP, period=period)
    write_head(tmp_path / "a.duckdb", [off, stop])
    assert read_head(tmp_path / "a.duckdb") == LedgerEnd(2, stop.hash, 6, period.end_ns, (off, stop))


def test_no_file_is_no_head(tmp_path: Path) -> None:
    assert read_head(tmp_path / "a.duckdb") is None


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b'{"sequence":"x"}'])
def test_what_is_no_head_is_refused(tmp_path: Path, content: bytes) -> None:
    head_path(tmp_path / "a.duckdb").write_bytes(content)
    with pytest.raises(StoreError, match="not the head of a privacy ledger"):
        read_head(tmp_path / "a.duckdb")
