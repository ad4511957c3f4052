"""Turns a module of the demo into a child process: started early, ordered later, ended with the demo."""

import contextlib
import json
import os
import queue
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

from blackhole.errors import BlackholeError

_READY_TIMEOUT = 30.0
_GRACE = 6.0


class DemoError(BlackholeError):
    """The demo cannot go on: what is missing or ended, and what to do."""


class Child:
    """One program of the demo, in a process group of its own. Its log is `NAME.log` in `logs`."""

    def __init__(self, name: str, python: Path, arguments: list[str], *, path: Path, logs: Path) -> None:
        self.name = name
        self._log = logs / f"{name}.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603
                [str(python), "-m", *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=_environment(path),
                start_new_session=True,
            )
        self._said: queue.Queue[dict[str, Any]] = queue.Queue()
        self._reader = threading.Thread(target=self._read, name=f"demo-{name}", daemon=True)
        self._reader.start()

    def order(self, **order: object) -> None:
        """Tells the child to begin. Raises DemoError when it has ended."""
        assert self._process.stdin is not None  # noqa: S101  (it was asked for)
        try:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
        except OSError:
            raise self._ended() from None

    def answer(self) -> dict[str, Any]:
        """The child's next line. Raises DemoError when none comes."""
        until = time.monotonic() + _READY_TIMEOUT
        while time.monotonic() < until:
            with contextlib.suppress(queue.Empty):
                return self._said.get(timeout=0.1)
            self.check()
        raise DemoError(f"the demo's {self.name} was not ready after {_READY_TIMEOUT:g} s: try again")

    def check(self) -> None:
        """Raises DemoError when the child has ended."""
        if self._process.poll() is not None:
            raise self._ended()

    def leave(self) -> None:
        """Asks the child to end, without waiting for it."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()

    def end(self) -> None:
        """Waits for the child's end, and forces it on its whole group when that takes too long."""
        self.leave()
        try:
            self._process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._reader.join(_GRACE)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _read(self) -> None:
        for line in self._process.stdout or ():
            with contextlib.suppress(ValueError):
                self._said.put(json.loads(line))

    def _ended(self) -> DemoError:
        lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        last = lines[-1] if lines else "it said nothing"
        code = self._process.poll()
        return DemoError(
            f"the demo's {self.name} ended (exit code {code}): {last}; run `make demo` to mend its parts"
        )


def _environment(path: Path) -> dict[str, str]:
    """The environment without the settings that would send the demo's data elsewhere."""
    kept = {
        key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "PYTHON", "LIBP2P_"))
    }
    return {**kept, "PYTHONPATH": str(path), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}
