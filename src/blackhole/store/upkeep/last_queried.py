"""Keeps when each metric was last queried: in memory and, from time to time, in the file."""

import threading
from collections import OrderedDict
from collections.abc import Callable

from blackhole.store.database import Database

MOST_METRICS = 2000

_READ = "SELECT metric, epoch_us(last_asked) FROM asked ORDER BY last_asked"
_KEEP = """
INSERT INTO asked SELECT unnest($1::VARCHAR[]), make_timestamp(unnest($2::BIGINT[]))
ON CONFLICT DO UPDATE SET last_asked = greatest(last_asked, excluded.last_asked)
"""
_FORGET = "DELETE FROM asked WHERE metric NOT IN (SELECT metric FROM asked ORDER BY last_asked DESC LIMIT $1)"


class LastQueried:
    """Thread-safe. Times are Unix seconds. It knows the 2,000 metrics that were queried last."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        with database.reader() as reader:
            rows = reader.rows(_READ, max_rows=MOST_METRICS).rows
        self._times = OrderedDict((metric, micros / 1e6) for metric, micros in rows)
        self._changed: set[str] = set()

    def note(self, metric: str, now: float) -> None:
        with self._lock:
            self._times[metric] = now
            self._times.move_to_end(metric)
            self._changed.add(metric)
            if len(self._times) > MOST_METRICS:
                self._changed.discard(self._times.popitem(last=False)[0])

    def times(self) -> dict[str, float]:
        with self._lock:
            return dict(self._times)

    def forget(self, named: Callable[[str], bool]) -> None:
        """Forgets in memory. The rows of the file are erased with everything else."""
        with self._lock:
            for metric in [metric for metric in self._times if named(metric)]:
                del self._times[metric]
                self._changed.discard(metric)

    def keep(self) -> None:
        """Writes new times to the file. Raises StoreError; then they are written the next time."""
        with self._lock:
            changed = {metric: self._times[metric] for metric in self._changed}
            self._changed.clear()
        if not changed:
            return
        try:
            with self._database.write() as connection:
                connection.execute(_KEEP, [list(changed), [round(time * 1e6) for time in changed.values()]])
                connection.execute(_FORGET, [MOST_METRICS])
        except BaseException:
            with self._lock:
                self._changed |= changed.keys() & self._times.keys()
            raise
