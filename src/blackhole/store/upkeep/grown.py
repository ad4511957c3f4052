"""Computes for a chunk since when it grew, its period, and what grew in each hour."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

HOUR_NS = 3600 * 10**9
_DISTANCES = 9
_USUAL_PERIODS = 5


@dataclass(frozen=True, slots=True)
class End:
    """An earlier end of a stream: the first and last time of a chunk, or the time of a row."""

    start: int
    last: int
    period: int | None


@dataclass(frozen=True, slots=True)
class Said:
    """An increment with an entry in `intervals`: since when it grew, and the period as of then."""

    moment: int
    since: int
    period: int | None


@dataclass(frozen=True, slots=True)
class Chunk:
    """The lists of one chunk.

    `part`: which part of the stream's rows in the block it is. `firsts`: places at which an hour begins.
    `firsts`, `amounts` and `totals` (by hour) are of increments only. `offsets` is None if all are 0.
    """

    number: int
    stream: int
    part: int
    start: int
    last: int
    step: int
    points: int
    offsets: Sequence[int] | None
    as_sent: bool
    firsts: Sequence[int] | None
    amounts: Sequence[float] | None
    totals: Sequence[float]
    # Chunks of a histogram with other bounds lie beside each other. So a chunk knows the row before its first
    # point, and before each of its last nine.
    befores: Sequence[int | None] | None = None

    def moment(self, place: int) -> int:
        away = 0 if self.offsets is None else self.offsets[place]
        return self.start + place * self.step + away

    def place(self, moment: int) -> int | None:
        """The place of the first point with that time."""
        found = bisect_left(range(self.points), moment, key=self.moment)
        return found if found < self.points and self.moment(found) == moment else None


@dataclass(frozen=True, slots=True)
class Longer:
    """An increment over more than an hour that has no entry in `intervals` yet."""

    moment: int
    since: int
    value: float

    def estimated(self, period: int | None) -> bool:
        return period is None or self.moment - self.since > _USUAL_PERIODS * period


@dataclass(frozen=True, slots=True)
class Known:
    since: int | None
    period: int | None
    grown: list[float] | None = None
    longer: list[Longer] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _ListPiece:
    """An increment that begins an hour, or has an entry. `since` is None if nobody knows."""

    place: int
    moment: int
    since: int | None

    @property
    def within_an_hour(self) -> bool:
        return self.since is not None and 0 < self.moment - self.since <= HOUR_NS


def beside(chunk: Chunk, times: Sequence[int]) -> Chunk:
    """The chunk with the rows before its own. `times`: all of the stream's in the block, sorted."""
    places = [0, *range(max(chunk.points - _DISTANCES, 0), chunk.points)]
    found = [bisect_left(times, chunk.moment(place)) - 1 for place in places]
    return replace(chunk, befores=[times[place] if place >= 0 else None for place in found])


def known(chunk: Chunk, previous: int | None, ends: Sequence[End], said: Iterable[Said]) -> Known:
    """What is known of a chunk.

    `previous`: the row before it in the block. `ends`, `said`: of its stream, the furthest end first.
    """
    if chunk.befores is not None:
        previous = chunk.befores[0]
        ends = ends if previous is None else ()
    before = previous if previous is not None else _row_before(chunk, ends)
    told = {place: one for one in said if (place := chunk.place(one.moment)) is not None}
    period = _period(chunk, ends, told, before)
    since = None if 0 in told else before
    if chunk.firsts is None or chunk.amounts is None:
        return Known(since, period)
    pieces = list(_pieces(chunk, told, before))
    longer = [
        Longer(piece.moment, piece.since, chunk.amounts[piece.place])
        for piece in pieces
        if piece.place not in told and piece.since is not None and piece.moment - piece.since > HOUR_NS
    ]
    return Known(since, period, _grown(chunk, pieces, chunk.amounts), longer)


def _row_before(chunk: Chunk, ends: Sequence[End]) -> int | None:
    """The time of the row before a chunk. An overlapping chunk tells only its first row."""
    found = (end.last if end.last < chunk.start else end.start for end in ends if end.start < chunk.start)
    return max(found, default=None)


def _period(chunk: Chunk, ends: Sequence[End], told: Mapping[int, Said], before: int | None) -> int | None:
    """The median of the last distances. For those before the chunk the earlier chunk's period stands in."""
    last = told.get(chunk.points - 1)
    if last is not None and last.period is not None:
        return last.period
    distances = list(_distances(chunk, told, before))
    missing = _DISTANCES - min(chunk.points, _DISTANCES)
    earlier = (end.period for end in ends if end.period is not None and end.start < chunk.start)
    distances += [period for period in islice(earlier, 1) for _ in range(missing)]
    if not distances:
        return None
    distances.sort()
    return (distances[(len(distances) - 1) // 2] + distances[len(distances) // 2] + 1) // 2


def _distances(chunk: Chunk, told: Mapping[int, Said], before: int | None) -> Iterator[int]:
    for place in range(max(chunk.points - _DISTANCES, 0), chunk.points):
        since = before
        if chunk.befores is not None and place:
            since = chunk.befores[place - chunk.points]
        elif place:
            since = chunk.moment(place - 1)
        if chunk.as_sent and place in told:
            since = told[place].since
        if since is not None:
            yield chunk.moment(place) - since


def _pieces(chunk: Chunk, told: Mapping[int, Said], before: int | None) -> Iterator[_ListPiece]:
    """Increments that may cross an hour. All others grew within their hour."""
    for place in chunk.firsts or ():
        if place not in told:
            yield _ListPiece(place, chunk.moment(place), chunk.moment(place - 1) if place else before)
    for place, one in told.items():
        yield _ListPiece(place, one.moment, one.since)


def _grown(chunk: Chunk, pieces: Sequence[_ListPiece], amounts: Sequence[float]) -> list[float]:
    """What grew in each hour: increments are spread evenly, except those over more than an hour."""
    first = chunk.moment(0) // HOUR_NS
    apart = {piece.place for piece in pieces if not piece.within_an_hour}
    evenly = [0.0, *(_without(chunk, apart, amounts) if apart else chunk.totals)]
    carried: dict[int, float] = defaultdict(float)
    for piece in pieces:
        hour, since = piece.moment // HOUR_NS, piece.since
        if since is not None and piece.within_an_hour and since < hour * HOUR_NS:
            part = (hour * HOUR_NS - since) / (piece.moment - since)
            carried[hour - first + 1] += amounts[piece.place] * part
    for place, value in carried.items():
        evenly[place] -= value
        evenly[place - 1] += value
    return evenly if 1 in carried else evenly[1:]


def _without(chunk: Chunk, apart: set[int], amounts: Sequence[float]) -> list[float]:
    """The totals of each hour without these increments."""
    first, firsts = chunk.moment(0) // HOUR_NS, chunk.firsts or ()
    totals = list(chunk.totals)
    for hour in {bisect_right(firsts, place) - 1 for place in apart}:
        begin, end = firsts[hour], firsts[hour + 1] if hour + 1 < len(firsts) else chunk.points
        inside = (amounts[place] for place in range(begin, end) if place not in apart)
        totals[chunk.moment(begin) // HOUR_NS - first] = sum(inside)
    return totals
