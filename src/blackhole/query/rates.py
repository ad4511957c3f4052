"""Turns the states of series into what they are at present."""

from dataclasses import dataclass

from blackhole.query.recent import LiveSeries, RecentStates


@dataclass(frozen=True, slots=True)
class Present:
    """What the series of the last minute, and all that are alive, are now; None where no stream is alive."""

    states: RecentStates
    now_ns: int

    def rate(self, number: int) -> float | None:
        """Increments or observations a second: the last rates of the streams that are alive, added up."""
        return self._now(number)

    def level(self, number: int) -> float | None:
        """The sum of the levels of the streams that are alive."""
        return self._now(number)

    def streams(self, number: int) -> int:
        """How many are alive."""
        state = self.states.lately.get(number)
        return 0 if state is None else state.alive

    def _now(self, number: int) -> float | None:
        state = self.states.lately.get(number)
        return None if state is None else state.now


def alive(states: RecentStates) -> dict[int, LiveSeries]:
    """Every series that is alive, in its newest state."""
    return {**states.lately, **states.minute}
