"""What is stored of a case into tables to feed the kernel with: chunks, intervals, ends and recent rows."""

import itertools
import random
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, Final

import duckdb
from tests.query.rates import feeding, model
from tests.query.rates.feeding import Row, Stored, ns, number

from blackhole._core import Fold

STREAMS: Final = "stream UINTEGER, series UINTEGER, kind UTINYINT, raw UBIGINT, kin UBIGINT, start BIGINT"
ENDS: Final = "stream UINTEGER, last BIGINT, period BIGINT, arrived BIGINT"
INTERVALS: Final = (
    "stream UINTEGER, time BIGINT, since BIGINT, value DOUBLE, estimated BOOLEAN, period BIGINT"
)
CHUNKS: Final = (
    "stream UINTEGER, start BIGINT, since BIGINT, last BIGINT, step BIGINT, count USMALLINT, "
    "offsets BIGINT[], kind UTINYINT, scale UTINYINT, base BIGINT, tiny_steps TINYINT[], "
    "short_steps SMALLINT[], steps INTEGER[], long_steps BIGINT[], reach SMALLINT, far SMALLINT[], "
    "reals DOUBLE[], period BIGINT, arrived BIGINT"
)
POINTS: Final = "stream UINTEGER, time BIGINT, value DOUBLE, arrived BIGINT"
HOURS: Final = (
    "stream UINTEGER, hour BIGINT, grown DOUBLE[], samples USMALLINT[], sample_hour BIGINT, first BIGINT"
)
WIDTHS = (("tiny_steps", 2**7), ("short_steps", 2**15), ("steps", 2**31), ("long_steps", 2**63))
Table = list[dict[str, Any]]


class Rows:
    """Rows of a shape, as the database hands them on."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, shape: str, rows: Sequence[dict[str, Any]]
    ) -> None:
        names = [column.split()[0] for column in shape.split(", ")]
        connection.execute(f"CREATE OR REPLACE TEMP TABLE rows ({shape})")
        if rows:
            marks = ", ".join("?" * len(names))
            lines = [[row.get(name) for name in names] for row in rows]
            connection.executemany(f"INSERT INTO rows VALUES ({marks})", lines)
        self._relation = connection.sql("FROM rows")

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self._relation.__arrow_c_stream__(requested_schema)


class Packed:
    """A case as tables; how rows are sealed is drawn, and until when: the same moment for all streams."""

    def __init__(self, draw: random.Random, case: model.Case) -> None:
        self.streams: Table = []
        self.ends: Table = []
        self.intervals: Table = []
        self.chunks: Table = []
        self.points: Table = []
        self.in_order = True
        streams = list(feeding.stored(case))
        times = sorted(row.time for one in streams for row in one.rows) or [Fraction(0)]
        moment = draw.choice((times[0] - 1, times[-1], draw.choice(times)))
        for place, one in enumerate(streams):
            self.in_order &= one.rows == sorted(one.rows, key=lambda row: row.time)
            self._pack(draw, place, one, moment)

    def _pack(self, draw: random.Random, place: int, one: Stored, moment: Fraction) -> None:
        start = None if one.start is None else ns(one.start)
        raw, kin = number(one.raw), number(one.kin)
        self.streams.append(
            {"stream": place, "series": 5, "kind": one.kind, "raw": raw, "kin": kin, "start": start}
        )
        self.intervals += [
            {"stream": place, "time": ns(row.time), "since": ns(row.since), "value": row.value}
            | {"estimated": row.estimated}
            for row in one.rows
            if row.since is not None
        ]
        sealed = sum(row.time <= moment for row in one.rows)
        size = draw.choice((1, 3, 20, 1000))
        for first in range(0, sealed, size):
            rows = one.rows[first : min(first + size, sealed)]
            before = one.rows[first - 1].time if first and rows[0].since is None else None
            self.chunks.append({"stream": place, **chunk(draw, one, rows, before)})
        self.points += [
            {"stream": place, "time": ns(row.time), "value": row.value, "arrived": ns(row.time + one.late)}
            for row in one.rows[sealed:]
        ]
        if sealed:
            last = one.rows[sealed - 1].time
            period = None if one.kind == 1 else ns(one.period(last))
            end = {"stream": place, "last": ns(last), "period": period, "arrived": ns(last + one.late)}
            self.ends.append(end)

    def feed(self, connection: duckdb.DuckDBPyConnection, fold: Fold, slices: int = 1) -> None:
        fold.series([5], [0], [1.0])
        fold.streams(Rows(connection, STREAMS, self.streams))
        fold.ends(Rows(connection, ENDS, self.ends))
        fold.intervals(Rows(connection, INTERVALS, self.intervals))
        chunks = sorted(self.chunks, key=lambda row: int(row["start"]))
        size = len(chunks) // slices + 1
        for first in range(0, len(chunks), size):
            fold.chunks(Rows(connection, CHUNKS, chunks[first : first + size]))
        fold.points(Rows(connection, POINTS, self.points))


def chunk(draw: random.Random, one: Stored, rows: list[Row], before: Fraction | None) -> dict[str, Any]:
    times, values = [ns(row.time) for row in rows], [row.value for row in rows]
    step = (times[-1] - times[0]) // (len(times) - 1) if len(times) > 1 else 0
    offsets = [time - times[0] - place * step for place, time in enumerate(times)]
    return {
        "start": times[0],
        "since": None if before is None else ns(before),
        "last": times[-1],
        "step": step,
        "count": len(times),
        "offsets": offsets if any(offsets) else None,
        "period": ns(one.period(rows[-1].time)) if one.kind != 1 and draw.random() < 0.5 else None,
        "arrived": ns(rows[-1].time + one.late),
        **_values(draw, values, levels=one.kind == 2),
    }


def _values(draw: random.Random, values: list[float], *, levels: bool) -> dict[str, Any]:
    if draw.random() < 0.2 or any(value != int(value) or abs(value) > 2**50 for value in values):
        return {"kind": 0, "scale": 0, "base": 0, "reals": values}
    scale = draw.choice((0, 0, 2))
    whole = [int(value) * 10**scale for value in values]
    if levels:
        steps = [0, *(after - level for level, after in itertools.pairwise(whole))]
        return {"kind": draw.choice((1, 2)), "scale": scale, "base": whole[0], **_steps(draw, steps)}
    return {"kind": draw.choice((3, 4)), "scale": scale, "base": draw.randrange(1000), **_steps(draw, whole)}


def _steps(draw: random.Random, steps: list[int]) -> dict[str, Any]:
    furthest = max(map(abs, steps))
    if furthest < 2**15 and draw.random() < 0.5:
        reach = draw.randrange(furthest + 1)
        far = sorted({step for step in steps if abs(step) > reach})
        if reach + len(far) < 2**15:
            coded = [_coded(draw, step, reach, far) for step in steps]
            return {"reach": reach, "far": far, **_narrow(coded)}
    return _narrow(steps)


def _coded(draw: random.Random, step: int, reach: int, far: list[int]) -> int:
    if abs(step) <= reach:
        return step
    place = far.index(step)
    return reach + place + 1 if draw.random() < 0.5 else place - len(far) - reach


def _narrow(steps: list[int]) -> dict[str, Any]:
    furthest = max(map(abs, steps))
    return {next(name for name, most in WIDTHS if furthest < most): steps}
