"""A small catalogue, a database in a directory, and a model of the answers in plain Python."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from tests.store.store_fakes import SECOND, FakeRows, stream

from blackhole.catalogue.definition import Definition
from blackhole.model.batch import GuardedBatch
from blackhole.model.series import PrivacyLevel, StreamRow
from blackhole.query.run import QueryService
from blackhole.store.database import Database
from blackhole.store.writer import insert

NOW_S = 1_750_000_020
NOW = NOW_S * SECOND
WINDOWS = {PrivacyLevel.SENSITIVE: 60.0, PrivacyLevel.HIGHLY_SENSITIVE: 3600.0}


def definition(name: str, kind: str, **more: object) -> Definition:
    plain = {"description": "", "unit": "1", "privacy": "internal", "purpose": "to test"}
    return msgspec.convert({**plain, "name": name, "type": kind, **more}, Definition)


ENTRIES = (
    definition("process.cpu.usage", "gauge", unit="percent", privacy="public"),
    definition("process.memory.usage", "gauge", unit="bytes", privacy="public"),
    definition("node.requests.total", "counter"),
    definition("node.errors.total", "counter"),
    definition("node.request.duration", "histogram", unit="ms"),
    definition("rpc.server.call.duration", "histogram", unit="s"),
    definition("p2p.connections.total", "counter", category="p2p"),
    definition("p2p.discovery.latency", "histogram", unit="ms", category="p2p"),
    definition(
        "p2p.peer.connections",
        "updowncounter",
        privacy="sensitive",
        category="p2p",
        privacy_unit={"name": "peer", "keys": ["peer.id"]},
        bounds=[0, 8],
    ),
    definition(
        "content.operations",
        "counter",
        privacy="highly_sensitive",
        category="business",
        privacy_unit="event",
        bounds=[0, 1],
    ),
)


# Points come when they are sent, unless a test says otherwise.
_ARRIVED = """
UPDATE {table} SET created_at = least(created_at, CAST(time AS TIMESTAMP))
WHERE created_at = make_timestamp($1::BIGINT)
"""


@dataclass
class FakeCatalogue:
    entries: Sequence[Definition] = field(default=ENTRIES)

    def match(self, name: str) -> Definition | None:
        return next((entry for entry in self.entries if entry.name == name), None)

    def near(self, name: str) -> list[str]:
        return [entry.name for entry in self.entries if entry.name[:8] == name[:8]]

    def __iter__(self) -> Iterator[Definition]:
        return iter(self.entries)


@dataclass
class Desk:
    """A database, and a runner whose clock can be set."""

    database: Database
    now: float = NOW_S
    commits: int = 0
    streams: set[int] = field(default_factory=set)
    in_time: bool = True
    guarded: set[int] = field(default_factory=set)
    declared: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.runner = QueryService(self.database, FakeCatalogue(), windows=WINDOWS, now=lambda: self.now)

    def store(self, given: GuardedBatch) -> None:
        self.commits += 1
        assert isinstance(given.rows, FakeRows)
        self.guarded |= {row.id for row in given.series if row.privacy_level.guarded}
        rows = given.rows.with_streams(lambda series: 0 if series in self.guarded else series)
        known = [row for row in given.streams if row.id not in self.streams]
        self.streams |= {row.id for row in known}
        known += [] if given.streams else self._new_streams(rows)
        if not given.streams:
            rows = rows.begun({row.id for row in known})
        created_us = NOW // 1000 + self.commits
        with self.database.write() as connection:
            new = [row for row in given.series if row.id not in self.declared]
            self.declared |= {row.id for row in new}
            insert(connection, rows, new, known, created_us=created_us)
            for table in ("recent_points", "recent_histogram_points", "intervals") if self.in_time else ():
                connection.execute(_ARRIVED.format(table=table), [created_us])

    def _new_streams(self, rows: FakeRows) -> Iterator[StreamRow]:
        """Of each stream that has rows, as the guard would have said."""
        points = {(row.stream, row.series) for row in rows.all_points}
        distributions = {(row.stream, row.series) for row in rows.all_histograms}
        for number, of in sorted(pair for pair in points | distributions if pair[0] > 0):
            if number not in self.streams:
                self.streams.add(number)
                yield stream(number, of, delta=True)


def desk(directory: Path) -> Desk:
    return Desk(Database.open(directory / "a.duckdb", clock=lambda: NOW))
