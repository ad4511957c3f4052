"""Turns log records and uncaught errors into lines that name nobody."""

import asyncio
import json
import logging
import re
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

REDACTED = "redacted"
WITHHELD = "(withheld: the line may name somebody)"

_SPACES = re.compile(r"(\s+)")
_log = logging.getLogger("blackhole")


def to_stderr(style: str, names_somebody: Callable[[str], bool], own: Sequence[str] = ()) -> None:
    """`style` is `text` or `json`. `own`: paths and addresses of the service itself, which may be named."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines(style, names_somebody, own))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    logging.raiseExceptions = False  # or a record that cannot be written is printed with what it holds


def uncaught_to_log() -> None:
    """Sends uncaught errors to the log. Python would print their texts, which may quote data."""
    sys.excepthook = _on_uncaught
    sys.unraisablehook = lambda unraisable: _report(unraisable.exc_value or unraisable.exc_type())
    threading.excepthook = lambda hooked: _report(hooked.exc_value or hooked.exc_type())


def on_loop_error(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """An exception handler for the event loop. The default one prints the context, task and all."""
    error = context.get("exception")
    if error is None:
        _log.error("the event loop reports an error without an exception")
    else:
        _report(error)


def place(error: BaseException) -> str:
    """The type of an error and where it was raised, but never its text, which may quote data."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"


class Lines(logging.Formatter):
    """Formats one line a record. Words that may name somebody are redacted; exceptions are type and place."""

    def __init__(self, style: str, names_somebody: Callable[[str], bool], own: Sequence[str] = ()) -> None:
        super().__init__()
        self._as_json = style == "json"
        self._names_somebody = names_somebody
        self._own = sorted(filter(None, own), key=len, reverse=True)

    def format(self, record: logging.LogRecord) -> str:
        message = self._scrubbed(" ".join(_message(record).split("\n")))
        level = record.levelname
        if not self._as_json:
            stamp = f"{self.formatTime(record, '%Y-%m-%d %H:%M:%S')},{int(record.msecs):03d}"
            return f"{stamp} {level} {record.name}: {message}"
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created))
        line = {"time": moment, "level": level.lower(), "logger": record.name, "message": message}
        return json.dumps(line)

    def _scrubbed(self, message: str) -> str:
        words = [REDACTED if self._is_named(word) else word for word in _SPACES.split(message)]
        line = "".join(words)
        return WITHHELD if self._is_named(line) else line

    def _is_named(self, text: str) -> bool:
        for own in self._own:
            text = text.replace(own, "own")
        return self._names_somebody(text)


def _message(record: logging.LogRecord) -> str:
    error = record.exc_info[1] if record.exc_info else None
    return record.getMessage() + (f": {place(error)}" if error is not None else "")


def _on_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    del kind, trace
    _report(error)


def _report(error: BaseException) -> None:
    _log.error("unexpected %s", place(error))
