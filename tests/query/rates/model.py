"""Rates and levels as they are defined, by the plainest means: slow and exact, to compare the kernel with.

A case: {"name", "now", "start", "end", "interval", "aggregation", "streams": [stream …], "answer": [[t,
value, flags] …], "now_value"}. A stream is one raw series under one start (delta: one raw series):
{"series", "kind": "cumulative" | "delta" | "level", "start": seconds or null (unknown), "first": "counts"
| "baseline" | "process", "points": [[time, value] …]} or, for a delta, [[time, value, start_time or null]
…], in the order of arrival. Times are seconds; all streams of a case are summed. Optional: "kin" (equal
for series that differ in process ids only), "arrives" (seconds that its points come after their time).
"""

import bisect
import itertools
import statistics
from collections.abc import Sequence
from fractions import Fraction as F  # noqa: N817 (a number like any other)
from typing import Any

Case = dict[str, Any]
Stream = dict[str, Any]
Bucket = tuple[float, float, list[str]]
Piece = tuple[F, F, F]


def streams_of(case: Case) -> list[Stream]:
    """Without late cumulative points; a delta series as its senders.

    An interval goes on where the latest one before it ended, else it begins a sender.
    """
    out: list[Stream] = []
    for stream in case["streams"]:
        delta = stream["kind"] == "delta"
        out += [{**stream, "points": one} for one in (_lanes(stream) if delta else [_in_order(stream)])]
    for one in out:
        older = [o for o in out if related(o, one) and one["start"] is not None and _last(o) <= one["start"]]
        one["older"] = max(older, key=_last, default=None)
    return out


def _in_order(stream: Stream) -> list[Any]:
    points: list[Any] = []
    for point in stream["points"]:
        if not points or point[0] > points[-1][0]:
            points.append(point)
    return points


def _lanes(stream: Stream) -> list[list[Any]]:
    lanes: list[list[Any]] = []
    for p in stream["points"]:
        # A start that is the point's own time is unknown.
        begin = p[2] if p[2] is not None and p[2] < p[0] else None
        fits = [lane for lane in lanes if begin is None or lane[-1][0] <= begin + 1]
        lane = max(fits, key=lambda one: one[-1][0], default=None)
        if lane is None:
            lanes.append(lane := [])
        lane.append([p[0], p[1], begin])
    return lanes


def _last(stream: Stream) -> Any:
    return stream["points"][-1][0]


def related(one: Stream, other: Stream) -> bool:
    if one is other or "delta" in (one["kind"], other["kind"]):
        return False
    kin = one.get("kin")
    return one["series"] == other["series"] or (kin is not None and kin == other.get("kin"))


def distances(stream: Stream) -> tuple[list[F], list[F]]:
    """Times of points and their distances: a delta's from its start if known, else from the point before."""
    if "distances" not in stream:
        own = stream["kind"] == "delta"
        found = []
        for q, p in zip([None, *stream["points"]], stream["points"], strict=False):
            if own and p[2] is not None:
                found.append((F(p[0]), F(p[0]) - F(p[2])))
            elif q is not None:
                found.append((F(p[0]), F(p[0]) - F(q[0])))
        stream["distances"] = [t for t, _ in found], [d for _, d in found]
    times, steps = stream["distances"]
    return times, steps


def period(stream: Stream, moment: F) -> F:
    """Median of the last nine distances up to the moment; before there are two points the older's, else 60
    s."""
    times, steps = distances(stream)
    n = bisect.bisect_right(times, moment)
    if seen := steps[max(0, n - 9) : n]:
        return statistics.median(seen)
    return period(stream["older"], moment) if stream.get("older") else F(60)


def pieces(stream: Stream) -> list[Piece]:
    """(since, time, amount) of every increment: it grew evenly from `since` to `time`."""
    return _intervals(stream) if stream["kind"] == "delta" else _differences(stream)


def _intervals(stream: Stream) -> list[Piece]:
    out: list[Piece] = []
    before = None
    for point in stream["points"]:
        t = F(point[0])
        if point[2] is not None:
            since = F(point[2])
        else:
            since = before if before is not None else t - period(stream, t)
        out.append((since, t, F(str(point[1]))))
        before = t
    return out


def _differences(stream: Stream) -> list[Piece]:
    out: list[Piece] = []
    before = None
    for point in stream["points"]:
        t, value = F(point[0]), F(str(point[1]))
        if before is not None:
            out.append((before[0], t, value - before[1] if value >= before[1] else value))
        elif (since := _first_since(stream, t, value)) is not None:
            out.append((since, t, value))
        before = (t, value)
    return out


def _first_since(stream: Stream, t: F, value: F) -> F | None:
    start, first, older = stream["start"], stream.get("first", "counts"), stream["older"]
    if start is not None and F(start) < t and first == "counts":
        return F(start)
    if first == "process" and older and value < F(str(older["points"][-1][1])):
        return F(older["points"][-1][0])
    return None


def ends(streams: Sequence[Stream], now: F) -> list[F | None]:
    """A stream ends where the next of its raw series begins; where one of its kin does, once 1.25 periods
    old."""
    out = []
    for one in streams:
        last = F(_last(one))
        old = last + F(one.get("arrives", 0)) + F("1.25") * period(one, last) < now
        later = [
            F(o["start"])
            for o in streams
            if related(one, o) and o["start"] is not None and F(o["start"]) >= last
            if o["series"] == one["series"] or old
        ]
        out.append(min(later) if later else None)
    return out


def alive(stream: Stream, end: F | None, now: F) -> bool:
    """Judged as of now, by arrival."""
    last = F(_last(stream))
    periods = F("1.5") if stream["kind"] == "delta" else F("2.5")
    return end is None and last + F(stream.get("arrives", 0)) + periods * period(stream, last) >= now


def edge_of(streams: Sequence[Stream], living: Sequence[Stream], start: F, end: F, now: F) -> F:
    quick = []
    for s in living:
        last = F(_last(s))
        p = period(s, last)
        if p <= (end - start) / 8 and last + F("2.5") * p >= min(now, end):
            quick.append(s)
    lasts = [F(_last(s)) for s in quick if s["kind"] != "delta"]
    if deltas := [F(_last(s)) for s in quick if s["kind"] == "delta"]:
        lasts.append(max(deltas))
    return min(min(lasts) if lasts else max(F(_last(s)) for s in streams), end)


def rate(case: Case) -> tuple[list[Bucket], float | None]:
    start, end, now, step = (F(case[name]) for name in ("start", "end", "now", "interval"))
    streams = streams_of(case)
    living = [s for s, stop in zip(streams, ends(streams, now), strict=True) if alive(s, stop, now)]
    spread = [(a, b, amount, b - a > 5 * period(s, a)) for s in streams for a, b, amount in pieces(s)]
    if not spread:
        return [], None
    known_from = min([a for a, *_ in spread] + [F(s["points"][0][0]) for s in streams])
    edge = edge_of(streams, living, start, end, now)
    found = [p for s in living if (p := next((q for q in reversed(pieces(s)) if q[1] > q[0]), None))]
    # The last rate is held to the edge.
    spread += [(b, edge, amount / (b - a) * (edge - b), False) for a, b, amount in found if b < edge]
    out, bucket = [], start // step * step
    while bucket < end:
        low, high = max(bucket, start, known_from), min(bucket + step, end, edge)
        shared = [(min(b, high) - max(a, low), b - a, amount, long) for a, b, amount, long in spread]
        touching = [one for one in shared if one[0] > 0]
        if high > low and touching:
            grown = sum((amount * part / length for part, length, amount, _ in touching), F(0))
            flags = ["partial"] * (low > bucket or high < bucket + step)
            flags += ["estimated"] * any(long for *_, long in touching)
            out.append((float(bucket), float(grown / (high - low)), flags))
        bucket += step
    rates = [amount / (b - a) for a, b, amount in found]
    return out, float(sum(rates)) if rates else None


def _holds(case: Case) -> list[Piece]:
    now = F(case["now"])
    streams = streams_of(case)
    holds = []
    for s, e in zip(streams, ends(streams, now), strict=True):
        points = s["points"]
        for i, (t, value) in enumerate(points):
            # The first point's period is the second's.
            until = F(t) + F("2.5") * period(s, F(points[max(i, min(1, len(points) - 1))][0]))
            if i + 1 < len(points):
                until = min(until, F(points[i + 1][0]))
            elif e is not None:
                until = min(until, e)
            holds.append((F(t), until, F(str(value))))
    return holds


def level(case: Case) -> tuple[list[Bucket], float | None]:
    """Of the sum over streams; a level holds until its stream's next point or end, at most 2.5 periods."""
    start, end, now, step = (F(case[name]) for name in ("start", "end", "now", "interval"))
    holds = _holds(case)
    out, bucket = [], start // step * step
    while bucket < end:
        low, high = max(bucket, start), min(bucket + step, end, now)
        if high <= low:
            break  # what comes after now is not known
        cuts = sorted({low, high} | {x for a, b, _ in holds for x in (a, b) if low < x < high})
        parts = []
        for a, b in itertools.pairwise(cuts):
            if live := [v for f, u, v in holds if f <= a and u >= b]:
                parts.append((b - a, sum(live, F(0))))
        if parts:
            value = _of_parts(case["aggregation"], parts)
            out.append((float(bucket), float(value), ["partial"] * (low > bucket or high < bucket + step)))
        bucket += step
    return out, None


def _of_parts(aggregation: str, parts: Sequence[tuple[F, F]]) -> F:
    if aggregation == "avg":
        return sum((d * v for d, v in parts), F(0)) / sum((d for d, _ in parts), F(0))
    if aggregation == "last":
        return parts[-1][1]
    return (min if aggregation == "min" else max)(v for _, v in parts)


def answer(case: Case) -> tuple[list[Bucket], float | None]:
    return rate(case) if case["aggregation"] == "rate" else level(case)
