"""Buckets by a local clock: whole days of the zone, also where a day has 23 or 25 hours."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from tests.query.query_fakes import Desk
from tests.store.store_fakes import SECOND, Point, batch, series, stream

from blackhole.errors import QueryError
from blackhole.model.series import MetricType
from blackhole.model.written_times import EPOCH
from blackhole.query import zones
from blackhole.query.language import Query
from blackhole.store.upkeep.seal import Sealer

HOUR = 3600
DAY = 24 * HOUR
MINUTES = 15

# Each with a moment near which its clock is changed, or None.
CHANGES = [
    ("Europe/Berlin", "2025-03-30T01:00:00+00:00"),
    ("Europe/Berlin", "2024-10-27T01:00:00+00:00"),
    ("America/New_York", "2025-03-09T07:00:00+00:00"),
    ("Australia/Lord_Howe", "2025-04-05T15:00:00+00:00"),  # by half an hour
    ("America/Havana", "2024-11-03T05:00:00+00:00"),  # 01:00 becomes 00:00
    ("Asia/Beirut", "2025-03-29T22:00:00+00:00"),  # 00:00 becomes 01:00
    ("Pacific/Apia", "2011-12-30T10:00:00+00:00"),  # a day is left out
    ("Asia/Kolkata", "2025-01-15T03:00:00+00:00"),  # never
    ("UTC", "2025-01-15T03:00:00+00:00"),
]


def local_bucket(zone: ZoneInfo, seconds: int, step: int) -> int:
    shown = datetime.fromtimestamp(seconds, zone).replace(tzinfo=UTC)
    return round((shown - EPOCH).total_seconds()) // step * step


def expected(zone: ZoneInfo, start: int, end: int, step: int) -> dict[int, list[int]]:
    """The moments of each bucket, by its first moment: what the wall clock shows decides."""
    buckets: dict[int, list[int]] = defaultdict(list)
    for moment in range(start, end, MINUTES * 60):
        buckets[local_bucket(zone, moment, step)].append(moment)
    return {moments[0]: moments for moments in buckets.values()}


def moment_of(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp())


@pytest.mark.parametrize(("name", "around"), CHANGES)
@pytest.mark.parametrize("step", [12 * HOUR, DAY, 7 * DAY])
@pytest.mark.parametrize("sealed", [False, True])
def test_buckets_are_those_of_the_wall_clock(
    asked: Desk, name: str, around: str, step: int, sealed: bool
) -> None:
    zone, change = ZoneInfo(name), moment_of(around)
    # A range that begins and ends with a bucket, so that each is there as a whole.
    inner = expected(zone, change - 3 * step - 3 * DAY, change + 3 * step + 3 * DAY, step)
    start, *_, end = sorted(inner)[1:-1]
    whole = {at: moments for at, moments in inner.items() if start <= at < end}
    asked.now = end
    rows = [series(1, "node.requests.total", MetricType.COUNTER, unit="1")]
    values = [Point(1, at * SECOND, float(at % 7), stream=1) for moments in whole.values() for at in moments]
    asked.store(batch(values, series=rows, streams=[stream(1, 1)]))
    if sealed:
        with asked.database.write() as connection:
            connection.execute("UPDATE recent_points SET created_at = make_timestamp(1)")
        assert Sealer(asked.database, pause=0).apply()

    def answered(aggregation: str) -> dict[int, float | None]:
        question = Query(
            "node.requests.total",
            start_time=start,
            end_time=end,
            interval=step,
            aggregation=aggregation,
            timezone=name,
        )
        points = asked.runner.query(question).series[0].points
        return {moment_of(point.timestamp): point.value for point in points}

    assert answered("count") == {at: len(moments) for at, moments in whole.items()}
    assert answered("p50") == pytest.approx({at: median(moments) for at, moments in whole.items()})
    ends = dict(zip(sorted(whole), [*sorted(whole)[1:], end], strict=True))
    sent = [at for moments in whole.values() for at in moments]
    assert answered("rate") == pytest.approx({at: grown(sent, at, ends[at]) for at in whole})


def grown(sent: list[int], start: int, end: int) -> float:
    """What was counted from one point to the next, a second that is known of."""
    counted = sum(float(at % 7) for at in sorted(sent)[1:] if start < at <= end)
    return counted / (min(end, max(sent)) - max(start, min(sent)))


def median(moments: list[int]) -> float:
    ordered = sorted(float(at % 7) for at in moments)
    middle, odd = divmod(len(ordered), 2)
    return ordered[middle] if odd else (ordered[middle - 1] + ordered[middle]) / 2


def bucket_starts(asked: Desk, start: str, count: int, **more: object) -> list[str]:
    """Of points every quarter of an hour."""
    begin = moment_of(start)
    asked.now = begin + count * MINUTES * 60
    values = [Point(1, (begin + n * MINUTES * 60) * SECOND, 1.0) for n in range(count)]
    asked.store(batch(values, series=[series(1, unit="percent")]))
    question = Query("process.cpu.usage", start_time=begin, **more)  # type: ignore[arg-type]
    return [point.timestamp for point in asked.runner.query(question).series[0].points]


def test_hours_begin_with_those_of_the_zone(asked: Desk) -> None:
    starts = bucket_starts(asked, "2025-01-15T00:30:00Z", 8, interval="1h", timezone="Asia/Kolkata")
    assert starts == ["2025-01-15T00:30:00Z", "2025-01-15T01:30:00Z"]


def test_an_hour_that_comes_twice_is_two(asked: Desk) -> None:
    starts = bucket_starts(asked, "2024-10-27T00:00:00Z", 12, interval="1h", timezone="Europe/Berlin")
    assert starts == [f"2024-10-27T0{hour}:00:00Z" for hour in range(3)]


def test_what_does_not_divide_a_day_begins_at_multiples_since_the_epoch(asked: Desk) -> None:
    starts = bucket_starts(asked, "2025-01-15T00:30:00Z", 4, interval="45m", timezone="Asia/Kolkata")
    assert starts == ["2025-01-15T00:00:00Z", "2025-01-15T00:45:00Z"]


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../../etc/passwd", "Europe", "x" * 5000, "a\0b"])
def test_a_zone_that_nobody_knows_is_refused(asked: Desk, name: str) -> None:
    with pytest.raises(QueryError, match="timezone is a name of the IANA database"):
        asked.runner.query(Query("process.cpu.usage", interval="1d", timezone=name))
    with pytest.raises(QueryError, match="timezone is a name of the IANA database"):
        asked.runner.query(Query("process.cpu.usage", interval="1m", timezone=name))


def test_all_changes_of_many_years_are_known() -> None:
    zone = ZoneInfo("Europe/Berlin")
    begin, end = (round(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (2000, 2025))
    clock = zones.clock("Europe/Berlin", begin * SECOND, end * SECOND, DAY * SECOND)
    assert len(clock.changes) == 50
    for day in range((end - begin) // DAY):
        at = datetime.fromtimestamp(begin, zone).replace(hour=0) + timedelta(days=day)
        local = round((at.replace(tzinfo=UTC) - EPOCH).total_seconds())
        assert clock.moment(local * SECOND) == round(at.timestamp()) * SECOND
