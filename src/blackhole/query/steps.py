"""Turns series and a grid of steps into what the samples of each step come to, summed up in SQL.

Beside samples.py the only place that knows how samples are kept. Times are milliseconds.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from blackhole.query.samples import Bounds, nanoseconds, positions, template
from blackhole.store.reader import Reader

# DuckDB holds a group for each step of each series at once.
_BATCH = 200
_HISTOGRAM_BATCH = 40
_MOST_BUCKETS = 200


@dataclass(frozen=True, slots=True)
class Tiling:
    """Steps `[origin + n·step, origin + (n + 1)·step]`, open at the left, of `count`.

    Of a step only its last `length` milliseconds are looked at, where that is less than the step.
    """

    origin: int
    step: int
    count: int
    length: int


@dataclass(slots=True)
class Tiles:
    """Of each step: how many samples, their first and last time and value, and what they add up to.

    `totals` are of all samples of a step, `sums` of those that are looked at; `before` of all that is older.
    `first_sent`: of counters the running value of the first sample as it was sent, None where it is unknown.
    """

    counts: list[int]
    first_times: list[int]
    last_times: list[int]
    first_values: list[float]
    last_values: list[float]
    sums: list[float]
    least: list[float]
    most: list[float]
    totals: list[float]
    first_sent: list[float | None]
    before: float = 0.0

    @classmethod
    def empty(cls, count: int) -> "Tiles":
        numbers = ([0.0] * count for _ in range(6))
        return cls(*([0] * count for _ in range(3)), *numbers, [None] * count)  # type: ignore[arg-type, call-arg]

    def beside(self) -> "Tiles":
        """Tiles of the same samples with other values, of which the last, least and most are not kept."""
        count = len(self.counts)
        shared = self.counts, self.first_times, self.last_times
        unused = self.last_values
        return Tiles(
            *shared, [0.0] * count, unused, [0.0] * count, unused, unused, [0.0] * count, [None] * count
        )

    def put(self, place: int, row: Sequence[Any]) -> None:
        """`row`: as the fields from `counts` on. A step of which nothing is looked at has a total only."""
        self.totals[place], self.first_sent[place] = row[8:]
        if row[0]:
            self.counts[place], self.first_times[place], self.last_times[place] = row[:3]
            self.first_values[place], self.last_values[place] = row[3:5]
            self.sums[place], self.least[place], self.most[place] = row[5:8]


class Steps:
    """Reads from one snapshot; `left`: answers the seconds that are left for the whole question."""

    def __init__(self, reader: Reader, left: Callable[[], float]) -> None:
        self._reader = reader
        self._left = left

    def numbers(
        self,
        ids: Sequence[int],
        tiling: Tiling,
        *,
        table: str = "points",
        value: str = "value",
        sent: str = "cumulative",
    ) -> Iterator[tuple[int, Tiles | None]]:
        """Each series that has samples. None: it is fed by several streams, whose samples may coincide."""
        stored = {"table": table, "value": value, "sent": sent}
        for batch in _batches(ids):
            known: dict[int, Tiles | None] = {}
            streams: dict[int, list[int]] = {}
            for series, bucket, *row, stream, last in self._rows("steps", batch, tiling, **stored):
                tiles = known.setdefault(series, Tiles.empty(tiling.count))
                follow = streams.setdefault(series, [stream])
                begins = stream != follow[-1]
                if begins:
                    follow.append(stream)
                # A stream that follows another and had counted before it was known: the samples tell.
                if stream != last or follow.count(stream) > 1 or (begins and row[8] != row[3]):
                    known[series] = None
                elif tiles is not None:
                    tiles.put(bucket, row)
            yield from known.items()

    def buckets(self, ids: Sequence[int], tiling: Tiling) -> Iterator[tuple[int, Bounds, list[Tiles] | None]]:
        """Each histogram with tiles of each of its buckets, as counts of what lies at or below their bounds.

        None: several streams, changed bounds, or sealed points, of which Python makes sums in less memory.
        """
        for some in _batches(ids, _HISTOGRAM_BATCH):
            sealed = {row[0] for row in self._rows("chunked", some, tiling)}
            yield from ((series, (), None) for series in sorted(sealed))
            batch = [series for series in some if series not in sealed]
            most = max((row[0] for row in self._rows("most_bounds", batch, tiling)), default=0) + 1
            if most > _MOST_BUCKETS:
                yield from ((series, (), None) for series in batch)
                continue
            within = positions("sum(buckets[{}]) FILTER (inside)", most)
            rows = self._rows(
                "bucket_steps", batch, tiling, within=within, total=positions("sum(buckets[{}])", most)
            )
            known: dict[int, tuple[Bounds, list[Tiles] | None]] = {}
            for series, bucket, *row, bounds, single in rows:
                edges = tuple(bounds or ())
                stored = known.get(series)
                if stored is None:
                    stored = known[series] = (edges, _stack(len(edges) + 1, tiling.count))
                if not single or bounds is None or stored[0] != edges or stored[1] is None:
                    known[series] = (edges, None)
                else:
                    _put_cells(stored[1], bucket, row)
            yield from ((series, edges, tiles) for series, (edges, tiles) in known.items())

    def _rows(
        self, name: str, ids: Sequence[int], tiling: Tiling, **pieces: str
    ) -> Iterator[tuple[Any, ...]]:
        until = tiling.origin + tiling.step * tiling.count
        bound: dict[str, Any] = {"ids": list(ids), "until": nanoseconds(until + 1)}
        if name != "most_bounds":
            bound["from"] = nanoseconds(tiling.origin + 1)
        if name not in {"most_bounds", "chunked"}:
            bound |= {"origin": tiling.origin, "step": tiling.step, "length": tiling.length}
        return self._reader.each(template(name).format(**pieces), bound, timeout=self._left())


def _stack(buckets: int, count: int) -> list[Tiles]:
    first = Tiles.empty(count)
    return [first.beside() for _ in range(buckets)]


def _put_cells(tiles: list[Tiles], place: int, row: Sequence[Any]) -> None:
    """`row`: count, first and last time, first cells as sent and as added, sums of cells, of all cells."""
    count, first_time, last_time, running, *lists = row
    size = len(tiles)
    # Where nothing is looked at, the first cells are missing, and the sums are lists of nothing.
    cells = [
        list(accumulate(found[:size])) if found and found[0] is not None else [0.0] * size for found in lists
    ]
    sent = accumulate(running) if running and len(running) == size else [None] * size
    for tile, known, first, within, total in zip(tiles, sent, *cells, strict=True):
        tile.put(place, (count, first_time, last_time, first, 0.0, within, 0.0, 0.0, total, known))


def _batches(ids: Sequence[int], size: int = _BATCH) -> Iterator[Sequence[int]]:
    return (ids[first : first + size] for first in range(0, len(ids), size))
