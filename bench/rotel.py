"""Finds or installs rotel, the receiver to compare with, in an environment of its own."""

import subprocess
import sys
from pathlib import Path

VERSION = "0.0.1a15"
ENVIRONMENT = Path(".build/bench-venv")


class MissingError(Exception):
    """rotel cannot be had here, and why."""


def program() -> Path:
    """The agent that the package brings. Raises MissingError."""
    found = _installed()
    if found is None:
        _install()
        found = _installed()
    if found is None:
        raise MissingError("the package brings no agent for this machine")
    said = subprocess.run([str(found), "--version"], capture_output=True, text=True, check=False)
    if said.returncode != 0:
        raise MissingError(f"it does not run (libpython3.11 is needed): {said.stderr.strip()[:200]}")
    return found


def _installed() -> Path | None:
    return next(ENVIRONMENT.glob("lib/python*/site-packages/rotel/rotel-agent"), None)


def _install() -> None:
    for command in (
        [sys.executable, "-m", "venv", str(ENVIRONMENT)],
        [str(ENVIRONMENT / "bin/python"), "-m", "pip", "install", "--quiet", "--pre", f"rotel=={VERSION}"],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise MissingError(f"it cannot be installed: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
