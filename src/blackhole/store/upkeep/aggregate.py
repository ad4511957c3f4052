"""Sums up rows that are about to be deleted in `metric_aggregates`, one for each bucket and kind."""

import logging
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import cache
from pathlib import Path

import duckdb

from blackhole.model.times import TimeRange
from blackhole.store.upkeep.seal import DAY_NS, SECOND
from blackhole.store.write import arrival

HOUR_NS = 3600 * SECOND

log = logging.getLogger(__name__)

_REPLACE = """
DELETE FROM metric_aggregates AS a USING fresh AS f
WHERE a.time_bucket = f.bucket AND a.metric_name = f.metric AND a.attributes::VARCHAR = f.attributes
"""
_ADD = """
INSERT INTO metric_aggregates
SELECT (SELECT coalesce(max(id), 0) FROM metric_aggregates)
        + row_number() OVER (ORDER BY bucket, metric, attributes, kind),
    bucket, metric, kind, value, least(samples, 2147483647), attributes, make_timestamp($now_us)
FROM (
    SELECT * EXCLUDE (total, parts, least, most), unnest(['sum', 'avg', 'min', 'max']) AS kind,
        unnest([total, total / nullif(parts, 0), least, most]) AS value
    FROM fresh
)
WHERE value IS NOT NULL
"""


class Strategy(StrEnum):
    """What `retention_policies` can make of old data."""

    HOURLY = "hourly_aggregation"
    DAILY = "daily_aggregation"
    DAILY_WITH_NOISE = "daily_aggregation_with_noise"

    @property
    def width_ns(self) -> int:
        return HOUR_NS if self is Strategy.HOURLY else DAY_NS


def aggregate(
    connection: duckdb.DuckDBPyConnection,
    ids: Sequence[int],
    *,
    span: TimeRange,
    width: int,
    now_us: int,
    without: Mapping[str, Sequence[int]] | None = None,
) -> None:
    """Sums up within the open transaction. `width` of a bucket: nanoseconds.

    `without`: by table the rows that are not deleted yet.
    """
    bound: dict[str, object] = {
        "ids": list(ids),
        "from": span.start_ns,
        "until": span.end_ns,
        "width": width,
    }
    for table in arrival.TABLES:
        bound[f"of_{table}"] = list((without or {}).get(table, ()))
    connection.execute(_sql(), bound)
    connection.execute(_REPLACE)
    connection.execute(_ADD, {"now_us": now_us})
    connection.execute("DROP TABLE fresh")


@cache
def _sql() -> str:
    return (Path(__file__).parent / "sql" / "aggregate.sql").read_text()
