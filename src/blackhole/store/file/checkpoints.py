"""Turns a log that has grown into a checkpoint, and one that fails into a line of the log and another try."""

import logging
import time
from collections.abc import Callable
from pathlib import Path

from blackhole.errors import StoreError
from blackhole.store.file import files

# A checkpoint of 16 MiB takes about 50 ms on a slow core and happens once in 400,000 rows.
DUE_BYTES = 16 * 2**20
# One that failed, as on a full disk, would fail at each commit, and each would wait for it.
AGAIN_S = 30.0

log = logging.getLogger(__name__)


class Checkpoints:
    """Of the database at `path`; `make`: makes one, or raises StoreError."""

    def __init__(
        self, path: Path, make: Callable[[], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._path = path
        self._make = make
        self._clock = clock
        self._failed_at: float | None = None

    def when_due(self) -> None:
        """Never fails: the log has it all."""
        failed_at = self._failed_at
        if failed_at is not None and self._clock() < failed_at + AGAIN_S:
            return
        if files.size(files.beside(self._path, files.WAL)) < DUE_BYTES:
            return
        try:
            self._make()
        except StoreError as error:
            self._failed_at = self._clock()
            if failed_at is None:
                log.warning("%s: the log grows, nothing is lost, and it is tried again", error)
            return
        self._failed_at = None
        if failed_at is not None:
            log.info("%s: a checkpoint has succeeded again", self._path)
