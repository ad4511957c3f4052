"""What the live page is told, in the shapes of the stream's messages."""

from datetime import date
from typing import Any

import msgspec


class ServiceHealth(msgspec.Struct, frozen=True):
    """Rates are per second over the last minute; `up`: heard of within three of its usual periods."""

    service: str
    up: bool
    request_rate: float | None
    error_rate: float | None
    p95_ms: float | None
    cpu_percent: float | None
    memory_bytes: float | None
    last_seen: str


class HealthReport(msgspec.Struct, frozen=True):
    services: list[ServiceHealth]


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
