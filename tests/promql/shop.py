"""A database to which a test adds series one by one, and the engine that answers about them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from blackhole.model.series import PrivacyLevel
from blackhole.promql.engine import Engine, Found
from blackhole.store.database import Database

SECOND = 1000
WINDOWS = {PrivacyLevel.SENSITIVE: 60.0, PrivacyLevel.HIGHLY_SENSITIVE: 3600.0}


@dataclass
class Shop:
    """Times are milliseconds."""

    database: Database
    numbers: int = 0

    def __post_init__(self) -> None:
        self.engine = Engine(self.database, WINDOWS, help_of=lambda metric: f"about {metric}")

    def series(
        self,
        metric: str,
        kind: str = "gauge",
        attributes: Mapping[str, Any] | None = None,
        *,
        unit: str = "",
        level: PrivacyLevel = PrivacyLevel.PUBLIC,
    ) -> int:
        """Adds a series; gives its number."""
        self.numbers += 1
        document = msgspec.json.encode(attributes or {}).decode()
        with self.database.write() as connection:
            connection.execute(
                "INSERT INTO series VALUES (?, ?, ?, ?, ?, ?, NULL, make_timestamp(0))",
                [self.numbers, metric, kind, unit, document, int(level)],
            )
        return self.numbers

    def points(self, series: int, samples: Iterable[tuple[int, float]], *, stream: int = 1) -> None:
        self.counted(series, ((time, value, None) for time, value in samples), stream=stream)

    def counted(
        self, series: int, samples: Iterable[tuple[int, float, float | None]], *, stream: int = 1
    ) -> None:
        """Samples: time, what was added, and the running value as it was sent."""
        with self.database.write() as connection:
            for time, value, sent in samples:
                connection.execute(
                    "INSERT INTO recent_points (series, stream, time, value, cumulative, created_at)"
                    " VALUES (?, ?, make_timestamp_ns(?), ?, ?, make_timestamp(0))",
                    [series, stream, time * 1_000_000, value, sent],
                )

    def intervals(
        self,
        series: int,
        rows: Iterable[tuple[int, Sequence[float] | None, Sequence[int] | None, float | None]],
    ) -> None:
        """Rows: time, bounds, buckets and sum; without buckets the count is 3."""
        with self.database.write() as connection:
            for time, bounds, buckets, total in rows:
                count = 3 if buckets is None else sum(buckets)
                connection.execute(
                    "INSERT INTO recent_histogram_points (series, stream, time, count, sum, bounds, buckets,"
                    " created_at) VALUES (?, 1, make_timestamp_ns(?), ?, ?, ?, ?, make_timestamp(0))",
                    [series, time * 1_000_000, count, total, bounds, buckets],
                )

    def releases(
        self, series: int, rows: Iterable[tuple[int, Sequence[float] | None, Sequence[float]]]
    ) -> None:
        with self.database.write() as connection:
            for time, bounds, noisy in rows:
                connection.execute(
                    "INSERT INTO released_lists VALUES (?, make_timestamp_ns(?), ?, ?, make_timestamp(0))",
                    [series, time * 1_000_000, bounds, noisy],
                )

    def values(self, query: str, time: int) -> list[float]:
        """The values of an instant vector."""
        return [points[0][1] for _, points in self.engine.instant(query, time).series]

    def over(self, query: str, start: int, end: int, step: int) -> Found:
        return self.engine.range(query, start, end, step).series
