"""Turns pressure into a sampling rate: halved while it lasts, back by a tenth at a time."""

import math

DOWN = 0.5
UP = 1.1
LEAST = 1 / 64


class Sampler:
    """The rate of the specification, and what is shown of it.

    The rate itself moves as the specification says: halved under pressure, then up by a tenth at a time to
    `maximum`. What is used, stored and shown is the largest power of two that is not above it: a rate that
    moved finely with the load would tell how much of the load nobody may count (guarded metrics). It stays
    at or above `LEAST`: fewer rows than that save nothing.
    """

    def __init__(self, maximum: float = 1.0) -> None:
        self._maximum = maximum
        self.rate = maximum

    def adapt(self, *, throttle: bool) -> None:
        if throttle:
            self.rate = max(self.rate * DOWN, min(LEAST, self._maximum))
        else:
            self.rate = min(self.rate * UP, self._maximum)

    @property
    def shown(self) -> float:
        """The rate as a power of two, at most the rate itself."""
        return 1.0 / self.factor

    @property
    def factor(self) -> int:
        """How many rows of a stream become one."""
        return int(2 ** math.ceil(-math.log2(min(self.rate, 1.0))))
