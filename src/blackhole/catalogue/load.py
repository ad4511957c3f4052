"""Turns catalogue files, built-in and the user's, into one `Catalogue` that answers for metric names."""

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from blackhole.catalogue import compiled
from blackhole.catalogue.definition import Definition
from blackhole.catalogue.parse import parse_file
from blackhole.config import Config

# What `catalogue allow` writes, in the data directory.
OWNER_FILE = "catalogue.yaml"
BUILTIN = Path(__file__).parent / "builtin"

_WORD = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_LIKE_AN_ID = re.compile(r"[0-9a-f]{12,}")


class Catalogue:
    """What may be collected. Of two entries with the same name the later one counts."""

    def __init__(self, entries: Iterable[tuple[Definition, str]]) -> None:
        """`entries`: each definition with the file that it comes from."""
        self._entries: dict[str, Definition] = {}
        self._sources: dict[str, str] = {}
        for definition, source in entries:
            self._entries[definition.name] = definition
            self._sources[definition.name] = source
        self._exact = {name: d for name, d in self._entries.items() if not d.is_pattern}
        self._prefixes = {name[:-1]: d for name, d in self._entries.items() if name.endswith(".*")}
        self._suffixes = {name[1:]: d for name, d in self._entries.items() if name.startswith("*.")}

    def match(self, name: str) -> Definition | None:
        """The entry that covers `name`: the exact one, else the longest prefix, else a `*.suffix`.

        What a `*` stands for must be plain words, so that no identity gets in through a name.
        """
        exact = self._exact.get(name)
        return exact or self._by_prefix(name) or self._by_suffix(name)

    def get(self, name: str) -> Definition | None:
        """The entry of exactly this name, patterns included."""
        return self._entries.get(name)

    def source(self, name: str) -> str:
        """The file that the entry of this name comes from."""
        return self._sources[name]

    def near(self, name: str, limit: int = 3) -> list[str]:
        """Known names that resemble `name`, the nearest first."""
        return difflib.get_close_matches(name, self._entries, n=limit, cutoff=0.6)

    def __iter__(self) -> Iterator[Definition]:
        return iter(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def _by_prefix(self, name: str) -> Definition | None:
        end = name.rfind(".")
        while end > 0:
            found = self._prefixes.get(name[: end + 1])
            if found is not None:
                return found if all(map(_is_plain, name[end + 1 :].split("."))) else None
            end = name.rfind(".", 0, end)
        return None

    def _by_suffix(self, name: str) -> Definition | None:
        first, dot, rest = name.partition(".")
        found = self._suffixes.get(dot + rest)
        return found if found is not None and _is_plain(first) else None


def load(files: Sequence[Path] = ()) -> Catalogue:
    """The built-in catalogue and, over it, `files` in order. Raises CatalogueError."""
    user = [(definition, str(path)) for path in files for definition in parse_file(path)]
    return Catalogue([*builtin(), *user])


def files(config: Config, data_dir: Path) -> list[Path]:
    """The owner's catalogue files: those of the configuration, then the one in the data directory."""
    own = data_dir / OWNER_FILE
    return [*(Path(name).expanduser() for name in config.catalogue), *([own] if own.exists() else [])]


def builtin(directory: Path = BUILTIN) -> list[tuple[Definition, str]]:
    """The built-in entries, from the compiled form where that is up to date."""
    return compiled.read(directory) or compiled.parse_all(directory)


def _is_plain(word: str) -> bool:
    return _WORD.fullmatch(word) is not None and _LIKE_AN_ID.search(word) is None
