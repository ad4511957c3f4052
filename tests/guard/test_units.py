"""Units as senders write them, and values of one in another."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackhole.catalogue.units import factor, same_unit

TIMES = ("ns", "us", "µs", "ms", "s", "min", "h", "seconds", "milliseconds")
SIZES = ("By", "kBy", "KiBy", "MiBy", "GiBy", "bytes")


@pytest.mark.parametrize(
    ("sent", "wanted", "by"),
    [
        ("ns", "s", 1e-9),
        ("ms", "s", 0.001),
        ("s", "ms", 1000.0),
        ("seconds", "ms", 1000.0),
        ("µs", "ms", 0.001),
        ("1", "percent", 100.0),
        ("", "%", 100.0),
        ("%", "1", 0.01),
        ("KiBy", "By", 1024.0),
        ("By", "MiBy", 1 / 1048576),
        ("kB", "bytes", 1000.0),
        ("bytes", "By", 1.0),
        ("{request}", "1", 1.0),
        ("h", "s", 3600.0),
    ],
)
def test_a_value_is_converted_into_the_unit_that_is_wanted(sent: str, wanted: str, by: float) -> None:
    assert factor(sent, wanted) == by


@pytest.mark.parametrize(
    ("sent", "wanted"),
    [("ms", "By"), ("{request}", "%"), ("Cel", "s"), ("connections", "percent"), ("By", "1")],
)
def test_what_is_of_another_kind_is_never_converted(sent: str, wanted: str) -> None:
    assert factor(sent, wanted) is None


@given(st.sampled_from([TIMES, SIZES]).flatmap(lambda kind: st.tuples(*[st.sampled_from(kind)] * 2)))
def test_there_and_back_is_the_same(units: tuple[str, str]) -> None:
    there, back = factor(*units), factor(*reversed(units))
    assert there is not None
    assert back is not None
    assert there * back == pytest.approx(1.0, rel=1e-15)


def test_ways_to_write_a_unit_mean_the_same() -> None:
    assert same_unit("seconds", "s")
    assert same_unit("{request}", "operations")
    assert not same_unit("ms", "s")
