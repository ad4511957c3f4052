"""Turns rows into text: an aligned table, CSV or JSON; numbers and times as people read them."""

import csv
import io
import math
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

import click

TableRow = Sequence[object]
F = TypeVar("F", bound=Callable[..., Any])


class Form(StrEnum):
    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def form_option(function: F) -> F:
    return click.option(
        "--format", "form", type=click.Choice([f.value for f in Form]), default=None, help="How to print."
    )(function)


def table(columns: Sequence[str], rows: Iterable[TableRow], *, right: Iterable[str] = ()) -> str:
    """Columns aligned by two spaces under their names; those in `right` end at the same place."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max([len(name), *(len(row[i]) for row in cells)]) for i, name in enumerate(columns)]
    at_right = {i for i, name in enumerate(columns) if name in set(right)}

    def line(words: Sequence[str]) -> str:
        padded = (
            w.rjust(n) if i in at_right else w.ljust(n)
            for i, (w, n) in enumerate(zip(words, widths, strict=True))
        )
        return "  ".join(padded).rstrip()

    return "\n".join([line(columns), line(["─" * width for width in widths]), *map(line, cells)])


def as_csv(columns: Sequence[str], rows: Iterable[TableRow]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(["" if value is None else value for value in row] for row in rows)
    return out.getvalue().rstrip("\n")


def number(value: float | None, digits: int = 6) -> str:
    """Six significant digits, thousands apart: `1,234.5`, `0.00021`, `-`."""
    if value is None:
        return "-"
    if not math.isfinite(value):
        return str(value)
    if value == int(value) and abs(value) < 1e15:  # noqa: PLR2004  (exact in a double)
        return f"{int(value):,}"
    if 1e-4 <= abs(value) < 1e9:  # noqa: PLR2004  (beyond, powers of ten are easier to read)
        places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
        whole, _, rest = f"{value:,.{places}f}".partition(".")
        return f"{whole}.{rest.rstrip('0')}".rstrip(".")
    return f"{value:.{digits}g}".replace("e-0", "e-").replace("e+0", "e+")


def size(count: float) -> str:
    """Bytes in the largest fitting unit: `96.4 MiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(count) < 1024 or unit == "GiB":  # noqa: PLR2004
            break
        count /= 1024
    return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"


def clock(timestamp: str, *, utc: bool) -> str:
    """An RFC 3339 time in the local zone (or UTC), to the second, with its offset."""
    moment = datetime.fromisoformat(timestamp).astimezone(UTC if utc else None)
    return moment.strftime("%Y-%m-%d %H:%M:%SZ") if utc else moment.strftime("%Y-%m-%d %H:%M:%S%z")


def _cell(value: object) -> str:
    if value is None:
        return "-"
    text = number(value) if isinstance(value, float) else str(value)
    return "".join(c if c.isprintable() else "�" for c in text)
