"""Turns the plan of a budget period into rules of the core, and what that releases into rows and receipts."""

import logging
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec

import blackhole
from blackhole import _core
from blackhole.catalogue.definition import Definition
from blackhole.errors import PrivacyError
from blackhole.guard.attributes import canonical
from blackhole.model.ledger import NoisyList, Receipt, ReleaseRow
from blackhole.model.times import TimeRange, format_time
from blackhole.privacy import factorisation as toeplitz
from blackhole.privacy.ledger import Ledger
from blackhole.privacy.plan import PlannedMetric
from blackhole.privacy.terms import SCALE_PARTS, Terms, declared_groups

SECOND_NS = 10**9
log = logging.getLogger(__name__)
_encode = msgspec.json.Encoder(order="sorted").encode


@dataclass(slots=True)
class Contents:
    """What a closed window brings to the store: (series, value) pairs, lists, and receipts."""

    values: list[tuple[int, float]] = field(default_factory=list)
    lists: list[NoisyList] = field(default_factory=list)
    releases: list[ReleaseRow] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _ReleasedMetric:
    planned: PlannedMetric
    rule: int
    groups: dict[str, int]


class Releases:
    """The highly sensitive metrics of the running budget period.

    `number` gives a metric the number of its rule; `series` gives a group's attributes an output series.
    """

    def __init__(
        self,
        ledger: Ledger,
        number: Callable[[Definition], int],
        series: Callable[[Definition, str], int],
    ) -> None:
        self._ledger = ledger
        self._number = number
        self._series = series
        self._metrics: dict[str, _ReleasedMetric] = {}
        self._attributes: list[str] = []
        self._groups: dict[str, int] = {}
        self._factorisations: dict[str, str] = {}

    def entry(self, name: str) -> Definition | None:
        """The entry as it was when the period began; None if the metric is not released in it."""
        metric = self._metrics.get(name)
        return None if metric is None else metric.planned.definition

    @property
    def definitions(self) -> tuple[Definition, ...]:
        return tuple(metric.planned.definition for metric in self._metrics.values())

    def group(self, name: str, attributes: str) -> int:
        """The number of a declared group."""
        return self._metrics[name].groups[attributes]

    def rules(self) -> list[_core.Rule]:
        """The rules of all metrics of the plan as it is now."""
        plan = self._ledger.plan
        planned = () if plan is None else plan.metrics
        self._metrics = {metric.definition.name: self._prepare(metric) for metric in planned}
        return [self.rule(name) for name in self._metrics]

    def rule(self, name: str) -> _core.Rule:
        """The rule of one metric. Raises KeyError for one that is not planned."""
        metric = self._metrics[name]
        terms, entry = metric.planned.terms, metric.planned.definition
        lower, upper = terms.bounds
        return _core.Rule(
            metric.rule,
            series_limit=0,  # of guarded series only the core's own limit counts
            guarded=True,
            lower=lower,
            upper=upper,
            max_groups=terms.groups_per_unit,
            by_event=terms.by_event,
            gauge=terms.count_scale is not None,
            levels=entry.type == "updowncounter",
            first=entry.first,
            boundaries=entry.buckets if entry.type == "histogram" else None,
            release=_core.Release(
                terms.mechanism,
                scale=_parts(terms.steps),
                count_scale=0 if terms.count_scale is None else _parts(terms.count_scale),
                grid=terms.grid,
                groups=list(metric.groups.values()),
                coefficients=toeplitz.fixed() if terms.running_total else None,
                most_windows=self._ledger.allowance(terms),
            ),
        )

    def open_rules(self) -> list[int]:
        """The rules whose windows may be released now."""
        return [m.rule for m in self._metrics.values() if self._ledger.is_open(m.planned.terms)]

    def charge(self, released: Sequence[_core.Released], window: TimeRange, created_us: int) -> Contents:
        """Charges what the core has released and names its rows. What cannot be charged is withheld."""
        by_rule = {metric.rule: metric.planned for metric in self._metrics.values()}
        contents = Contents()
        for one in released:
            planned = by_rule[one.rule]
            receipt = self._receipt(planned.terms, window, one.step)
            try:
                row = self._ledger.charge(planned.terms, window, _encode(receipt))
            except PrivacyError as error:
                log.error("a release is withheld: %s", error)  # noqa: TRY400  (its traceback says nothing)
                continue
            if one.groups is None:
                continue  # too many units: charged, and absent for everybody
            contents.releases.append(ReleaseRow(row.sequence, receipt, window, created_us))
            self._place(planned, window, one.groups, contents)
        return contents

    def _place(
        self,
        planned: PlannedMetric,
        window: TimeRange,
        groups: Sequence[tuple[int, list[float]]],
        contents: Contents,
    ) -> None:
        entry = planned.definition
        is_list = len(groups) > 0 and planned.terms.values > planned.terms.groups
        for group, values in groups:
            series = self._series(entry, self._attributes[group])
            if is_list:
                bounds = entry.buckets if entry.type == "histogram" else None
                contents.lists.append(NoisyList(series, window.start_ns, bounds, values))
            else:
                contents.values.append((series, values[0]))

    def _prepare(self, planned: PlannedMetric) -> _ReleasedMetric:
        entry = planned.definition
        groups = {text: self._group(text) for text in map(canonical, declared_groups(entry))}
        return _ReleasedMetric(planned, self._number(entry), groups)

    def _group(self, attributes: str) -> int:
        number = self._groups.setdefault(attributes, len(self._attributes))
        if number == len(self._attributes):
            self._attributes.append(attributes)
        return number

    def _receipt(self, terms: Terms, window: TimeRange, step: int | None) -> Receipt:
        plan = self._ledger.plan
        delta = 0.0 if plan is None else plan.delta
        norm = 1.0 if step is None else toeplitz.row_norm(step)
        return Receipt(
            metric=terms.metric,
            unit=terms.unit,
            bounds=terms.bounds,
            mechanism=terms.mechanism,
            epsilon=terms.mechanism.epsilon_at(terms.cost, delta),
            delta=delta,
            rho=terms.rho,
            scale=terms.scale,
            count_scale=terms.count_scale,
            window=(format_time(window.start_ns), format_time(window.end_ns)),
            groups_per_unit=terms.groups_per_unit,
            # Values are whole steps, so half a step more is needed for 95 of 100.
            interval_95=terms.mechanism.half_width([terms.scale * norm]) + terms.grid / 2,
            factorisation=None if step is None else self._factorisation(terms.metric, step),
            step=step,
            charged=self._ledger.cost_of(terms),
            version=blackhole.__version__,
        )

    def _factorisation(self, metric: str, step: int) -> str:
        if step == 0 or metric not in self._factorisations:
            self._factorisations[metric] = uuid.uuid4().hex
        return self._factorisations[metric]


def created_us(window: TimeRange, *, early: bool, noisy: bool) -> int:
    """The `created_at` of a window's rows: the second after its end, plus microseconds that tell the kind."""
    seconds = -(-window.end_ns // SECOND_NS)
    return seconds * 10**6 + 2 * early + noisy


def _parts(steps: float) -> int:
    return round(steps * SCALE_PARTS)
