"""What the service does by itself, and what it says when that fails."""

import asyncio
import threading

import pytest

from blackhole.app import tasks
from blackhole.app.tasks import Background, Task
from blackhole.errors import PreemptedError, StoreError


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (StoreError("a.duckdb: corrupt block: put a backup in its place"), "a.duckdb: corrupt block"),
        (ValueError("peer 12D3KooW"), "ValueError"),
        (PreemptedError("the file is closed"), "was given up"),
    ],
)
def test_why_a_task_failed_is_told_when_it_was_foreseen(
    caplog: pytest.LogCaptureFixture, error: Exception, words: str
) -> None:
    def run() -> None:
        raise error

    caplog.set_level("INFO")
    tasks.attempt("compaction", run)
    assert words in caplog.text
    assert "compaction" in caplog.text
    assert "12D3KooW" not in caplog.text


def test_a_task_runs_again_and_again_whatever_it_raises_until_the_service_stops() -> None:
    asyncio.run(_run_and_stop())


async def _run_and_stop() -> None:
    ran = threading.Semaphore(0)
    stopped: list[str] = []

    def run() -> None:
        ran.release()
        raise ValueError

    every_turn = Task("looking", 0.001, run, at_once=True, at_stop=lambda: stopped.append("looking"))
    never = Task("sealing", 3600.0, lambda: stopped.append("ran"), at_stop=lambda: stopped.append("sealing"))
    background = Background((every_turn, never))
    background.start()
    for _ in range(3):
        assert await asyncio.to_thread(ran.acquire, timeout=20)
    await background.stop()
    background.leave()
    assert stopped == ["looking", "sealing"]
