"""Turns keys of raw series, and hashes of kin, into the last state that was committed of each."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from blackhole.model.series import PointKey, StreamState
from blackhole.model.times import AHEAD_NS
from blackhole.runtime.clock import NEVER_BACK, WentBack
from blackhole.store.read.reader import Reader

# Most streams that are asked for were active a moment before a restart: look there before reading everything.
# Who sends seldom has fewer times there than are to come back.
RECENT_NS = 2 * 3600 * 10**9
# A client that was cut off sends its last few requests again: so many times before the last are known. The
# median of their distances is the period.
EARLIER_TIMES = 9
# Where all times of a stream are later than now: what it sends after the clock went back must be new.
_BEFORE_NS = AHEAD_NS + 60 * 10**9
# Of a kin, those that began last: who takes the place of another finds it among these.
MOST_KIN = 16

_KNOWN = "SELECT id, key, series, raw, kin, epoch_ns(start), delta FROM streams"
_BY_KEY = f"{_KNOWN} WHERE key IN (SELECT unnest($1::BLOB[]))"
_BY_KIN = f"""
{_KNOWN} WHERE kin IN (SELECT unnest($1::UBIGINT[]))
QUALIFY row_number() OVER (PARTITION BY kin ORDER BY id DESC) <= {MOST_KIN}
"""

# Of any ten times that are the last of a stream, each is in one of the ten chunks that end last. Which these
# are is found first: to read a list, DuckDB unpacks those of some thousand chunks.
_ENDING = f"""
SELECT rowid FROM {{table}} WHERE last >= make_timestamp_ns($1) AND stream IN (SELECT unnest($2::UINTEGER[]))
QUALIFY row_number() OVER (PARTITION BY stream ORDER BY last DESC) <= {EARLIER_TIMES + 1}
"""

# Up to ten times, none of them after $6.
_TIMES = f"""
    coalesce(list_transform(max(time, {EARLIER_TIMES + 1}) FILTER (time <= make_timestamp_ns($6)),
        lambda time: epoch_ns(time)), [])
"""
# Up to $7 the order of times says nothing (0: it always tells). Rows stand in the order in which they came,
# and what came last is a row until something later than $7 came (see `blackhole.store.write.arrival`).
_BY_PLACE = "$7 > 0 AND max(time) <= make_timestamp_ns($7) AND count(row) > 0"
_CAME_LAST = f"CASE WHEN {_BY_PLACE} THEN epoch_ns(arg_max(time, row)) END"
_LAST = f"""
    CASE WHEN {_BY_PLACE} THEN arg_max({{state}}, row) ELSE arg_max({{state}}, time) FILTER (ends) END
"""

_POINTS = f"""
WITH wanted AS (SELECT unnest($2::UINTEGER[]) AS stream),
ending AS (
    SELECT c.stream, epoch_ns(c.start) AS start, c.step, c.count, c.offsets, c.kind, c.scale, c.base,
        coalesce(steps_of(c.tiny_steps, c.reach, c.far)::BIGINT[],
            steps_of(c.short_steps, c.reach, c.far)::BIGINT[], c.steps::BIGINT[], c.long_steps) AS steps,
        c.cumulatives
    FROM chunks AS c
    WHERE c.rowid IN (SELECT unnest($3::BIGINT[])) AND c.rowid BETWEEN $4 AND $5
),
sealed AS (
    SELECT stream, start + place * step + coalesce(offsets[place + 1], 0) AS time, place + 1 = count AS ends,
        CASE WHEN place + 1 = count THEN
            CASE
                WHEN kind = 0 THEN cumulatives[count]
                WHEN kind IN (2, 4) THEN (base + list_sum(steps)) / pow(10, scale)
            END
        END AS cumulative
    FROM (
        SELECT *, unnest(range(greatest(count::BIGINT - {EARLIER_TIMES + 1}, 0), count::BIGINT)) AS place
        FROM ending
    )
),
either AS (
    SELECT p.stream, p.time, p.cumulative, true AS ends, p.rowid AS row
    FROM recent_points AS p JOIN wanted USING (stream)
    WHERE p.time >= make_timestamp_ns($1)
    UNION ALL
    SELECT stream, make_timestamp_ns(time), cumulative, ends, NULL FROM sealed WHERE time >= $1
)
SELECT stream, {_TIMES}, {_CAME_LAST}, {_LAST.format(state="cumulative")}
FROM either
GROUP BY stream
"""

_HISTOGRAMS = f"""
WITH wanted AS (SELECT unnest($2::UINTEGER[]) AS stream),
sealed AS (
    SELECT * REPLACE (epoch_ns(start) AS start),
        unnest(range(greatest(count::BIGINT - {EARLIER_TIMES + 1}, 0), count::BIGINT)) AS place
    FROM histogram_chunks
    WHERE rowid IN (SELECT unnest($3::BIGINT[])) AND rowid BETWEEN $4 AND $5
),
either AS (
    SELECT p.stream, p.time, true AS ends, p.rowid AS row,
        struct_pack(cumulative_count, cumulative_sum, cumulative_bounds, cumulative_buckets) AS state
    FROM recent_histogram_points AS p JOIN wanted USING (stream)
    WHERE p.time >= make_timestamp_ns($1)
    UNION ALL
    SELECT stream, make_timestamp_ns(start + place * step + coalesce(offsets[place + 1], 0)),
        place + 1 = count, NULL,
        struct_pack(cumulative_count, cumulative_sum, cumulative_bounds, cumulative_buckets)
    FROM sealed
    WHERE start + place * step + coalesce(offsets[place + 1], 0) >= $1
)
SELECT stream, times, came_last, last.cumulative_count, last.cumulative_sum, last.cumulative_bounds,
    last.cumulative_buckets
FROM (
    SELECT stream, {_TIMES} AS times, {_CAME_LAST} AS came_last, {_LAST.format(state="state")} AS last
    FROM either
    GROUP BY stream
)
"""

# Only rows of the wanted times are read: both bounds are compared with what each block of rows holds.
_STORED = """
WITH wanted AS (SELECT unnest($3::UINTEGER[]) AS stream, unnest($4::BIGINT[]) AS time),
candidates AS (
    SELECT w.stream, w.time, w.time - epoch_ns(c.start) AS since, c.step, c.count, c.offsets
    FROM (
        SELECT stream, start, last, step, count, offsets FROM chunks
        WHERE last >= make_timestamp_ns($1) AND start <= make_timestamp_ns($2)
        UNION ALL
        SELECT stream, start, last, step, count, offsets FROM histogram_chunks
        WHERE last >= make_timestamp_ns($1) AND start <= make_timestamp_ns($2)
    ) AS c JOIN wanted AS w ON w.stream = c.stream
    WHERE w.time BETWEEN epoch_ns(c.start) AND epoch_ns(c.last)
)
SELECT stream, time FROM candidates
WHERE CASE
    WHEN offsets IS NULL THEN since % greatest(step, 1) = 0
    ELSE list_contains(list_transform(range(count::BIGINT), lambda i: i * step + offsets[i + 1]), since)
END
UNION
SELECT stream, epoch_ns(time) FROM (
    SELECT stream, time FROM recent_points WHERE time BETWEEN make_timestamp_ns($1) AND make_timestamp_ns($2)
    UNION ALL
    SELECT stream, time FROM recent_histogram_points
    WHERE time BETWEEN make_timestamp_ns($1) AND make_timestamp_ns($2)
)
WHERE (stream, epoch_ns(time)) IN (SELECT stream, time FROM wanted)
"""


@dataclass(frozen=True, slots=True)
class _ArrivalClock:
    """Until when a time is none of the future, when the clock last went back, and from how far."""

    newest: int
    back: int
    ahead: int

    def times(self, times: list[int], came_last: int | None) -> list[int]:
        """The last one first. What is later than what came last was made before the clock went back."""
        left = times if came_last is None else [time for time in times if time <= came_last]
        if not left and came_last is not None and came_last <= self.newest:
            return [came_last]
        return left or [min(self.back or self.newest, self.newest) - _BEFORE_NS]


def find(reader: Reader, points: Sequence[PointKey]) -> set[PointKey]:
    """Those of `points` that are stored."""
    if not points:
        return set()
    streams, times = (list(column) for column in zip(*points, strict=True))
    return set(reader.rows(_STORED, [min(times), max(times), streams, times]).rows)


def recall(
    reader: Reader,
    keys: Sequence[bytes],
    kins: Sequence[int] = (),
    *,
    now_ns: int,
    back: WentBack = NEVER_BACK,
) -> dict[bytes, StreamState]:
    """The last state by key; unknown keys are absent, known ones without points have `time_ns` 0.

    `back`: until the clock went back it was heard of what is later than now.
    """
    known = {row[0]: _state(row) for row in reader.rows(_BY_KEY, [list(keys)]).rows}
    if kins:
        known |= {row[0]: _state(row) for row in reader.rows(_BY_KIN, [list(kins)]).rows}
    found: dict[int, StreamState] = {}
    for since in (0,) if back.ahead_ns > now_ns - RECENT_NS else (now_ns - RECENT_NS, 0):
        missing = [
            stream for stream in known if stream not in found or len(found[stream].earlier_ns) < EARLIER_TIMES
        ]
        if missing:
            clock = _ArrivalClock(now_ns + AHEAD_NS, *back)
            found |= {one.stream: one for one in _look(reader, missing, since, known, clock)}
    return {state.key: found.get(stream, state) for stream, state in known.items()}


def _state(row: tuple[Any, ...]) -> StreamState:
    stream, key, series, raw, kin, start_ns, delta = row
    return StreamState(stream, series, 0, key=key, raw=raw, kin=kin, start_ns=start_ns, delta=bool(delta))


def _look(
    reader: Reader, streams: list[int], since: int, known: Mapping[int, StreamState], clock: _ArrivalClock
) -> Iterator[StreamState]:
    bound = _bound(reader, "chunks", since, streams, clock)
    for stream, times, came_last, value in reader.rows(_POINTS, bound).rows:
        last, *earlier = clock.times(times, came_last)
        yield replace(known[stream], time_ns=last, earlier_ns=tuple(earlier), value=value)
    bound = _bound(reader, "histogram_chunks", since, streams, clock)
    for stream, times, came_last, count, total, bounds, buckets in reader.rows(_HISTOGRAMS, bound).rows:
        last, *earlier = clock.times(times, came_last)
        yield replace(
            known[stream],
            time_ns=last,
            earlier_ns=tuple(earlier),
            count=count,
            total=total,
            bounds=bounds,
            buckets=buckets,
        )


def _bound(reader: Reader, table: str, since: int, streams: list[int], clock: _ArrivalClock) -> list[Any]:
    ending = [row[0] for row in reader.rows(_ENDING.format(table=table), [since, streams]).rows]
    lowest, highest = min(ending, default=0), max(ending, default=-1)
    return [since, streams, ending, lowest, highest, clock.newest, clock.ahead]
