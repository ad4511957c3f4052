"""Answers the core, once for each metric and once for each series: what is to happen with it."""

import secrets
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b

from blackhole import _core
from blackhole.catalogue.definition import Definition, PrivacyUnit
from blackhole.catalogue.load import Catalogue
from blackhole.catalogue.units import factor, unit_meant
from blackhole.config import Config
from blackhole.guard.attributes import Reducer, canonical
from blackhole.guard.reasons import ALLOWED_BY_NAME, Reason
from blackhole.guard.release import Releases
from blackhole.guard.unknown import UnknownMetrics
from blackhole.model.batch import PointBatch
from blackhole.model.series import (
    Finder,
    KeptAttributes,
    MetricType,
    PointKey,
    PrivacyLevel,
    Recaller,
    SeriesRow,
    StreamRow,
    StreamState,
)
from blackhole.privacy.ledger import Ledger
from blackhole.privacy.scrub import clean_name, clean_text, names_somebody
from blackhole.privacy.terms import EVENT

TYPE_OF_KIND: Mapping[int, MetricType] = {
    _core.GAUGE: MetricType.GAUGE,
    _core.COUNTER: MetricType.COUNTER,
    _core.UPDOWNCOUNTER: MetricType.UPDOWNCOUNTER,
    _core.HISTOGRAM: MetricType.HISTOGRAM,
    _core.EXPONENTIAL_HISTOGRAM: MetricType.HISTOGRAM,
    _core.SUMMARY: MetricType.SUMMARY,
}
_SUMS = frozenset({MetricType.COUNTER, MetricType.UPDOWNCOUNTER})
_DISTRIBUTIONS = frozenset({MetricType.HISTOGRAM, MetricType.SUMMARY})
_ACCEPTED: Mapping[MetricType, frozenset[MetricType]] = {
    MetricType.COUNTER: _SUMS,
    MetricType.UPDOWNCOUNTER: _SUMS | {MetricType.GAUGE},
    # Both are levels, and process.memory.usage is a gauge here and an updowncounter in the conventions.
    MetricType.GAUGE: frozenset({MetricType.GAUGE, MetricType.UPDOWNCOUNTER}),
    MetricType.HISTOGRAM: _DISTRIBUTIONS,
    MetricType.SUMMARY: _DISTRIBUTIONS,
}
OTHER_GROUP = 0
MOST_UNITS = 20
MOST_WAITING = 10_000

# Starts that differ by less are the same: some senders compute their start anew each time. Scraped pages need
# more.
SAME_START_NS = 10**9
SAME_START_SCRAPED_NS = 2 * 10**9

_KEY = secrets.token_bytes(16)
_DIGEST_BYTES = 12


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric as it is sent, joined with its catalogue entry."""

    name: str
    type: MetricType
    unit: str
    definition: Definition


@dataclass(slots=True)
class Registry:
    """The output series that exist, and the rows that the next batch must bring to the store.

    `series` knows them by a keyed hash. There may be very many, and their texts would take four times as
    much.
    """

    series: dict[int, int]
    next_series: int
    next_stream: int
    new_series: list[SeriesRow] = field(default_factory=list)
    new_streams: list[StreamRow] = field(default_factory=list)

    @classmethod
    def of(cls, rows: Sequence[SeriesRow], next_stream: int) -> "Registry":
        known = {_identity(r.metric, r.type, r.unit, r.attributes, r.privacy_level): r.id for r in rows}
        return cls(known, max((r.id for r in rows), default=0) + 1, max(next_stream, 1))

    def series_for(self, metric: Metric, attributes: str) -> int:
        level = metric.definition.level
        identity = _identity(metric.name, metric.type, metric.unit, attributes, level)
        number = self.series.get(identity)
        if number is None:
            number = self.next_series
            self.next_series += 1
            self.series[identity] = number
            self.new_series.append(
                SeriesRow(number, metric.name, metric.type, metric.unit, attributes, level)
            )
        return number

    def number_of(self, metric: Metric, attributes: str) -> int | None:
        """The number of the series, if it exists."""
        level = metric.definition.level
        return self.series.get(_identity(metric.name, metric.type, metric.unit, attributes, level))

    def stream_for(self, new: _core.NewSeries, series: int) -> int:
        number = self.next_stream
        self.next_stream += 1
        delta = not new.cumulative and TYPE_OF_KIND[new.kind] is not MetricType.GAUGE
        row = StreamRow(number, new.key, series, new.raw, new.kin, new.start_ns or None, delta)
        self.new_streams.append(row)
        return number

    def erase(self, gone: Collection[int]) -> None:
        """Removes output series. What comes of them again becomes a new series."""
        self.series = {identity: number for identity, number in self.series.items() if number not in gone}
        self.new_series = [row for row in self.new_series if row.id not in gone]
        self.new_streams = [row for row in self.new_streams if row.series not in gone]

    def take_new(self, rows: PointBatch) -> tuple[tuple[SeriesRow, ...], tuple[StreamRow, ...]]:
        """The series and streams that must be stored together with `rows`.

        A stream waits for its first row. Of a stream that the store knows, no later value counts as a first
        one.
        """
        series = tuple(self.new_series)
        self.new_series.clear()
        return series, self._take_begun(rows) if self.new_streams else ()

    def _take_begun(self, rows: PointBatch) -> tuple[StreamRow, ...]:
        waiting = self.new_streams
        begun = rows.streams([stream.id for stream in waiting])
        if len(waiting) - len(begun) > MOST_WAITING:
            begun = {stream.id for stream in waiting}
        self.new_streams = [stream for stream in waiting if stream.id not in begun]
        return tuple(stream for stream in waiting if stream.id in begun)


def _identity(metric: str, kind: MetricType, unit: str, attributes: str, level: PrivacyLevel) -> int:
    words = f"{metric}\0{kind}\0{unit}\0{level.word}\0{attributes}".encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(words, digest_size=_DIGEST_BYTES, key=_KEY).digest())


class Resolver:
    """The core's `Resolver`. It keeps raw attributes no longer than the call in which they came."""

    def __init__(
        self,
        catalogue: Catalogue,
        config: Config,
        registry: Registry,
        *,
        ledger: Ledger,
        recall: Recaller,
        find: Finder,
    ) -> None:
        self._catalogue = catalogue
        self._config = config
        self._registry = registry
        self._recall = recall
        self._find = find
        self._reducer = Reducer(config)
        self._names_of_pattern: defaultdict[str, set[str]] = defaultdict(set)
        self._units: defaultdict[str, set[str]] = defaultdict(set)
        self._numbers: dict[tuple[str, MetricType, str], int] = {}
        self._groups: dict[tuple[int, str], int] = {}
        self._group_attributes: list[str] = [""]
        self._erased: Collection[int] = frozenset()
        self.metrics: list[Metric] = []
        self.warnings: list[str] = []
        self.releases = Releases(ledger, self._number_of, self._series_of)
        self.unknown = UnknownMetrics()

    def recatalogue(self, catalogue: Catalogue) -> None:
        """Answers by another catalogue from here on. Numbers stay, because open windows use them."""
        self._catalogue = catalogue
        self.unknown.clear()

    def erase(self, gone: Collection[int], named: Callable[[str], bool]) -> set[int]:
        """Forgets these output series. Returns the rules of the metrics that are `named`."""
        self._erased = gone
        return {number for (name, _, _), number in self._numbers.items() if named(name)}

    def metric(self, name: str, unit: str, kind: int, description: str) -> _core.Rule | int:
        del description
        definition = self.releases.entry(name) or self._catalogue.match(name)
        if definition is None:
            self.unknown.note(name, unit, TYPE_OF_KIND[kind])
            return Reason.NOT_IN_CATALOGUE
        sent = TYPE_OF_KIND[kind]
        stored = _type_kept(sent, definition)
        metric = Metric(self._name_kept(name, definition), stored, _unit_kept(unit, definition), definition)
        reason = self._why_refused(metric, sent) or self._why_unit_refused(metric, unit)
        if reason is not None:
            if reason in ALLOWED_BY_NAME and not definition.level.guarded:
                self.unknown.note(name, unit, sent)
            return reason
        if factor(unit or definition.unit, definition.unit) is None and not definition.level.guarded:
            self.warnings.append(
                f"{clean_name(name)} came in another unit than the catalogue's `{definition.unit}`"
            )
        return self._rule(self._number(metric), metric)

    def series(self, new: Sequence[_core.NewSeries]) -> Sequence[_core.Treatment]:
        unguarded = [one for one in new if not self.metrics[one.rule].definition.level.guarded]
        states = self._recall([one.key for one in unguarded]) if unguarded else {}
        lost = {one.kin for one in unguarded if one.cumulative and one.alone and one.key not in states}
        kin = self._kin(lost) if lost else {}
        return [self._treat(one, states.get(one.key), kin.get(one.kin, ())) for one in new]

    def _kin(self, lost: Collection[int]) -> Mapping[int, Sequence[StreamState]]:
        """Looks up kin in the store if the core knows none."""
        found: defaultdict[int, list[StreamState]] = defaultdict(list)
        for state in self._recall((), tuple(lost)).values():
            if state.kin is not None and not state.delta:
                found[state.kin].append(state)
        return found

    def stored(self, points: Sequence[PointKey]) -> Collection[PointKey]:
        return self._find(points)

    def window_series(self, rule: int, group: int) -> int:
        """The output series of one group of a closed window."""
        return self._registry.series_for(self.metrics[rule], self._attributes_of(rule, group))

    def window_name(self, value: _core.WindowValue) -> tuple[str, str]:
        """The metric and the attributes of a closed window's value."""
        return self.metrics[value.rule].name, self._attributes_of(value.rule, value.group)

    def _attributes_of(self, rule: int, group: int) -> str:
        if group == OTHER_GROUP:
            return canonical(self._reducer.other(self.metrics[rule].definition))
        return self._group_attributes[group]

    def _why_refused(self, metric: Metric, sent: MetricType) -> Reason | None:
        definition = metric.definition
        if sent not in _ACCEPTED[definition.type]:
            return Reason.TYPE_MISMATCH
        # A level counts in every window that it lasts through, and an event only in its own.
        if definition.level.guarded and definition.privacy_unit == EVENT and sent is MetricType.UPDOWNCOUNTER:
            return Reason.TYPE_MISMATCH
        if self._is_released(definition) and self.releases.entry(metric.name) is None:
            return Reason.NEXT_PERIOD
        return self._why_name_refused(metric) if definition.is_pattern else None

    def _why_name_refused(self, metric: Metric) -> Reason | None:
        if names_somebody(metric.name):
            return Reason.UNSUITABLE_NAME
        if not metric.definition.level.guarded and not self._takes(metric.name, metric.definition):
            return Reason.TOO_MANY_NAMES
        return None

    def _name_kept(self, name: str, definition: Definition) -> str:
        """The name under which it is stored.

        Names of a guarded pattern beyond the cap count as one metric, that of the pattern. A refusal would
        tell what others have sent.
        """
        is_private = definition.is_pattern and definition.level.guarded and not names_somebody(name)
        return definition.name if is_private and not self._takes(name, definition) else name

    def _takes(self, name: str, definition: Definition) -> bool:
        """Whether the name is one of the first that the pattern has matched."""
        names = self._names_of_pattern[definition.name]
        if name not in names and len(names) >= self._config.max_values_per_key:
            return False
        names.add(name)
        return True

    def _why_unit_refused(self, metric: Metric, unit: str) -> Reason | None:
        """Why a unit is refused, if it is.

        Each spelling of a unit is stored, so there may not be many. Units of guarded metrics are not stored,
        and are never refused for what others have sent.
        """
        if metric.definition.level.guarded or factor(unit, metric.definition.unit) is not None:
            return None
        units = self._units[metric.name]
        if unit not in units and len(units) >= MOST_UNITS:
            return Reason.TOO_MANY_UNITS
        units.add(unit)
        return None

    def _is_released(self, definition: Definition) -> bool:
        return definition.privacy == "highly_sensitive" and self._config.differential_privacy

    def _number_of(self, definition: Definition) -> int:
        return self._number(Metric(definition.name, definition.type, definition.unit, definition))

    def _series_of(self, definition: Definition, attributes: str) -> int:
        metric = Metric(definition.name, definition.type, definition.unit, definition)
        return self._registry.series_for(metric, attributes)

    def _number(self, metric: Metric) -> int:
        """The rule's number: one for everything that is stored as the same metric."""
        identity = (metric.name, metric.type, metric.unit)
        number = self._numbers.get(identity)
        if number is None:
            number = self._numbers[identity] = len(self.metrics)
            self.metrics.append(metric)
        self.metrics[number] = metric
        return number

    def _rule(self, number: int, metric: Metric) -> _core.Rule:
        definition = metric.definition
        limit = self._config.max_series_per_metric
        if not definition.level.guarded:
            levels = definition.type is MetricType.UPDOWNCOUNTER
            return _core.Rule(number, series_limit=limit, levels=levels, first=definition.first)
        if self._is_released(definition):
            return self.releases.rule(definition.name)
        lower, upper = definition.bounds or (0.0, self._config.sensitivity_factor)
        is_histogram = definition.type == MetricType.HISTOGRAM
        return _core.Rule(
            number,
            series_limit=limit,
            guarded=True,
            k=self._config.k_anonymity,
            lower=lower,
            upper=upper,
            max_groups=definition.max_groups_per_unit,
            by_event=not isinstance(definition.privacy_unit, PrivacyUnit),
            gauge=definition.type == MetricType.GAUGE,
            levels=definition.type == MetricType.UPDOWNCOUNTER,
            first=definition.first,
            boundaries=definition.buckets if is_histogram else None,
            snap=None if is_histogram else definition.buckets,
        )

    def _treat(
        self, new: _core.NewSeries, state: StreamState | None, kin: Sequence[StreamState]
    ) -> _core.Treatment:
        metric = self.metrics[new.rule]
        attributes = self._reducer.reduce(metric.definition, metric.name, new.resource, new.attributes)
        meant = unit_meant(new.unit, metric.definition.unit, new.resource)
        scale = factor(meant, metric.definition.unit) or 1.0
        if metric.definition.level.guarded:
            if self._is_released(metric.definition):
                group = self.releases.group(metric.name, canonical(attributes))
            else:
                group = self._group(new.rule, metric.definition, attributes)
            return _core.Treatment.window(group, _unit_of(metric.definition, new), factor=scale)
        return self._open(new, canonical(attributes), scale, state or _continued(new, kin, scale), kin)

    def _open(
        self,
        new: _core.NewSeries,
        attributes: str,
        scale: float,
        state: StreamState | None,
        kin: Sequence[StreamState],
    ) -> _core.Treatment:
        metric = self.metrics[new.rule]
        series = self._registry.series_for(metric, attributes)
        if state is None or state.series in self._erased:
            stream = self._registry.stream_for(new, series)
            return _core.Treatment.open(series, stream, elder=self._elder(new, kin), factor=scale)
        if state.series == series:
            return _core.Treatment.open(series, state.stream, _recalled(state, state.stream), factor=scale)
        # The catalogue now keeps other attributes or another unit: the stream is new, its state is known.
        stream = self._registry.stream_for(new, series)
        as_sent = Metric(metric.name, metric.type, _scrubbed(new.unit, metric.definition), metric.definition)
        was_sent = self._registry.number_of(as_sent, attributes) == state.series
        recall = _recalled(_scaled(state, scale, new.kind) if was_sent else state, 0)
        return _core.Treatment.open(series, stream, recall, factor=scale)

    def _elder(self, new: _core.NewSeries, kin: Sequence[StreamState]) -> _core.Recall | None:
        """The stream of the same kin that had ended when this one began."""
        ended = [state for state in kin if 0 < state.time_ns <= new.start_ns]
        elder = max(ended, key=lambda state: state.time_ns, default=None)
        return None if elder is None or elder.series in self._erased else _recalled(elder, 0)

    def _group(self, rule: int, definition: Definition, attributes: KeptAttributes) -> int:
        if attributes and attributes == self._reducer.other(definition):
            return OTHER_GROUP
        text = canonical(attributes)
        group = self._groups.get((rule, text))
        if group is None:
            group = len(self._group_attributes)
            self._groups[rule, text] = group
            self._group_attributes.append(text)
        return group


def _type_kept(sent: MetricType, definition: Definition) -> MetricType:
    """The type under which it is stored. Levels stay levels, whatever the entry says.

    A guarded metric has one window, whichever of its accepted types it is sent as.
    """
    if definition.level.guarded or definition.type is MetricType.UPDOWNCOUNTER:
        return definition.type
    return sent


def _unit_kept(sent: str, definition: Definition) -> str:
    """The unit under which it is stored: the entry's, if values can be converted into it."""
    if definition.level.guarded or factor(sent or definition.unit, definition.unit) is not None:
        return definition.unit
    return clean_text(sent)


def _scrubbed(sent: str, definition: Definition) -> str:
    """The unit as it was sent, scrubbed like a value, because senders may write anything there."""
    return clean_text(sent) if sent else definition.unit


def _continued(new: _core.NewSeries, kin: Sequence[StreamState], scale: float) -> StreamState | None:
    """The known stream that this one continues: its start differs little, and its value has not fallen."""
    near = SAME_START_SCRAPED_NS if new.scraped else SAME_START_NS
    is_level = new.kind == _core.UPDOWNCOUNTER
    for state in kin:
        is_near = state.start_ns and abs(state.start_ns - new.start_ns) <= near
        if state.raw == new.raw and is_near and state.time_ns:
            last = state.value if state.count is None else state.count
            value = new.value if state.count is not None or new.value is None else new.value * scale
            if is_level or last is None or value is None or value >= last:
                return state
    return None


def _scaled(state: StreamState, scale: float, kind: int) -> StreamState:
    """The state in the entry's unit. Buckets of an exponential histogram stay as they were sent."""
    bounds = state.bounds
    if bounds is not None and kind != _core.EXPONENTIAL_HISTOGRAM:
        bounds = [bound * scale for bound in bounds]
    value = None if state.value is None else state.value * scale
    total = None if state.total is None else state.total * scale
    return replace(state, value=value, total=total, bounds=bounds)


def _recalled(state: StreamState, stream: int) -> _core.Recall:
    """The core's form of a stored state. `stream`: its stream's number if it goes on there, else 0."""
    return _core.Recall(
        state.time_ns,
        stream=stream,
        earlier_ns=state.earlier_ns,
        value=state.value,
        count=state.count,
        total=state.total,
        bounds=state.bounds,
        buckets=state.buckets,
    )


def _unit_of(definition: Definition, new: _core.NewSeries) -> bytes | None:
    """The raw id of the privacy unit, for the core to hash: the first listed key that is there."""
    if not isinstance(definition.privacy_unit, PrivacyUnit):
        return None
    resource, attributes = new.resource, new.attributes
    for key in definition.privacy_unit.keys:
        value = attributes.get(key, resource.get(key))
        if value is not None and value not in ("", b""):
            return f"{value}".encode("utf-8", "surrogatepass")
    return None
