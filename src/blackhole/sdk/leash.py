"""Turns itself into the given command, tied to its parent: when the parent dies, the command gets SIGTERM.

Run as `python leash.py PARENT-PID COMMAND …`. On Linux the kernel keeps the tie across exec; elsewhere the
command simply runs.
"""

import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def leashed(command: list[str]) -> list[str]:
    """`command`, so written that it does not outlive the thread that starts it."""
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *command]


def _tie(parent: int) -> None:
    if not sys.platform.startswith("linux"):
        return
    import ctypes  # noqa: PLC0415

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        raise SystemExit(0)


if __name__ == "__main__":
    _tie(int(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606
