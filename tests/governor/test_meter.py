import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from blackhole.governor.meter import Meter, Stepwise

pytestmark = pytest.mark.anyio


class Clocks:
    """CPU clocks that tests move by hand: one of the process and one for all threads."""

    def __init__(self) -> None:
        self.process = 0.0
        self.thread = 0.0

    def meter(self) -> Meter:
        return Meter(lambda: self.process, lambda _: lambda: self.thread)

    def work(self, seconds: float) -> None:
        self.process += seconds
        self.thread += seconds


def test_what_questions_use_is_not_charged() -> None:
    clocks = Clocks()
    meter = clocks.meter()
    clocks.work(1.0)
    with meter.free():
        clocks.work(5.0)
    clocks.work(0.5)
    assert meter.charged() == pytest.approx(1.5)


def test_a_question_that_still_runs_is_not_charged_meanwhile() -> None:
    clocks = Clocks()
    meter = clocks.meter()
    with meter.free():
        clocks.work(5.0)
        assert meter.charged() == pytest.approx(0.0)


def test_nested_questions_count_once() -> None:
    clocks = Clocks()
    meter = clocks.meter()
    with meter.free(), meter.free():
        clocks.work(2.0)
    assert meter.charged() == pytest.approx(0.0)
    clocks.work(1.0)
    assert meter.charged() == pytest.approx(1.0)


def spin(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def test_real_threads_are_told_apart() -> None:
    meter = Meter()
    before = meter.charged()

    def question() -> None:
        with meter.free():
            spin(0.2)

    asking = threading.Thread(target=question)
    asking.start()
    spin(0.05)
    asking.join()
    assert 0.05 <= meter.charged() - before < 0.15


async def test_only_the_steps_of_the_awaited_are_free() -> None:
    inside = 0

    @contextmanager
    def around() -> Iterator[None]:
        nonlocal inside
        inside += 1
        try:
            yield
        finally:
            inside -= 1

    async def question() -> str:
        assert inside == 1
        await asyncio.sleep(0.01)
        assert inside == 1
        return "answer"

    async def other() -> None:
        for _ in range(5):
            assert inside == 0
            await asyncio.sleep(0.002)

    answer, _ = await asyncio.gather(_awaited(Stepwise(question(), around)), other())
    assert answer == "answer"


async def _awaited(stepwise: Stepwise[str]) -> str:
    return await stepwise


async def test_errors_and_cancellation_reach_the_awaited() -> None:
    reached = []

    async def failing() -> None:
        await asyncio.sleep(0)
        raise ValueError("no")

    async def long() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            reached.append("cancelled")
            raise

    meter = Meter()
    with pytest.raises(ValueError, match="no"):
        await Stepwise(failing(), meter.free)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await Stepwise(long(), meter.free)
    assert reached == ["cancelled"]
