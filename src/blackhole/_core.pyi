"""The native core: OTLP bytes in, columns out; the GIL is released.

No I/O, no clock and no thread but in `GrpcServer`.
"""

from collections.abc import Iterable, Sequence
from typing import Final, Literal, Protocol, Self, final, type_check_only

__all__ = [
    "COUNTER",
    "EMPTY_METRIC",
    "EXPONENTIAL_HISTOGRAM",
    "GAUGE",
    "HISTOGRAM",
    "MALFORMED_POINT",
    "METRIC_SERIES_LIMIT",
    "NOT_TEXT",
    "NO_FIXED_BUCKETS",
    "NO_TEMPORALITY",
    "SERIES_LIMIT",
    "SUMMARY",
    "TOO_NEW",
    "TOO_OLD",
    "UPDOWNCOUNTER",
    "Arrivals",
    "ArrowStream",
    "Batch",
    "Columns",
    "DecodeError",
    "Decoder",
    "Fold",
    "GrpcServer",
    "Kept",
    "NewSeries",
    "Outcome",
    "Recall",
    "Records",
    "Release",
    "Released",
    "Rule",
    "SeriesTable",
    "Treatment",
    "WindowValue",
    "Windows",
    "noise",
]

# Reasons that the core itself gives; the guard's own start at 100 (see blackhole.records.Reason).
SERIES_LIMIT: Final[int]  # 1  the table of series is full
METRIC_SERIES_LIMIT: Final[int]  # 2  this metric has reached its series limit
TOO_OLD: Final[int]  # 3  time before the oldest accepted
TOO_NEW: Final[int]  # 4  time after the newest accepted
MALFORMED_POINT: Final[int]  # 5  e.g. buckets do not fit bounds, no value, unreadable attributes
NO_TEMPORALITY: Final[int]  # 6  aggregation_temporality 0
EMPTY_METRIC: Final[int]  # 7  a metric without a name or without data
NO_FIXED_BUCKETS: Final[int]  # 8  buckets follow mean or range, and a window counts by event
NOT_TEXT: Final[int]  # 9  name, unit or description are no UTF-8

# Kinds of stream, as sent.
GAUGE: Final[int]  # 0
COUNTER: Final[int]  # 1  monotonic sum
UPDOWNCOUNTER: Final[int]  # 2  non-monotonic sum
HISTOGRAM: Final[int]  # 3
EXPONENTIAL_HISTOGRAM: Final[int]  # 4
SUMMARY: Final[int]  # 5

class DecodeError(ValueError):
    """The body is not a request of this signal and encoding; the text never quotes the body."""

@final
class Batch:
    """The decoded, unguarded points of one request. Its repr gives counts only."""

    @property
    def points(self) -> int:
        """Data points (metrics), spans (traces) or log records (logs) in the request."""

    @property
    def bodies(self) -> list[str]:
        """The different bodies of the log records that are to be kept, as sent."""

@final
class Decoder:
    """Walks request bodies. `key`: 16 bytes, keys the 128-bit hash of raw series.

    `keep_spans`, `keep_logs`: whether batches hold single spans and log records beside their counts.
    """

    def __new__(cls, key: bytes, *, keep_spans: bool = False, keep_logs: bool = False) -> Self: ...
    def metrics(self, body: bytes, encoding: str) -> Batch:
        """ExportMetricsServiceRequest; encoding is "protobuf" or "json". Raises DecodeError."""

    def traces(self, body: bytes, encoding: str, received_ns: int) -> Batch:
        """Spans, distilled into delta points of traces.span.metrics.calls and .duration."""

    def logs(self, body: bytes, encoding: str, received_ns: int) -> Batch:
        """Log records, distilled into delta points of log.record.count."""

@final
class Rule:
    """What is to happen with one metric (name, unit, kind). `guarded` rules have a window."""

    def __new__(
        cls,
        number: int,
        *,
        series_limit: int,
        guarded: bool = False,
        k: int = 0,
        lower: float = 0.0,
        upper: float = 0.0,
        max_groups: int = 0,
        by_event: bool = False,
        gauge: bool = False,
        levels: bool = False,
        first: str = "counts",
        boundaries: Sequence[float] | None = None,
        snap: Sequence[float] | None = None,
        release: Release | None = None,
    ) -> Self:
        """`boundaries`: declared buckets, upper-inclusive; `snap`: steps a window's sum goes to; `gauge`: the
        last value of each unit counts; `levels`: what is sent as a counter is a level; `first`: what the
        first value of a cumulative stream is, counts, baseline or process (docs/catalogue.md); `release`:
        windows get noise instead of being folded. Raises ValueError."""

@final
class Release:
    """How a highly sensitive metric is released: in whole steps of `grid`, for all declared groups."""

    def __new__(
        cls,
        mechanism: str,
        *,
        scale: int,
        grid: float,
        groups: Sequence[int],
        count_scale: int = 0,
        coefficients: Sequence[int] | None = None,
        most_windows: int = 0,
    ) -> Self:
        """`mechanism`: discrete_gaussian (`scale` is its standard deviation) or discrete_laplace; scales in
        1/1024 of a step; `count_scale`: of a gauge's counts. `coefficients`: of the square root of the matrix
        of running totals, in 2^-40; without them windows stand alone. `most_windows`: how many windows of a
        period a unit counts in, 0: all. Raises ValueError for a scale of nothing."""

def noise(mechanism: str, scale: int, count: int) -> list[int]:
    """Samples of the noise of releases, exact, from the randomness of the system; `scale` in 1/1024."""

@final
class Recall:
    """The last state of a stream that the store remembers; of one that is not cumulative only its times.

    `earlier_ns`: times before the last, newest first; the latest ten count. `stream`: that which its rows are
    in, if it goes on there.
    """

    def __new__(
        cls,
        time_ns: int,
        *,
        stream: int = 0,
        earlier_ns: Sequence[int] | None = None,
        value: float | None = None,
        count: int | None = None,
        total: float | None = None,
        bounds: Sequence[float] | None = None,
        buckets: Sequence[int] | None = None,
    ) -> Self: ...

@final
class Treatment:
    """What is to happen with one raw series."""

    @staticmethod
    def drop(reason: int) -> Treatment: ...
    @staticmethod
    def open(
        series: int,
        stream: int,
        recall: Recall | None = None,
        *,
        elder: Recall | None = None,
        factor: float = 1.0,
    ) -> Treatment:
        """`elder`: the stream that it takes the place of; `factor`: by what values as sent are multiplied."""

    @staticmethod
    def window(group: int, unit: bytes | None = None, *, factor: float = 1.0) -> Treatment:
        """`group`: the output group, 0 is `other`; `unit`: raw id of the privacy unit, hashed at once."""

@final
class NewSeries:
    """A raw series that the table has not seen. Its repr shows no attribute."""

    @property
    def rule(self) -> int: ...
    @property
    def metric(self) -> str: ...
    @property
    def unit(self) -> str: ...
    @property
    def kind(self) -> int: ...
    @property
    def cumulative(self) -> bool: ...
    @property
    def key(self) -> bytes:
        """16 bytes: keyed hash of resource, scope, metric, sorted attributes, start time if cumulative."""

    @property
    def raw(self) -> int:
        """The same in 8 bytes, without the start time: equal for the streams of one raw series."""

    @property
    def kin(self) -> int:
        """The same without what tells a process from the one that takes its place; guarded: `raw`."""

    @property
    def value(self) -> float | None:
        """What its first point says, as sent; of a histogram the count."""

    @property
    def alone(self) -> bool:
        """Whether the table knows nothing of its kin."""

    @property
    def scraped(self) -> bool:
        """Whether the Collector has read it from a Prometheus page."""

    @property
    def start_ns(self) -> int:
        """0 where it is unknown, and of what is not cumulative."""

    @property
    def resource(self) -> dict[str, object]:
        """Values: str, bool, int, float, bytes, list, dict or None. Shared by series: not to be changed."""

    @property
    def scope(self) -> tuple[str, str]:
        """Scope name and version."""

    @property
    def attributes(self) -> dict[str, object]: ...

@type_check_only
class Resolver(Protocol):
    """What `SeriesTable.apply` asks. For type checkers only: the module has no such name."""

    def metric(self, name: str, unit: str, kind: int, description: str) -> Rule | int:
        """A rule, or the reason (>= 100) why it is refused. Asked once for each (name, unit, kind)."""

    def series(self, new: Sequence[NewSeries]) -> Sequence[Treatment]:
        """One treatment for each new series of a request, in order."""

    def stored(self, points: Sequence[tuple[int, int]]) -> Iterable[tuple[int, int]]:
        """Those of some points (stream, time_ns) that were passed on before, as far as the store knows.

        Asked about points that came late, beyond the times that their streams remember.
        """

@final
class Columns:
    """Rows for the store, in Arrow form."""

    @property
    def points(self) -> int:
        """Rows of number points."""

    @property
    def histograms(self) -> int:
        """Rows of histogram points."""

    @property
    def intervals(self) -> int:
        """Rows of `interval_stream`."""

    def merge(self, others: Sequence[Columns]) -> Columns:
        """These rows followed by the others'."""

    def thin(self, factor: int) -> Columns:
        """Up to `factor` rows of a stream, within ten seconds, become one at the time of the last.

        Cumulative counters and histograms (of the same bounds) add up, of levels the last stays. Deltas as
        sent stay as they are, and so do values of windows.
        """

    def gather(self) -> Columns:
        """Rows of a stream within ten seconds become one, for rows counted from spans or log records."""

    @staticmethod
    def of_window(time_ns: int, values: Sequence[tuple[int, float]]) -> Columns:
        """(series, value) of a closed window as rows with stream 0."""

    def find(self, wanted: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        """Those of `points` (stream, time_ns) that have a row here."""

    def streams(self, among: Sequence[int]) -> set[int]:
        """Those streams of `among` that have rows here."""

    def point_stream(self) -> ArrowStream:
        """series UINT32, stream UINT32, time TIMESTAMP_NS, value DOUBLE, cumulative DOUBLE (null if not)."""

    def interval_stream(self) -> ArrowStream:
        """series UINT32, stream UINT32, time, since TIMESTAMP_NS, value DOUBLE, total DOUBLE (of histograms),
        estimated BOOL, period INT64 (nanoseconds): one row for each increment that was not just counted since
        the stream's row before, or is estimated, or covers more than ten minutes."""

    def histogram_stream(self) -> ArrowStream:
        """series UINT32, stream UINT32, time TIMESTAMP_NS, count UINT64, sum, min, max DOUBLE (nullable),
        bounds LIST<DOUBLE>, buckets LIST<UINT64>, cumulative_count UINT64, cumulative_sum DOUBLE,
        cumulative_bounds LIST<DOUBLE>, cumulative_buckets LIST<UINT64> (null if not cumulative; of
        exponential histograms bounds are scale, zero threshold and the offsets of either side, and
        buckets the zero count, the number of positive buckets, those, and the negative ones)."""

@final
class ArrowStream:
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...

@final
class Kept:
    """Single spans and log records of the open path, below the series that counts them."""

    def scrubbed(self, bodies: Sequence[str]) -> Records:
        """The records with these bodies, in the order of the batch's, in place of those that were sent."""

@final
class Records:
    """Spans and log records for the store, in Arrow form."""

    @property
    def spans(self) -> int: ...
    @property
    def logs(self) -> int: ...
    def merge(self, others: Sequence[Records]) -> Records:
        """These records followed by the others'."""

    def span_stream(self) -> ArrowStream:
        """series UINT32, time TIMESTAMP_NS, duration_ns INT64, trace, span, parent UINT64 (all nullable);
        the ids are hashes under a key that this process has drawn and never tells."""

    def log_stream(self) -> ArrowStream:
        """series UINT32, time TIMESTAMP_NS, body VARCHAR (nullable)."""

@final
class Outcome:
    """What `SeriesTable.apply` did."""

    @property
    def accepted(self) -> int:
        """Points taken on the open path, duplicates and late ones included."""

    @property
    def guarded(self) -> int:
        """Points taken into the open window."""

    @property
    def rejected(self) -> int: ...
    @property
    def refusals(self) -> list[tuple[str, int, int]]:
        """(metric name as sent, reason, points), at most 64 different ones; `rejected` counts all."""

    @property
    def columns(self) -> Columns: ...
    @property
    def kept(self) -> Kept | None:
        """Spans or log records, where the decoder was told to keep them."""

@final
class WindowValue:
    """One value of a closed window. `group` 0 is `other`. Histograms have len(boundaries) + 1 `buckets`."""

    @property
    def rule(self) -> int: ...
    @property
    def group(self) -> int: ...
    @property
    def value(self) -> float: ...
    @property
    def buckets(self) -> list[int] | None: ...

@final
class Released:
    """What is released of the window of one metric, with noise."""

    @property
    def rule(self) -> int: ...
    @property
    def groups(self) -> list[tuple[int, list[float]]] | None:
        """For each declared group one value, or a histogram's buckets, or a gauge's sum and count; None where
        there were too many units, which closes the window for everybody."""

    @property
    def step(self) -> int | None:
        """The place of this window in the factorisation of a running total, from 0."""

@final
class SeriesTable:
    """Known raw series, their treatments, their cumulative state, and the open window."""

    def __new__(cls, *, max_series: int, created_ns: int, started_ns: int) -> Self:
        """`created_ns`: when the database was created; a first cumulative value begun later counts in full.
        `started_ns`: the same for guarded series, whose state begins anew with each run."""

    def apply(
        self, batch: Batch, resolver: Resolver, *, now_ns: int, oldest_ns: int, newest_ns: int
    ) -> Outcome:
        """Applies all points, in order. Passes on what the resolver raises; no point is applied then."""

    def declare(self, rules: Sequence[Rule], *, fresh: bool) -> None:
        """Puts the rules of released metrics in place, whether or not anything of them comes.

        `fresh`: a budget period begins, so in how many windows a unit counted is forgotten.
        """

    def close_window(self) -> list[WindowValue]:
        """Closes the windows without `release`: clamps, folds groups under k into `other`, and forgets."""

    def close_release(self, rules: Sequence[int]) -> list[Released]:
        """Closes the windows with `release`, and releases those of `rules`; of the others nothing is seen."""

    def window_columns(self, values: Sequence[tuple[int, int, WindowValue]]) -> Columns:
        """(series, time_ns, value) of a closed window as rows with stream 0."""

    def take_edges(self, now_ns: int) -> bytes | None:
        """The calls between services since the last time, joined from their spans, as a metrics request:
        delta points of traces.service.graph.request.total, .failed, .client and .server."""

    def evict(self, idle_before_ns: int) -> int:
        """Forgets series not seen since then, an hour ago, nor within 2.5 of their periods (at most a week);
        returns how many."""

    def erase(self, series: set[int], rules: set[int], created_ns: int) -> int:
        """Forgets the raw series of output series that were erased, and empties the open windows of `rules`;
        returns how many series. `created_ns`: as in `__new__`, so what they send next is a baseline."""

    def rewind(self, now_ns: int, newest_ns: int) -> int:
        """The clock has gone back: streams forget times after `newest_ns` and keep their values; returns how
        many did. One without another time was heard of a period before now."""

    def hold(self, held: bool) -> None:
        """While held, new series are refused with SERIES_LIMIT; known ones go on."""

    def forget_rules(self) -> None:
        """The catalogue has changed: asks again about every metric and series; keeps cumulative state.

        The open window stays, under the old numbers of its rules: close it first if they change.
        """

    def __len__(self) -> int: ...

@type_check_only
class ArrowRows(Protocol):
    """What exports an Arrow C stream. For type checkers only: the module has no such name."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...

@final
class Fold:
    """Stored points into rates, or levels, of groups of streams, bucket by bucket.

    `function`: `rate`, of increments, per second; or `avg`, `min`, `max` or `last`, of levels: of their
    sum over streams, each held until its next point, at most 2.5 periods. Times are nanoseconds since
    1970, before 2116. Streams are named first, then what is known of their ends and intervals; then come
    chunks, in slices of time that follow each other, and recent points last. That order matters: what is
    known of ends bounds what has to be kept, and entries belong to rows that come after them.

    Columns are found by their names; those marked ? may be null, or not there. Lists may be of any of
    Arrow's layouts. ValueError: what is fed is not of this shape; then the fold is of no more use. Rows of
    streams that were not named are left out.
    """

    def __new__(
        cls,
        function: str,
        *,
        now_ns: int,
        start_ns: int,
        end_ns: int,
        edges: Sequence[int],
        groups: int,
        judged_ns: int = 0,
    ) -> Self:
        """`edges`: the borders of the buckets, rising; the first may lie before the start, the last after the
        end. `judged_ns`: no stream counts as dead before this moment and one period (a stop of ours)."""

    def series(self, ids: Sequence[int], groups: Sequence[int], factors: Sequence[float]) -> None:
        """Of each series that `streams` are of: its group, and the factor that brings its values into the
        unit of the answer."""

    def streams(self, rows: ArrowRows) -> None:
        """stream UINTEGER, series UINTEGER, kind UTINYINT, raw? UBIGINT, kin? UBIGINT, start? BIGINT: as
        `stream`."""

    def ends(self, rows: ArrowRows) -> None:
        """stream UINTEGER, last BIGINT, period? BIGINT, arrived BIGINT: the last point of a stream that is
        known without unpacking it, when it arrived, and the stream's period as of it."""

    def needs_what_ended(self, after_ns: int, until_ns: int) -> bool:
        """Whether chunks that ended in this time, its end included, have to be fed although the range begins
        there. Of a stream that goes on, the next chunk knows since when it grew."""

    def intervals(self, rows: ArrowRows) -> None:
        """stream UINTEGER, time BIGINT, since BIGINT, value DOUBLE, estimated BOOLEAN, period? BIGINT:
        increments that did not begin at the row before. Of rows that are fed, too, since and estimated are
        taken from here; an entry whose row is not fed counts by itself."""

    def chunks(self, rows: ArrowRows) -> None:
        """Rows of the table `chunks`, times as BIGINT: stream, start, since?, last, step, count, offsets?,
        kind, scale, base, tiny_steps?, short_steps?, steps?, long_steps?, reach?, far?, reals?, period?,
        arrived."""

    def hours(self, rows: ArrowRows) -> None:
        """stream UINTEGER, hour BIGINT, grown DOUBLE[], samples USMALLINT[], sample_hour BIGINT, first?
        BIGINT, instead of the rows of a chunk where buckets are whole hours: what grew in each hour from
        `hour` on (hours since 1970) by pieces of at most an hour, points by their time from `sample_hour`
        on, and when the first piece began. Longer pieces come through `intervals`, and shorter ones there
        count as summed."""

    def points(self, rows: ArrowRows) -> None:
        """stream UINTEGER, time BIGINT, value DOUBLE, arrived BIGINT, in the order of stream and time."""

    def stream(
        self,
        stream: int,
        group: int | None,
        kind: int,
        *,
        raw: int | None = None,
        kin: int | None = None,
        start_ns: int | None = None,
    ) -> None:
        """`kind`: 0 cumulative, 1 delta, 2 level. Without a group a stream only tells where its kin ended.
        `raw`, `kin`: equal for streams of one raw series, and for those that differ in process ids only."""

    def point(
        self,
        stream: int,
        time_ns: int,
        value: float,
        *,
        since_ns: int | None = None,
        estimated: bool = False,
        arrived_ns: int | None = None,
    ) -> None:
        """One row: an increment or a level. Without `since_ns` it grew since the row before, and the first
        row of a stream is a baseline."""

    def finish(self) -> list[tuple[int, list[int], list[float], list[int], list[int], list[int]]]:
        """Of each group with values: its number; numbers of buckets; values; points by their time in the
        bucket; flags: 1 partial, 2 estimated; nanoseconds that each value is of. It can be asked once;
        nothing can be fed after it, or after `now` or `longest_period`."""

    def now(self) -> list[float | None]:
        """By group the sum of the last rates (of levels: values) of the streams alive; None where none is."""

    def longest_period(self) -> int:
        """In nanoseconds, of streams alive with a period of at most an eighth of the range; 0: there is
        none."""

@final
class Windows:
    """Functions of PromQL over windows of stored series, read slice by slice. Times are milliseconds.

    `function`: its name in PromQL, or `samples` for the samples of the windows themselves. Window i is
    (ends[i] - length, ends[i]] as of now[i]; numbers[i] is what else the function takes. With an
    `operator` (sum, avg, min, max, count, group) values are kept by group and step only. `most`: how many
    samples are held at once.

    Declared first (target, column, opening), then for each slice in the order of time: slice, rows, advance.
    Raises ValueError for what it does not know and for rows that cannot be read.
    """

    def __new__(
        cls,
        function: str,
        *,
        ends: Sequence[int],
        length: int,
        now: Sequence[int],
        numbers: Sequence[tuple[float, float]] = ...,
        operator: str = "",
        groups: int = 0,
        most: int = 8_000_000,
    ) -> Self: ...
    @property
    def digests(self) -> bool:
        """Whether its windows are answered without holding their samples."""

    def target(self, *, counter: bool, as_sent: bool = False, before: float = 0.0, group: int = 0) -> int:
        """A series of Prometheus. `counter`: the running sum of what is stored, from `before` on;
        `as_sent`: its samples say what was sent, from which resets and the zero of a counter are told.
        """

    def column(self, target: int, series: int, part: str = "value", edge: float = ...) -> int:
        """A stored series that belongs to it, or its part: value, count, sum, bucket (at or below `edge`)."""

    def opening(self, column: int, stream: int, value: float) -> None:
        """What a stream had counted before its first sample, with which it is added."""

    def slice(self, after: int, until: int) -> None:
        """Of what comes next only (after, until] is meant; before the first slice it is what was before."""

    def chunks(self, rows: ArrowRows) -> None: ...
    def points(self, rows: ArrowRows) -> None: ...
    def histogram_chunks(self, rows: ArrowRows) -> None: ...
    def histogram_points(self, rows: ArrowRows) -> None: ...
    def given(self, target: int, times: Sequence[int], values: Sequence[float]) -> None:
        """Samples that are there already, in the order of time."""

    def advance(self, seconds: float, *, more: bool = False) -> None:
        """Answers the windows that end in this slice. Raises MemoryError, TimeoutError.

        `more`: in a thread, while the chunks of the next slice are read; what waits for it raises instead.
        """

    def finish(self) -> None: ...
    def renew(self) -> None:
        """Makes room for other series; what was grouped stays."""

    def values(self, target: int) -> list[float | None] | None:
        """One a window, None where there is none; they are given up. None: there is none at all."""

    def grouped(self, group: int) -> list[float | None]: ...
    def samples(self, target: int) -> tuple[list[int], list[float]]: ...

@final
class Arrivals:
    """All that came to a `GrpcServer` since it was asked last. A call is known by its number."""

    @property
    def knocks(self) -> list[tuple[int, int]]:
        """Calls that wait for room, and for how many bytes, before their message is read."""

    @property
    def messages(self) -> list[tuple[int, int, bytes]]:
        """Calls whose message is here, inflated, with the index of their method."""

    @property
    def left(self) -> list[int]:
        """Calls that need no answer any more: their senders left, or their message was refused."""

    @property
    def refused(self) -> list[tuple[str, int]]:
        """How many calls were refused without a word from here, by reason."""

    @property
    def strangers(self) -> list[tuple[Literal["tls", "http1", "plain", "token"], str, int]]:
        """Who cannot reach us, the address of one of them, and how many times."""

    @property
    def stopped(self) -> bool:
        """The server has ended, and its sockets are closed."""

@final
class GrpcServer:
    """Serves unary gRPC calls on sockets that listen, on a thread of its own, until it is told to leave.

    Calls that cannot be taken are refused without Python: no token, an unknown method, a message that is too
    large, too slow or broken. The others are told in `Arrivals`, and answered with `tell`.
    """

    def __new__(
        cls,
        sockets: Sequence[int],
        *,
        methods: Sequence[str],
        token: bytes | None,
        certificate: tuple[bytes, bytes] | None,
        most_bytes: int,
        most_calls: int,
        wrong_port: str,
        patience: float,
        failures: dict[str, tuple[int, str, bytes]],
    ) -> Self:
        """`sockets`: file descriptors, which are closed here. `methods`: the paths that are served.

        `certificate`: a chain and a key, as PEM. `most_bytes`: of one message, inflated as well.
        `most_calls`: at once on one connection. `wrong_port`: what HTTP/1 is told. `patience`: seconds for a
        message to come. `failures`: for each reason the code, the message and a serialized google.rpc.Status.
        Raises RuntimeError for a certificate or key that cannot be used.
        """

    def fileno(self) -> int:
        """Readable when there is something to take."""

    def take(self) -> Arrivals: ...
    def tell(
        self,
        admitted: list[int],
        answers: list[tuple[int, bytes]],
        refusals: list[tuple[int, int, str, bytes]],
    ) -> None:
        """`admitted`: calls whose message may come in. The last word on others: the message of the answer, or
        code, message and google.rpc.Status.
        """

    def leave(self, grace: float) -> None:
        """Takes no more calls, and gives those under way `grace` seconds; then `Arrivals.stopped` is said."""
