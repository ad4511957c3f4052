"""Turns what is stored of one metric into rows, page by page, with intervals where there is noise."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from blackhole.errors import QueryError
from blackhole.model.series import PrivacyLevel
from blackhole.model.times import format_time
from blackhole.model.written_times import SECOND
from blackhole.privacy.intervals import Interval, Noise, about, of, ratio, steps_factor
from blackhole.query.language import SqlAnswer

# The name of each column, and DuckDB's type for it.
COLUMNS: Mapping[str, str] = {
    "timestamp": "TIMESTAMP_NS",
    "metric": "VARCHAR",
    "type": "VARCHAR",
    "unit": "VARCHAR",
    "privacy_level": "VARCHAR",
    "attributes": "VARCHAR",
    "value": "DOUBLE",
    "lower": "DOUBLE",
    "upper": "DOUBLE",
    "count": "DOUBLE",
    "sum": "DOUBLE",
    "min": "DOUBLE",
    "max": "DOUBLE",
    "bounds": "DOUBLE[]",
    "buckets": "DOUBLE[]",
}
PAGE_ROWS = 20_000
_MOST_PAGE_ROWS = 100_000
_MOST_SERIES = 100_000
# What a page is looked for in at first; then as long as a page of what was found, or twice as long.
_WINDOW_NS = 6 * 3600 * SECOND
_MOST_NAMES = 10_000

_PAGE = """
WITH wanted AS (SELECT id, type, unit, privacy_level, attributes FROM series WHERE id IN ({ids})),
noise AS (
    SELECT window_start, mechanism, scale, count_scale, step
    FROM releases WHERE metric = {metric} AND NOT lost
),
stored AS (
    SELECT time, series, value, CAST(NULL AS DOUBLE) AS counted, CAST(NULL AS DOUBLE) AS total,
        CAST(NULL AS DOUBLE) AS least, CAST(NULL AS DOUBLE) AS most, CAST(NULL AS DOUBLE[]) AS bounds,
        CAST(NULL AS DOUBLE[]) AS buckets, false AS noisy
    FROM every_point WHERE {held} AND {within}
    UNION ALL
    SELECT time, series, CASE WHEN count > 0 THEN sum / count END, CAST(count AS DOUBLE), sum, min, max,
        bounds, CAST(buckets AS DOUBLE[]), false
    FROM every_histogram_point WHERE {held} AND {within}
    UNION ALL
    SELECT time, series, NULL, NULL, NULL, NULL, NULL, bounds, noisy, true FROM released_lists WHERE {within}
)
SELECT epoch_ns(f.time), w.type, w.unit, w.privacy_level, CAST(w.attributes AS VARCHAR), f.value, f.counted,
    f.total, f.least, f.most, f.bounds, f.buckets, f.noisy, n.mechanism, n.scale, n.count_scale, n.step
FROM stored AS f JOIN wanted AS w ON w.id = f.series
LEFT JOIN noise AS n ON w.privacy_level = {noisy_level} AND n.window_start = f.time
ORDER BY f.time, f.series LIMIT {limit}
"""
_WITHIN = "time >= make_timestamp_ns({start}) AND time < make_timestamp_ns({end}) AND series IN ({ids})"
# Of chunks it is known before they are unpacked.
_HELD = "last >= make_timestamp_ns({start}) AND first < make_timestamp_ns({end})"
_SERIES = "SELECT id FROM series WHERE metric = {metric} ORDER BY id"
_ENDS = """
SELECT min(first), max(last) FROM (
    SELECT epoch_ns(min(time)) AS first, epoch_ns(max(time)) AS last
    FROM recent_points WHERE series IN ({ids})
    UNION ALL
    SELECT epoch_ns(min(time)), epoch_ns(max(time)) FROM recent_histogram_points WHERE series IN ({ids})
    UNION ALL SELECT epoch_ns(min(start)), epoch_ns(max(last)) FROM chunks WHERE series IN ({ids})
    UNION ALL SELECT epoch_ns(min(start)), epoch_ns(max(last)) FROM histogram_chunks WHERE series IN ({ids})
    UNION ALL SELECT epoch_ns(min(time)), epoch_ns(max(time)) FROM released_lists WHERE series IN ({ids})
)
"""
_NAMES = "SELECT DISTINCT metric FROM series WHERE {condition} ORDER BY 1 LIMIT {limit}"

# Asks one SELECT for so many rows, and gives the answer as JSON.
Fetch = Callable[[str, int], bytes]
ExportedRow = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Range:
    """Nanoseconds since the epoch; the end is not part of it."""

    start: int
    end: int


def names(ask: Fetch, metric: str) -> list[str]:
    """The stored metrics of this name, or of all that begin with `metric` when it ends with a star."""
    if metric.endswith("*"):
        condition = f"starts_with(metric, {_text(metric[:-1])})"
    else:
        condition = f"metric = {_text(metric)}"
    answer = _decoded(ask(_NAMES.format(condition=condition, limit=_MOST_NAMES), _MOST_NAMES))
    return [str(row[0]) for row in answer.rows]


def rows(ask: Fetch, metric: str, span: Range, *, page_rows: int = PAGE_ROWS) -> Iterator[ExportedRow]:
    """Every stored value in the order of time. Raises QueryError."""
    found = _decoded(ask(_SERIES.format(metric=_text(metric)), _MOST_SERIES)).rows
    if not found:
        return
    ids = ", ".join(str(row[0]) for row in found)
    ends = _decoded(ask(_ENDS.format(ids=ids), 1)).rows[0]
    if None in ends:
        return
    start, end = max(span.start, ends[0]), min(span.end, ends[1] + 1)
    limit, window = page_rows, _WINDOW_NS
    while start < end:
        until = min(start + window, end)
        page = _decoded(ask(_page(metric, ids, Range(start, until), limit), limit)).rows
        if len(page) < limit:
            yield from (_row(metric, one) for one in page)
            start = until
            window *= 2 if 2 * len(page) < limit else 1
            continue
        # The last moment may go on in the next page: all of it comes from there.
        moment = page[-1][0]
        whole = [one for one in page if one[0] < moment]
        if not whole:
            if limit == _MOST_PAGE_ROWS:
                raise QueryError(f"{metric}: over {limit:,} values at one moment: read the file with DuckDB")
            limit = min(2 * limit, _MOST_PAGE_ROWS)
            continue
        yield from (_row(metric, one) for one in whole)
        start, window = moment, moment - start


def _page(metric: str, ids: str, span: Range, limit: int) -> str:
    return _PAGE.format(
        metric=_text(metric),
        ids=ids,
        held=_HELD.format(start=span.start, end=span.end),
        within=_WITHIN.format(start=span.start, end=span.end, ids=ids),
        noisy_level=int(PrivacyLevel.HIGHLY_SENSITIVE),
        limit=limit,
    )


def _decoded(body: bytes) -> SqlAnswer:
    return msgspec.json.decode(body, type=SqlAnswer)


def _row(metric: str, found: list[Any]) -> ExportedRow:
    time_ns, kind, unit, level, attributes, value, *rest = found
    count, total, least, most, bounds, buckets, noisy, mechanism, scale, count_scale, step = rest
    interval: Interval | None = None
    if mechanism is not None and noisy:
        noise = of(mechanism, scale * scale)
        if bounds is None:
            beside = of(mechanism, count_scale * count_scale)
            value, interval = _mean(buckets, noise, beside)
            buckets = None
        else:
            count = sum(buckets)
            interval = about(count, sum((noise for _ in buckets), Noise()))
    elif mechanism is not None and value is not None:
        factor = 1.0 if step is None else steps_factor([step])
        interval = about(value, of(mechanism, scale * scale * factor))
    lower, upper = interval or (None, None)
    found_values = (
        *(format_time(time_ns), metric, kind, unit, PrivacyLevel(level).word, attributes),
        *(value, lower, upper, count, total, least, most, bounds, buckets),
    )
    return dict(zip(COLUMNS, found_values, strict=True))


def _mean(noisy: list[float], noise: Noise, beside: Noise) -> tuple[float | None, Interval | None]:
    """Of a released gauge: its noisy sum by its noisy count, where that says anything."""
    found = ratio(noisy[0], noise, noisy[1], beside)
    return (None, None) if found is None else found


def _text(words: str) -> str:
    return "'" + words.replace("'", "''") + "'"
