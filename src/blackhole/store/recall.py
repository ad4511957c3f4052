"""Turns keys of raw series into the last state that was committed of each."""

from collections.abc import Sequence
from typing import Any

from blackhole.records import Point, StreamState
from blackhole.store.reader import Reader

# Most streams that are asked for were active a moment before a restart: look there before reading everything.
RECENT_NS = 2 * 3600 * 10**9
# A client that was cut off sends its last few requests again: so many times before the last are known.
EARLIER_TIMES = 8

_KNOWN = "SELECT id, key, series FROM streams WHERE key IN (SELECT unnest($1::BLOB[]))"

_POINTS = f"""
SELECT stream, list_transform(max(time, {EARLIER_TIMES + 1}), lambda time: epoch_ns(time)),
    arg_max(cumulative, time)
FROM points
WHERE time >= make_timestamp_ns($1) AND stream IN (SELECT unnest($2::UINTEGER[]))
GROUP BY stream
"""

_HISTOGRAMS = f"""
SELECT stream, times, last.cumulative_count, last.cumulative_sum, last.cumulative_bounds,
    last.cumulative_buckets
FROM (
    SELECT stream, list_transform(max(time, {EARLIER_TIMES + 1}), lambda time: epoch_ns(time)) AS times,
        arg_max(
            struct_pack(cumulative_count, cumulative_sum, cumulative_bounds, cumulative_buckets), time
        ) AS last
    FROM histogram_points
    WHERE time >= make_timestamp_ns($1) AND stream IN (SELECT unnest($2::UINTEGER[]))
    GROUP BY stream
)
"""

# Only rows of the wanted times are read: both bounds are compared with what each block of rows holds.
_STORED = """
SELECT stream, epoch_ns(time) FROM (
    SELECT stream, time FROM points WHERE time BETWEEN make_timestamp_ns($1) AND make_timestamp_ns($2)
    UNION ALL
    SELECT stream, time FROM histogram_points
    WHERE time BETWEEN make_timestamp_ns($1) AND make_timestamp_ns($2)
)
WHERE (stream, time) IN (
    SELECT unnest($3::UINTEGER[]), make_timestamp_ns(unnest($4::BIGINT[])))
"""


def find(reader: Reader, points: Sequence[Point]) -> set[Point]:
    """Those of `points` that are stored."""
    if not points:
        return set()
    streams, times = (list(column) for column in zip(*points, strict=True))
    return set(reader.rows(_STORED, [min(times), max(times), streams, times]).rows)


def recall(reader: Reader, keys: Sequence[bytes], *, now_ns: int) -> dict[bytes, StreamState]:
    """The last state by key; unknown keys are absent, known ones without points have `time_ns` 0."""
    known = {row[0]: row for row in reader.rows(_KNOWN, [list(keys)]).rows}
    found: dict[int, StreamState] = {}
    for since in (now_ns - RECENT_NS, 0):
        missing = [stream for stream in known if stream not in found]
        if missing:
            _look(reader, missing, since, known, found)
    return {
        key: found.get(stream) or StreamState(stream=stream, series=series, time_ns=0)
        for stream, key, series in known.values()
    }


def _look(
    reader: Reader,
    streams: list[int],
    since: int,
    known: dict[int, tuple[Any, ...]],
    found: dict[int, StreamState],
) -> None:
    for stream, times, value in reader.rows(_POINTS, [since, streams]).rows:
        last, *earlier = times
        found[stream] = StreamState(stream, known[stream][2], last, tuple(earlier), value=value)
    for stream, times, count, total, bounds, buckets in reader.rows(_HISTOGRAMS, [since, streams]).rows:
        last, *earlier = times
        found[stream] = StreamState(
            stream,
            known[stream][2],
            last,
            tuple(earlier),
            count=count,
            total=total,
            bounds=bounds,
            buckets=buckets,
        )
