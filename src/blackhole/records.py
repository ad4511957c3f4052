"""The states that data passes through, each a type: Payload → Batch (of the core) → GuardedBatch."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from typing import Protocol, Self, runtime_checkable

import msgspec

# The stream and the time (nanoseconds) of a point.
Point = tuple[int, int]

# What the core measures itself: of their fine buckets histograms have the bounds around those that were met.
# Where another one has more bounds, nothing was counted between.
SPARSE_HISTOGRAMS = frozenset(
    (
        "traces.span.metrics.duration",
        "traces.service.graph.request.client",
        "traces.service.graph.request.server",
    )
)

# The name under which this service stores its own metrics.
OWN_SERVICE = "blackhole-analytics"


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
    """A raw series as sent, known by the keyed hash `key` (16 bytes) only; its points go to `series`.

    `raw`: a keyed hash without the start; `kin`: without what tells one process from the next as well, None
    where guarded. `start_ns`: None where unknown. `delta`: increments as sent.
    """

    id: int
    key: bytes = field(repr=False)
    series: int = 0
    raw: int | None = field(default=None, repr=False)
    kin: int | None = field(default=None, repr=False)
    start_ns: int | None = None
    delta: bool = False


@dataclass(frozen=True, slots=True)
class StreamState:
    """The last committed state of a stream, so that a restart loses and repeats nothing.

    `time_ns` 0 means that no point is left of it. `earlier_ns`: the nine times before it, newest first. Of an
    exponential histogram `bounds` and `buckets` are its exact state, as the core wrote it. The rest is as in
    `StreamRow`; what an older version has stored is in no kin.
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
    key: bytes = field(default=b"", repr=False)
    raw: int | None = field(default=None, repr=False)
    kin: int | None = field(default=None, repr=False)
    start_ns: int | None = None
    delta: bool = False


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

    def gather(self) -> Self:
        """All rows of a stream as one, where they were counted from spans or log records."""

    def point_stream(self) -> ArrowExporter:
        """series, stream UINTEGER; time TIMESTAMP_NS; value, cumulative DOUBLE."""

    def histogram_stream(self) -> ArrowExporter:
        """As `histogram_points` in store/schema."""


@runtime_checkable
class WithIntervals(Protocol):
    """Rows of which some were counted over another time than since the stream's row before."""

    @property
    def intervals(self) -> int: ...

    def interval_stream(self) -> ArrowExporter:
        """As `intervals` in store/schema, without `created_at`."""


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
class Span:
    """A stretch of time, in nanoseconds since the epoch; the end is not part of it."""

    start_ns: int
    end_ns: int


def format_time(nanoseconds: int) -> str:
    """RFC 3339 in UTC, with as many digits as the moment needs."""
    seconds, rest = divmod(nanoseconds, 10**9)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f"{rest:09}".rstrip("0")
    return f"{text}.{fraction}Z" if fraction else f"{text}Z"


class LedgerKind(StrEnum):
    """What a row of the privacy ledger says.

    `start`, `stop`: a run of the service began, or ended in order. `period`: a budget period began, with its
    plan. `release`: one window of one metric was charged, and its values released. `epoch`: units that were
    counted before a restart are forgotten, so that a metric goes on with what is left of it. `spent`: nothing
    more is released in this period. `off`: differential privacy was switched off (ε is infinite).
    """

    START = "start"
    STOP = "stop"
    PERIOD = "period"
    RELEASE = "release"
    EPOCH = "epoch"
    SPENT = "spent"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One row of the privacy ledger; `hash` covers all of it and the hash of the row before.

    `cost_epsilon` is charged where δ is 0, else `cost_rho`. `details` is canonical JSON: the plan of a
    period, the receipt of a release, the reason of the rest.
    """

    sequence: int
    time_ns: int
    kind: LedgerKind
    period: Span
    metric: str | None
    window: Span | None
    cost_epsilon: float
    cost_rho: float
    details: str
    previous: str
    hash: str


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What is published with a release. Nothing in it depends on what was released.

    `scale`: standard deviation (Gaussian) or b (Laplace) of each value's noise, in the metric's unit;
    `count_scale`: of a gauge's counts; `interval_95`: half the width of one value's interval. `epsilon` is
    what this release alone would cost a unit at `delta`. `step`: the place of a running total in its
    factorisation. `charged`: what the ledger was charged, 0 once each unit is paid for.
    """

    metric: str
    unit: str
    bounds: tuple[float, float]
    mechanism: str
    epsilon: float
    delta: float
    rho: float | None
    scale: float
    count_scale: float | None = None
    window: tuple[str, str]
    groups_per_unit: int
    interval_95: float
    interval_of: str = "of the clamped total; clamp bias unknown"
    factorisation: str | None = None
    step: int | None = None
    charged: float
    version: str


def receipt_of(row: LedgerRow) -> Receipt:
    """The receipt of a release in the ledger."""
    return msgspec.json.decode(row.details, type=Receipt)


@dataclass(frozen=True, slots=True)
class ReleaseRow:
    """One release as the `releases` table has it: `ledger` is the row of the ledger that charges it.

    `lost`: its values are not in the file, since the service was killed before they were.
    """

    ledger: int
    receipt: Receipt
    window: Span
    created_us: int
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """What has to be committed together with guarded rows: what they cost, and their receipts."""

    ledger: tuple[LedgerRow, ...] = ()
    releases: tuple[ReleaseRow, ...] = ()


NO_ENTRY = Entry()


@dataclass(frozen=True, slots=True)
class NoisyList:
    """One group of a released histogram or gauge.

    A histogram has `bounds`, and a noisy count for each bucket; a gauge its noisy sum and count.
    """

    series: int
    time_ns: int
    bounds: Sequence[float] | None
    noisy: Sequence[float] = field(repr=False)


@dataclass(frozen=True, slots=True)
class GuardedBatch:
    """What may be stored. Only `blackhole.guard` makes one (a test holds it to that).

    `repeatable`: whether a sender that sends it again adds nothing to it. Spans and log records have no times
    that would tell. `created_us`: of a closed window, when its rows count as made: by the schedule, so that
    no time tells anything; it is committed alone.
    """

    rows: Rows
    series: tuple[SeriesRow, ...] = ()
    streams: tuple[StreamRow, ...] = ()
    records: Records | None = None
    repeatable: bool = True
    created_us: int | None = None
    lists: tuple[NoisyList, ...] = ()
    entry: Entry = NO_ENTRY


@dataclass(frozen=True, slots=True)
class Insight:
    """What was found; the same `kind` and `title` are the same. `severity`: info, warning or critical."""

    kind: str
    title: str
    description: str
    severity: str
    metrics: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StoredInsight:
    """A row of the `insights` table; times are RFC 3339 UTC."""

    id: int
    insight_type: str
    title: str
    description: str
    severity: str
    metrics: tuple[str, ...]
    generated_at: str
    expires_at: str


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the privacy ledger as a file beside the database tells it, written before each commit.

    `pending`: the newest rows, which the database may lack when the service was killed between the two.
    """

    sequence: int
    hash: str
    time_ns: int
    period_end_ns: int
    pending: tuple[LedgerRow, ...] = ()


class Forget(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be erased: metrics (`shop.*`: all that begin so), what has attributes, both, or all.

    `dry_run`: only counted.
    """

    metric: str | list[str] = ""
    where: dict[str, str] = {}
    all: bool = False
    dry_run: bool = False

    @property
    def metrics(self) -> list[str]:
        return [name for name in (self.metric if isinstance(self.metric, list) else [self.metric]) if name]

    def names(self, metric: str) -> bool:
        """Whether all of a metric is to be erased."""
        named = any(
            metric.startswith(name[:-1]) if name.endswith("*") else metric == name for name in self.metrics
        )
        return self.all or (named and not self.where)


class Proof(msgspec.Struct, frozen=True):
    """What was read of the new file: tables, rows and bytes; `marks` of what was erased are in none."""

    tables: int = 0
    rows: int = 0
    bytes: int = 0
    marks: int = 0


class Forgotten(msgspec.Struct, frozen=True, kw_only=True):
    """What was erased. `rows`: by table; `copies`: files that still hold it; `removed`: those that did.

    `dry_run`: nothing was; it is what would be.
    """

    series: int
    rows: dict[str, int]
    bytes_before: int
    bytes_after: int
    proof: Proof
    removed: list[str] = []
    copies: list[str] = []
    notes: list[str] = []
    dry_run: bool = False


class BackupFile(msgspec.Struct, frozen=True):
    path: str
    bytes: int


class BackupAnswer(msgspec.Struct, frozen=True):
    files: list[BackupFile]


class Recaller(Protocol):
    """Finds the last state of known streams by their keys; unknown keys are absent from the answer.

    Of each of `kins`, hashes as in `StreamRow.kin`, the streams that began last are in the answer as well, by
    keys of their own; a stream of the same raw series is of the same kin.
    """

    def __call__(self, keys: Sequence[bytes], kins: Sequence[int] = (), /) -> Mapping[bytes, StreamState]: ...


class Finder(Protocol):
    """Tells which of some points are stored, or wait to be."""

    def __call__(self, points: Sequence[Point], /) -> Collection[Point]: ...
