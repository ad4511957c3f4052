"""Turns the increments of streams with any period into a rate of the present."""

from blackhole.query.recent import NEW_NS, SHORT_NS, State, Stream
from blackhole.query.times import SECOND

# A sender with at least this many exports in the look back shows its rate by them.
_EXPORTS = 3
_SILENT_PERIODS = 3


def rate(
    number: int, short: dict[int, State], long: dict[int, State], *, now_ns: int, window_ns: int
) -> float:
    """Increments or observations a second of one series, over `window_ns` (30 s or 60 s).

    Where a stream reports less than three times in that, over the exports of the last five minutes.
    """
    slow = long[number].streams if number in long else {}
    quick = short[number].streams if number in short else {}
    return sum(
        _stream_rate(quick.get(key), slow.get(key), now_ns=now_ns, window_ns=window_ns)
        for key in quick.keys() | slow.keys()
    )


def _stream_rate(quick: Stream | None, slow: Stream | None, *, now_ns: int, window_ns: int) -> float:
    period = slow.period if slow is not None else None
    if slow is not None and period is not None and period * _EXPORTS * SECOND > window_ns:
        if now_ns - slow.last > _SILENT_PERIODS * period * SECOND:
            return 0.0
        return (slow.total - slow.first_value) / ((slow.last - slow.first) / SECOND)
    if quick is None:
        return 0.0
    return quick.newly / (NEW_NS / SECOND) if window_ns == NEW_NS else quick.total / (SHORT_NS / SECOND)


def alive(states: tuple[dict[int, State], dict[int, State]]) -> dict[int, State]:
    """Every series of the last five minutes in its newest state."""
    short, long = states
    return {**long, **short}
