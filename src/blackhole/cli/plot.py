"""Turns points over time into a chart of braille characters with labelled axes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import NamedTuple

from blackhole.cli.render import number

_EMPTY = 0x2800
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # by row and column within a character
_SMALLEST_WIDTH = 20

PlotPoint = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Frame:
    """`width` and `height` in characters, axes included; `gap`: seconds that no line spans."""

    width: int
    height: int
    gap: float
    zone: tzinfo | None = None
    ascii_only: bool = False


class Dot(NamedTuple):
    """From the left, and from the bottom."""

    x: int
    y: int


class Canvas:
    """A grid of dots, two by four a character (one where only ASCII can be shown)."""

    def __init__(self, columns: int, rows: int, *, ascii_only: bool = False) -> None:
        self._across, self._down = (1, 1) if ascii_only else (2, 4)
        self._ascii = ascii_only
        self.width, self.height = columns * self._across, rows * self._down
        self._cells = [[0] * columns for _ in range(rows)]

    def dot(self, x: int, y: int) -> None:
        """Sets the dot at `x` from the left and `y` from the bottom."""
        row, inner = divmod(self.height - 1 - y, self._down)
        column, side = divmod(x, self._across)
        self._cells[row][column] |= _DOTS[inner][side]

    def line(self, start: Dot, end: Dot) -> None:
        steps = max(abs(end.x - start.x), abs(end.y - start.y), 1)
        for i in range(steps + 1):
            x = start.x + (end.x - start.x) * i / steps
            y = start.y + (end.y - start.y) * i / steps
            self.dot(round(x), round(y))

    def lines(self) -> list[str]:
        if self._ascii:
            return ["".join("*" if cell else " " for cell in row) for row in self._cells]
        return ["".join(chr(_EMPTY | cell) if cell else " " for cell in row) for row in self._cells]


def chart(points: Sequence[PlotPoint], frame: Frame, *, unit: str) -> str:
    """One series as a line; times in seconds ascending. Raises ValueError when there is no point."""
    finite = [(t, v) for t, v in points if math.isfinite(v)]
    if not finite:
        raise ValueError("no point to draw")
    low, high = bounds([value for _, value in finite])
    rows = frame.height - 2
    labels = _labels(low, high, rows, unit)
    margin = max(map(len, labels))
    canvas = Canvas(max(_SMALLEST_WIDTH, frame.width - margin - 2), rows, ascii_only=frame.ascii_only)
    _draw(canvas, finite, low, high, frame.gap)
    bar, corner, floor = ("|", "+", "-") if frame.ascii_only else ("┤", "└", "─")
    columns = max(_SMALLEST_WIDTH, frame.width - margin - 2)
    body = [
        f"{label:>{margin}} {bar}{line}".rstrip() for label, line in zip(labels, canvas.lines(), strict=True)
    ]
    axis = f"{'':>{margin}} {corner}{floor * columns}"
    return "\n".join([*body, axis, " " * (margin + 2) + _times(finite, columns, frame.zone)])


def bounds(values: Sequence[float]) -> tuple[float, float]:
    """The range of the value axis: from zero when the values come near it, else close around them."""
    low, high = min(values), max(values)
    if low >= 0 and low <= high / 2:
        low = 0.0
    if high <= 0 and high >= low / 2:
        high = 0.0
    if low == high:
        spread = abs(low) / 2 or 0.5
        low, high = low - spread, high + spread
    return low, high


def _draw(canvas: Canvas, points: Sequence[PlotPoint], least: float, most: float, gap: float) -> None:
    low, high = least / 2, most / 2  # halves cannot overflow
    height = high - low or 1.0
    first, span = points[0][0], max(points[-1][0] - points[0][0], 1e-9)
    previous: tuple[float, Dot] | None = None
    for time, value in points:
        x = round((time - first) / span * (canvas.width - 1))
        y = round((value / 2 - low) / height * (canvas.height - 1))
        dot = Dot(x, y)
        joined = previous is not None and time - previous[0] <= gap
        canvas.line(previous[1] if previous is not None and joined else dot, dot)
        previous = (time, dot)


def _labels(low: float, high: float, rows: int, unit: str) -> list[str]:
    """The value at the top, middle and bottom line, in a scale that fits; else empty."""
    factor, name = _scale(max(abs(low), abs(high)), unit)
    labels = [""] * rows
    for row in {0, (rows - 1) // 2, rows - 1}:
        value = high - (high - low) * row / max(rows - 1, 1)
        labels[row] = f"{number(value / factor, 4)}{name}"
    return labels


def _scale(largest: float, unit: str) -> tuple[float, str]:
    if unit == "By":
        steps = [(2.0**30, " GiB"), (2.0**20, " MiB"), (2.0**10, " KiB"), (1.0, " B")]
    elif unit == "s":
        steps = [(1.0, " s"), (1e-3, " ms"), (1e-6, " µs")]
    else:
        word = "" if unit in {"", "1"} else f" {unit.strip('{}')}"
        steps = [(1e9, f"G{word}"), (1e6, f"M{word}"), (1e3, f"k{word}"), (1.0, word)]
        if largest < 10_000:  # noqa: PLR2004  (four digits are read as they are)
            return 1.0, word
    fitting = [step for step in steps if largest >= step[0]]
    return fitting[0] if fitting else steps[-1]


def _times(points: Sequence[PlotPoint], columns: int, zone: tzinfo | None) -> str:
    first, last = (datetime.fromtimestamp(points[i][0], zone).astimezone(zone) for i in (0, -1))
    form = "%H:%M:%S" if first.date() == last.date() else "%m-%d %H:%M"
    left, right = first.strftime(form), last.strftime(form)
    return left + right.rjust(columns - len(left))
