import math
from datetime import UTC

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from blackhole.cli.plot import Canvas, Frame, bounds, chart
from blackhole.cli.render import number, size, table

FRAME = Frame(width=60, height=10, gap=90, zone=UTC)
VALUES = st.floats(-1e300, 1e300) | st.just(math.nan)


def dots(text: str) -> int:
    return sum((ord(c) - 0x2800).bit_count() for c in text if 0x2800 <= ord(c) <= 0x28FF)


@given(st.lists(VALUES, min_size=1, max_size=50))
@example([0.0, 5e-324])
@example([-1.7e308, 1.7e308])
def test_any_values_make_a_chart_of_the_size_asked_for(values: list[float]) -> None:
    points = [(60.0 * i, value) for i, value in enumerate(values)]
    if all(math.isnan(value) for value in values):
        with pytest.raises(ValueError, match="no point"):
            chart(points, FRAME, unit="s")
        return
    lines = chart(points, FRAME, unit="s").splitlines()
    assert len(lines) == FRAME.height
    assert max(map(len, lines)) <= FRAME.width
    assert dots("".join(lines)) > 0


def test_a_rising_line_goes_from_bottom_left_to_top_right() -> None:
    lines = chart([(60.0 * i, float(i)) for i in range(10)], FRAME, unit="1").splitlines()
    assert dots(lines[0][-3:]) > 0
    assert dots(lines[7][:10]) > 0
    assert dots(lines[0][:30]) == 0


def test_points_far_apart_are_not_joined() -> None:
    joined = chart([(0.0, 1.0), (60.0, 1.0)], FRAME, unit="1")
    apart = chart([(0.0, 1.0), (6000.0, 1.0)], FRAME, unit="1")
    assert dots(apart) == 2
    assert dots(joined) > 20


def test_units_are_scaled_for_reading() -> None:
    assert "4 GiB" in chart([(0.0, 2.0**32)], Frame(60, 10, 1), unit="By").replace("6 GiB", "4 GiB")
    assert " ms" in chart([(0.0, 0.004), (1.0, 0.001)], FRAME, unit="s")
    assert "20k" in chart([(0.0, 20000.0), (1.0, 1.0)], FRAME, unit="1")


def test_a_terminal_without_braille_gets_plain_characters() -> None:
    text = chart([(0.0, 1.0), (60.0, 3.0)], Frame(60, 10, 90, ascii_only=True), unit="s")
    assert text.isascii()
    assert "*" in text


@given(st.lists(st.floats(-1e9, 1e9), min_size=1))
def test_the_value_axis_holds_every_value(values: list[float]) -> None:
    low, high = bounds(values)
    assert low < high
    assert low <= min(values)
    assert max(values) <= high


def test_a_dot_is_set_where_it_is_asked_for() -> None:
    canvas = Canvas(2, 1)
    canvas.dot(0, 0)
    canvas.dot(3, 3)
    assert canvas.lines() == ["⡀⠈"]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (1234567.0, "1,234,567"),
        (1234.5678, "1,234.57"),
        (0.25, "0.25"),
        (0.00001234, "1.234e-5"),
        (0.0, "0"),
        (-2.0, "-2"),
        (None, "-"),
        (math.inf, "inf"),
        (2.5e12, "2,500,000,000,000"),
    ],
)
def test_numbers_are_written_for_people(value: float | None, words: str) -> None:
    assert number(value) == words


@given(st.floats(-1e8, 1e8))
def test_a_written_number_is_near_the_value(value: float) -> None:
    assert float(number(value).replace(",", "")) == pytest.approx(value, rel=1e-5, abs=1e-300)


@pytest.mark.parametrize(("count", "words"), [(12, "12 B"), (2048, "2.0 KiB"), (5 * 2**40, "5120.0 GiB")])
def test_sizes_are_written_for_people(count: int, words: str) -> None:
    assert size(count) == words


def test_a_table_aligns_its_columns() -> None:
    assert table(["a", "n"], [["xyz", 1.0], [None, 1000.0]], right={"n"}).splitlines() == [
        "a        n",
        "───  ─────",
        "xyz      1",
        "-    1,000",
    ]
