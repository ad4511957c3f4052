import math

from hypothesis import given
from hypothesis import strategies as st

from blackhole.governor.sampling import DOWN, LEAST, UP, Sampler


@given(st.lists(st.booleans(), max_size=300), st.sampled_from((1.0, 0.5, 0.3)))
def test_the_rate_stays_above_zero_and_at_or_below_its_maximum(pressure: list[bool], maximum: float) -> None:
    sampler = Sampler(maximum)
    for throttle in pressure:
        sampler.adapt(throttle=throttle)
        assert 0 < sampler.rate <= maximum
        assert LEAST / 2 < sampler.shown <= sampler.rate
        assert math.log2(sampler.shown).is_integer()
        assert sampler.factor * sampler.shown == 1


@given(st.lists(st.booleans(), max_size=50))
def test_the_rate_comes_back_when_the_pressure_is_gone(pressure: list[bool]) -> None:
    sampler = Sampler()
    for throttle in pressure:
        sampler.adapt(throttle=throttle)
    for _ in range(math.ceil(math.log(1 / LEAST, UP))):
        sampler.adapt(throttle=False)
    assert (sampler.rate, sampler.shown, sampler.factor) == (1.0, 1.0, 1)


def test_the_rate_moves_as_the_specification_says() -> None:
    sampler = Sampler()
    sampler.adapt(throttle=True)
    sampler.adapt(throttle=True)
    assert sampler.rate == DOWN * DOWN
    sampler.adapt(throttle=False)
    assert math.isclose(sampler.rate, DOWN * DOWN * UP)
    assert sampler.shown == 0.25
