"""Finds, builds and runs the receivers to compare with: ours, the Collector, rotel, VictoriaMetrics."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from bench import rotel
from bench.processes import free_port
from bench.rotel import MissingError

COLLECTOR = "0.165.0"
VICTORIA_METRICS = "1.151.0"
BUILD = Path(".build/bench-go")
BUILD_SECONDS = 600
READY_SECONDS = 30.0
_BUILDER = f"""\
dist: {{name: otelcol, output_path: ., module: localhost/otelcol, version: "{COLLECTOR}"}}
receivers: [{{gomod: go.opentelemetry.io/collector/receiver/otlpreceiver v{COLLECTOR}}}]
exporters: [{{gomod: go.opentelemetry.io/collector/exporter/nopexporter v{COLLECTOR}}}]
"""
_COLLECTOR = """\
receivers:
  otlp:
    protocols: {{grpc: {{endpoint: "127.0.0.1:{grpc}"}}, http: {{endpoint: "127.0.0.1:{http}"}}}}
exporters: {{nop: }}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    metrics: {{receivers: [otlp], exporters: [nop]}}
    traces: {{receivers: [otlp], exporters: [nop]}}
    logs: {{receivers: [otlp], exporters: [nop]}}
"""

Run = Callable[[Path], AbstractContextManager[list[str]]]


@dataclass(frozen=True, slots=True)
class Peer:
    """A receiver. `run` starts it, with a directory of its own, and gives its addresses; or MissingError."""

    name: str
    version: str
    note: str
    run: Run


@contextmanager
def blackhole(directory: Path) -> Iterator[list[str]]:
    # Not limited in CPU, so that nothing is put off on a busy machine.
    config = directory / "config.yaml"
    config.write_text("analytics: {max_cpu_usage: 10000}")
    ports = {"grpc": free_port(), "http": free_port(), "api": free_port()}
    flags = [f"--otlp-grpc=127.0.0.1:{ports['grpc']}", f"--otlp-http=127.0.0.1:{ports['http']}"]
    more = [f"--listen=127.0.0.1:{ports['api']}", f"--config={config}", f"--data-dir={directory}"]
    command = [sys.executable, "-m", "blackhole", "serve", *flags, *more]
    with running(command, directory, ports["http"], ports["grpc"]):
        yield [f"http://127.0.0.1:{ports['http']}", f"grpc://127.0.0.1:{ports['grpc']}"]


@contextmanager
def collector(directory: Path) -> Iterator[list[str]]:
    program = BUILD / "otelcol"
    if not program.is_file():
        builder = go_install(f"go.opentelemetry.io/collector/cmd/builder@v{COLLECTOR}", "builder")
        (BUILD / "builder.yaml").write_text(_BUILDER)
        build([str(builder.resolve()), "--config=builder.yaml"])
    grpc, http = free_port(), free_port()
    config = directory / "collector.yaml"
    config.write_text(_COLLECTOR.format(grpc=grpc, http=http))
    with running([str(program), f"--config={config}"], directory, http, grpc):
        yield [f"http://127.0.0.1:{http}", f"grpc://127.0.0.1:{grpc}"]


@contextmanager
def rotel_agent(directory: Path) -> Iterator[list[str]]:
    grpc, http = free_port(), free_port()
    command = [str(rotel.program()), "start", "--exporter=blackhole", f"--pid-file={directory / 'pid'}"]
    ports = [f"--otlp-grpc-endpoint=127.0.0.1:{grpc}", f"--otlp-http-endpoint=127.0.0.1:{http}"]
    with running([*command, *ports], directory, http, grpc):
        yield [f"http://127.0.0.1:{http}", f"grpc://127.0.0.1:{grpc}"]


@contextmanager
def victoria_metrics(directory: Path) -> Iterator[list[str]]:
    module = f"github.com/VictoriaMetrics/VictoriaMetrics/app/victoria-metrics@v{VICTORIA_METRICS}"
    program = go_install(module, "victoria-metrics")
    http = free_port()
    command = [str(program), f"-httpListenAddr=127.0.0.1:{http}", f"-storageDataPath={directory / 'data'}"]
    with running(command, directory, http):
        yield [f"http://127.0.0.1:{http}/opentelemetry"]


PEERS = (
    Peer("Blackhole Analytics", version("blackhole-analytics"), "`blackhole serve`", blackhole),
    Peer(
        "OpenTelemetry Collector",
        COLLECTOR,
        "built with its own builder: otlpreceiver, nopexporter",
        collector,
    ),
    Peer("rotel", rotel.VERSION, "exporter `blackhole`, which throws away", rotel_agent),
    Peer(
        "VictoriaMetrics",
        VICTORIA_METRICS,
        "single node, `/opentelemetry`; metrics in protobuf only, no gRPC",
        victoria_metrics,
    ),
)


def go_install(module: str, name: str) -> Path:
    """The program that `go install MODULE` makes. Raises MissingError."""
    program = BUILD / name
    if not program.is_file():
        build(["go", "install", module])
    return program


def build(command: Sequence[str]) -> None:
    """Runs `command` in the build directory, gently. Raises MissingError."""
    if shutil.which("go") is None:
        raise MissingError("Go is not installed")
    BUILD.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "GOBIN": str(BUILD.resolve())}
    try:
        done = subprocess.run(
            ["nice", "-n", "15", *command],
            cwd=BUILD,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=BUILD_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise MissingError(f"it was not built within {BUILD_SECONDS} s") from None
    if done.returncode != 0:
        raise MissingError(f"it cannot be built: {(done.stderr.strip().splitlines() or ['?'])[-1]}")


@contextmanager
def running(command: Sequence[str], directory: Path, *ports: int) -> Iterator[None]:
    """The process while all `ports` accept. Raises MissingError when they never do."""
    with (directory / "log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        for port in ports:
            _wait_for(port, process)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise MissingError("it does not start")
