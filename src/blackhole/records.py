"""The states that data passes through, each a type: Payload → Batch (of the core) → GuardedBatch."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Protocol, Self

# The stream and the time (nanoseconds) of a point.
Point = tuple[int, int]


class Signal(StrEnum):
    METRICS = "metrics"
    TRACES = "traces"
    LOGS = "logs"


class Encoding(StrEnum):
    PROTOBUF = "protobuf"
    JSON = "json"


class PrivacyLevel(IntEnum):
    PUBLIC = 0
    INTERNAL = 1
    SENSITIVE = 2
    HIGHLY_SENSITIVE = 3

    @property
    def guarded(self) -> bool:
        return self >= PrivacyLevel.SENSITIVE

    @property
    def word(self) -> str:
        """The level as the catalogue and the API spell it."""
        return self.name.lower()


class MetricType(StrEnum):
    COUNTER = "counter"
    UPDOWNCOUNTER = "updowncounter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    SUMMARY = "summary"


@dataclass(frozen=True, slots=True)
class Payload:
    """The body of one export request, decompressed, as bytes of `encoding`."""

    signal: Signal
    encoding: Encoding
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the sender is told: `rejected` points, spans or records, and why (empty: nothing to be said)."""

    rejected: int = 0
    message: str = ""


class Intake(Protocol):
    """What a receiver hands requests to. Returns when all that was accepted on the open path is committed.

    Raises IntakeError, and nothing else.
    """

    async def accept(self, payload: Payload) -> Verdict: ...


class Throttle(Protocol):
    """How fast senders may be (`blackhole.governor.pace`)."""

    async def admit(self) -> None:
        """Returns when the request may be read; then `leave` must follow. Raises OverloadedError."""

    def leave(self) -> None: ...


@dataclass(frozen=True, slots=True)
class SeriesRow:
    """An output series: what the `series` table holds. `attributes` is canonical JSON (sorted keys)."""

    id: int
    metric: str
    type: MetricType
    unit: str
    attributes: str
    privacy_level: PrivacyLevel


@dataclass(frozen=True, slots=True)
class StreamRow:
    """A raw series as sent, known by the keyed hash `key` (16 bytes) only; its points go to `series`."""

    id: int
    key: bytes = field(repr=False)
    series: int = 0


@dataclass(frozen=True, slots=True)
class StreamState:
    """The last committed state of a stream, so that a restart loses and repeats nothing.

    `time_ns` 0 means that no point is left of it. `earlier_ns`: the times before it, newest first. Of an
    exponential histogram `bounds` and `buckets` are its exact state, as the core wrote it.
    """

    stream: int
    series: int
    time_ns: int
    earlier_ns: Sequence[int] = ()
    value: float | None = None
    count: int | None = None
    total: float | None = None
    bounds: Sequence[float] | None = None
    buckets: Sequence[int] | None = None


class ArrowExporter(Protocol):
    """Anything that exports an Arrow C stream."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...


class Rows(Protocol):
    """Columns ready for the store (`blackhole._core.Columns`)."""

    @property
    def points(self) -> int: ...
    @property
    def histograms(self) -> int: ...
    def merge(self, others: Sequence[Self]) -> Self: ...
    def find(self, points: Sequence[Point]) -> Sequence[Point]:
        """Those of `points` that have a row here."""

    def streams(self, among: Sequence[int]) -> Collection[int]:
        """Those streams of `among` that have rows here."""

    def thin(self, factor: int) -> Self:
        """Up to `factor` rows of a stream as one; sums stay what they were."""

    def point_stream(self) -> ArrowExporter:
        """series, stream UINTEGER; time TIMESTAMP_NS; value, cumulative DOUBLE."""

    def histogram_stream(self) -> ArrowExporter:
        """As `histogram_points` in store/schema."""


class Records(Protocol):
    """Spans and log records that the owner keeps, scrubbed (`blackhole._core.Records`)."""

    @property
    def spans(self) -> int: ...
    @property
    def logs(self) -> int: ...
    def merge(self, others: Sequence[Self]) -> Self: ...
    def span_stream(self) -> ArrowExporter:
        """Columns series UINTEGER; time TIMESTAMP_NS; duration_ns BIGINT; trace, span, parent UBIGINT."""

    def log_stream(self) -> ArrowExporter:
        """Columns series UINTEGER; time TIMESTAMP_NS; body VARCHAR."""


@dataclass(frozen=True, slots=True)
class GuardedBatch:
    """What may be stored. Only `blackhole.guard` makes one (a test holds it to that).

    `repeatable`: whether a sender that sends it again adds nothing to it. Spans and log records have no times
    that would tell.
    """

    rows: Rows
    series: tuple[SeriesRow, ...] = ()
    streams: tuple[StreamRow, ...] = ()
    records: Records | None = None
    repeatable: bool = True


class Recaller(Protocol):
    """Finds the last state of known streams by their keys; unknown keys are absent from the answer."""

    def __call__(self, keys: Sequence[bytes], /) -> Mapping[bytes, StreamState]: ...


class Finder(Protocol):
    """Tells which of some points are stored, or wait to be."""

    def __call__(self, points: Sequence[Point], /) -> Collection[Point]: ...
