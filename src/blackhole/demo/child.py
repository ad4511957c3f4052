"""Turns a program of the demo into a child on a leash: orders come by standard input, and its end is the end.

The parent writes one line of JSON when everything that the child needs is there. Closing the pipe, also by
dying, asks the child to stop.
"""

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

_GRACE = 5.0


class OrphanedError(Exception):
    """The parent left before it gave its order."""


def order() -> dict[str, Any]:
    """Waits for the parent's order. Raises OrphanedError when there will be none."""
    line = sys.stdin.readline()
    if not line:
        raise OrphanedError
    given: dict[str, Any] = json.loads(line)
    return given


def say(**facts: object) -> None:
    """Tells the parent, in one line of JSON."""
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def when_left(stop: Callable[[], object]) -> None:
    """Calls `stop` (from a thread) when the parent closes the pipe, and ends the process when that hangs."""

    def watch() -> None:
        sys.stdin.read()
        stop()
        time.sleep(_GRACE)
        os._exit(0)

    threading.Thread(target=watch, name="leash", daemon=True).start()
