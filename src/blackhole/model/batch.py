"""What the guard let through, as the store takes it: rows in Arrow form and what belongs to them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol, Self, runtime_checkable

from blackhole.model.ledger import NO_ENTRY, LedgerCommit, NoisyList
from blackhole.model.series import PointKey, SeriesRow, StreamRow


class ArrowExporter(Protocol):
    """Anything that exports an Arrow C stream."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...


class PointBatch(Protocol):
    """Columns ready for the store (`blackhole._core.Columns`)."""

    @property
    def points(self) -> int: ...
    @property
    def histograms(self) -> int: ...
    def merge(self, others: Sequence[Self]) -> Self: ...
    def find(self, points: Sequence[PointKey]) -> Sequence[PointKey]:
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


class RawRecords(Protocol):
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
    that would tell. `created_us`: of a closed window, when its rows count as made: by the schedule, so that
    no time tells anything; it is committed alone.
    """

    rows: PointBatch
    series: tuple[SeriesRow, ...] = ()
    streams: tuple[StreamRow, ...] = ()
    records: RawRecords | None = None
    repeatable: bool = True
    created_us: int | None = None
    lists: tuple[NoisyList, ...] = ()
    entry: LedgerCommit = NO_ENTRY
