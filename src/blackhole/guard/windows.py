"""Turns time into closed windows: what is to be committed, and when it may be."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from blackhole import _core
from blackhole.config import Config
from blackhole.errors import IntakeError
from blackhole.guard.release import Contents, created_us
from blackhole.guard.resolver import Registry, Resolver
from blackhole.model.batch import GuardedBatch
from blackhole.model.ledger import LedgerCommit, LedgerKind, ReleaseRow, receipt_of
from blackhole.model.series import Finder
from blackhole.model.times import AHEAD_NS, TimeRange
from blackhole.privacy.ledger import Ledger

SECOND_NS = 10**9
# Windows are published this long after their end, however long closing takes.
GRACE_NS = SECOND_NS // 4
# At most so many windows have the same time: a clock may go back again and again.
_MOST_IDS = 16
_APART_NS = SECOND_NS // 1000


@dataclass(frozen=True, slots=True)
class _Id:
    """A window's identity: `start_ns` by the schedule, and its `number` among those of that start."""

    start_ns: int
    number: int = 0

    @property
    def time_ns(self) -> int:
        """The time that its values carry."""
        return self.start_ns + self.number * _APART_NS


class Windows:
    """The open windows of sensitive and of highly sensitive metrics. Not thread-safe.

    Windows follow arrival: `turn` is called before arrived points are taken in. If the clock goes back,
    sensitive windows follow it. Highly sensitive ones wait until the ledger's time comes again.
    """

    def __init__(
        self,
        table: _core.SeriesTable,
        resolver: Resolver,
        registry: Registry,
        ledger: Ledger,
        config: Config,
        *,
        clock_ns: Callable[[], int],
        created_ns: int,
        find: Finder,
        ahead_ns: Callable[[], int],
    ) -> None:
        """`ahead_ns`: until when windows may exist from before the clock went back; 0 if it never did."""
        self._table = table
        self._resolver = resolver
        self._registry = registry
        self._ledger = ledger
        self._clock_ns = clock_ns
        self._window_ns = int(config.sensitive_window * SECOND_NS)
        self._find = find
        self._ahead_ns = ahead_ns
        self._latest_ns = clock_ns()
        # Windows that begin before this may have an id already.
        self._taken_until_ns = ahead_ns() + self._window_ns if ahead_ns() else 0
        self._named: set[int] = set()
        self._astray = False
        self._open = self._next(self._first_window(created_ns, self._latest_ns))
        self._ready: deque[tuple[int, GuardedBatch]] = deque()
        self._table.declare(resolver.releases.rules(), fresh=True)
        self._begin()

    @property
    def end_ns(self) -> int:
        """When the open window of sensitive metrics is due to close."""
        return self._open.start_ns + self._window_ns

    @property
    def release_end_ns(self) -> int:
        """When the open window of highly sensitive metrics is due to close."""
        window = self._ledger.window
        return self._ledger.end_ns if window is None else window.end_ns

    @property
    def due_ns(self) -> int:
        """When the next window must be closed or published."""
        ends = (self.end_ns, self.release_end_ns)
        return min(*ends, self._ready[0][0]) if self._ready else min(ends)

    def turn(self, now: int) -> None:
        """Closes windows that are over, or that lie ahead of a clock that went back."""
        if self._astray or now < self._latest_ns - self._window_ns:
            self._go_back(now)
        self._latest_ns = max(self._latest_ns, now)
        if now >= self.end_ns:
            self._queue(self.end_ns, self.close_sensitive())
        if now >= self.release_end_ns and self._ledger.now_ns() >= self.release_end_ns:
            end = self.release_end_ns
            self._queue(end, self._close_release(early=False))

    def take(self, now: int) -> list[GuardedBatch]:
        """The closed windows that may be committed by now, in order."""
        taken = []
        while self._ready and self._ready[0][0] <= now:
            taken.append(self._ready.popleft()[1])
        return taken

    def take_all(self) -> list[GuardedBatch]:
        """All closed windows, also before their time."""
        taken = [batch for _, batch in self._ready]
        self._ready.clear()
        return taken

    def stop(self) -> list[GuardedBatch]:
        """Closes both windows early, each under its own name.

        Returns everything that is still to be committed.
        """
        sensitive = self.close_sensitive(early=True)
        batches = self.take_all() + ([] if sensitive is None else [sensitive])
        released = self._close_release(early=True)
        return [*batches, *([] if released is None else [released])]

    def close_sensitive(self, *, early: bool = False) -> GuardedBatch | None:
        """Closes the window of sensitive metrics. Its values carry its id. None if there are none."""
        open_ = self._open
        self._open = self._next(max(self._aligned(self._clock_ns()), self.end_ns))
        return self._close_as(open_, early=early)

    def _close_as(self, window: _Id, *, early: bool) -> GuardedBatch | None:
        # Sort by name: the order in which groups appeared would tell who was first.
        closed = sorted(self._table.close_window(), key=self._resolver.window_name)
        values = [
            (self._resolver.window_series(value.rule, value.group), window.time_ns, value) for value in closed
        ]
        if not values:
            return None
        columns = self._table.window_columns(values)
        # Windows with another id get another second.
        end = window.start_ns + self._window_ns - window.number * SECOND_NS
        made = created_us(TimeRange(window.start_ns, end), early=early, noisy=False)
        return GuardedBatch(columns, *self._registry.take_new(columns), created_us=made)

    def _go_back(self, now: int) -> None:
        """Follows a clock that went back: the open window gets a time of now, and so does the next.

        Closed windows are published at once, since their time may lie ahead.
        """
        self._taken_until_ns = max(
            self._taken_until_ns,
            self.end_ns,
            self._latest_ns + self._window_ns,
            self._ahead_ns() + self._window_ns,
        )
        start = self._aligned(now)
        window = self._free(start)
        if window is None:
            return
        self._ready = deque((0, batch) for _, batch in self._ready)
        self._astray, self._latest_ns = False, now
        self._queue(start + self._window_ns, self._close_as(window, early=False))
        self._open = self._next(start)

    def _next(self, start_ns: int) -> _Id:
        """The window that begins then. If no id is known to be free, it begins later than all others."""
        window = self._free(start_ns)
        self._astray = window is None
        return window or _Id(-(-self._taken_until_ns // self._window_ns) * self._window_ns)

    def _free(self, start_ns: int) -> _Id | None:
        """The first free id of that start; None if there is none, or the store cannot say."""
        if start_ns >= self._taken_until_ns:
            self._named.clear()
            return _Id(start_ns)
        ids = [_Id(start_ns, number) for number in range(min(_MOST_IDS, self._window_ns // SECOND_NS))]
        try:
            taken = {time_ns for _, time_ns in self._find([(0, one.time_ns) for one in ids])}
        except IntakeError:
            return None
        free = next((one for one in ids if one.time_ns not in taken | self._named), None)
        if free is not None:
            self._named.add(free.time_ns)
        return free

    def _close_release(self, *, early: bool) -> GuardedBatch | None:
        """Releases the open window, if there is one.

        Then it begins the next one, or ends the run if `early`.
        """
        window = self._ledger.window
        rules = [] if window is None else self._resolver.releases.open_rules()
        released = self._table.close_release(rules)
        made = created_us(window or TimeRange(0, self._ledger.now_ns()), early=early, noisy=True)
        contents = Contents()
        if window is not None:
            contents = self._resolver.releases.charge(released, window, made)
        if early:
            self._ledger.stop(self.end_ns)
        elif self._ledger.turn():
            self._begin_period()
        return self._batch(contents, made, 0 if window is None else window.start_ns)

    def _begin_period(self) -> None:
        """Brings changes of the catalogue into force at the start of a period."""
        releases = self._resolver.releases
        before = releases.definitions
        rules = releases.rules()
        if releases.definitions != before:
            self._queue(self._clock_ns(), self.close_sensitive(early=True))
            self._table.forget_rules()
        self._table.declare(rules, fresh=True)

    def _batch(self, contents: Contents, made: int, time_ns: int) -> GuardedBatch | None:
        rows = self._ledger.take()
        if not rows:
            return None
        columns = _core.Columns.of_window(time_ns, contents.values)
        return GuardedBatch(
            columns,
            *self._registry.take_new(columns),
            created_us=made,
            lists=tuple(contents.lists),
            entry=LedgerCommit(rows, tuple(contents.releases)),
        )

    def _begin(self) -> None:
        """Commits this run's first ledger rows, and those that an earlier run wrote into the head only."""
        now = self._ledger.now_ns()
        made = created_us(TimeRange(now, now), early=False, noisy=True)
        lost = [
            ReleaseRow(row.sequence, receipt_of(row), row.window, made, lost=True)
            for row in self._ledger.lost
            if row.kind is LedgerKind.RELEASE and row.window is not None
        ]
        self._queue(0, self._batch(Contents(releases=lost), made, 0))

    def _queue(self, end_ns: int, batch: GuardedBatch | None) -> None:
        if batch is not None:
            self._ready.append((end_ns + GRACE_NS if end_ns else 0, batch))

    def _aligned(self, time_ns: int) -> int:
        return time_ns - time_ns % self._window_ns

    def _first_window(self, created_ns: int, now: int) -> int:
        """The first window of this run.

        An earlier run may have released the current one, or the next one at its stop.
        """
        current = self._aligned(now)
        first = current if created_ns >= current else current + self._window_ns
        until = self._aligned(self._ledger.sensitive_until_ns + self._window_ns - 1)
        if until > first + AHEAD_NS:
            self._taken_until_ns = max(self._taken_until_ns, until)
            return first
        return max(first, until)
