"""Makes the parts of a service and connects them. Nothing runs yet."""

import time
from dataclasses import dataclass
from pathlib import Path

from blackhole.app.tasks import attempt
from blackhole.catalogue.load import Catalogue
from blackhole.config import Config
from blackhole.decode import Decoder
from blackhole.governor import monitor
from blackhole.governor.meter import Meter
from blackhole.governor.monitor import Gauges, Levers, Monitor
from blackhole.governor.pace import CpuTokenBucket
from blackhole.governor.sampling import Sampler
from blackhole.guard.engine import Guard, StoredState
from blackhole.insights.engine import InsightEngine
from blackhole.pipeline import Pipeline, Statistics
from blackhole.privacy.ledger import Clocks
from blackhole.query.run import QueryService
from blackhole.runtime import process
from blackhole.runtime.clock import Clock
from blackhole.store.database import Database
from blackhole.store.file import allocator
from blackhole.store.upkeep import doubt
from blackhole.store.upkeep.findings import Findings
from blackhole.store.upkeep.raw_records import RawRecordRetention
from blackhole.store.upkeep.retention import Retention
from blackhole.store.upkeep.seal import Sealer
from blackhole.store.upkeep.tidy import Compactor
from blackhole.store.writer import Writer

PENDING_BATCHES = 32


@dataclass(frozen=True, slots=True)
class WritePath:
    """The parts from a payload to its commit. `writer` must be started and closed."""

    guard: Guard
    writer: Writer
    pipeline: Pipeline
    statistics: Statistics


@dataclass(frozen=True, slots=True)
class Upkeep:
    """The parts that keep the file in order."""

    compactor: Compactor
    retention: Retention
    raw_records: RawRecordRetention


@dataclass(frozen=True, slots=True)
class GovernorParts:
    """The parts that keep the service within its limits."""

    meter: Meter
    sampler: Sampler
    pace: CpuTokenBucket
    monitor: Monitor


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that works on one database."""

    config: Config
    data_dir: Path
    database: Database
    clock: Clock
    written: WritePath
    upkeep: Upkeep
    governor: GovernorParts
    queries: QueryService
    insights: InsightEngine


def build(config: Config, data_dir: Path, catalogue: Catalogue, database: Database) -> Parts:
    """Makes all parts. Raises BlackholeError if what is stored cannot be read."""
    clock = _clock(database)
    sampler = Sampler()
    written = _write_path(config, catalogue, database, clock, sampler)
    retention = Retention(database, catalogue, config, doubted=clock.doubted)
    governor = _governor(config, database, retention, written.guard, sampler)
    queries = QueryService(
        database,
        catalogue,
        windows=config,
        now=time.time,
        started=time.time(),
        uptime=process.uptime,
        refusing=lambda: governor.monitor.is_closed,
    )
    upkeep = Upkeep(
        _compactor(config, database, written.writer, queries),
        retention,
        RawRecordRetention(database, config, doubted=clock.doubted),
    )
    insights = InsightEngine(queries, Findings(database, clock.doubted))
    return Parts(config, data_dir, database, clock, written, upkeep, governor, queries, insights)


def _clock(database: Database) -> Clock:
    """The clock, judged before anything is written: the newest row is of an earlier run."""
    path = database.path
    clock = Clock(
        doubt.read_memory(path),
        newest_ns=doubt.newest_ns(database),
        keep=lambda memory: doubt.keep_memory(path, memory),
    )
    database.back = clock.back
    return clock


def _write_path(
    config: Config, catalogue: Catalogue, database: Database, clock: Clock, sampler: Sampler
) -> WritePath:
    statistics = Statistics()
    writer = Writer(
        database,
        commit_wait=config.commit_wait,
        batch_size=config.batch_size,
        max_pending_rows=config.batch_size * PENDING_BATCHES,
        on_commit=lambda report: statistics.count_commit(report.rows, report.seconds),
        factor=lambda: sampler.factor,
    )
    guard = Guard(catalogue, config, StoredState.of(database, writer.find), Clocks(time.time_ns), clock)
    decoder = Decoder(
        database.key,
        clock_ns=time.time_ns,
        keep_spans=config.keep_spans > 0,
        keep_logs=config.keep_logs > 0,
    )
    return WritePath(guard, writer, Pipeline(decoder, guard, writer, statistics), statistics)


def _compactor(config: Config, database: Database, writer: Writer, queries: QueryService) -> Compactor:
    sealer = Sealer(
        database,
        doubtful=lambda: writer.doubtful,
        busy=lambda: writer.busy,
        before=lambda: attempt("counting for a scrape", queries.count_for_scrape),
    )
    return Compactor(database, sealer, room=lambda: monitor.room(config, database.path))


def _governor(
    config: Config, database: Database, retention: Retention, guard: Guard, sampler: Sampler
) -> GovernorParts:
    meter = Meter()
    pace = CpuTokenBucket(config.max_cpu_usage / 100, meter.charged)
    gauges = Gauges(
        cpu=meter.charged,
        memory=monitor.resident(),
        disk=lambda: monitor.disk_bytes(database.path),
        free=lambda: monitor.free_bytes(database.path.parent),
        database=database.size,
        used=database.used_bytes,
    )
    levers = Levers(
        pressure=pace.take_pressure, hold=guard.hold, make_room=retention.apply, trim=_give_memory_back
    )
    watch = Monitor(config, gauges, levers, sampler)
    pace.close_when(watch.closed)
    database.yield_when(watch.short_of_memory)
    return GovernorParts(meter, sampler, pace, watch)


def _give_memory_back() -> None:
    process.give_memory_back()
    allocator.give_memory_back()
