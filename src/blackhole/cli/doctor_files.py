"""Looks at the files of the data directory, and says how to mend what is wrong with them."""

import json
import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from blackhole.cli.render import number, size
from blackhole.errors import BlackholeError
from blackhole.runtime.clock import DOUBTED, WENT_BACK, kernel_synchronised

if TYPE_CHECKING:
    from blackhole.cli.source import Source

# The clocks of two machines, or a leap, are no reason to worry.
_MOST_BEHIND_S = 120

FileCheck = tuple[str, Callable[[], str]]


def checks(path: Path, *, running: bool) -> Iterator[FileCheck]:
    """Of the database at `path` and what is beside it; a file that a service holds is not opened."""
    if not running:
        yield "database", lambda: _database(path)
    if path.is_file():
        yield "key", lambda: _key(path)
        yield "ledger head", lambda: _head(path)
        yield "permissions", lambda: _private(path, "")
    yield "set aside", lambda: _set_aside(path)
    yield "copies", lambda: _copies(path)


_NO_KEY = "known series begin anew without it: put it back from a backup"
_NO_HEAD = "the budget period counts as spent without it: put it back from a backup, or start the service"


def _database(path: Path) -> str:
    """Opens the file and reads all of it: a damaged block shows only when it is read."""
    from blackhole.store.file.damage import is_orphaned_log  # noqa: PLC0415

    if is_orphaned_log(path):
        raise BlackholeError(
            f"{path}: is gone, though its log is there: put it back, or `blackhole serve` sets the log aside"
        )
    if not path.exists():
        return f"{path}: not there yet, `blackhole serve` creates it"
    from blackhole.store.database import Database  # noqa: PLC0415

    database = Database.open(path, read_only=True)
    try:
        rows = database.read_all()
    except BlackholeError as error:
        raise BlackholeError(
            f"{path}: cannot be read to its end ({error}): put a backup in its place, or export what is left"
        ) from None
    finally:
        database.close()
    return f"{path}, {size(database.size())}, {number(rows)} rows, all of them readable"


def _private(path: Path, without: str) -> str:
    try:
        status = path.stat()
    except OSError as error:
        raise BlackholeError(f"{path}: {error.strerror}: {without}") from None
    if stat.S_IMODE(status.st_mode) & 0o077:
        raise BlackholeError(f"{path}: others may read it: `chmod 600 {path}`")
    if not os.access(path, os.R_OK):
        raise BlackholeError(f"{path}: cannot be read: give it to the user of the service")
    return f"{path}, for its owner only"


def _key(path: Path) -> str:
    from blackhole.store.file.key import key_path, read_key  # noqa: PLC0415

    words = _private(key_path(path), _NO_KEY)
    read_key(path)
    return words


def _head(path: Path) -> str:
    from blackhole.store.write.ledger import head_path, read_head  # noqa: PLC0415

    words = _private(head_path(path), _NO_HEAD)
    read_head(path)
    return words


def _set_aside(path: Path) -> str:
    from blackhole.store.file.files import leftovers, set_aside  # noqa: PLC0415

    found = set_aside(path)
    if found:
        raise BlackholeError(
            f"{', '.join(map(str, found))}: damaged and set aside: put a backup in the database's place, or"
            " remove it when nothing in it is wanted"
        )
    return "nothing" + (", a rewriting goes on or was cut off" if leftovers(path) else "")


def _copies(path: Path) -> str:
    from blackhole.store.file.files import migrated  # noqa: PLC0415

    told = ", ".join(f"{copy} ({size(copy.stat().st_size)})" for copy in migrated(path) if copy.is_file())
    return f"{told}: from before a migration; remove them when all is well" if told else "none"


def ledger(source: "Source") -> str:
    """Replays the privacy ledger against its head. Raises BlackholeError."""
    from blackhole.cli.privacy_verify import replay  # noqa: PLC0415

    found, _ = replay(source)
    if found.faults:
        raise BlackholeError(f"{found.faults[0]}: see `blackhole privacy verify`")
    return f"{number(found.rows)} rows, in agreement with its head"


def clock(
    source: "Source",
    now: Callable[[], float] = time.time,
    is_right: Callable[[], bool] = kernel_synchronised,
) -> str:
    """What waits for the clock, and whether nobody knows why it is behind what was written.

    Raises BlackholeError then, but not for a clock that is right.
    """
    import msgspec  # noqa: PLC0415

    from blackhole.model.times import format_time  # noqa: PLC0415
    from blackhole.query.privacy_answers import LedgerPage, to_row  # noqa: PLC0415

    notes = json.loads(source.status()).get("notes", ())
    told = [note for note in notes if note.startswith((DOUBTED, WENT_BACK))]
    if told:
        return " ".join(told)
    page = msgspec.json.decode(source.privacy_ledger(None, 1), type=LedgerPage)
    rows = [to_row(entry) for entry in page.rows]
    behind = (rows[0].time_ns / 1e9 - now()) if rows else 0.0
    if behind > _MOST_BEHIND_S:
        why = (
            f"the clock is {behind:.0f} s behind the privacy ledger: no highly sensitive window ends"
            f" before {format_time(rows[0].time_ns)}"
        )
        if is_right():
            return f"{why}, since the clock ran ahead once; now it is synchronised"
        raise BlackholeError(f"{why}: if the clock is right, wait; else set it")
    return "not behind what was written"
