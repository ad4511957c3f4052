import pytest

from blackhole.app import service
from blackhole.errors import PreemptedError, StoreError


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (StoreError("a.duckdb: corrupt block: put a backup in its place"), "a.duckdb: corrupt block"),
        (ValueError("peer 12D3KooW"), "ValueError"),
        (PreemptedError("the file is closed"), "was given up"),
    ],
)
def test_why_a_chore_failed_is_told_when_it_was_foreseen(
    caplog: pytest.LogCaptureFixture, error: Exception, words: str
) -> None:
    def chore() -> None:
        raise error

    caplog.set_level("INFO")
    service._try(chore)
    assert words in caplog.text
    assert "12D3KooW" not in caplog.text
