"""Wires the stages into one service, and is the only place that names them all."""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

import blackhole
from blackhole import config as configuration
from blackhole.app.forgetting import Forgetting
from blackhole.app.selfmetrics import Reporter
from blackhole.catalogue.allow import Allowed, Permission, add, decide
from blackhole.catalogue.load import OWNER_FILE, Catalogue, load
from blackhole.catalogue.load import files as catalogue_files
from blackhole.config import Config
from blackhole.decode import Decoder
from blackhole.errors import BlackholeError, PreemptedError
from blackhole.governor import monitor
from blackhole.governor.meter import Meter
from blackhole.governor.monitor import Gauges, Levers, Monitor
from blackhole.governor.pace import CpuTokenBucket
from blackhole.governor.sampling import Sampler
from blackhole.guard.engine import Guard
from blackhole.insights.engine import InsightEngine
from blackhole.model.signals import Intake, Throttle
from blackhole.pipeline import Pipeline, Statistics
from blackhole.privacy.ledger import StoredLedger
from blackhole.privacy.scrub import names_somebody
from blackhole.query.run import QueryService
from blackhole.receive.access import Access
from blackhole.receive.admission import Gate
from blackhole.receive.grpc import GrpcReceiver
from blackhole.receive.http import HttpReceiver
from blackhole.runtime import listen, logs, process
from blackhole.runtime.clock import Clock
from blackhole.runtime.turned_away import TurnedAway
from blackhole.serve.boards import Boards
from blackhole.serve.server import ApiServer
from blackhole.serve.services import Services, Status
from blackhole.store.database import Database
from blackhole.store.file import allocator, files
from blackhole.store.upkeep import doubt
from blackhole.store.upkeep.backup import back_up
from blackhole.store.upkeep.findings import Findings
from blackhole.store.upkeep.raw_records import RawRecordRetention
from blackhole.store.upkeep.retention import Retention
from blackhole.store.upkeep.seal import Sealer
from blackhole.store.upkeep.tidy import Compactor
from blackhole.store.writer import Writer

STOP_GRACE = 5.0
EVICT_EVERY = 300.0
INSIGHTS_EVERY = 15.0
RETAIN_EVERY = 3600.0
SEAL_EVERY = 600.0
FORGET_EVERY = 60.0
KEEP_ASKED_EVERY = 60.0
CLOCK_EVERY = 10.0
PENDING_BATCHES = 32

_log = logging.getLogger("blackhole")

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Options:
    """What flags set besides the configuration. Port 0 picks a free one."""

    data_dir: Path
    otlp_grpc: Address = ("127.0.0.1", 4317)
    otlp_http: Address = ("127.0.0.1", 4318)
    listen: Address = ("127.0.0.1", 8080)
    log_format: str = "text"


def serve(config: Config, options: Options) -> int:
    """Runs the service until SIGTERM or Ctrl-C; a second signal forces. Returns the exit code."""
    logs.to_stderr(options.log_format, names_somebody, _own_words(config, options))
    logs.uncaught_to_log()
    process.keep_memory_private()
    process.keep_files_private()
    process.keep_memory_small()
    configuration.refuse_open_bind(
        config,
        {
            "--otlp-grpc": options.otlp_grpc[0],
            "--otlp-http": options.otlp_http[0],
            "--listen": options.listen[0],
        },
    )
    for line in configuration.idle_settings(config):
        _log.warning("%s", line)
    with asyncio.Runner(loop_factory=process.event_loop_factory()) as runner:
        runner.get_loop().set_exception_handler(logs.on_loop_error)
        try:
            return runner.run(_serve(config, options))
        except BlackholeError:
            raise
        except Exception as error:
            # The error's text may quote data, so it is not shown; `--debug` shows it all the same.
            raise BlackholeError(f"unexpected {logs.place(error)}: report it") from error


def _own_words(config: Config, options: Options) -> list[str]:
    """What the log may name: the owner's own files, and the addresses that were chosen."""
    database = configuration.database_path(config, options.data_dir)
    files = (options.data_dir, options.data_dir.absolute(), database, database.absolute().parent)
    hosts = {options.otlp_grpc[0], options.otlp_http[0], options.listen[0]}
    return [*map(str, files), *hosts]


async def _serve(config: Config, options: Options) -> int:
    stop = _stop_on_signals()
    async with _service(config, options) as addresses:
        with process.announced(process.run_file(options.data_dir), addresses):
            gc.collect()
            gc.freeze()
            gc.enable()
            await stop.wait()
            _log.info("stopping: what was accepted is being committed")
    return 0


def _stop_on_signals() -> asyncio.Event:
    """The first signal asks to stop, the second one ends the process at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        if stop.is_set():
            os._exit(1)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    return stop


@contextlib.asynccontextmanager
async def _service(config: Config, options: Options) -> AsyncIterator[dict[str, object]]:
    """Starts consumers before receivers, and stops them in the other order."""
    async with contextlib.AsyncExitStack() as stack:
        _refuse_unusable_files(config)
        catalogue = load(catalogue_files(config, options.data_dir))
        database = Database.open(
            configuration.database_path(config, options.data_dir),
            memory_limit=_database_memory(config),
            set_aside=True,
        )
        stack.callback(database.close)
        clock = _clock(database)
        sealer = Sealer(database, doubtful=lambda: writer.doubtful, busy=lambda: writer.busy)
        tidier = Compactor(database, sealer, room=lambda: monitor.room(config, database.path))
        stack.callback(_try, tidier.leave)
        statistics, sampler, meter = Statistics(), Sampler(), Meter()
        writer = _writer(config, database, statistics, sampler)
        stack.callback(writer.close, STOP_GRACE)
        guard = _guard(catalogue, config, (database, writer), clock)
        pipeline = Pipeline(_decoder(config, database), guard, writer, statistics)
        pipeline.publish()
        stack.callback(pipeline.close_windows)
        stack.callback(pipeline.record_edges)
        retention = Retention(database, catalogue, config, doubted=clock.doubted)
        pace = CpuTokenBucket(config.max_cpu_usage / 100, meter.charged)
        watch = _watch(config, database, (retention, guard), (meter, sampler, pace))
        addresses: dict[str, str] = {}
        accepting = asyncio.Event()
        runner = _runner(database, catalogue, config, watch)
        stack.callback(_try, runner.keep_asked)
        insights = InsightEngine(runner, Findings(database, clock.doubted))
        services = Services(
            runner,
            lambda: statistics.snapshot(guard.unknown),
            _status_reporter((database, retention, clock, guard), writer, sampler, addresses),
            config,
            accepting.is_set,
            meter.free,
            _allower((config, options.data_dir), guard, pipeline, (runner, retention)),
            Forgetting(database, pipeline, runner, meter.free).forget,
            lambda directory: back_up(database, Path(directory)),
            Boards(options.data_dir / "boards"),
            insights.found,
            TurnedAway(names_somebody),
        )
        await _serve_people(stack, services, options, addresses)
        await _receive(stack, pipeline, (config, pace, services.away), options, addresses)
        reporter = Reporter(
            pipeline,
            statistics.snapshot,
            _status_reporter((database, retention, clock, guard), writer, sampler, addresses),
            seconds=config.collection_interval,
        )
        keeper = RawRecordRetention(database, config, doubted=clock.doubted)
        repeated = _repeated(pipeline, runner, (keeper, tidier, retention), insights, clock)
        chores = (pipeline.run_windows(), reporter.run(), watch.run(), *repeated)
        stack.push_async_callback(_cancel, [asyncio.create_task(chore) for chore in chores])
        accepting.set()
        pace.restart()
        stack.callback(accepting.clear)
        yield {**{key: addresses[key] for key in ("otlp_grpc", "otlp_http", "api")}, "pid": os.getpid()}


def _repeated(
    pipeline: Pipeline,
    runner: QueryService,
    tending: tuple[RawRecordRetention, Compactor, Retention],
    insights: InsightEngine,
    clock: Clock,
) -> tuple[Coroutine[None, None, None], ...]:
    keeper, tidier, retention = tending
    return (
        _every(CLOCK_EVERY, clock.look),
        _every(FORGET_EVERY, keeper.apply, at_once=True),
        _every(KEEP_ASKED_EVERY, runner.keep_asked),
        _every(INSIGHTS_EVERY, insights.look),
        _every(EVICT_EVERY, pipeline.forget_idle),
        _every(SEAL_EVERY, tidier.apply, at_once=True),
        _every(RETAIN_EVERY, retention.apply, at_once=True),
    )


def _refuse_unusable_files(config: Config) -> None:
    """Refuses unusable files before anything is made, so that a broken configuration leaves no database."""
    Access(config.otlp)
    if config.api.token_file:
        configuration.read_token(config.api.token_file, key="api")


def _writer(config: Config, database: Database, statistics: Statistics, sampler: Sampler) -> Writer:
    writer = Writer(
        database,
        commit_wait=config.commit_wait,
        batch_size=config.batch_size,
        max_pending_rows=config.batch_size * PENDING_BATCHES,
        on_commit=lambda report: statistics.count_commit(report.rows, report.seconds),
        factor=lambda: sampler.factor,
    )
    writer.start()
    return writer


async def _serve_people(
    stack: contextlib.AsyncExitStack, services: Services, options: Options, addresses: dict[str, str]
) -> None:
    api = ApiServer(services)
    port = await api.start(*options.listen)
    stack.push_async_callback(api.stop, STOP_GRACE)
    addresses["api"] = f"{api.scheme}://{listen.place(options.listen[0], port)}"


async def _receive(
    stack: contextlib.AsyncExitStack,
    intake: Intake,
    limits: tuple[Config, Throttle, TurnedAway],
    options: Options,
    addresses: dict[str, str],
) -> None:
    """Starts both receivers with one gate, so that the limits hold for both together."""
    config, throttle, away = limits
    gate = Gate.of(config.otlp, throttle)
    for name, receiver, address in (
        ("otlp_grpc", GrpcReceiver(intake, config.otlp, gate, away), options.otlp_grpc),
        ("otlp_http", HttpReceiver(intake, config.otlp, gate, away), options.otlp_http),
    ):
        port = await receiver.start(*address)
        stack.push_async_callback(receiver.stop, STOP_GRACE)
        addresses[name] = listen.place(address[0], port)


def _runner(database: Database, catalogue: Catalogue, config: Config, watch: Monitor) -> QueryService:
    return QueryService(
        database,
        catalogue,
        windows=config,
        now=time.time,
        started=time.time(),
        uptime=process.uptime,
        refusing=lambda: watch.is_closed,
    )


def _watch(
    config: Config,
    database: Database,
    moved: tuple[Retention, Guard],
    parts: tuple[Meter, Sampler, CpuTokenBucket],
) -> Monitor:
    retention, guard = moved
    meter, sampler, pace = parts
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
    return watch


def _allower(
    place: tuple[Config, Path], guard: Guard, pipeline: Pipeline, others: tuple[QueryService, Retention]
) -> Callable[[Permission], Allowed]:
    """A function that adds to the owner's catalogue file and makes every part use it at once."""
    config, data_dir = place

    def allow(permission: Permission) -> Allowed:
        today = datetime.now(UTC).date()
        decision = decide(
            permission, guard.catalogue, guard.unknown, today=today, names_somebody=names_somebody
        )

        def renew() -> Catalogue:
            add(data_dir / OWNER_FILE, decision.new)
            return load(catalogue_files(config, data_dir))

        if decision.new:
            pipeline.recatalogue(renew)
            for other in others:
                other.recatalogue(guard.catalogue)
            _log.info("%d metrics more are collected from here on", len(decision.new))
        return decision.answer()

    return allow


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


def _decoder(config: Config, database: Database) -> Decoder:
    return Decoder(
        database.key,
        clock_ns=time.time_ns,
        keep_spans=config.keep_spans > 0,
        keep_logs=config.keep_logs > 0,
    )


def _guard(catalogue: Catalogue, config: Config, kept: tuple[Database, Writer], clock: Clock) -> Guard:
    database, writer = kept
    return Guard(
        catalogue,
        config,
        series=database.series(),
        next_stream=database.next_stream,
        created_ns=database.created_ns,
        recall=database.recall,
        find=writer.find,
        clock_ns=time.time_ns,
        stored=StoredLedger(database.ledger_tail(), database.head()),
        doubts=clock,
    )


def _database_memory(config: Config) -> int:
    """DuckDB's limit: a quarter of the process's, because it does not cover all that DuckDB takes."""
    return config.max_memory_usage // 4


def _status_reporter(
    told: tuple[Database, Retention, Clock, Guard],
    writer: Writer,
    sampler: Sampler,
    addresses: dict[str, str],
) -> Callable[[], Status]:
    """Makes a function that says how the process is.

    Each regular caller needs its own, because `cpu_percent` is since its last call.
    """
    database, retention, clock, guard = told
    me = psutil.Process()
    me.cpu_percent()
    started = time.time()

    def status() -> Status:
        now = time.time()
        return Status(
            version=blackhole.__version__,
            started_at=started,
            uptime_seconds=now - started,
            cpu_percent=me.cpu_percent(),
            memory_bytes=me.memory_info().rss,
            database_bytes=database.size(),
            pending_rows=writer.pending_rows,
            sampling_rate=sampler.shown,
            set_aside=[str(path) for path in files.set_aside(database.path)],
            removed_early=retention.removed_early.rows,
            notes=[*clock.notes(guard.withheld_until_ns), *retention.notes()],
            endpoints=addresses,  # the same dict: the first status is asked before all of them are known
        )

    return status


async def _every(seconds: float, chore: Callable[[], object], *, at_once: bool = False) -> None:
    """Runs a task in a thread again and again. A failure is logged, and the task runs again all the same."""
    if not at_once:
        await asyncio.sleep(seconds)
    while True:
        await asyncio.to_thread(_try, chore)
        await asyncio.sleep(seconds)


def _try(chore: Callable[[], object]) -> None:
    try:
        chore()
    except PreemptedError:
        _log.info("%s was given up", chore.__qualname__)
    except Exception as error:  # noqa: BLE001  (a chore must not end the service)
        # Known errors are told in their own words. Of any other only the type is, since its text may quote
        # data.
        words = error if isinstance(error, BlackholeError) else type(error).__name__
        _log.warning("%s failed and will be tried again: %s", chore.__qualname__, words)


def _give_memory_back() -> None:
    process.give_memory_back()
    allocator.give_memory_back()


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
