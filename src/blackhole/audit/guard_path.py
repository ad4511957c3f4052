"""Turns lines into releases by the guard's own path: OTLP bytes, decoder, guard, closed window. No store."""

import itertools
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from blackhole.audit.lines import AuditLine, requests
from blackhole.audit.samples import AuditSample, Outcome
from blackhole.audit.subjects import AuditSubject
from blackhole.catalogue.definition import Definition
from blackhole.catalogue.load import Catalogue
from blackhole.config import Config
from blackhole.decode import Decoder
from blackhole.errors import PrivacyError, UsageError
from blackhole.guard.attributes import canonical
from blackhole.guard.engine import Guard, StoredState
from blackhole.guard.windows import GRACE_NS
from blackhole.model.batch import GuardedBatch
from blackhole.model.ledger import Receipt
from blackhole.model.series import MetricType
from blackhole.model.signals import Payload
from blackhole.privacy.ledger import Clocks
from blackhole.privacy.terms import declared_groups
from blackhole.store.write.points import points

SECOND_NS = 10**9
_STEP_NS = 10**6
# So many trials' rows are read back at once.
_TOGETHER = 500

GuardPathValues = Mapping[str, tuple[float, ...]]
# Each declared group with its value, or a histogram's buckets, or a gauge's sum and count.
Release: TypeAlias = Sequence[tuple[Mapping[str, Any], tuple[float, ...]]]


class SteppedClock:
    """A clock that only moves when it is told to."""

    def __init__(self, now_ns: int) -> None:
        self.now_ns = now_ns

    def __call__(self) -> int:
        return self.now_ns


class Bench:
    """One metric, one guard after another, and a budget period that lasts exactly one trial.

    `others`: entries that share the budget, and of which nothing comes.
    """

    def __init__(self, definition: Definition, config: Config, others: Sequence[Definition] = ()) -> None:
        self._definition = definition
        self._config = config
        self._catalogue = Catalogue([(entry, "audit") for entry in (definition, *others)])
        self._window_ns = round(config.release_window * SECOND_NS)
        period_ns = round(config.budget_period * SECOND_NS)
        now = time.time_ns()
        self._start_ns = now - now % period_ns
        self._clock = SteppedClock(self._start_ns)
        self._decoder = Decoder(secrets.token_bytes(16), clock_ns=self._clock)
        self._attributes: dict[int, str] = {}
        self._receipt: Receipt | None = None
        self._guard = self._new_guard()
        self._groups = {canonical(group): group for group in declared_groups(definition)}

    @property
    def receipt(self) -> Receipt:
        """Of the first release. Raises PrivacyError where there was none."""
        if self._receipt is None:
            raise PrivacyError(f"{self._definition.name}: nothing was released")
        return self._receipt

    def releases(self, windows: Sequence[Sequence[AuditLine]], trials: int) -> Iterator[list[Release]]:
        """The releases of each trial, one a window. Raises UsageError for lines that the guard refuses."""
        bodies = [requests(self._definition.name, self._definition, lines) for lines in windows]
        for start in range(0, trials, _TOGETHER):
            self._clock.now_ns = self._start_ns  # years would pass else
            self._guard = self._new_guard()
            closed = [self._trial(bodies) for _ in range(min(_TOGETHER, trials - start))]
            yield from self._read(closed, len(windows))

    def _trial(self, bodies: Sequence[Sequence[Payload]]) -> list[GuardedBatch]:
        if self._definition.release == "running_total":
            self._guard = self._new_guard()
        return [self._window(payloads) for payloads in bodies]

    def _window(self, payloads: Sequence[Payload]) -> GuardedBatch:
        end = self._clock.now_ns - self._clock.now_ns % self._window_ns + self._window_ns
        step = min(_STEP_NS, (end - self._clock.now_ns - GRACE_NS) // (len(payloads) + 1))
        for payload in payloads:
            self._clock.now_ns += step
            verdict = self._guard.judge(self._decoder.decode(payload)).verdict
            if verdict.rejected:
                raise UsageError(verdict.message)
        self._clock.now_ns = end + GRACE_NS
        (closed,) = [batch for batch in self._guard.take_closed() if batch.entry.releases]
        name = self._definition.name
        if self._receipt is None:
            receipts = [release.receipt for release in closed.entry.releases]
            self._receipt = next((receipt for receipt in receipts if receipt.metric == name), None)
        self._attributes.update((row.id, row.attributes) for row in closed.series if row.metric == name)
        return closed

    def _read(self, trials: Sequence[Sequence[GuardedBatch]], windows: int) -> Iterator[list[Release]]:
        """The values of many trials, with one look into their rows."""
        batches = [batch for trial in trials for batch in trial]
        found: dict[int, dict[str, tuple[float, ...]]] = {}
        for series, time_ns, value in points(batches[0].rows.merge([batch.rows for batch in batches[1:]])):
            if series in self._attributes:
                found.setdefault(time_ns, {})[self._attributes[series]] = (value,)
        for each in itertools.chain.from_iterable(batch.lists for batch in batches):
            if each.series in self._attributes:
                found.setdefault(each.time_ns, {})[self._attributes[each.series]] = tuple(each.noisy)
        releases = [
            self._release(found.get(batch.entry.releases[-1].window.start_ns, {})) for batch in batches
        ]
        for first in range(0, len(releases), windows):
            yield releases[first : first + windows]

    def _release(self, values: GuardPathValues) -> Release:
        return [(group, values[text]) for text, group in self._groups.items() if text in values]

    def _new_guard(self) -> Guard:
        return Guard(
            self._catalogue,
            self._config,
            StoredState(self._clock()),
            Clocks(self._clock, self._clock),
        )


class GuardPath:
    """A `blackhole.audit.suite.Path` that ends at the guard."""

    name = "guard"

    def affordable(self, subject: AuditSubject, trials: int) -> int:
        del subject
        return trials

    def sample(
        self, subject: AuditSubject, windows: Sequence[Sequence[AuditLine]], trials: int
    ) -> AuditSample:
        bench = Bench(subject.definition, subject.config)
        groups = [dict(group) for group in declared_groups(subject.definition)]
        width = values_in(subject.definition)
        return [outcome(trial, groups, width) for trial in bench.releases(windows, trials)]


def values_in(definition: Definition) -> int:
    """How many values a group has."""
    if definition.type is MetricType.HISTOGRAM:
        return len(definition.buckets or ()) + 1
    return 2 if definition.type is MetricType.GAUGE else 1


def outcome(trial: Sequence[Release], groups: Sequence[Mapping[str, Any]], width: int) -> Outcome:
    """All values of a trial in their fixed order; None in place of what is not there."""
    values: list[float | None] = []
    for release in trial:
        found = {msgspec.json.encode(group): numbers for group, numbers in release}
        for group in groups:
            values += found.get(msgspec.json.encode(group), (None,) * width)
    return tuple(values)
