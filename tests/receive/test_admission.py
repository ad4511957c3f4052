"""The gate lets in what fits, makes others wait, and loses no place."""

import asyncio
import random

import pytest

from blackhole.config import OtlpConfig, Size
from blackhole.errors import OverloadedError
from blackhole.receive.admission import WAITING_PER_PLACE, Admission, Gate


def test_the_configuration_sets_both_bounds() -> None:
    async def scenario() -> None:
        gate = Gate.of(OtlpConfig(max_concurrency=2, max_request_size=Size(1024)))
        first, second = await gate.enter(1024), await gate.enter(512)
        assert (gate.requests, gate.volume) == (2, 1536)
        first.leave()
        second.leave()
        assert (gate.requests, gate.volume) == (0, 0)

    asyncio.run(scenario())


@pytest.mark.parametrize(("requests", "volume"), [(1, 1000), (10, 10)])
def test_who_finds_no_room_is_told_when_to_come_back(requests: int, volume: int) -> None:
    async def scenario() -> None:
        gate = Gate(requests=requests, volume=volume, patience=0.02)
        entry = await gate.enter(10)
        with pytest.raises(OverloadedError) as caught:
            await gate.enter(10)
        assert caught.value.retry_after > 0
        entry.leave()
        (await gate.enter(10)).leave()
        assert (gate.requests, gate.volume) == (0, 0)

    asyncio.run(scenario())


def test_who_waits_gets_the_place_that_is_left() -> None:
    async def scenario() -> None:
        gate = Gate(requests=1, volume=1000, patience=5)
        entry = await gate.enter(1)
        waiting = asyncio.create_task(gate.enter(1))
        await asyncio.sleep(0)
        assert not waiting.done()
        entry.leave()
        (await waiting).leave()
        assert (gate.requests, gate.volume) == (0, 0)

    asyncio.run(scenario())


def test_the_queue_is_bounded() -> None:
    async def scenario() -> None:
        gate = Gate(requests=1, volume=1000, patience=5)
        entry = await gate.enter(1)
        waiting = [asyncio.create_task(gate.enter(1)) for _ in range(WAITING_PER_PLACE)]
        await asyncio.sleep(0)
        with pytest.raises(OverloadedError):
            await gate.enter(1)
        entry.leave()
        for task in waiting:
            (await task).leave()

    asyncio.run(scenario())


def test_one_body_alone_always_fits() -> None:
    async def scenario() -> None:
        gate = Gate(requests=2, volume=10, patience=0.01)
        entry = await gate.enter(1000)
        entry.leave()
        assert gate.volume == 0

    asyncio.run(scenario())


def test_one_body_alone_may_grow_beyond_the_bound() -> None:
    async def scenario() -> None:
        gate = Gate(requests=2, volume=15, patience=0.01)
        entry = await gate.enter(9)
        await entry.grow(10)
        assert gate.volume == 19
        entry.leave()
        assert gate.volume == 0

    asyncio.run(scenario())


def test_growing_goes_before_entering() -> None:
    async def scenario() -> None:
        gate = Gate(requests=2, volume=100, patience=5)
        first, second = await gate.enter(50), await gate.enter(50)
        outside = asyncio.create_task(gate.enter(50))
        await asyncio.sleep(0)
        inside = asyncio.create_task(first.grow(50))
        await asyncio.sleep(0)
        second.leave()
        await inside
        assert not outside.done()
        first.leave()
        (await outside).leave()
        assert (gate.requests, gate.volume) == (0, 0)

    asyncio.run(scenario())


def test_settling_gives_back_what_was_not_needed() -> None:
    async def scenario() -> None:
        gate = Gate(requests=2, volume=100, patience=5)
        entry = await gate.enter(100)
        other = asyncio.create_task(gate.enter(90))
        await asyncio.sleep(0)
        assert not other.done()
        entry.settle(10)
        (await other).leave()
        entry.leave()
        entry.leave()
        assert (gate.requests, gate.volume) == (0, 0)

    asyncio.run(scenario())


@pytest.mark.parametrize("seed", range(20))
def test_no_place_is_lost_whatever_happens(seed: int) -> None:
    """Fails when a bound is passed, or when anything is still taken after all have left."""
    chance = random.Random(seed)

    async def visit(gate: Gate) -> None:
        entry: Admission = await gate.enter(chance.randrange(60))
        try:
            assert gate.requests <= 4
            await asyncio.sleep(chance.random() / 500)
            if chance.random() < 0.5:
                await entry.grow(chance.randrange(60))
            entry.settle(chance.randrange(60))
            await asyncio.sleep(chance.random() / 500)
        finally:
            entry.leave()

    async def scenario() -> None:
        gate = Gate(requests=4, volume=120, patience=chance.choice([0.001, 0.01, 1.0]))
        tasks = [asyncio.create_task(visit(gate)) for _ in range(60)]
        for task in tasks:
            if chance.random() < 0.3:
                await asyncio.sleep(chance.random() / 500)
                task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(r) for r in results} <= {type(None), OverloadedError, asyncio.CancelledError}
        assert (gate.requests, gate.volume) == (0, 0)
        (await gate.enter(120)).leave()

    asyncio.run(scenario())
