"""Turns the name of a time zone into a local clock, by which buckets of hours and days begin."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from blackhole.errors import QueryError
from blackhole.model.written_times import EPOCH, SECOND

HOUR = 3600 * SECOND
DAY = 24 * HOUR
# No zone changes its clock and takes that back within a week.
_LOOK_EVERY = 7 * DAY


@dataclass(frozen=True, slots=True)
class ZoneClock:
    """How far it is ahead of UTC: by `ahead[0]` before `changes[0]`, and so on; all in nanoseconds."""

    changes: tuple[int, ...] = ()
    ahead: tuple[int, ...] = (0,)

    def moment(self, local: int) -> int:
        """When it first shows `local` or, where it leaps over that, later."""
        for change, before, after in zip(self.changes, self.ahead, self.ahead[1:], strict=False):
            if local < change + max(before, after):
                return min(local - before, change)
        return local - self.ahead[-1]

    def bucket(self, moment: int, step: int) -> int:
        """What it shows when the bucket of `step` begins that `moment` is in."""
        shown = moment + self.ahead[sum(change <= moment for change in self.changes)]
        return shown // step * step

    @property
    def shows_whole_hours(self) -> bool:
        """Whether its hours begin with those of UTC, always."""
        return all(moment % HOUR == 0 for moment in (*self.changes, *self.ahead))

    def __format__(self, time: str) -> str:
        """The SQL of the bucket, by this clock, of what `time` says in nanoseconds."""
        if not any(self.ahead):
            return f"{time} // $step * $step"
        cases = "".join(
            f"WHEN {time} < {change} THEN {ahead} "
            for change, ahead in zip(self.changes, self.ahead, strict=False)
        )
        shift = f"CASE {cases}ELSE {self.ahead[-1]} END" if cases else str(self.ahead[-1])
        return f"({time} + {shift}) // $step * $step"


UTC = ZoneClock()


def clock(name: str | None, start: int, end: int, step: int) -> ZoneClock:
    """That of a zone for buckets of `step` which touch a range. Raises QueryError.

    UTC where the step is neither days nor hours of which a day is a multiple.
    """
    if name is None:
        return UTC
    zone = _zone(name)
    if step % DAY and (step % HOUR or DAY % step):
        return UTC
    found = _between(zone, start - step - DAY, end + step + DAY)
    if step < DAY and len({ahead % step for ahead in found.ahead}) == 1:
        return ZoneClock((), (found.ahead[0] % step,))  # so that an hour which comes twice is two
    return found


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise QueryError("timezone is a name of the IANA database, such as Europe/Berlin or UTC") from None


def _between(zone: ZoneInfo, start: int, end: int) -> ZoneClock:
    changes = list(_changes(zone, start, end))
    return ZoneClock(tuple(changes), tuple(_ahead(zone, moment) for moment in (start, *changes)))


def _changes(zone: ZoneInfo, start: int, end: int) -> Iterator[int]:
    for before in range(start, end, _LOOK_EVERY):
        after = min(before + _LOOK_EVERY, end)
        if _ahead(zone, before) != _ahead(zone, after):
            yield _change(zone, before, after)


def _change(zone: ZoneInfo, before: int, after: int) -> int:
    """The second from which the clock shows what it shows at `after`."""
    low, high = before // SECOND, -(-after // SECOND)
    shown = _ahead(zone, before)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _ahead(zone, middle * SECOND) == shown else (low, middle)
    return high * SECOND


def _ahead(zone: ZoneInfo, moment: int) -> int:
    offset = (EPOCH + timedelta(seconds=moment // SECOND)).astimezone(zone).utcoffset()
    return 0 if offset is None else round(offset.total_seconds()) * SECOND
