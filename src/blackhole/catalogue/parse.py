"""Turns one catalogue file into checked definitions; what is wrong is one line with place and remedy."""

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from blackhole.catalogue.definition import Definition
from blackhole.catalogue.rules import RULES
from blackhole.errors import CatalogueError
from blackhole.runtime.documents import DocumentError, parse_yaml

REQUIRED = ("name", "description", "type", "unit", "privacy", "purpose")
KNOWN = tuple(field.name for field in msgspec.structs.fields(Definition))


def parse_file(path: Path) -> list[Definition]:
    """The entries of a catalogue file, in its order. Raises CatalogueError for the first fault."""
    return parse(_read(path), where=str(path))


def parse(document: object, *, where: str) -> list[Definition]:
    """Checks a catalogue that was read already: `{"metrics": [entry, …]}`."""
    if not isinstance(document, dict) or set(document) != {"metrics"}:
        raise CatalogueError(f"{where}: the file has one top key, `metrics:`; put every entry under it")
    entries = document["metrics"]
    if not isinstance(entries, list):
        raise CatalogueError(f"{where}: `metrics:` holds a list of entries, each beginning with `- name:`")
    definitions = [_entry(entry, number, where) for number, entry in enumerate(entries, 1)]
    _refuse_duplicates(definitions, where)
    return definitions


def _read(path: Path) -> object:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise CatalogueError(
            f"{path}: cannot be read ({reason}): name an existing file in analytics.catalogue"
        ) from None
    try:
        return parse_yaml(text)
    except DocumentError as error:
        raise CatalogueError(error.told_of(path)) from None


def _entry(entry: object, number: int, where: str) -> Definition:
    if not isinstance(entry, dict):
        raise CatalogueError(f"{where}: entry {number}: an entry is a set of keys, beginning with `- name:`")
    name = entry.get("name")
    place = f"{where}: {name}" if isinstance(name, str) and name else f"{where}: entry {number}"
    _refuse_unknown_keys(entry, place)
    for key in REQUIRED:
        if entry.get(key) in (None, "") and not (key == "unit" and entry.get(key) == ""):
            raise CatalogueError(f"{place}: `{key}` is missing: {_HINTS[key]}")
    definition = _convert(entry, place)
    for rule in RULES:
        for key, problem in rule(definition):
            raise CatalogueError(f"{place}: `{key}`: {problem}")
    return definition


_HINTS = {
    "name": "give the metric's name, `prefix.*` or `*.suffix`",
    "description": "say what is measured",
    "type": "counter, updowncounter, gauge or histogram",
    "unit": "a UCUM unit such as ms, By or {request}; 1 where there is none",
    "privacy": "public, internal, sensitive or highly_sensitive",
    "purpose": "say which question the metric answers; no purpose, no metric",
}


def _convert(entry: Mapping[str, Any], place: str) -> Definition:
    plain = {key: str(value) if key == "unit" else value for key, value in entry.items()}
    try:
        return msgspec.convert(plain, Definition)
    except msgspec.ValidationError as error:
        problem, _, at = str(error).partition(" - at `$.")
        key = at.rstrip("`") or "entry"
        hint = _remedy(key, problem)
        raise CatalogueError(f"{place}: `{key}`: {problem[:1].lower()}{problem[1:]}: {hint}") from None


def _remedy(key: str, problem: str) -> str:
    if key in _WORDS:
        return f"write one of {', '.join(_WORDS[key])}"
    return "put the value in quotes" if problem.startswith("Expected `str`") else "see docs/catalogue.md"


_WORDS = {
    "type": ("counter", "updowncounter", "gauge", "histogram"),
    "privacy": ("public", "internal", "sensitive", "highly_sensitive"),
    "category": ("infrastructure", "p2p", "business"),
    "noise": ("low", "medium", "high"),
    "release": ("windows", "running_total"),
    "first": ("counts", "baseline", "process"),
    "share": ("never", "dap"),
    "privacy_unit": ("event", "{name: user, keys: [user.id]}"),
}


def _refuse_unknown_keys(entry: Mapping[Any, Any], place: str) -> None:
    for key in entry:
        if key not in KNOWN:
            near = difflib.get_close_matches(str(key), KNOWN, n=1)
            hint = f"did you mean `{near[0]}`?" if near else "see docs/catalogue.md for the known ones"
            raise CatalogueError(f"{place}: unknown key `{key}`: {hint}")


def _refuse_duplicates(definitions: list[Definition], where: str) -> None:
    for name in _repeated(definition.name for definition in definitions):
        raise CatalogueError(f"{where}: {name}: `name`: the file has it twice: keep one of the entries")


def _repeated(names: Iterator[str]) -> Iterator[str]:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            yield name
        seen.add(name)
