"""Random streams of points beside a plain model of the rows that the contract makes of them."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric

DELTA = AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA
CUMULATIVE = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
STEP_NS = 1000
APART_NS = 2 * 10**9
BOUNDS = (1.0, 5.0, 25.0)
Row = tuple[Any, ...]


@dataclass(frozen=True)
class Sent:
    """One point: a number, or the counts of a histogram's buckets with their sum."""

    time: int
    start: int
    value: int = 0
    buckets: tuple[int, ...] = ()


@dataclass
class Epoch:
    """What is known of one stream since one start time."""

    last: int = -1
    value: int | None = None
    buckets: tuple[int, ...] | None = None


@dataclass
class Stream:
    """One raw series: what it sends next, and the rows that must be stored of it."""

    metric: str
    kind: str
    cumulative: bool
    chance: random.Random
    first_ns: int
    start_ns: int
    created_ns: int
    ordered: bool = True
    rows: list[Row] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._used: dict[int, Sent] = {}
        self._epochs: dict[int, Epoch] = {}
        self._next = self.first_ns
        self._value = 0
        self._buckets = (0,) * (len(BOUNDS) + 1)
        self._start = self.start_ns

    @property
    def is_histogram(self) -> bool:
        return self.kind in {"histogram", "exponential"}

    @property
    def total(self) -> int:
        """What all its increments add up to, whatever order its points came in."""
        return sum(row[1] for row in self.rows)

    def points(self) -> list[Sent]:
        """The points of the next request; the model has taken them when this returns."""
        size = self.chance.choice((1, 1, 1, 2, 3, 5, 14))
        sent = [self._one() for _ in range(size)]
        for one in sent:
            self._take(one)
        return sent

    def _one(self) -> Sent:
        draw = self.chance.random()
        if self._used and draw < 0.08:
            return self.chance.choice(list(self._used.values())[-60:])
        # A late value is a higher one here: where requests overtake one another it would be a reset.
        if self._used and draw < 0.16 and (self.ordered or not self.cumulative):
            late = self._late_time()
            if late not in self._used:
                return self._remember(self._fill(late))
        if self.ordered and self.cumulative and draw > 0.98:
            self._reset()
        self._next += STEP_NS * self.chance.randint(1, 5)
        return self._remember(self._fill(self._next))

    def _late_time(self) -> int:
        back = STEP_NS * self.chance.choice((1, 3, 10, 40, 200))
        return max(self._next - back, self.first_ns) + self.chance.randint(1, STEP_NS - 1)

    def _remember(self, sent: Sent) -> Sent:
        self._used[sent.time] = sent
        return sent

    def _reset(self) -> None:
        self._value = 0
        self._buckets = (0,) * len(self._buckets)
        if self._start and self.chance.random() < 0.7:
            # Starts within a second of each other may be one stream.
            self._next += APART_NS
            self._start = self._next

    def _fill(self, time: int) -> Sent:
        step = self.chance.randint(-9, 9) if self.kind in {"level", "gauge"} else self.chance.randint(1, 9)
        added = tuple(self.chance.randint(0, 3) for _ in self._buckets)
        if not self.cumulative:
            return Sent(time, self._start, step, added)
        self._value += step
        self._buckets = tuple(map(sum, zip(self._buckets, added, strict=True)))
        return Sent(time, self._start, self._value, self._buckets)

    def _take(self, sent: Sent) -> None:
        epoch = self._epochs.setdefault(sent.start if self.cumulative else 0, Epoch())
        seen = self._stored
        if sent.time in seen or (self.cumulative and sent.time <= epoch.last):
            return
        seen.add(sent.time)
        epoch.last = max(epoch.last, sent.time)
        if self.is_histogram:
            self._take_histogram(sent, epoch)
        else:
            self._take_number(sent, epoch)

    @property
    def _stored(self) -> set[int]:
        return self.__dict__.setdefault("_times", set())  # type: ignore[no-any-return]

    def _counts_in_full(self, sent: Sent) -> bool:
        return sent.start >= self.created_ns

    def _take_number(self, sent: Sent, epoch: Epoch) -> None:
        value = sent.value
        if self.kind == "level" and not self.cumulative:
            value = (epoch.value or 0) + sent.value
        elif self.kind == "counter" and self.cumulative:
            value = self._increment(sent, epoch)
        epoch.value = value if self.kind == "level" else sent.value
        self.rows.append((sent.time, value))
        if self.kind == "level" and sent.time < epoch.last:
            # What comes late changes the level of now: a second row at the end of the stream says so.
            epoch.last += 1
            self.rows.append((epoch.last, value))

    def _increment(self, sent: Sent, epoch: Epoch) -> int:
        if epoch.value is None:
            return sent.value if self._counts_in_full(sent) else 0
        return sent.value - epoch.value if sent.value >= epoch.value else sent.value

    def _take_histogram(self, sent: Sent, epoch: Epoch) -> None:
        buckets = sent.buckets
        if self.cumulative and epoch.buckets is None:
            buckets = buckets if self._counts_in_full(sent) else (0,) * len(buckets)
        elif self.cumulative and epoch.buckets is not None:
            steps = tuple(now - then for now, then in zip(buckets, epoch.buckets, strict=True))
            buckets = steps if min(steps) >= 0 else buckets
        epoch.buckets = sent.buckets
        self.rows.append((sent.time, sum(buckets), total_of(buckets), buckets))


def total_of(buckets: tuple[int, ...]) -> int:
    """The sum of the values in the buckets: each stands for a value of its own."""
    return sum(count * (3 * index + 1) for index, count in enumerate(buckets))


def metric_of(stream: Stream, points: list[Sent], attributes: dict[str, str]) -> Metric:
    metric = Metric(name=stream.metric, unit="1")
    fill: dict[str, Callable[[Metric], Iterator[Any]]] = {
        "counter": _sum_points,
        "level": _sum_points,
        "gauge": lambda metric: _adding(metric.gauge),
        "histogram": lambda metric: _adding(metric.histogram),
        "exponential": lambda metric: _adding(metric.exponential_histogram),
    }
    made = fill[stream.kind](metric)
    for sent in points:
        point = next(made)
        point.time_unix_nano, point.start_time_unix_nano = sent.time, sent.start
        for key, text in attributes.items():
            point.attributes.add(key=key).value.string_value = text
        _VALUES[stream.kind](point, sent)
    temporality = CUMULATIVE if stream.cumulative else DELTA
    if stream.kind in {"counter", "level"}:
        metric.sum.is_monotonic = stream.kind == "counter"
        metric.sum.aggregation_temporality = temporality
    elif stream.is_histogram:
        data = metric.histogram if stream.kind == "histogram" else metric.exponential_histogram
        data.aggregation_temporality = temporality
    return metric


def _sum_points(metric: Metric) -> Iterator[Any]:
    return _adding(metric.sum)


def _adding(data: Any) -> Iterator[Any]:
    while True:
        yield data.data_points.add()


def _number(point: Any, sent: Sent) -> None:
    point.as_int = sent.value


def _histogram(point: Any, sent: Sent) -> None:
    point.count, point.sum = sum(sent.buckets), total_of(sent.buckets)
    point.explicit_bounds.extend(BOUNDS)
    point.bucket_counts.extend(sent.buckets)


def _exponential(point: Any, sent: Sent) -> None:
    point.count, point.sum = sum(sent.buckets), total_of(sent.buckets)
    point.scale, point.zero_count = 1, sent.buckets[0]
    point.positive.offset = -2
    point.positive.bucket_counts.extend(sent.buckets[1:])


_VALUES: dict[str, Callable[[Any, Sent], None]] = {
    "counter": _number,
    "level": _number,
    "gauge": _number,
    "histogram": _histogram,
    "exponential": _exponential,
}
