"""How long the windows of a guarded metric are that a bucket has: its rate divides by no other time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from blackhole.model.written_times import SECOND
from blackhole.query.language import HISTOGRAMS, Request
from blackhole.store.read.reader import Reader

TIMEOUT_S = 10.0
# All of a metric: a group that was too small in the newest window was small, and not unknown.
_STORED = """
SELECT epoch_ns(min(time)), epoch_ns(max(time)) FROM {table} WHERE series IN (SELECT unnest($ids::UINTEGER[]))
"""


@dataclass(frozen=True, slots=True)
class Closed:
    """From the first window until the end of the newest, in nanoseconds; `window` is how long one is."""

    request: Request
    window: int
    first: int
    until: int

    @classmethod
    def of(
        cls, reader: Reader, request: Request, ids: Sequence[int], window_s: float, *, with_sums: bool
    ) -> Self:
        """`ids`: every series of the metric. `with_sums`: older ones are summed up. Raises QueryError."""
        table = "recent_histogram_points" if request.subject.type in HISTOGRAMS else "recent_points"
        first, last = reader.rows(_STORED.format(table=table), {"ids": list(ids)}, timeout=TIMEOUT_S).rows[0]
        window = max(round(window_s * SECOND), 1)
        if first is None:
            return cls(request, window, request.start, request.end)
        return cls(request, window, request.start if with_sums else int(first), int(last) + window)

    def covered(self, bucket: int) -> tuple[float, bool]:
        """Seconds of the windows that begin in it within the range, and whether it is longer than they are.

        The value of a window is as a whole in the bucket in which it begins.
        """
        begins, ends = self.request.begins(bucket), self.request.begins(bucket + self.request.step)
        lower, upper = max(begins, self.request.start), min(ends, self.request.end)
        covered = min(self._next(upper), self.until) - self._next(max(lower, self.first))
        partial = max(lower, self.first) > begins or min(upper, self.until) < ends
        return max(covered, self.window) / SECOND, partial

    def _next(self, moment: int) -> int:
        """The first moment, from this one on, at which a window begins."""
        return -(-moment // self.window) * self.window
