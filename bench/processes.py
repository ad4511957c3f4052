"""Starts what is measured as a process of its own, and reads its CPU time and memory from /proc."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

READY_WITHIN = 60.0
_CONFIG = """\
analytics:
  max_cpu_usage: {max_cpu}
  max_database_size: 8GiB
  max_disk_usage: 8GiB
  catalogue: [{catalogue}]
"""


@dataclass(frozen=True, slots=True)
class Server:
    """A running process. `startup`: seconds from its start to the ready line."""

    name: str
    pid: int
    target: str
    startup: float = 0.0
    api: str = ""

    def cpu(self) -> float:
        """Seconds of CPU so far: user and system, all threads, ended ones too."""
        times = psutil.Process(self.pid).cpu_times()
        return float(times.user + times.system)

    def settled_cpu(self) -> float:
        """As `cpu`, once the process has come to rest, so that work put off is counted."""
        before = self.cpu()
        for _ in range(100):
            time.sleep(0.2)
            now = self.cpu()
            if now - before < 0.011:  # one tick: an idle process has them too
                return now
            before = now
        return before

    def memory(self) -> tuple[int, int]:
        """Resident and proportional set size in bytes."""
        info = psutil.Process(self.pid).memory_full_info()
        return int(info.rss), int(info.pss)

    def peak_memory(self) -> int:
        """The highest resident set size so far, in bytes."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        (kilobytes,) = re.findall(r"VmHWM:\s*(\d+) kB", status)
        return int(kilobytes) * 1024


def ask(file: Path, sql: str) -> Any:
    """The one value that a question to a file has as its answer, when its service has stopped."""
    import duckdb  # noqa: PLC0415  (a service is not measured with it in this process)

    with duckdb.connect(str(file), read_only=True) as connection:
        row = connection.execute(sql).fetchone()
    return row[0] if row else None


def count(file: Path) -> int:
    """Points of a load that are in the file."""
    return int(ask(file, "SELECT count(*) FROM metrics WHERE metric_name LIKE 'bench.%'"))


def verify(file: Path, points: int) -> None:
    """Raises RuntimeError unless just so many points of a load are in the file."""
    stored = count(file)
    if stored != points:
        raise RuntimeError(f"{file}: {points} points were acknowledged, and {stored} are stored")


@contextmanager
def blackhole(directory: Path, catalogue: Path | None = None, max_cpu: float = 10_000) -> Iterator[Server]:
    """`blackhole serve` on free ports, ready; stopped with SIGTERM at the end."""
    config = directory / "config.yaml"
    config.write_text(_CONFIG.format(catalogue=catalogue or "", max_cpu=max_cpu))
    ports = [f"--{flag}=127.0.0.1:0" for flag in ("otlp-grpc", "otlp-http", "listen")]
    command = [sys.executable, "-m", "blackhole", "serve", f"--config={config}", f"--data-dir={directory}"]
    began = time.perf_counter()
    with _running([*command, *ports], directory / "log") as process:
        ready = _ready_line(process, directory / "log")
        startup = time.perf_counter() - began
        yield Server("blackhole", process.pid, str(ready["otlp_grpc"]), startup, str(ready["api"]))


@contextmanager
def rotel(program: Path, directory: Path) -> Iterator[Server]:
    """rotel that receives and throws away."""
    grpc, http = free_port(), free_port()
    command = [str(program), "start", "--exporter=blackhole", f"--pid-file={directory / 'pid'}"]
    endpoints = [f"--otlp-grpc-endpoint=127.0.0.1:{grpc}", f"--otlp-http-endpoint=127.0.0.1:{http}"]
    began = time.perf_counter()
    with _running([*command, *endpoints], directory / "log") as process:
        _wait_for_port(grpc, process)
        yield Server("rotel", process.pid, f"127.0.0.1:{grpc}", time.perf_counter() - began)


def send(server: Server, *numbers: int) -> Mapping[str, Any]:
    """Runs the sender with `numbers` against `server`. Raises RuntimeError when a point was refused."""
    arguments = [server.target, *map(str, numbers)]
    done = subprocess.run(
        [sys.executable, "-m", "bench.sender", *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"the sender to {server.name} failed: {done.stderr.strip().splitlines()[-1:]}")
    outcome: dict[str, Any] = json.loads(done.stdout)
    if outcome["rejected"]:
        raise RuntimeError(f"{server.name} refused {outcome['rejected']} points: {outcome['message']}")
    return outcome


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _running(command: Sequence[str], log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    with log.open("ab") as stderr:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, env=_environment())
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _environment() -> dict[str, str]:
    """This environment without settings that would change what is measured."""
    ours = ("BLACKHOLE_", "ROTEL_", "PYTHONDONTWRITEBYTECODE")  # without compiled files a start costs double
    return {key: value for key, value in os.environ.items() if not key.startswith(ours)}


def _ready_line(process: "subprocess.Popen[bytes]", log: Path) -> Mapping[str, Any]:
    line = process.stdout.readline().decode() if process.stdout is not None else ""
    if not line.startswith("ready "):
        raise RuntimeError(f"the service did not start: {log.read_text().strip()[-500:]}")
    ready: dict[str, Any] = json.loads(line.removeprefix("ready "))
    return ready


def _wait_for_port(port: int, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + READY_WITHIN
    while time.monotonic() < until and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.005)
        else:
            return
    raise RuntimeError("the port did not open")
