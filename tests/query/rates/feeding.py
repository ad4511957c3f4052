"""A case of the model into what the core would have stored of it, fed into the kernel."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from tests.query.rates import model

from blackhole._core import Fold

KINDS = {"cumulative": 0, "delta": 1, "level": 2}
FLAGS = {0: [], 1: ["partial"], 2: ["estimated"], 3: ["partial", "estimated"]}
LONG = Fraction(600)


@dataclass(frozen=True)
class Row:
    """As stored; without `since` it grew since the row before."""

    time: Fraction
    value: float
    since: Fraction | None = None
    estimated: bool = False


@dataclass(frozen=True)
class Stored:
    kind: int
    raw: str
    kin: str | None
    start: Fraction | None
    late: Fraction
    rows: list[Row]
    sent: model.Stream

    def period(self, moment: Fraction) -> Fraction:
        """As a stream of its own, as the core sees it that knows no senders."""
        return model.period(self.sent, moment)


def ns(seconds: Any) -> int:
    return round(Fraction(seconds) * 10**9)


def stored(case: model.Case) -> Iterator[Stored]:
    """What is in the store, stream by stream; of a delta all senders of a raw series are one stream."""
    streams = model.streams_of(case)
    for sent in (one for one in case["streams"] if one["kind"] == "delta"):
        yield _stored(sent, _delta_rows(sent, [one for one in streams if one["series"] == sent["series"]]))
    for stream in (one for one in streams if one["kind"] != "delta"):
        yield _stored(stream, _level_rows(stream) if stream["kind"] == "level" else _counter_rows(stream))


def _stored(stream: model.Stream, rows: list[Row]) -> Stored:
    start = None if stream["start"] is None else Fraction(stream["start"])
    late = Fraction(stream.get("arrives", 0))
    return Stored(KINDS[stream["kind"]], stream["series"], stream.get("kin"), start, late, rows, stream)


def _level_rows(stream: model.Stream) -> list[Row]:
    return [Row(Fraction(time), value) for time, value in stream["points"]]


def _counter_rows(stream: model.Stream) -> list[Row]:
    pieces = {piece[1]: piece for piece in model.pieces(stream)}
    rows: list[Row] = []
    for point in stream["points"]:
        time = Fraction(point[0])
        before = rows[-1].time if rows else None
        piece = pieces.get(time)
        rows.append(_row(stream, piece, before) if piece else Row(time, 0.0))
    return rows


def _delta_rows(sent: model.Stream, lanes: list[model.Stream]) -> list[Row]:
    pieces = {piece[1]: (lane, piece) for lane in lanes for piece in model.pieces(lane)}
    rows: list[Row] = []
    for point in sent["points"]:
        before = max((row.time for row in rows), default=None)
        rows.append(_row(*pieces[Fraction(point[0])], before))
    return rows


def _row(stream: model.Stream, piece: model.Piece, before: Fraction | None) -> Row:
    since, time, amount = piece
    estimated = time - since > 5 * model.period(stream, since)
    told = since != before or estimated or time - since > LONG
    return Row(time, float(amount), since if told else None, estimated)


def borders(case: model.Case) -> list[int]:
    step = Fraction(case["interval"])
    edges = [Fraction(case["start"]) // step * step]
    while edges[-1] < case["end"]:
        edges.append(edges[-1] + step)
    return [ns(edge) for edge in edges]


def fold_of(case: model.Case, groups: int = 1) -> Fold:
    now, start, end = (ns(case[name]) for name in ("now", "start", "end"))
    return Fold(
        case["aggregation"], now_ns=now, start_ns=start, end_ns=end, edges=borders(case), groups=groups
    )


def number(name: str | None) -> int | None:
    return None if name is None else int.from_bytes(name.encode(), "little")


def feed(fold: Fold, case: model.Case, group: int = 0) -> None:
    """Row by row; `group` is of all its streams."""
    for place, stream in enumerate(stored(case)):
        stream_number = 1000 * group + place
        start = None if stream.start is None else ns(stream.start)
        raw, kin = (number(f"{name}/{group}" if name else None) for name in (stream.raw, stream.kin))
        fold.stream(stream_number, group, stream.kind, raw=raw, kin=kin, start_ns=start)
        for row in stream.rows:
            since = None if row.since is None else ns(row.since)
            arrived = ns(row.time + stream.late)
            fold.point(
                stream_number,
                ns(row.time),
                row.value,
                since_ns=since,
                estimated=row.estimated,
                arrived_ns=arrived,
            )


def answers(fold: Fold, case: model.Case, groups: int = 1) -> list[tuple[list[model.Bucket], float | None]]:
    edges = borders(case)
    found: list[list[model.Bucket]] = [[] for _ in range(groups)]
    for group, numbers, values, _, flags, _ in fold.finish():
        for bucket, value, flag in zip(numbers, values, flags, strict=True):
            found[group].append((edges[bucket] / 1e9, value, FLAGS[flag]))
    return list(zip(found, fold.now(), strict=True))
