from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from blackhole.errors import QueryError
from blackhole.model.times import format_time
from blackhole.model.written_times import SECOND, nice_interval, parse_interval, parse_time


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("1970-01-01T00:00:01Z", SECOND),
        ("2026-05-01T12:00:00Z", 1777636800 * SECOND),
        ("2026-05-01T14:00:00+02:00", 1777636800 * SECOND),
        ("2026-05-01t12:00:00.000000001z", 1777636800 * SECOND + 1),
        ("2026-05-01 12:00:00.25Z", 1777636800 * SECOND + SECOND // 4),
        ("1777636800", 1777636800 * SECOND),
        ("1777636800.5", 1777636800 * SECOND + SECOND // 2),
        (1777636800, 1777636800 * SECOND),
        (1777636800.5, 1777636800 * SECOND + SECOND // 2),
        (-1, -SECOND),
        ("1969-12-31T23:59:59.5Z", -SECOND // 2),
    ],
)
def test_moments_are_rfc_3339_or_unix_seconds(text: str | float, nanoseconds: int) -> None:
    assert parse_time(text, "start_time") == nanoseconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-05-01",
        "2026-05-01T12:00:00",
        "2026-13-01T12:00:00Z",
        "1e5",
        float("nan"),
        float("inf"),
    ],
)
def test_what_is_not_a_moment_is_refused_with_an_example(text: str | float) -> None:
    with pytest.raises(QueryError, match=r"start_time is not a time: write 2026-05-01T12:00:00Z"):
        parse_time(text, "start_time")


@pytest.mark.parametrize(
    "value", [1777636800000, "9999-01-01T00:00:00Z", "1" * 30, "9" * 4301, "9" * 4301 + ".5"]
)
def test_milliseconds_are_not_taken_for_seconds(value: float | str) -> None:
    with pytest.raises(QueryError, match="Unix times are in seconds"):
        parse_time(value, "end_time")


@given(st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1)))  # noqa: DTZ001 - the zone is added below
def test_every_moment_comes_back_as_it_was_written(moment: datetime) -> None:
    moment = moment.replace(tzinfo=UTC)
    nanoseconds = parse_time(moment.isoformat(), "start_time")
    assert datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=nanoseconds // 1000) == moment
    assert parse_time(format_time(nanoseconds), "start_time") == nanoseconds


@pytest.mark.parametrize(
    ("text", "seconds"), [("10s", 10), ("1h30m", 5400), ("1d", 86400), ("250ms", 0.25), (60, 60), (0.5, 0.5)]
)
def test_intervals_are_durations_or_seconds(text: str | float, seconds: float) -> None:
    assert parse_interval(text) == seconds * SECOND


@pytest.mark.parametrize("text", ["", "5", "-1s", "0s", 0, -5, float("nan"), float("inf"), "five", 1e300])
def test_what_is_no_interval_is_refused(text: str | float) -> None:
    with pytest.raises(QueryError, match="interval"):
        parse_interval(text)


@example(870_912_001, 0)
@given(st.integers(1, 40 * 365 * 86400), st.sampled_from([0, 60 * SECOND, 3600 * SECOND]))
def test_the_chosen_interval_is_round_and_gives_a_readable_number_of_points(length: int, least: int) -> None:
    step = nice_interval(length * SECOND, least)
    assert step % SECOND == 0
    assert length * SECOND / step <= 121
    if least:
        assert step % least == 0
    elif length > 120:
        assert length * SECOND / step >= 30
