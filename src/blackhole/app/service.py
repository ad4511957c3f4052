"""Starts a service and stops it: what it is made of, in which order, and what it does by itself."""

import asyncio
import contextlib
import gc
import logging
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from blackhole import config as configuration
from blackhole.app.allowing import Allowing
from blackhole.app.forgetting import Forgetting
from blackhole.app.parts import Parts, build
from blackhole.app.selfmetrics import Reporter
from blackhole.app.status import StatusReporter
from blackhole.app.tasks import Background, Task
from blackhole.catalogue.load import files as catalogue_files
from blackhole.catalogue.load import load
from blackhole.config import Config
from blackhole.errors import BlackholeError
from blackhole.privacy.scrub import names_somebody
from blackhole.receive.access import Access
from blackhole.receive.admission import Gate
from blackhole.receive.grpc import GrpcReceiver
from blackhole.receive.http import HttpReceiver
from blackhole.runtime import listen, logs, process
from blackhole.runtime.turned_away import TurnedAway
from blackhole.serve.boards import Boards
from blackhole.serve.server import ApiServer
from blackhole.serve.services import Services
from blackhole.store.database import Database
from blackhole.store.upkeep.backup import back_up

STOP_GRACE = 5.0
EVICT_EVERY = 300.0
INSIGHTS_EVERY = 15.0
RETAIN_EVERY = 3600.0
SEAL_EVERY = 600.0
FORGET_EVERY = 60.0
KEEP_ASKED_EVERY = 60.0
CLOCK_EVERY = 10.0

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
        database = _open(config, options.data_dir)
        stack.callback(database.close)
        parts = build(config, options.data_dir, catalogue, database)
        endpoints: dict[str, str] = {}
        background = _background(parts, endpoints)
        stack.callback(background.leave)
        _start_writing(stack, parts)
        accepting = asyncio.Event()
        services = _services(parts, endpoints, accepting)
        await _serve_people(stack, services, options, endpoints)
        await _receive(stack, parts, services.away, options, endpoints)
        background.start()
        stack.push_async_callback(background.stop)
        accepting.set()
        parts.governor.pace.restart()
        stack.callback(accepting.clear)
        yield {**{key: endpoints[key] for key in ("otlp_grpc", "otlp_http", "api")}, "pid": os.getpid()}


def _refuse_unusable_files(config: Config) -> None:
    """Refuses unusable files before anything is made, so that a broken configuration leaves no database."""
    Access(config.otlp)
    if config.api.token_file:
        configuration.read_token(config.api.token_file, key="api")


def _open(config: Config, data_dir: Path) -> Database:
    # DuckDB's limit does not cover all that DuckDB takes.
    memory = config.max_memory_usage // 4
    return Database.open(configuration.database_path(config, data_dir), memory_limit=memory, set_aside=True)


def _background(parts: Parts, endpoints: dict[str, str]) -> Background:
    upkeep, pipeline = parts.upkeep, parts.written.pipeline
    reporter = Reporter(
        pipeline,
        parts.written.statistics.snapshot,
        StatusReporter(parts, endpoints),
        seconds=parts.config.collection_interval,
    )
    return Background(
        (
            Task("looking at the clock", CLOCK_EVERY, parts.clock.look),
            Task("deleting spans and logs", FORGET_EVERY, upkeep.raw_records.apply, at_once=True),
            Task(
                "keeping when metrics were asked for",
                KEEP_ASKED_EVERY,
                parts.queries.keep_asked,
                at_stop=parts.queries.keep_asked,
            ),
            Task("looking for insights", INSIGHTS_EVERY, parts.insights.look),
            Task("forgetting idle streams", EVICT_EVERY, pipeline.forget_idle),
            Task(
                "sealing and compaction",
                SEAL_EVERY,
                upkeep.compactor.apply,
                at_once=True,
                at_stop=upkeep.compactor.leave,
            ),
            Task("retention", RETAIN_EVERY, upkeep.retention.apply, at_once=True),
        ),
        loops=(pipeline.run_windows, reporter.run, parts.governor.monitor.run),
    )


def _start_writing(stack: contextlib.AsyncExitStack, parts: Parts) -> None:
    """Starts the write path. What an earlier run has left to release is committed first."""
    written = parts.written
    written.writer.start()
    stack.callback(written.writer.close, STOP_GRACE)
    written.pipeline.publish()
    stack.callback(written.pipeline.close_windows)
    stack.callback(written.pipeline.record_edges)


def _services(parts: Parts, endpoints: dict[str, str], accepting: asyncio.Event) -> Services:
    written, queries, free = parts.written, parts.queries, parts.governor.meter.free
    allowing = Allowing(
        parts.config, parts.data_dir, written.guard, written.pipeline, (queries, parts.upkeep.retention)
    )
    return Services(
        queries,
        lambda: written.statistics.snapshot(written.guard.unknown),
        StatusReporter(parts, endpoints),
        parts.config,
        accepting.is_set,
        free,
        allowing.allow,
        Forgetting(parts.database, written.pipeline, queries, free).forget,
        lambda directory: back_up(parts.database, Path(directory)),
        Boards(parts.data_dir / "boards"),
        parts.insights.found,
        TurnedAway(names_somebody),
    )


async def _serve_people(
    stack: contextlib.AsyncExitStack, services: Services, options: Options, endpoints: dict[str, str]
) -> None:
    api = ApiServer(services)
    port = await api.start(*options.listen)
    stack.push_async_callback(api.stop, STOP_GRACE)
    endpoints["api"] = f"{api.scheme}://{listen.place(options.listen[0], port)}"


async def _receive(
    stack: contextlib.AsyncExitStack,
    parts: Parts,
    away: TurnedAway,
    options: Options,
    endpoints: dict[str, str],
) -> None:
    """Starts both receivers with one gate, so that the limits hold for both together."""
    intake, otlp = parts.written.pipeline, parts.config.otlp
    gate = Gate.of(otlp, parts.governor.pace)
    for name, receiver, address in (
        # The gRPC port tells HTTP/1 where the other one is.
        ("otlp_http", HttpReceiver(intake, otlp, gate, away), options.otlp_http),
        ("otlp_grpc", GrpcReceiver(intake, otlp, gate, away), options.otlp_grpc),
    ):
        port = await receiver.start(*address)
        stack.push_async_callback(receiver.stop, STOP_GRACE)
        endpoints[name] = listen.place(address[0], port)
