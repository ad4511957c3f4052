import asyncio
import contextlib
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.governor.simulation import Service, listening_sender, now, pace_of, run

from blackhole.errors import OverloadedError
from blackhole.governor.pace import BURST_S, LONGEST_RETRY_S, MOST_WAITING, PATIENCE_S

SHARE = 0.05


async def overload(cost: float, senders: int, share: float, seconds: float) -> tuple[Service, float]:
    """CPU seconds a second after a warm-up, at ten times what the share allows."""
    service = Service(cost)
    pace = pace_of(service, share)
    service.spent += share * BURST_S  # what is free at once, else few cheap requests live on it for minutes
    period = senders * cost / (share * 10)
    sending = [
        asyncio.create_task(listening_sender(service, pace, n, period, 10 + seconds)) for n in range(senders)
    ]
    await asyncio.sleep(10)
    before = service.spent
    await asyncio.sleep(seconds)
    measured = (service.spent - before) / seconds
    await asyncio.gather(*sending)
    return service, measured


@pytest.mark.timeout(400)
@settings(max_examples=12, deadline=None)
@example(cost=0.002, senders=2, share=0.1)
@given(
    cost=st.floats(0.002, 0.02),
    senders=st.integers(2, 24),
    share=st.sampled_from((0.02, 0.05, 0.1)),
)
def test_senders_that_listen_are_held_at_the_limit_and_all_get_their_turn(
    cost: float, senders: int, share: float
) -> None:
    service, measured = run(overload(cost, senders, share, 60.0))
    slack = 0.2 * share + cost / 60
    assert abs(measured - share) <= slack
    if senders * cost / share < 10 and cost / share < PATIENCE_S / 2:  # else a minute is too short
        assert len(service.taken) == senders


def test_a_service_that_spends_more_than_its_share_on_itself_still_hears_every_sender() -> None:
    async def simulate() -> tuple[Service, list[float], float]:
        service = Service(0.003)
        pace = pace_of(service, SHARE)
        heard: dict[int, list[float]] = {n: [0.0] for n in range(5)}

        async def own_work() -> None:
            while now() < 300:
                service.spent += 0.5 * 2 * SHARE
                await asyncio.sleep(0.5)

        async def sender(n: int) -> None:
            """As an exporter does that gives up at once and comes with its next export."""
            await asyncio.sleep(0.37 * n)
            while now() < 300:
                began = now()
                with contextlib.suppress(OverloadedError):
                    await service.receive(pace, n)
                    heard[n].append(now())
                await asyncio.sleep(max(0.0, began + 2.0 - now()))

        await asyncio.gather(own_work(), *(sender(n) for n in heard))
        gaps = [b - a for times in heard.values() for a, b in pairwise(times)]
        return service, gaps, service.spent / 300 - 2 * SHARE

    service, gaps, for_senders = run(simulate())
    assert service.refused > 0
    assert max(gaps) < 15
    assert 0 < for_senders < SHARE


def test_refusals_are_few_beside_what_is_taken() -> None:
    service, _ = run(overload(0.004, 16, SHARE, 60.0))
    assert service.refused < 2 * sum(service.taken.values())


def test_a_normal_node_is_never_asked_to_wait() -> None:
    async def simulate() -> tuple[float, int]:
        service = Service(0.002)
        pace = pace_of(service, SHARE)
        longest = 0.0
        for _ in range(300):  # eight services at once, every second: a third of the limit
            began = now()
            await asyncio.gather(*(service.receive(pace, n) for n in range(8)))
            longest = max(longest, now() - began)
            await asyncio.sleep(began + 1 - now())
        return longest, sum(pace.take_pressure())

    longest, pressure = run(simulate())
    assert pressure == 0
    assert longest < 0.03


def test_a_short_wait_is_spared_a_refusal() -> None:
    async def simulate() -> tuple[float, tuple[int, int]]:
        service = Service(0.001)
        pace = pace_of(service, SHARE)
        service.spent += SHARE * (BURST_S + 0.5)
        began = now()
        await service.receive(pace, 1)
        return now() - began, pace.take_pressure()

    waited, pressure = run(simulate())
    assert 0.4 < waited < PATIENCE_S
    assert pressure == (1, 0)


def test_the_delay_that_is_asked_for_grows_with_the_debt_and_is_bounded() -> None:
    async def simulate(debt_s: float) -> float:
        service = Service(0.001)
        pace = pace_of(service, SHARE)
        service.spent += SHARE * (BURST_S + debt_s)
        with pytest.raises(OverloadedError, match="max_cpu_usage") as caught:
            await pace.admit()
        return caught.value.retry_after

    delays = [run(simulate(debt)) for debt in (2, 5, 10, 1000)]
    assert delays == sorted(delays)
    assert delays[0] > 1
    assert delays[-1] <= LONGEST_RETRY_S * 1.1


def test_senders_refused_at_once_are_asked_to_come_one_after_the_other() -> None:
    async def simulate() -> list[float]:
        service = Service(0.001)
        pace = pace_of(service, SHARE)
        service.spent += SHARE * (BURST_S + 3)
        delays = []
        for _ in range(200):
            with pytest.raises(OverloadedError) as caught:
                await pace.admit()
            delays.append(caught.value.retry_after)
        return delays

    delays = run(simulate())
    assert max(delays) - min(delays) > 2
    assert len({round(delay, 3) for delay in delays}) > 150


def test_the_line_of_those_who_wait_is_bounded() -> None:
    async def simulate() -> int:
        service = Service(0.0)
        pace = pace_of(service, SHARE)
        service.spent += SHARE * (BURST_S + 0.1)
        waiting = [asyncio.create_task(pace.admit()) for _ in range(3 * MOST_WAITING)]
        await asyncio.sleep(0)
        longest = pace.waiting
        await asyncio.gather(*waiting, return_exceptions=True)
        return longest

    assert 0 < run(simulate()) <= MOST_WAITING


def test_a_sender_that_leaves_while_it_waits_keeps_nobody_out() -> None:
    async def simulate() -> bool:
        service = Service(0.001)
        pace = pace_of(service, SHARE)
        service.spent += SHARE * (BURST_S + 0.5)
        gone = asyncio.create_task(pace.admit())
        await asyncio.sleep(0.1)
        gone.cancel()
        await service.receive(pace, 2)
        await asyncio.sleep(1)
        await service.receive(pace, 3)
        return service.taken == {2: 1, 3: 1} and pace.waiting == 0

    assert run(simulate())


def test_what_starting_up_took_is_not_charged() -> None:
    async def simulate() -> tuple[int, int]:
        service = Service(0.001)
        pace = pace_of(service, SHARE)
        service.spent += 3.0
        pace.restart()
        await service.receive(pace, 1)
        return pace.take_pressure()

    assert run(simulate()) == (0, 0)


def test_a_closed_service_takes_nothing_and_says_why() -> None:
    async def simulate() -> OverloadedError:
        pace = pace_of(Service(0.001), SHARE)
        pace.close_when(lambda: "the disk is full: send again later")
        with pytest.raises(OverloadedError, match="the disk is full") as caught:
            await pace.admit()
        return caught.value

    assert 1 < run(simulate()).retry_after < LONGEST_RETRY_S
