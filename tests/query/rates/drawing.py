"""A seed into a case: streams of every kind, often together, as bad as senders and clocks are.

Times are whole 64ths of a second, which are exact in nanoseconds, in doubles and in fractions.
"""

import random
from operator import itemgetter
from typing import Any

from tests.query.rates import model

T0 = 1_800_000_000
INTERVALS = (1, 2, 7, 10, 15, 30, 60, 60, 60, 300, 300, 900, 3600)
AGGREGATIONS = ("rate", "rate", "rate", "avg", "min", "max", "last")
MOST_POINTS = 60


def case(seed: int) -> model.Case:
    draw = random.Random(seed)
    interval = draw.choice(INTERVALS)
    start = T0 + draw.choice((0, draw.randrange(interval), tick(draw.uniform(0, interval))))
    length = max(interval * draw.randrange(1, 24) + draw.choice((0, 0, draw.randrange(interval))), 1)
    end = start + length
    now = end + draw.choice((0, 0, 0, tick(draw.uniform(-0.4, 0.4) * length), 3 * length, 50 * length))
    header = {"seed": seed, "now": now, "start": start, "end": end, "interval": interval}
    aggregation = draw.choice(AGGREGATIONS)
    return {**header, "aggregation": aggregation, "streams": _streams(draw, aggregation, (start, end, now))}


def beside(case: model.Case, seed: int) -> model.Case:
    """Other streams under the same question."""
    draw = random.Random(seed)
    range_ = (case["start"], case["end"], case["now"])
    return {**case, "streams": _streams(draw, case["aggregation"], range_)}


def _streams(draw: random.Random, aggregation: str, range_: tuple[float, float, float]) -> list[model.Stream]:
    kinds = ("cumulative", "cumulative", "delta") if aggregation == "rate" else ("level",)
    streams: list[model.Stream] = []
    for place in range(draw.choice((1, 1, 2, 2, 3, 4))):
        name = draw.choice((f"s{place}", f"s{place}", "s0"))
        kind = draw.choice(kinds)
        if kind == "delta":
            streams.append(_senders(draw, f"d{place}", range_))
        else:
            streams += _processes(draw, name, kind, range_, streams)
    lone = {"series": "lone", "kind": kinds[0], "start": None, "points": [[range_[0], 1]]}
    return streams or [lone]


def tick(seconds: float) -> float:
    return round(seconds * 64) / 64


def _moments(draw: random.Random, begin: float, end: float, length: float) -> list[float]:
    """When a sender exports: with jitter, and sometimes not at all for a while."""
    period = max(
        draw.choice((1, 5, 10, 15, 60, 60, 300, length / 8, length / 20, length)), length / MOST_POINTS
    )
    jitter = draw.choice((0, 0, 0.01, 0.3, 0.9))
    gaps = draw.choice((0, 0, 0, 0.05, 0.3))
    moments: list[float] = []
    time = begin + tick(draw.uniform(0, period))
    while time <= end and len(moments) < 2 * MOST_POINTS:
        moments.append(time)
        step = period * (1 + jitter * draw.uniform(-1, 1))
        if draw.random() < gaps:
            step *= draw.choice((2, 3, 6, 7, 30))
        if draw.random() < 0.01:
            period = max(period * draw.choice((0.25, 4)), length / MOST_POINTS)
        time += max(tick(step), 1 / 64)
    return moments


def _life(draw: random.Random, start: float, end: float, now: float) -> tuple[float, float]:
    """From where to where a sender is there: mostly up to now or the end of the range, whichever is first."""
    length = end - start
    begin = start + tick(length * draw.choice((-0.6, -0.3, -0.05, 0, draw.uniform(-0.2, 1))))
    until = min(end + length / 4, now) if draw.random() < 0.75 else start + tick(length * draw.uniform(0, 1))
    return begin, max(until, begin)


def _skew(draw: random.Random) -> dict[str, Any]:
    return draw.choice(({}, {}, {}, {"arrives": draw.choice((0.5, 40, 600, -3))}))


def _processes(
    draw: random.Random,
    name: str,
    kind: str,
    range_: tuple[float, float, float],
    others: list[model.Stream],
) -> list[model.Stream]:
    """One raw series, or its kin, through some restarts."""
    start, end, now = range_
    begin, until = _life(draw, start, end, now)
    kin = draw.choice((None, None, f"kin {name}", "kin"))
    first = draw.choice(("counts", "counts", "counts", "baseline", "process"))
    out: list[model.Stream] = []
    for life in range(draw.choice((1, 1, 1, 2, 3))):
        moments = _moments(draw, begin, until, end - start)
        if draw.random() < 0.1:
            moments = moments[:1]
        if not moments:
            break
        if draw.random() < 0.4:
            del moments[draw.randrange(len(moments)) + 1 :]
        known = None if draw.random() < 0.2 else moments[0] - draw.choice((0, 1 / 64, 5, 60, 3600))
        if known is not None and (out or others):
            known = max(known, begin) if known < moments[0] else known
        series = name if draw.random() < 0.7 or kin is None else f"{name}.{life}"
        stream = {"series": series, "kind": kind, "start": known, "first": first, **_skew(draw)}
        stream["points"] = _late(draw, _values(draw, moments, kind))
        if kin is not None:
            stream["kin"] = kin
        out.append(stream)
        begin = moments[-1] + draw.choice((0, 1 / 64, 1, 5, tick(draw.uniform(0, (end - start) / 4))))
    return [one for one in out if not _twins(one, [*others, *out])]


def _twins(one: model.Stream, others: list[model.Stream]) -> bool:
    """Streams whose only point is their start cannot both have come before the other."""
    first = one["points"][0][0]
    return any(
        o is not one and o["points"][0][0] == first and o["start"] == first and one["start"] == first
        for o in others
    )


def _values(draw: random.Random, moments: list[float], kind: str) -> list[list[float]]:
    size = draw.choice((1, 5, 1000, 1e9))
    whole = draw.random() < 0.7
    value = draw.choice((0, 0, size * draw.randrange(100)))
    points = []
    for time in moments:
        change = draw.uniform(0, size)
        change = round(change) if whole else change
        change = draw.choice((0, change, change, change))
        if kind == "level":
            value = draw.choice((value, value + change, value - change))
        elif draw.random() < 0.03:
            value = change  # a start that is not told
        else:
            value += change
        points.append([time, value])
    return points


def _late(draw: random.Random, points: list[Any]) -> list[Any]:
    """Some points come after later ones."""
    chance = draw.choice((0, 0, 0, 0.1))
    for place in range(len(points) - 1):
        if draw.random() < chance:
            points[place], points[place + 1] = points[place + 1], points[place]
    return points


def _senders(draw: random.Random, name: str, range_: tuple[float, float, float]) -> model.Stream:
    """One raw series of deltas, from one sender or several."""
    start, end, now = range_
    points: dict[float, list[Any]] = {}
    tells = draw.random() < 0.8
    for _ in range(draw.choice((1, 1, 2, 3)) if tells else 1):
        begin, until = _life(draw, start, end, now)
        before: float | None = begin if draw.random() < 0.7 else None
        for time, value in _values(draw, _moments(draw, begin, until, end - start), "delta"):
            since = before if before is not None and before < time else None
            if since is not None and draw.random() < 0.1:
                since = tick(draw.uniform(since, time))  # it paused
            points.setdefault(time, [time, value, since if tells and since != time else None])
            before = time
    in_order = [points[time] for time in sorted(points)] or [[start, 1, None]]
    if tells and all(point[2] is not None for point in in_order):
        in_order = _late(draw, in_order)
        # The plain model takes what came last for the end of a sender, and so knows less than was sent.
        in_order[-2:] = sorted(in_order[-2:], key=itemgetter(0))
    first = in_order[0]
    if first[2] == first[0] - 60:
        first[2] = first[0] - 59  # a minute is what the core assumes where nothing is told
    return {
        "series": name,
        "kind": "delta",
        "start": None,
        "first": "counts",
        **_skew(draw),
        "points": in_order,
    }
