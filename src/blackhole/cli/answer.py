"""Turns an answer of the query API into a table, CSV or charts."""

import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from blackhole.cli.plot import Frame, chart
from blackhole.cli.render import as_csv as csv_text
from blackhole.cli.render import clock, number, table
from blackhole.config import duration_words

MOST_CHARTS = 6
EXTREMES = ("min", "max")
Answer = Mapping[str, Any]


def heading(answer: Answer) -> str:
    unit = answer["unit"] or "no unit"
    level = str(answer["privacy_level"]).replace("_", " ")
    how = f"{answer['aggregation']} by {_interval(answer)}"
    return f"{answer['metric']} · {answer['type']} · {unit} · {level} · {how}"


def _interval(answer: Answer) -> str:
    interval = answer["interval"]
    return duration_words(interval) if isinstance(interval, int | float) else str(interval)


def _rows(answer: Answer, keys: Sequence[str]) -> Iterator[tuple[str, list[str], Mapping[str, Any]]]:
    for series in answer["series"]:
        labels = [series["attributes"].get(key, "-") for key in keys]
        for point in series["points"]:
            yield point["timestamp"], labels, point


def _keys(answer: Answer) -> list[str]:
    return sorted({key for series in answer["series"] for key in series["attributes"]})


def as_table(answer: Answer, *, utc: bool) -> str:
    keys = _keys(answer)
    rows = sorted(_rows(answer, keys), key=lambda row: row[:2])
    if not rows:
        return "no data in this range: try a longer --last, or see `blackhole status` for what was refused"
    noisy = any(point["lower"] is not None for _, _, point in rows)
    value = "value" if answer["aggregation"] == "count" else f"value {_unit(answer)}".rstrip()
    extremes = EXTREMES if _has_extremes(answer) else ()
    columns = ["time", *keys, value, *extremes, *(["95 % from", "to"] if noisy else []), "points"]
    right = {value, *EXTREMES, "95 % from", "to", "points"}
    cells = (
        [
            clock(stamp, utc=utc),
            *labels,
            number(point["value"]),
            *(number(point.get(name)) for name in extremes),
            *([number(point["lower"]), number(point["upper"])] if noisy else []),
            number(point["sample_count"]),
        ]
        for stamp, labels, point in rows
    )
    return table(columns, cells, right=right)


def _has_extremes(answer: Answer) -> bool:
    return any("min" in point for series in answer["series"] for point in series["points"])


def _unit(answer: Answer) -> str:
    unit = str(answer["unit"]).strip("{}")
    return f"{unit}/s" if answer["aggregation"] == "rate" else unit


def as_csv(answer: Answer) -> str:
    keys = _keys(answer)
    fields = ("value", "sample_count", "lower", "upper", *(EXTREMES if _has_extremes(answer) else ()))
    rows = (
        [stamp, *labels, *(point.get(name) for name in fields)]
        for stamp, labels, point in _rows(answer, keys)
    )
    return csv_text(["timestamp", *keys, *fields], rows)


def as_charts(answer: Answer, *, utc: bool) -> str:
    drawn = [s for s in answer["series"] if any(p["value"] is not None for p in s["points"])]
    if not drawn:
        return "no data in this range: try a longer --last"
    height = 16 if len(drawn) == 1 else 9
    texts = [_chart(answer, series, height, utc=utc) for series in drawn[:MOST_CHARTS]]
    if len(drawn) > MOST_CHARTS:
        texts.append(
            f"… and {len(drawn) - MOST_CHARTS} more series: narrow them with --where, or leave --plot away"
        )
    return "\n\n".join(texts)


def _chart(answer: Answer, series: Mapping[str, Any], height: int, *, utc: bool) -> str:

    points = [
        (datetime.fromisoformat(p["timestamp"]).timestamp(), float(p["value"]))
        for p in series["points"]
        if p["value"] is not None
    ]
    steps = [b[0] - a[0] for a, b in pairwise(points)]
    frame = Frame(
        width=shutil.get_terminal_size((100, 24)).columns,
        height=height,
        gap=2.5 * min(steps, default=1.0),
        zone=UTC if utc else None,
        ascii_only=not _shows_braille(),
    )
    name = ", ".join(f"{key}={value}" for key, value in series["attributes"].items())
    unit = _unit(answer) if answer["aggregation"] != "count" else ""
    return (f"{name}\n" if name else "") + chart(points, frame, unit=unit)


def _shows_braille() -> bool:
    try:
        "⣿┤".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def notes(answer: Answer) -> list[str]:
    """What the answer says about itself."""
    rate = answer.get("sampling_rate", 1.0)
    said = [str(note) for note in answer.get("notes", ())]
    return [*said, f"taken at a sampling rate of {rate:g}"] if rate < 1 else said
