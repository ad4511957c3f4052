"""Turns moments and lengths of time as people write them into nanoseconds, and back."""

import re
from datetime import UTC, datetime

from blackhole.config import parse_duration
from blackhole.errors import ConfigError, QueryError
from blackhole.model.times import AHEAD_NS

SECOND = 10**9
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Where DuckDB's nanosecond timestamps end, with a day to spare for buckets.
_LIMIT = 2**63 - 1 - 86400 * SECOND

_STEPS = (
    *(1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400),
    *(2 * 86400, 7 * 86400, 14 * 86400, 28 * 86400, 84 * 86400, 182 * 86400, 364 * 86400),
)
_WANTED_POINTS = 120
_NEARLY = 0.95

_RFC_3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2})"
    r"(?:\.([0-9]+))?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_MOST_DIGITS = 20


def shown_until(now_ns: int) -> int:
    """What is stored of later than this is of the future, and not shown."""
    return now_ns + AHEAD_NS


def parse_time(value: float | str, field: str) -> int:
    """Nanoseconds since the epoch of an RFC 3339 time or of Unix seconds. Raises QueryError."""
    nanoseconds = _from_text(value) if isinstance(value, str) else _from_seconds(value)
    if nanoseconds is None:
        raise QueryError(f"{field} is not a time: write 2026-05-01T12:00:00Z or Unix seconds")
    if abs(nanoseconds) > _LIMIT:
        raise QueryError(f"{field} is outside the years 1678 to 2262: Unix times are in seconds")
    return nanoseconds


def _from_seconds(value: float) -> int | None:
    if isinstance(value, int):
        return value * SECOND
    whole, rest = divmod(value, 1) if abs(value) < _LIMIT else (0, 0)
    return int(whole) * SECOND + round(rest * SECOND) if abs(value) < _LIMIT else None


def _from_text(text: str) -> int | None:
    text = text.strip()
    if _NUMBER.fullmatch(text):
        if len(text.partition(".")[0]) > _MOST_DIGITS:
            return _LIMIT + 1  # whatever it is; Python makes no `int` of thousands of digits
        return _from_seconds(float(text) if "." in text else int(text))
    match = _RFC_3339.fullmatch(text)
    if match is None:
        return None
    date, clock, fraction, zone = match.groups()
    try:
        moment = datetime.fromisoformat(f"{date}T{clock}{zone.upper()}")
    except ValueError:
        return None
    passed = moment - EPOCH
    return (passed.days * 86400 + passed.seconds) * SECOND + int((fraction or "0")[:9].ljust(9, "0"))


def parse_interval(value: float | str) -> int:
    """Nanoseconds of `30s`, `5m`, `1h` or of seconds. Raises QueryError."""
    try:
        seconds = float(parse_duration(value)) if isinstance(value, str) else float(value)
        nanoseconds = round(seconds * SECOND)
    except (ConfigError, ValueError, OverflowError):
        raise QueryError("interval is not a duration: write it like 10s, 5m, 1h or 1d") from None
    if not SECOND // 1000 <= nanoseconds <= _LIMIT:
        raise QueryError("interval must be at least 1ms and below 200 years")
    return nanoseconds


def nice_interval(length: int, least: int = 0, period: int = 0) -> int:
    """A round interval in which `length` has about 120 buckets; a multiple of `least` where that is given.

    It is not over 5 % below `period`, so that each bucket has a point of a sender that reports so often.
    """
    wanted = max(length / _WANTED_POINTS, SECOND, _NEARLY * period)
    step = next((s * SECOND for s in _STEPS if s * SECOND >= wanted), _STEPS[-1] * SECOND)
    return -(-step // least) * least if least else step
