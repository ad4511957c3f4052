"""Turns the built-in YAML files into one JSON file that loads in milliseconds, and back."""

import hashlib
from pathlib import Path

import msgspec

from blackhole.catalogue.definition import Definition
from blackhole.catalogue.parse import parse_file

NAME = "compiled.json"


class CompiledPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One YAML file: its name, the hash of its bytes, its entries."""

    file: str
    sha256: str
    metrics: tuple[Definition, ...]


def parse_all(directory: Path) -> list[tuple[Definition, str]]:
    """The entries of every YAML file, each with its file's name. Raises CatalogueError."""
    return [(definition, path.name) for path in _sources(directory) for definition in parse_file(path)]


def write(directory: Path) -> int:
    """Compiles the YAML files beside them; returns the number of entries. Raises CatalogueError."""
    parts = [CompiledPart(path.name, _hash(path), tuple(parse_file(path))) for path in _sources(directory)]
    target = directory / NAME
    draft = target.with_suffix(".tmp")
    draft.write_bytes(msgspec.json.encode(parts))
    draft.replace(target)
    return sum(len(part.metrics) for part in parts)


def read(directory: Path) -> list[tuple[Definition, str]] | None:
    """The compiled entries, or None when there are none or a YAML file has changed since."""
    try:
        parts = msgspec.json.decode((directory / NAME).read_bytes(), type=list[CompiledPart])
    except (FileNotFoundError, msgspec.DecodeError):  # an older version's form, or none
        return None
    if {part.file: part.sha256 for part in parts} != {p.name: _hash(p) for p in _sources(directory)}:
        return None
    return [(definition, part.file) for part in parts for definition in part.metrics]


def _sources(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.yaml"))


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
