"""The guard: `Batch` in, `GuardedBatch` out, with the reasons for what was left behind."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from blackhole import _core
from blackhole.catalogue.allow import Sent
from blackhole.catalogue.load import Catalogue
from blackhole.config import Config
from blackhole.guard.reasons import Reason
from blackhole.guard.scrub import clean_body, clean_name
from blackhole.guard.treatment import Registry, Resolver
from blackhole.records import Finder, GuardedBatch, Recaller, SeriesRow, Verdict

AHEAD_NS = 600 * 10**9
IDLE_NS = 3600 * 10**9
MOST_METRICS_NAMED = 5
SECOND_NS = 10**9


@dataclass(frozen=True, slots=True)
class Refusal:
    """Points of one metric that were refused; `metric` is scrubbed. Secret counts are never shown."""

    metric: str
    reason: Reason
    points: int
    secret: bool


@dataclass(frozen=True, slots=True)
class Judgement:
    """`accepted`: points of the open path. `guarded`: whether others went into the window."""

    batch: GuardedBatch
    accepted: int
    refusals: tuple[Refusal, ...]
    verdict: Verdict
    guarded: bool = False

    @property
    def is_visible(self) -> bool:
        """Whether it may be counted that the request came: not if there was nothing but guarded points."""
        shown = self.accepted or any(not refusal.secret for refusal in self.refusals)
        return bool(shown) or not (self.guarded or self.refusals)

    @property
    def is_empty(self) -> bool:
        """Nothing for the store to wait for."""
        return self.accepted == 0 and not self.batch.series and not self.batch.streams


class Guard:
    """One per service. Not thread-safe: batches are judged one by one, in the order of their commit."""

    def __init__(
        self,
        catalogue: Catalogue,
        config: Config,
        *,
        series: Sequence[SeriesRow],
        next_stream: int,
        created_ns: int,
        recall: Recaller,
        find: Finder,
        clock_ns: Callable[[], int],
    ) -> None:
        self._catalogue = catalogue
        self._clock_ns = clock_ns
        self._retention_ns = int(config.retention_period * SECOND_NS)
        self._window_ns = int(config.sensitive_window * SECOND_NS)
        self._registry = Registry.of(series, next_stream)
        self._resolver = Resolver(catalogue, config, self._registry, recall, find)
        now = clock_ns()
        self._table = _core.SeriesTable(max_series=config.max_series, created_ns=created_ns, started_ns=now)
        self._window_start = self._first_window(created_ns, now)

    @staticmethod
    def scrub(bodies: Sequence[str]) -> list[str]:
        """The bodies of a batch's log records as they may be kept; slow, and safe in any thread."""
        return [clean_body(body) for body in bodies]

    def judge(self, batch: _core.Batch, bodies: Sequence[str] = (), *, repeatable: bool = True) -> Judgement:
        """Applies the treatments of its series to the points of one request. `bodies`: what `scrub` gave.

        `repeatable`: as in `GuardedBatch`.
        """
        now = self._clock_ns()
        outcome = self._table.apply(
            batch,
            self._resolver,
            now_ns=now,
            oldest_ns=now - self._retention_ns,
            newest_ns=now + AHEAD_NS,
        )
        series, streams = self._registry.take_new(outcome.columns)
        refusals = tuple(self._refusal(*refusal) for refusal in outcome.refusals)
        records = None if outcome.kept is None else outcome.kept.scrubbed(bodies)
        warnings = self._take_warnings()
        return Judgement(
            GuardedBatch(outcome.columns, series, streams, records, repeatable),
            outcome.accepted,
            refusals,
            Verdict(outcome.rejected, _message(outcome.rejected, refusals, warnings)),
            guarded=outcome.guarded > 0,
        )

    @property
    def window_end_ns(self) -> int:
        """When the open window is due to close."""
        return self._window_start + self._window_ns

    def close_window(self) -> GuardedBatch | None:
        """Closes the open window; its values carry its start. None when nothing is released."""
        started = self._window_start
        self._window_start = max(self._aligned(self._clock_ns()), started + self._window_ns)
        values = [
            (self._resolver.window_series(value.rule, value.group), started, value)
            for value in self._table.close_window()
        ]
        if not values:
            return None
        columns = self._table.window_columns(values)
        series, streams = self._registry.take_new(columns)
        return GuardedBatch(columns, series, streams)

    def recatalogue(self, catalogue: Catalogue) -> None:
        """Judges by another catalogue from here on. The open window must be closed before."""
        self._catalogue = catalogue
        self._resolver.recatalogue(catalogue)
        self._table.forget_rules()

    @property
    def catalogue(self) -> Catalogue:
        return self._catalogue

    @property
    def unknown(self) -> Mapping[str, Sent]:
        """How metrics came that no entry covers, since the catalogue last changed."""
        return self._resolver.unknown

    def take_edges(self) -> bytes | None:
        """The calls between services since the last time, as a metrics request that is yet to be judged."""
        return self._table.take_edges(self._clock_ns())

    def forget_idle(self) -> int:
        """Lets go of series that were not heard of for an hour; returns how many."""
        return self._table.evict(self._clock_ns() - IDLE_NS)

    def hold(self, held: bool) -> None:
        """While held, series that are not known yet are refused; any thread may call it."""
        self._table.hold(held)

    def __len__(self) -> int:
        """Raw series that are known."""
        return len(self._table)

    def _aligned(self, time_ns: int) -> int:
        return time_ns - time_ns % self._window_ns

    def _first_window(self, created_ns: int, now: int) -> int:
        """The next window, because an earlier run may have released the current one when it was stopped."""
        current = self._aligned(now)
        return current if created_ns >= current else current + self._window_ns

    def _refusal(self, metric: str, reason: int, points: int) -> Refusal:
        definition = self._catalogue.match(metric)
        secret = definition is not None and definition.level.guarded
        return Refusal(clean_name(metric), Reason(reason), points, secret)

    def _take_warnings(self) -> list[str]:
        warnings = self._resolver.warnings[:MOST_METRICS_NAMED]
        self._resolver.warnings.clear()
        return warnings


def _message(rejected: int, refusals: Sequence[Refusal], warnings: Sequence[str]) -> str:
    """What the sender reads: at most five metrics, each with reason and remedy."""
    if not rejected:
        return "; ".join(f"warning: {warning}" for warning in warnings)
    named = [
        f"{r.metric} ({r.points}): {r.reason.words}: {r.reason.remedy}" for r in refusals[:MOST_METRICS_NAMED]
    ]
    more = len(refusals) - len(named)
    return f"refused {rejected}: " + "; ".join(named) + (f"; and {more} more metrics" if more > 0 else "")
