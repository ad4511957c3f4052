"""Turns the catalogue and the file into the list of all metrics and of the services last heard of."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

from blackhole.catalogue.definition import Definition
from blackhole.model.series import PrivacyLevel
from blackhole.model.times import format_time
from blackhole.model.written_times import SECOND, shown_until
from blackhole.query.reports import MetricInfo
from blackhole.query.silence import Heard
from blackhole.query.streams import TIMEOUT_S
from blackhole.store.read.reader import Reader
from blackhole.store.read.templates import template

_DAY_NS = 86400 * SECOND

_RECEIVED = """
    created_at >= make_timestamp($since)
    OR created_at > make_timestamp($again) AND created_at <= make_timestamp($now // 1000)
"""
_STORED = f"""
WITH counted AS (
    SELECT series, count(*) AS points, min(time) AS first, max(time) AS last,
        count(*) FILTER ({_RECEIVED}) AS received
    FROM recent_points GROUP BY series
    UNION ALL
    SELECT series, count(*), min(time), max(time), count(*) FILTER ({_RECEIVED})
    FROM recent_histogram_points GROUP BY series
    UNION ALL
    SELECT series, sum(count), min(start), max(last), sum(count) FILTER ({_RECEIVED})
    FROM chunks GROUP BY series
    UNION ALL
    SELECT series, sum(count), min(start), max(last), sum(count) FILTER ({_RECEIVED})
    FROM histogram_chunks GROUP BY series
)
SELECT s.metric, arg_max(s.type, s.id), arg_max(s.unit, s.id), max(s.privacy_level), count(DISTINCT s.id),
    coalesce(sum(c.points), 0)::BIGINT,
    least(epoch_ns(min(c.first)), $now), least(epoch_ns(max(c.last)), $now),
    coalesce(sum(c.received), 0)::BIGINT
FROM series AS s LEFT JOIN counted AS c ON c.series = s.id
GROUP BY s.metric
"""

_SPAN = "make_timestamp_ns($since) AND make_timestamp_ns($until)"
_SERVICES = f"""
WITH rows AS (
    SELECT series, stream, time FROM recent_points WHERE time BETWEEN {_SPAN}
    UNION ALL
    SELECT series, stream, time FROM recent_histogram_points WHERE time BETWEEN {_SPAN}
), recent AS (
    SELECT series, max(time) AS last,
        (epoch_ns(max(time)) - epoch_ns(min(time))) // nullif(count(*) - 1, 0) AS period
    FROM rows GROUP BY series, stream
    UNION ALL
    SELECT series, max(last), max(period) FROM chunks WHERE last BETWEEN {_SPAN} GROUP BY series
    UNION ALL
    SELECT series, max(last), max(period)
    FROM histogram_chunks WHERE last BETWEEN {_SPAN} GROUP BY series
)
SELECT s.attributes->>'service.name' AS service, epoch_ns(max(r.last)), coalesce(median(r.period), 0)::BIGINT
FROM recent AS r JOIN series AS s ON s.id = r.series
WHERE s.privacy_level < 2
GROUP BY service
"""

_FOUND_SILENT = """
SELECT title FROM insights WHERE insight_type = 'service_silent' AND expires_at >= make_timestamp($moment)
"""


class ListedCatalogue(Protocol):
    def match(self, name: str, /) -> Definition | None: ...
    def __iter__(self) -> Iterator[Definition]: ...


def last_heard(reader: Reader, now_ns: int) -> list[Heard]:
    """Services of the last day, by their newest point on an open metric: heard of not later than now."""
    rows = reader.rows(_SERVICES, {"since": now_ns - _DAY_NS, "until": shown_until(now_ns)}).rows
    return [Heard(name, min(last, now_ns), period) for name, last, period in rows if name]


def found_silent(reader: Reader, moment_ns: int) -> set[str]:
    """The titles of the findings about silent services that held at a moment."""
    return {title for (title,) in reader.rows(_FOUND_SILENT, {"moment": moment_ns // 1000}).rows}


def last_above(reader: Reader, things: list[list[int]], now_ns: int) -> list[int | None]:
    """Of each thing, by numbers of its series, when one of these was last above zero within a day."""
    ids = ", ".join(str(number) for number in sorted({number for series in things for number in series}))
    sql = template("last_above").format(ids=ids)
    rows: dict[int, int] = dict(
        reader.rows(sql, {"since": now_ns - _DAY_NS, "until": shown_until(now_ns)}, timeout=TIMEOUT_S).rows
    )
    found = {series: min(last, now_ns) for series, last in rows.items()}
    return [max((found[n] for n in series if n in found), default=None) for series in things]


class Begun(NamedTuple):
    """When the service began, and the earliest moment to which its clock went back, in microseconds."""

    since_us: int
    again_us: int


def inventory(
    reader: Reader,
    catalogue: ListedCatalogue,
    asked: Mapping[str, float],
    begun: Begun | None,
    now_ns: int,
) -> list[MetricInfo]:
    """`asked`: Unix seconds of the last question, by metric. Nothing was seen later than `now_ns`.

    `begun`: None where no service runs.
    """
    since, again = begun or Begun(0, 0)
    bound = {"since": since, "again": again, "now": now_ns}
    stored = {row[0]: row[1:] for row in reader.rows(_STORED, bound).rows}
    found = {name: catalogue.match(name) for name in stored}
    known = {definition.name: definition for definition in catalogue}
    return [
        _info(name, found.get(name) or known.get(name), stored.get(name), asked.get(name), begun is not None)
        for name in sorted({*stored, *known})
    ]


def _info(
    name: str,
    definition: Definition | None,
    row: tuple[Any, ...] | None,
    asked: float | None,
    runs: bool,
) -> MetricInfo:
    kind, unit, level, *counts, received = row or (None, None, 0, None, None, None, None, 0)
    privacy = max(PrivacyLevel(level), definition.level if definition is not None else PrivacyLevel.PUBLIC)
    series, points, first_ns, last_ns = (None,) * 4 if privacy.guarded else counts
    return MetricInfo(
        metric=name,
        type=str(kind or (definition.type if definition is not None else "")),
        unit=unit if unit is not None else (definition.unit if definition is not None else ""),
        privacy=privacy.word,
        category=definition.category if definition is not None else "",
        description=definition.description if definition is not None else "",
        purpose=definition.purpose if definition is not None else "",
        in_catalogue=definition is not None,
        review_after=definition.review_after if definition is not None else None,
        stored=row is not None,
        received=None if privacy.guarded or not runs else received,
        series=series,
        points=points,
        first_seen=None if first_ns is None else format_time(first_ns),
        last_seen=None if last_ns is None else format_time(last_ns),
        last_asked=None
        if asked is None
        else datetime.fromtimestamp(asked, UTC).isoformat(timespec="seconds"),
    )
