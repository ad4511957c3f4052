"""Random commits, chores and crashes against a database, and what a plain dictionary says there must be."""

import contextlib
import math
import random
import shutil
import threading
from collections import defaultdict
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from tests.store import rates
from tests.store.store_fakes import SECOND, Histogram, Interval, Point, batch, series, stream
from tests.store.test_retention import FakeCatalogue

from blackhole.config import Config, Duration
from blackhole.model.erasure import Forget
from blackhole.model.series import MetricType
from blackhole.store.database import Database
from blackhole.store.file import files
from blackhole.store.file.key import key_path
from blackhole.store.upkeep import erase
from blackhole.store.upkeep.retention import Retention
from blackhole.store.upkeep.seal import BLOCK_NS, DAY_NS, Sealer, SliceSizes
from blackhole.store.writer import insert

KEEP = 5
KEEP_SUMMED = 2
METRICS = {
    "m.counter": MetricType.COUNTER,
    "m.gauge": MetricType.GAUGE,
    "m.level": MetricType.UPDOWNCOUNTER,
    "m.histogram": MetricType.HISTOGRAM,
    "summed.gauge": MetricType.GAUGE,
    "summed.histogram": MetricType.HISTOGRAM,
}
SUMMED = frozenset(name for name in METRICS if name.startswith("summed."))
POINTS = "SELECT stream, epoch_ns(time), series, value, cumulative FROM points ORDER BY 1, 2"
HISTOGRAMS = "SELECT stream, epoch_ns(time), series, count, sum, buckets FROM histogram_points ORDER BY 1, 2"
INTERVALS = """
SELECT stream, epoch_ns(time), series, epoch_ns(since), value, total, estimated, period FROM intervals
ORDER BY 1, 2
"""
SINCE = """
SELECT stream, epoch_ns(start), epoch_ns(since) FROM chunks
UNION ALL SELECT stream, epoch_ns(start), epoch_ns(since) FROM histogram_chunks
"""
# Over more than this, the core always says what was counted.
LONG = 600 * SECOND
# Of each sealed point, the last one that it goes with.
SEALED_WITH = " UNION ALL ".join(
    "SELECT stream, epoch_ns(start) + place * step + coalesce(away, 0), epoch_ns(last) FROM ("
    "SELECT stream, start, last, step, unnest(range(count::BIGINT)) AS place, unnest(offsets) AS away"
    f" FROM {table})"
    for table in ("chunks", "histogram_chunks")
)
SUMS = """
SELECT metric_name, epoch_us(time_bucket) * 1000, max(sample_count),
    max(aggregated_value) FILTER (aggregation_type = 'sum')
FROM metric_aggregates GROUP BY ALL ORDER BY 1, 2
"""
# By series and hour: what the chunks say, and what is in them.
ROLLED_UP = """
SELECT series, hour, sum(samples), sum(total) FROM (
    SELECT series, epoch_ns(start) // 3600000000000 + unnest(range(len(samples))) AS hour,
        unnest(samples) AS samples, unnest(totals) AS total
    FROM chunks
)
WHERE samples > 0 GROUP BY ALL ORDER BY 1, 2
"""
SEALED = """
SELECT series, epoch_ns(time) // 3600000000000, count(*), sum(value) FROM every_point WHERE id % 5 = 3
GROUP BY ALL ORDER BY 1, 2
"""


class DiedError(Exception):
    """In the middle of something."""


Key = tuple[int, int]
Row = tuple[Any, ...]


@dataclass(slots=True)
class Source:
    """A raw series: where its clock and its counter are."""

    number: int
    metric: str
    series: int
    time: int
    reached: float = 0.0
    last: int | None = None


class Machine:
    """One database with its model; every `step` leaves both saying the same, or raises AssertionError."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.chance = random.Random(seed)
        self.directory = directory
        self.now = 20_000 * DAY_NS + self.chance.randrange(DAY_NS)
        self.lives = 0
        self.done: list[str] = []
        self.points: dict[Key, Row] = {}
        self.histograms: dict[Key, Row] = {}
        self.intervals: dict[Key, Row] = {}
        self.before: dict[Key, int | None] = {}
        self.sums: dict[tuple[str, int], tuple[int, float]] = {}
        self.sources: list[Source] = []
        self._added: list[Key] = []
        self.streams = self.commits = 0
        self.database = self._open(directory / "0" / "a.duckdb")
        with self.database.write() as connection:
            connection.execute(
                "INSERT INTO retention_policies (metric_pattern, retention_days, aggregation_strategy)"
                " VALUES ('summed.*', $1, 'daily_aggregation')",
                [KEEP_SUMMED],
            )

    def step(self) -> None:
        """What it does is the last of `done`."""
        steps: dict[Callable[[], None], int] = {
            self.commit: 8,
            self.wait: 3,
            self.seal: 4,
            self.die_sealing: 1,
            self.retain: 2,
            self.compact: 1,
            self.forget: 1,
            self.crash: 2,
            self.restart: 1,
        }
        chosen = self.chance.choices(list(steps), list(steps.values()))[0]
        self.done.append(chosen.__name__)
        chosen()
        self.check()

    def commit(self, *, late: bool = True) -> None:
        points: list[Point] = []
        histograms: list[Histogram] = []
        intervals: list[Interval] = []
        fresh = [self._new_source() for _ in range(self.chance.randrange(3) if self.sources else 3)]
        for source in [*fresh, *self.chance.sample(self.sources, min(len(self.sources), 4))]:
            if not late:
                source.time = max(source.time, self.now - DAY_NS)
            self._add(source, points, histograms)
            intervals += self._intervals(source)
        known = {row.id for row in self.database.series()}
        given = batch(
            points,
            histograms,
            intervals=intervals,
            series=[
                series(source.series, source.metric, METRICS[source.metric])
                for source in {source.series: source for source in fresh}.values()
                if source.series not in known
            ],
            streams=[stream(source.number, source.series) for source in fresh],
        )
        self.commits += 1
        with self.database.write() as connection:
            insert(
                connection,
                given.rows,
                given.series,
                given.streams,
                created_us=self.now // 1000 + self.commits % 1000,
            )
        self.sources += fresh

    def wait(self) -> None:
        self.now += self.chance.choice([SECOND, 900 * SECOND, BLOCK_NS, 5 * BLOCK_NS, DAY_NS])

    def seal(self) -> None:
        self._beside(lambda: self._sealer(lambda: False).apply())

    def die_sealing(self) -> None:
        left = self.chance.randrange(6)

        def is_last() -> bool:
            nonlocal left
            left -= 1
            if left < 0:
                raise DiedError
            return False

        with contextlib.suppress(DiedError):
            self._sealer(is_last).apply()
        self.crash()

    def retain(self) -> None:
        self._expect_retention(self._sealed_with())
        self._beside(self._retention().apply, late=False)

    def compact(self) -> None:
        self._beside(self.database.compact)

    def forget(self) -> None:
        metric = self.chance.choice(list(METRICS))
        erase.erase(
            self.database,
            erase.find(self.database, Forget(metric=metric)),
            created_ns=self.database.created_ns,
        )
        gone = {source.number for source in self.sources if source.metric == metric}
        self.sources = [source for source in self.sources if source.number not in gone]
        for rows in (self.points, self.histograms):
            for key in [key for key in rows if key[0] in gone]:
                self._drop(rows, key)
        self.sums = {key: told for key, told in self.sums.items() if key[0] != metric}

    def crash(self) -> None:
        """The files are as a kill would leave them: nothing is closed, nothing checkpointed."""
        copied = self._copy()
        self.database.close()
        shutil.rmtree(self.database.path.parent)
        self.database = self._open(copied)

    def restart(self) -> None:
        path = self.database.path
        self.database.close()
        self.database = self._open(path)

    def check(self) -> None:
        with self.database.reader() as reader:
            points = reader.rows(POINTS).rows
            histograms = reader.rows(HISTOGRAMS).rows
            sums = reader.rows(SUMS).rows
            hours = reader.rows(ROLLED_UP).rows, reader.rows(SEALED).rows
        assert points == [(*key, *row) for key, row in sorted(self.points.items())]
        assert histograms == [(*key, *row) for key, row in sorted(self.histograms.items())]
        assert [row[:3] for row in sums] == [(*key, count) for key, (count, _) in sorted(self.sums.items())]
        for row, (_, (_, total)) in zip(sums, sorted(self.sums.items()), strict=True):
            assert math.isclose(row[3], total, rel_tol=1e-9, abs_tol=1e-9)
        assert [row[:3] for row in hours[0]] == [row[:3] for row in hours[1]]
        for row, other in zip(*hours, strict=True):
            assert math.isclose(row[3], other[3], rel_tol=1e-9, abs_tol=1e-9)
        self._check_intervals()
        self._check_finding()

    def close(self) -> None:
        self.database.close()

    def _check_intervals(self) -> None:
        """A row before that retention took may be unknown, and then the one before that counts."""
        with self.database.reader() as reader:
            intervals = {(row[0], row[1]): row[2:] for row in reader.rows(INTERVALS).rows}
            chunks = reader.rows(SINCE).rows
        stored = self.points.keys() | self.histograms.keys()
        assert {key: row for key, row in intervals.items() if self._goes_on(key, stored)} == self.intervals
        assert intervals.keys() <= stored
        for number, start, since in chunks:
            key = number, start
            if key in self.intervals:
                assert since is None
            elif self._goes_on(key, stored):
                assert since == self.before[key]
        assert rates.differences(self.database) == []

    def _goes_on(self, key: Key, stored: AbstractSet[Key]) -> bool:
        before = self.before[key]
        return key in self.intervals or before is None or (key[0], before) in stored

    def _check_finding(self) -> None:
        stored = [*self.points, *self.histograms]
        some = self.chance.sample(stored, min(len(stored), 20))
        asked = some + [(number, time + 1) for number, time in some]
        known = self.points.keys() | self.histograms.keys()
        assert self.database.find(asked) == {key for key in asked if key in known}
        if not self.sources:
            return
        source = self.chance.choice(self.sources)
        state = self.database.recall([source.number.to_bytes(16, "big")])
        times = sorted((time for number, time in known if number == source.number), reverse=True)
        told = [[one.time_ns, *one.earlier_ns] for one in state.values()]
        assert told == ([times[:10] or [0]] if state else [])

    def _open(self, path: Path) -> Database:
        database = Database.open(path, clock=lambda: self.now)
        self.started = self.now
        return database

    def _sealer(self, doubtful: Callable[[], bool]) -> Sealer:
        slices = self.chance.choice([(1, 1), (40, 10), (10**6, 10**6)])
        sealer = Sealer(self.database, doubtful=doubtful, pause=0, slices=SliceSizes(*slices))
        sealer._started_us = max(self.started // 1000, 0)
        return sealer

    def _retention(self) -> Retention:
        config = msgspec.structs.replace(
            Config(),
            retention_period=Duration(KEEP * 86400),
            aggregate_retention_period=Duration(10_000 * 86400),
        )
        return Retention(self.database, FakeCatalogue({}), config)

    def _beside(self, chore: Callable[[], object], *, late: bool = True) -> None:
        """Half of the time commits go on meanwhile."""
        failed: list[BaseException] = []

        def run() -> None:
            try:
                chore()
            except BaseException as error:  # noqa: BLE001
                failed.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        if self.chance.random() < 0.5:
            for _ in range(3):
                self.commit(late=late)
        thread.join()
        assert failed == []

    def _copy(self) -> Path:
        self.lives += 1
        target = self.directory / str(self.lives) / "a.duckdb"
        target.parent.mkdir()
        path = self.database.path
        for source in (path, files.beside(path, files.WAL), key_path(path)):
            if source.exists():
                shutil.copy(source, target.parent / source.name)
        return target

    def _sealed_with(self) -> dict[Key, int]:
        with self.database.reader() as reader:
            return {(stream, time): last for stream, time, last in reader.rows(SEALED_WITH).rows}

    def _new_source(self) -> Source:
        metric = self.chance.choice(list(METRICS))
        known = {row.metric: row.id for row in self.database.series()} | {
            source.metric: source.series for source in self.sources
        }
        self.streams += 1
        number = known.get(metric) or 10 * self.streams
        return Source(self.streams, metric, number, self.now - self.chance.randrange(KEEP * DAY_NS))

    def _add(self, source: Source, points: list[Point], histograms: list[Histogram]) -> None:
        step = self.chance.choice([SECOND, 60 * SECOND, 3600 * SECOND])
        self._added = []
        for _ in range(self.chance.randrange(1, 30)):
            source.time += step + self.chance.choice([0, 0, 1, 7])
            if source.time > self.now:
                break
            key = source.number, source.time
            self.before[key], source.last = source.last, source.time
            self._added.append(key)
            if METRICS[source.metric] is MetricType.HISTOGRAM:
                buckets = tuple(self.chance.randrange(4) for _ in range(3))
                count, total = sum(buckets), round(self.chance.uniform(0, 9), 2)
                histograms.append(
                    Histogram(
                        source.series, source.time, count, total, (1.0, 2.0), buckets, stream=source.number
                    )
                )
                self.histograms[key] = (source.series, count, total, list(buckets))
            else:
                point = self._point(source)
                points.append(point)
                self.points[key] = (source.series, point.value, point.cumulative)

    def _intervals(self, source: Source) -> list[Interval]:
        """What the core would say of the points that were added: of some, and of those after a long time."""
        found: list[Interval] = []
        if METRICS[source.metric] not in {MetricType.COUNTER, MetricType.HISTOGRAM}:
            return found
        rows = self.histograms if METRICS[source.metric] is MetricType.HISTOGRAM else self.points
        for key in self._added:
            before, (_, value, *rest) = self.before[key], rows[key]
            if before is None or key[1] - before > LONG or self.chance.random() < 0.1:
                since = self.chance.choice(
                    [before or key[1] - SECOND, key[1] - self.chance.randrange(2 * LONG)]
                )
                total = rest[0] if rows is self.histograms else None
                estimated, period = self.chance.random() < 0.5, self.chance.choice([None, SECOND])
                found.append(Interval(source.series, *key, since, float(value), total, estimated, period))
                self.intervals[key] = (source.series, since, float(value), total, estimated, period)
        return found

    def _drop(self, rows: dict[Key, Row], key: Key) -> Row:
        self.intervals.pop(key, None)
        return rows.pop(key)

    def _point(self, source: Source) -> Point:
        value = round(self.chance.uniform(-50, 50), self.chance.choice([0, 2, 12])) + 0.0
        cumulative = None
        if METRICS[source.metric] is MetricType.COUNTER:
            before, source.reached = source.reached, source.reached + abs(value)
            value, cumulative = source.reached - before, source.reached
        elif METRICS[source.metric] is MetricType.UPDOWNCOUNTER:
            cumulative = value
        return Point(source.series, source.time, value, stream=source.number, cumulative=cumulative)

    def _expect_retention(self, last: dict[Key, int]) -> None:
        """Recent rows go by the moment, sealed ones and what is summed up by the day, a chunk as a whole."""
        metrics = {source.number: source.metric for source in self.sources}
        added: dict[tuple[str, int], list[tuple[int, float]]] = defaultdict(list)
        for rows in (self.points, self.histograms):
            old = [
                key for key in rows if last.get(key, key[1]) < self._until(metrics[key[0]], key not in last)
            ]
            for key in old:
                row = self._drop(rows, key)
                if metrics[key[0]] in SUMMED:
                    count, total = row[1:3] if rows is self.histograms else (1, row[1])
                    added[metrics[key[0]], key[1] // DAY_NS * DAY_NS].append((int(count), float(total)))
        for place, found in added.items():
            told = [one for one in found if one[0]]  # intervals without observations say nothing
            if told:
                before = self.sums.get(place, (0, 0.0))
                self.sums[place] = before[0] + sum(n for n, _ in told), before[1] + sum(t for _, t in told)

    def _until(self, metric: str, is_recent: bool) -> int:
        if metric in SUMMED:
            return (self.now - KEEP_SUMMED * DAY_NS) // DAY_NS * DAY_NS
        until = self.now - KEEP * DAY_NS
        return until if is_recent else until // DAY_NS * DAY_NS
