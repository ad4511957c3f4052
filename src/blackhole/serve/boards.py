"""Keeps saved boards of the dashboard as JSON files: what is asked, never what was answered."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec

from blackhole.errors import QueryError, StoreError, UnavailableError

MAX_BOARDS = 100
MAX_PANELS = 50
MAX_BYTES = 64 * 1024

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,58}[a-z0-9])?")

Title = Annotated[str, msgspec.Meta(min_length=1, max_length=120)]
Word = Annotated[str, msgspec.Meta(max_length=255)]


class Panel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One chart: a question about a metric, or `sql`."""

    title: Annotated[str, msgspec.Meta(max_length=120)]
    metric: Word = ""
    aggregation: Word = ""
    group_by: Annotated[list[Word], msgspec.Meta(max_length=32)] = []
    filters: Annotated[dict[Word, Word], msgspec.Meta(max_length=32)] = {}
    sql: Annotated[str, msgspec.Meta(max_length=16_384)] = ""


class Board(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`range`: the name of a range of the dashboard, such as `1h`."""

    title: Title
    range: Annotated[str, msgspec.Meta(max_length=16)] = ""
    panels: Annotated[list[Panel], msgspec.Meta(max_length=MAX_PANELS)] = []


class BoardSummary(msgspec.Struct, frozen=True):
    name: str
    title: str
    panels: int


class BoardsAnswer(msgspec.Struct, frozen=True):
    boards: list[BoardSummary]


class Boards:
    """`directory` None: there is no place to save anything. Blocking; the first board makes it."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory

    def list(self) -> BoardsAnswer:
        """By title. A file that is no board is left out."""
        return BoardsAnswer(sorted(self._summaries(), key=lambda one: (one.title.lower(), one.name)))

    def get(self, name: str) -> Board | None:
        """Raises QueryError for a name that none can have, StoreError for a file that is none."""
        path = self._path(name)
        try:
            return msgspec.json.decode(path.read_bytes(), type=Board)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as error:
            raise StoreError(
                f"the board {name} cannot be read ({type(error).__name__}): save it anew"
            ) from None

    def put(self, name: str, board: Board) -> None:
        """Saves or replaces it, whole or not at all. Raises QueryError, StoreError."""
        path = self._path(name)
        content = msgspec.json.format(msgspec.json.encode(board))
        if len(content) > MAX_BYTES:
            raise QueryError(f"a board has at most {MAX_BYTES >> 10} KiB: leave charts out")
        if not path.exists() and len(list(self._files())) >= MAX_BOARDS:
            raise QueryError(f"at most {MAX_BOARDS} boards: delete one")
        fresh = path.with_suffix(".new")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            fresh.write_bytes(content)
            fresh.chmod(0o600)
            fresh.replace(path)
        except OSError as error:
            raise StoreError(f"the board {name} cannot be saved: {error.strerror}") from None

    def delete(self, name: str) -> bool:
        """Whether there was one."""
        try:
            self._path(name).unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StoreError(f"the board {name} cannot be deleted: {error.strerror}") from None
        return True

    def _path(self, name: str) -> Path:
        if self._directory is None:
            raise UnavailableError("boards are not saved here: ask a service with a data directory")
        if not _NAME.fullmatch(name):
            raise QueryError("the name of a board has 1 to 60 of a-z, 0-9, and - inside")
        return self._directory / f"{name}.json"

    def _files(self) -> Iterator[Path]:
        if self._directory is not None and self._directory.is_dir():
            yield from (path for path in self._directory.glob("*.json") if _NAME.fullmatch(path.stem))

    def _summaries(self) -> Iterator[BoardSummary]:
        for path in sorted(self._files())[:MAX_BOARDS]:
            try:
                board = self.get(path.stem)
            except StoreError:
                continue
            if board is not None:
                yield BoardSummary(path.stem, board.title, len(board.panels))
