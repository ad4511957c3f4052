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
MOST_BOUNDS = 3
EXTREMES = ("min", "max")
PrintedAnswer = Mapping[str, Any]


def heading(answer: PrintedAnswer) -> str:
    unit = answer["unit"] or "no unit"
    level = str(answer["privacy_level"]).replace("_", " ")
    how = f"{answer['aggregation']} by {_interval(answer)}"
    return f"{answer['metric']} · {answer['type']} · {unit} · {level} · {how}"


def _interval(answer: PrintedAnswer) -> str:
    interval = answer["interval"]
    return duration_words(interval) if isinstance(interval, int | float) else str(interval)


def _rows(answer: PrintedAnswer, keys: Sequence[str]) -> Iterator[tuple[str, list[str], Mapping[str, Any]]]:
    for series in answer["series"]:
        labels = [series["attributes"].get(key, "-") for key in keys]
        for point in series["points"]:
            yield point["timestamp"], labels, point


def _keys(answer: PrintedAnswer) -> list[str]:
    return sorted({key for series in answer["series"] for key in series["attributes"]})


def as_table(answer: PrintedAnswer, *, utc: bool) -> str:
    keys = _keys(answer)
    rows = sorted(_rows(answer, keys), key=lambda row: row[:2])
    if not rows:
        return _nothing(answer, ", or see `blackhole status` for what was refused")
    noisy = any(point["lower"] is not None for _, _, point in rows)
    value = "value" if answer["aggregation"] == "count" else f"value {_unit(answer)}".rstrip()
    extremes = EXTREMES if _has_extremes(answer) else ()
    columns = ["time", *keys, value, *extremes, *(["95 % from", "to"] if noisy else []), "points"]
    right = {value, *EXTREMES, "95 % from", "to", "points"}
    cells = (
        [
            clock(stamp, utc=utc),
            *labels,
            _value(point),
            *(number(point.get(name)) for name in extremes),
            *([number(point["lower"]), number(point["upper"])] if noisy else []),
            number(point["sample_count"]),
        ]
        for stamp, labels, point in rows
    )
    return table(columns, cells, right=right)


def _nothing(answer: PrintedAnswer, more: str = "") -> str:
    """Where there is data, but not such as can be answered from, a note says what to ask."""
    if any("has no buckets" in note for note in answer.get("notes", ())):
        return f"no {answer['aggregation']} of it in this range"
    return f"no data in this range: try a longer --last{more}"


def _value(point: Mapping[str, Any]) -> str:
    """Of a percentile in a bucket without an end only is known what it is above."""
    return f"> {number(point['value'])}" if point.get("over") else number(point["value"])


def wholes(answer: PrintedAnswer) -> list[str]:
    """What the aggregation comes to over the whole range, by series."""
    if answer["aggregation"] == "last":
        return []
    known = [series for series in answer["series"] if series.get("overall", {}).get("value") is not None]
    said = [_whole(answer, series) for series in known[:MOST_CHARTS]]
    left = len(known) - len(said)
    return [*said, f"… and of {left} more series: narrow them with --where"] if left else said


def _whole(answer: PrintedAnswer, series: Mapping[str, Any]) -> str:
    unit = _unit(answer) if answer["aggregation"] != "count" else ""
    value = f"{answer['aggregation']} {_value(series['overall'])} {unit}".rstrip()
    return f"over the whole range{_named(series)}: {value}"


def _named(series: Mapping[str, Any]) -> str:
    return "".join(f", {key}={value}" for key, value in series["attributes"].items())


def _is_percentile(answer: PrintedAnswer) -> bool:
    return str(answer["aggregation"]).startswith("p") and answer["type"] in {"histogram", "summary"}


def _has_extremes(answer: PrintedAnswer) -> bool:
    return any("min" in point for series in answer["series"] for point in series["points"])


def _unit(answer: PrintedAnswer) -> str:
    unit = str(answer["unit"]).strip("{}")
    if answer["aggregation"] == "rate" and answer["type"] in {"histogram", "summary"}:
        return "/s"  # observations, whatever they are measured in
    return f"{unit}/s" if answer["aggregation"] in {"rate", "sum_rate"} else unit


def as_csv(answer: PrintedAnswer) -> str:
    keys = _keys(answer)
    more = (*(EXTREMES if _has_extremes(answer) else ()), *(("over",) if _is_percentile(answer) else ()))
    fields = ("value", "sample_count", "lower", "upper", *more)
    rows = (
        [stamp, *labels, *(_field(point, name) for name in fields)]
        for stamp, labels, point in _rows(answer, keys)
    )
    return csv_text(["timestamp", *keys, *fields], rows)


def _field(point: Mapping[str, Any], name: str) -> Any:
    return "true" if name == "over" and point.get(name) else point.get(name)


def as_charts(answer: PrintedAnswer, *, utc: bool) -> str:
    drawn = [s for s in answer["series"] if any(p["value"] is not None for p in s["points"])]
    if not drawn:
        return _nothing(answer)
    height = 16 if len(drawn) == 1 else 9
    texts = [_chart(answer, series, height, utc=utc) for series in drawn[:MOST_CHARTS]]
    if len(drawn) > MOST_CHARTS:
        texts.append(
            f"… and {len(drawn) - MOST_CHARTS} more series: narrow them with --where, or leave --plot away"
        )
    return "\n\n".join(texts)


def _chart(answer: PrintedAnswer, series: Mapping[str, Any], height: int, *, utc: bool) -> str:

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
    drawn = (f"{name}\n" if name else "") + chart(points, frame, unit=unit)
    return "\n".join([drawn, *_overs(series, unit)])


def _overs(series: Mapping[str, Any], unit: str) -> Iterator[str]:
    """What the drawing cannot say: where a line is only at the lower end of what may be."""
    over = [point for point in series["points"] if point.get("over")]
    if over:
        bounds = dict.fromkeys(f"{_value(point)} {unit}".rstrip() for point in over)
        said = ", ".join(list(bounds)[:MOST_BOUNDS]) + (", …" if len(bounds) > MOST_BOUNDS else "")
        yield f"{len(over)} of {len(series['points'])} points are {said}, and drawn there"


def _shows_braille() -> bool:
    try:
        "⣿┤".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def notes(answer: PrintedAnswer) -> list[str]:
    """What the answer says about itself."""
    rate = answer.get("sampling_rate", 1.0)
    said = [str(note) for note in answer.get("notes", ())]
    return [*said, f"taken at a sampling rate of {rate:g}"] if rate < 1 else said
