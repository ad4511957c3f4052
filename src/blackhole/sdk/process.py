"""Turns `blackhole serve` into a supervised subprocess: started, watched, restarted, stopped."""

import json
import logging
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

from blackhole.sdk.leash import leashed

_HEALTHY_AFTER = 30.0
_logger = logging.getLogger("blackhole.sdk")


class AnalyticsProcessError(RuntimeError):
    """The service did not become ready: what happened, where to look."""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """What the ready line says: `HOST:PORT` of both OTLP receivers, the API's address, the process."""

    otlp_grpc: str
    otlp_http: str
    api: str
    pid: int


class AnalyticsProcess:
    """Runs the analytics beside a node. A context manager; `start` and `stop` do the same by hand.

    The service is restarted when it dies, after `backoff` seconds, doubled up to `max_backoff` while that
    goes on; the ports of the first start are kept. `stop` sends SIGTERM, and kills after `grace` seconds.
    The log goes to `log_file`, or to this program's standard error. It does not outlive this program.
    """

    def __init__(
        self,
        *,
        config: Path | str | None = None,
        data_dir: Path | str | None = None,
        otlp_grpc: str | None = None,
        otlp_http: str | None = None,
        listen: str | None = None,
        command: Sequence[str] | None = None,
        log_file: Path | str | None = None,
        environ: Mapping[str, str] | None = None,
        ready_timeout: float = 30.0,
        grace: float = 10.0,
        backoff: float = 0.5,
        max_backoff: float = 30.0,
    ) -> None:
        self._flags: dict[str, str] = {
            flag: str(value)
            for flag, value in (
                ("--config", config),
                ("--data-dir", data_dir),
                ("--otlp-grpc", otlp_grpc),
                ("--otlp-http", otlp_http),
                ("--listen", listen),
            )
            if value is not None
        }
        self._command = list(command) if command is not None else None
        self._log_file = Path(log_file) if log_file is not None else None
        self._environ = {**os.environ, **(environ or {})}
        self._ready_timeout, self._grace = ready_timeout, grace
        self._backoff, self._max_backoff = backoff, max_backoff
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._child: subprocess.Popen[str] | None = None
        self._endpoints: Endpoints | None = None
        self._failure: str | None = None
        self.restarts = 0

    @property
    def endpoints(self) -> Endpoints:
        """Where the service listens now. Raises AnalyticsProcessError while it does not."""
        with self._changed:
            if self._endpoints is None:
                raise AnalyticsProcessError(
                    "the analytics service is not running: call start() and see its log"
                )
            return self._endpoints

    @property
    def running(self) -> bool:
        with self._changed:
            return self._endpoints is not None

    def start(self) -> Endpoints:
        """Returns when the service accepts data. Raises AnalyticsProcessError when it does not get there."""
        if self._thread is not None:
            raise AnalyticsProcessError(
                "the analytics service was started already: make another AnalyticsProcess"
            )
        self._thread = threading.Thread(target=self._supervise, name="blackhole-analytics", daemon=True)
        self._thread.start()
        with self._changed:
            self._changed.wait_for(lambda: self._endpoints or self._failure, timeout=self._ready_timeout)
            endpoints, failure = self._endpoints, self._failure
        if endpoints is None:
            self.stop()
            late = f"it was not ready after {self._ready_timeout:g} s"
            raise AnalyticsProcessError(
                f"the analytics service did not start: {failure or late}; {self._where()}"
            )
        return endpoints

    def stop(self) -> int | None:
        """Ends the service and the watch over it. Returns the service's last exit code."""
        self._stopping.set()
        child = self._child
        if child is not None:
            _end(child, self._grace)
        if self._thread is not None:
            self._thread.join(self._grace + 5.0)
        return None if self._child is None else self._child.returncode

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # The leash ties the service to the thread that starts it, so one thread does all starts.
    def _supervise(self) -> None:
        pause = self._backoff
        while not self._stopping.is_set():
            began = time.monotonic()
            was_ready, code = self._run_once()
            if self._stopping.is_set():
                return
            if not was_ready and self.restarts == 0:
                self._note(None, failure=f"exit code {code}")
                return
            if time.monotonic() - began > _HEALTHY_AFTER:
                pause = self._backoff
            _logger.warning(
                "the analytics service ended with exit code %s; restarting it in %.1f s", code, pause
            )
            self.restarts += 1
            self._stopping.wait(pause)
            pause = min(pause * 2, self._max_backoff)

    def _run_once(self) -> tuple[bool, int]:
        try:
            child = self._spawn()
        except (OSError, AnalyticsProcessError) as error:
            self._note(None, failure=str(error))
            return False, -1
        self._child = child
        if self._stopping.is_set():
            _end(child, self._grace)
        was_ready = False
        for line in child.stdout or ():
            if (endpoints := _ready(line)) is not None:
                was_ready = True
                self._keep_ports(endpoints)
                self._note(endpoints)
        code = child.wait()
        if child.stdout is not None:
            child.stdout.close()
        if was_ready:
            self._note(None)
        return was_ready, code

    def _spawn(self) -> "subprocess.Popen[str]":
        command = self._command or [_executable(), "serve"]
        for flag, value in self._flags.items():
            command = [*command, flag, value]
        log: IO[bytes] | None = self._log_file.open("ab") if self._log_file is not None else None
        try:
            return subprocess.Popen(  # noqa: S603
                leashed(command),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=self._environ,
                # A Ctrl-C in the terminal is for the program; it decides when the service ends.
                start_new_session=True,
            )
        finally:
            if log is not None:
                log.close()

    def _keep_ports(self, endpoints: Endpoints) -> None:
        self._flags["--otlp-grpc"] = endpoints.otlp_grpc
        self._flags["--otlp-http"] = endpoints.otlp_http
        self._flags["--listen"] = endpoints.api.rpartition("/")[2]

    def _note(self, endpoints: Endpoints | None, *, failure: str | None = None) -> None:
        with self._changed:
            self._endpoints = endpoints
            self._failure = self._failure or failure
            self._changed.notify_all()

    def _where(self) -> str:
        return f"see {self._log_file}" if self._log_file is not None else "see its lines on standard error"


def _executable() -> str:
    beside = Path(sys.executable).with_name("blackhole")
    found = str(beside) if beside.exists() else shutil.which("blackhole")
    if found is None:
        raise AnalyticsProcessError("there is no `blackhole` beside this Python or on PATH: give command=[…]")
    return found


def _ready(line: str) -> Endpoints | None:
    word, _, rest = line.partition(" ")
    if word != "ready":
        return None
    try:
        said = json.loads(rest)
        return Endpoints(said["otlp_grpc"], said["otlp_http"], said["api"], int(said["pid"]))
    except (ValueError, KeyError, TypeError):
        return None


def _end(child: "subprocess.Popen[str]", grace: float) -> None:
    if child.poll() is not None:
        return
    child.terminate()
    try:
        child.wait(grace)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
