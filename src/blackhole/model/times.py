"""Moments and windows of time, in nanoseconds since the epoch."""

from dataclasses import dataclass
from datetime import UTC, datetime

# Senders may be so far ahead of our clock: what is later was made by one that has been set since.
AHEAD_NS = 600 * 10**9


@dataclass(frozen=True, slots=True)
class TimeRange:
    """A stretch of time, in nanoseconds since the epoch; the end is not part of it."""

    start_ns: int
    end_ns: int


def format_time(nanoseconds: int) -> str:
    """RFC 3339 in UTC, with as many digits as the moment needs."""
    seconds, rest = divmod(nanoseconds, 10**9)
    text = datetime.fromtimestamp(seconds, UTC).isoformat().removesuffix("+00:00")
    fraction = f".{rest:09}".rstrip("0") if rest else ""
    return f"{text}{fraction}Z"
