"""Turns a catalogue file into what is wrong with it, alone and beside the files that it will stand with."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from blackhole.catalogue.definition import Definition
from blackhole.catalogue.load import load
from blackhole.catalogue.overlap import overlaps
from blackhole.catalogue.parse import parse_file
from blackhole.errors import CatalogueError


@dataclass(frozen=True, slots=True)
class Checked:
    """A file that would be accepted. `warnings`: one line each."""

    entries: Sequence[Definition]
    warnings: Sequence[str]


def check_file(file: Path, others: Sequence[Path], today: date) -> Checked:
    """`others`: the files that are loaded with it, before it. Raises CatalogueError for the first fault."""
    entries = parse_file(file)
    before = [other for other in others if other.resolve() != file.resolve()]
    known = set(overlaps(load(before)))
    new = [overlap for overlap in overlaps(load([*before, file])) if overlap not in known]
    if new:
        more = f" (and {len(new) - 1} more entries)" if len(new) > 1 else ""
        raise CatalogueError(f"{file}: {new[0].name}: `{new[0].key}`: {new[0].problem}{more}")
    return Checked(entries, [*_overdue(entries, file, today)])


def _overdue(entries: Sequence[Definition], file: Path, today: date) -> list[str]:
    return [
        f"{file}: {entry.name}: `review_after`: {entry.review_after} is past: "
        "ask whether its question still stands, then move the day or take the entry out"
        for entry in entries
        if entry.review_after is not None and entry.review_after < today
    ]
