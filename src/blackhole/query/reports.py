"""What the live page is told, in the shapes of the stream's messages."""

from datetime import date
from typing import Any

import msgspec


class Sources(msgspec.Struct, frozen=True):
    """The metrics that a figure was told by; nothing where none tells it.

    `filters`: what attributes of requests and durations must be, where a metric tells of others as well.
    """

    requests: list[str] = []
    errors: list[str] = []
    durations: list[str] = []
    cpu: list[str] = []
    memory: list[str] = []
    filters: dict[str, list[str]] = {}


class ServiceHealth(msgspec.Struct, frozen=True, omit_defaults=True):
    """Rates are per second, as of now; `up`: heard of within three of its usual periods.

    `state`: `up`, `waiting` (after an outage of ours, it may still be heard of), `silent`, `ended` (a program
    that was short-lived and ended well), or `down` (it is scraped, and does not answer).

    What nothing tells is null. CPU and memory are those of all `processes` together, whose number is absent
    where nothing tells them apart. `p95_over`: it lies in a bucket without an end, which begins at `p95_ms`.
    """

    service: str
    up: bool
    request_rate: float | None
    error_rate: float | None
    p95_ms: float | None
    cpu_percent: float | None
    memory_bytes: float | None
    last_seen: str
    processes: int | None = None
    sources: Sources = Sources()
    p95_over: bool | msgspec.UnsetType = msgspec.UNSET
    state: str = ""
    targets_down: int = 0


class OutageReport(msgspec.Struct, frozen=True):
    """When senders could not be heard, because of us: `not_running`, `stood_still` or `took_nothing`."""

    begin: str
    end: str
    reason: str


class VerdictReason(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that is not as it must be, since when, and the metric that tells it.

    `kind`: `silent`, `target`, `limit` or `errors`. `down`: nothing of it works any more.
    """

    kind: str
    service: str
    words: str
    detail: str
    since: str | None
    down: bool
    metric: str = ""


class HealthVerdict(msgspec.Struct, frozen=True):
    """How everything together is: `steady`, `degraded`, `down`, or `unknown` while nothing can be known.

    `sentence` is for people; `since` the time at which the first of the reasons began.
    """

    state: str = "unknown"
    sentence: str = "Nothing has been heard of any service yet."
    since: str | None = None
    reasons: list[VerdictReason] = []


class HealthReport(msgspec.Struct, frozen=True):
    services: list[ServiceHealth]
    verdict: HealthVerdict = HealthVerdict()
    outages: list[OutageReport] = []


class Method(msgspec.Struct, frozen=True):
    """What was called, over the range; null where nothing tells it. `attributes` find it in `metric`.

    `p95_over`: it lies in a bucket without an end, which begins at `p95_ms`.
    """

    method: str
    requests: float | None
    errors: float | None
    p95_ms: float | None
    metric: str
    attributes: dict[str, str]
    p95_over: bool | msgspec.UnsetType = msgspec.UNSET


class ErrorKind(msgspec.Struct, frozen=True):
    """How a method failed, and how often: a status, an `error.type`, else `error`."""

    kind: str
    method: str
    errors: float


class ServiceWork(msgspec.Struct, frozen=True):
    """Over the range; `methods` the slowest first, `kinds` the most frequent. `p95_over`: as of a method."""

    service: str
    requests: float | None
    errors: float | None
    p95_ms: float | None
    methods: list[Method]
    kinds: list[ErrorKind]
    sources: Sources
    p95_over: bool | msgspec.UnsetType = msgspec.UNSET


class ServicesReport(msgspec.Struct, frozen=True):
    start_time: str
    end_time: str
    services: list[ServiceWork]
    notes: list[str] = []


class Newest(msgspec.Struct, frozen=True):
    """The newest value of a series: counters a second, histograms p95, others as they are."""

    metric: str
    unit: str
    privacy_level: str
    attributes: dict[str, Any]
    value: float | None
    lower: float | None
    upper: float | None
    timestamp: str
    over: bool | msgspec.UnsetType = msgspec.UNSET


class SeriesReport(msgspec.Struct, frozen=True):
    series: list[Newest]


class MetricInfo(msgspec.Struct, frozen=True):
    """A metric of the catalogue or of the file; counts and times are null for guarded ones.

    `received`: points that were committed since the service started; null where none runs.
    """

    metric: str
    type: str
    unit: str
    privacy: str
    category: str
    description: str
    purpose: str
    in_catalogue: bool
    review_after: date | None
    stored: bool
    received: int | None
    series: int | None
    points: int | None
    first_seen: str | None
    last_seen: str | None
    last_asked: str | None
