"""Refuses questions that ask more finely of guarded metrics than one value a window tells."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from blackhole.config import duration_words
from blackhole.errors import PrivacyQueryError
from blackhole.model.series import PrivacyLevel
from blackhole.promql.selection import Selection

# What picks out one window or group, and what takes a step of the noise for the reset of a counter.
_PICKING = {
    *("max", "min", "topk", "bottomk", "limitk", "limit_ratio", "quantile", "count_values"),
    *("max_over_time", "min_over_time", "last_over_time", "first_over_time", "quantile_over_time"),
    *("mad_over_time", "ts_of_max_over_time", "ts_of_min_over_time"),
}
_COUNTING = {"rate", "increase", "irate", "resets"}


class PromqlPrivacy:
    """Knows what stands around the selector that is being evaluated.

    `windows`: seconds of the window of each guarded level.
    """

    def __init__(self, windows: Mapping[PrivacyLevel, float]) -> None:
        self._windows = {level: round(seconds * 1000) for level, seconds in windows.items()}
        self._around: list[str] = []

    @contextmanager
    def inside(self, function: str) -> Iterator[None]:
        self._around.append(function)
        try:
            yield
        finally:
            self._around.pop()

    def lookback(self, level: PrivacyLevel, usual: int) -> int:
        """A window's value has the time of its start and comes at its end: the newest is two windows old."""
        return max(usual, 2 * self._windows.get(level, 0))

    def check(self, selection: Selection, steps: Sequence[int]) -> None:
        """`steps`: milliseconds of the step and the range that are asked for. Raises PrivacyQueryError."""
        for source in selection.guarded:
            metric, level = source.family.metric, source.family.level
            word = level.word.replace("_", " ")
            for function in self._around:
                if function in _PICKING:
                    raise PrivacyQueryError(
                        f"{function} picks out one window or group, and {metric} is {word}: "
                        "ask for avg, sum or count"
                    )
                if function in _COUNTING:
                    raise PrivacyQueryError(
                        f"{function} is for counters, and {metric} is {word}, so a gauge with one value a "
                        "window: ask for sum_over_time"
                    )
            window = self._windows.get(level, 0)
            if any(0 < step < window for step in steps):
                words = duration_words(window / 1000)
                raise PrivacyQueryError(
                    f"{metric} is {word}, one value every {words}: "
                    f"ask for steps and ranges of at least {words}"
                )
