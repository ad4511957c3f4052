"""Makes a checkpoint when the log has grown; one that fails is logged and tried again."""

import logging
import time
from collections.abc import Callable
from pathlib import Path

from blackhole.errors import StoreError
from blackhole.store.file import files

# A checkpoint of 16 MiB takes about 50 ms on a slow core and happens once in 400,000 rows.
DUE_BYTES = 16 * 2**20
# After a failure, as on a full disk, wait: else each commit would try again and wait for it.
AGAIN_S = 30.0

log = logging.getLogger(__name__)


class Checkpoints:
    """Checkpoints of the database at `path`. `make` makes one, or raises StoreError."""

    def __init__(
        self, path: Path, make: Callable[[], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._path = path
        self._make = make
        self._clock = clock
        self._failed_at: float | None = None

    def when_due(self) -> None:
        """Makes a checkpoint if it is due. It never raises, because the log still has everything."""
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
