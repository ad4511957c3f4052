"""Runs a module beside this one, which says `begun` and then numbers, and kills it."""

import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run(module: str, *arguments: str, kill_after: float | None) -> tuple[int, list[int]]:
    """Its exit code, and the numbers that it said in whole lines.

    `kill_after`: seconds; None where it is to come to its end.
    """
    command = [sys.executable, "-m", f"tests.crash.{module}", *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        if kill_after is not None:
            time.sleep(kill_after)
            process.send_signal(signal.SIGKILL)
        said = process.stdout.read()
    return process.wait(), [int(line) for line in said.splitlines(keepends=True) if line.endswith("\n")]
