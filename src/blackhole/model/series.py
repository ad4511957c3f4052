"""What a series is: its type, its level of privacy, and what is remembered of its streams."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any, Protocol

Scalar = str | int | float | bool
# Those that a series has, by key; and as the guard makes them.
Attributes = Mapping[str, Any]
KeptAttributes = dict[str, Scalar]
# The stream and the time (nanoseconds) of a point.
PointKey = tuple[int, int]


# What the core measures itself: of their fine buckets histograms have the bounds around those that were met.
# Where another one has more bounds, nothing was counted between.
SPARSE_HISTOGRAMS = frozenset(
    (
        "traces.span.metrics.duration",
        "traces.service.graph.request.client",
        "traces.service.graph.request.server",
    )
)


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


class Recaller(Protocol):
    """Finds the last state of known streams by their keys; unknown keys are absent from the answer.

    Of each of `kins`, hashes as in `StreamRow.kin`, the streams that began last are in the answer as well, by
    keys of their own; a stream of the same raw series is of the same kin.
    """

    def __call__(self, keys: Sequence[bytes], kins: Sequence[int] = (), /) -> Mapping[bytes, StreamState]: ...


class Finder(Protocol):
    """Tells which of some points are stored, or wait to be."""

    def __call__(self, points: Sequence[PointKey], /) -> Collection[PointKey]: ...
