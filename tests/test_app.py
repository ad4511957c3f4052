import pytest

from blackhole import app
from blackhole.errors import GivenUpError, StoreError


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (StoreError("a.duckdb: corrupt block: put a backup in its place"), "a.duckdb: corrupt block"),
        (ValueError("peer 12D3KooW"), "ValueError"),
        (GivenUpError("the file is closed"), "was given up"),
    ],
)
def test_why_a_chore_failed_is_told_when_it_was_foreseen(
    caplog: pytest.LogCaptureFixture, error: Exception, words: str
) -> None:
    def chore() -> None:
        raise error

    caplog.set_level("INFO")
    app._try(chore)
    assert words in caplog.text
    assert "12D3KooW" not in caplog.text
