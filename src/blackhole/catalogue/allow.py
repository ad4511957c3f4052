"""Turns the owner's word that a metric may be collected into an entry of the owner's catalogue file."""

import calendar
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from blackhole.catalogue.definition import Definition
from blackhole.catalogue.load import OWNER_FILE, Catalogue
from blackhole.catalogue.overlap import overlaps
from blackhole.catalogue.parse import parse, parse_file
from blackhole.errors import CatalogueError, PrivacyError
from blackhole.model.series import MetricType
from blackhole.runtime.documents import DocumentError, parse_yaml

MOST_NAMES = 100
REVIEW_MONTHS = 3
_OPEN = ("public", "internal")
_GUARDED = ("sensitive", "highly_sensitive")
_FILE = "write the entry into a file named in analytics.catalogue (docs/catalogue.md)"


class Permission(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may be collected. `type` and `unit` are those that were sent, unless they are given.

    Of what is open already, `privacy` stays, and `purpose` changes only beside `type`, `unit` or `keep`.
    """

    names: tuple[str, ...]
    privacy: str = "internal"
    purpose: str | None = None
    type: str | None = None
    unit: str | None = None
    keep: tuple[str, ...] = ()


class AllowedMetric(msgspec.Struct, frozen=True):
    """`instead_of`: the type that was taken before, and is refused now."""

    name: str
    type: str
    unit: str
    privacy: str
    purpose: str
    keep: tuple[str, ...]
    review_after: date
    instead_of: str | None = None


class Allowed(msgspec.Struct, frozen=True):
    """`already`: names that an open entry covers; `file`: where in the data directory the rest is."""

    allowed: list[AllowedMetric]
    already: list[str]
    file: str = OWNER_FILE


class ObservedMetric(NamedTuple):
    """How a metric came that was refused, though an entry of its own can make it accepted."""

    type: MetricType
    unit: str


@dataclass(frozen=True, slots=True)
class Decision:
    """The entries to be written, and the names that need none."""

    new: Sequence[Definition]
    already: Sequence[str]
    former: Mapping[str, MetricType] = field(default_factory=dict)

    def answer(self) -> Allowed:
        return Allowed([_shown(entry, self.former.get(entry.name)) for entry in self.new], list(self.already))


def decide(
    permission: Permission,
    catalogue: Catalogue,
    sent: Mapping[str, ObservedMetric],
    *,
    today: date,
    names_somebody: Callable[[str], bool],
) -> Decision:
    """All of the names or none. Raises CatalogueError, and PrivacyError where it would give too much away."""
    names = tuple(dict.fromkeys(permission.names))
    if not 0 < len(names) <= MOST_NAMES:
        raise CatalogueError(f"{len(names)} names were given: name 1 to {MOST_NAMES} metrics")
    _refuse_identities(permission, names_somebody)
    if permission.privacy in _GUARDED:
        raise PrivacyError(
            f"{permission.privacy} needs a privacy unit and bounds, which cannot be guessed: {_FILE}"
        )
    if permission.privacy not in _OPEN:
        raise CatalogueError(f"`privacy`: there is no level of this name: write {' or '.join(_OPEN)}")
    covering = {name: entry for name in names if (entry := _open_entry(name, catalogue)) is not None}
    already = [
        name for name, entry in covering.items() if name not in sent and not _changes(entry, permission)
    ]
    entries = [
        _renewed(name, covering[name], permission, sent, today)
        if name in covering
        else _entry(name, permission, sent, today)
        for name in names
        if name not in already
    ]
    new = parse({"metrics": entries}, where="catalogue allow")
    _refuse_overlaps(new, catalogue)
    return Decision(new, already, _former_types(new, covering))


def add(file: Path, new: Sequence[Definition]) -> None:
    """Adds entries to the owner's file, or puts them in the place of their namesakes; its other lines stay.

    Raises CatalogueError when that cannot be.
    """
    before = parse_file(file) if file.exists() else []
    names = {entry.name for entry in new}
    kept = [entry for entry in before if entry.name not in names]
    text = _without(file.read_text(encoding="utf-8"), names) if before else "metrics:\n"
    for draft in (_appended(text, new), _written(_plain(entry) for entry in [*kept, *new])):
        if _reads_as(draft, [*kept, *new]):
            return _replace(file, draft)
    raise CatalogueError(f"{file}: nothing can be added to it: add the entry by hand")


def _refuse_identities(permission: Permission, names_somebody: Callable[[str], bool]) -> None:
    """The text itself is not repeated."""
    given = {
        **{f"name {number}": name for number, name in enumerate(permission.names, 1)},
        **{f"key {number} of `keep`": key for number, key in enumerate(permission.keep, 1)},
        "`unit`": permission.unit or "",
        "`purpose`": permission.purpose or "",
    }
    for place, text in given.items():
        if names_somebody(text):
            raise PrivacyError(f"{place} holds what looks like an identity: put identities nowhere in names")


def _open_entry(name: str, catalogue: Catalogue) -> Definition | None:
    entry = catalogue.match(name)
    if entry is not None and entry.level.guarded:
        raise PrivacyError(
            f"{name}: `{entry.name}` makes it {entry.privacy}, which is not undone by name: {_FILE}"
        )
    return entry


def _changes(entry: Definition, permission: Permission) -> dict[str, Any]:
    """What of the entry is to be something else."""
    given = {"type": permission.type, "unit": permission.unit}
    changed: dict[str, Any] = {
        key: value for key, value in given.items() if value not in (None, getattr(entry, key))
    }
    if not set(permission.keep) <= set(entry.kept_keys):
        changed["keep"] = list(dict.fromkeys((*entry.kept_keys, *permission.keep)))
    return changed


def _renewed(
    name: str, entry: Definition, permission: Permission, sent: Mapping[str, ObservedMetric], today: date
) -> dict[str, Any]:
    """The entry that covers it, of this name alone, with what is given and the type that was sent."""
    came = {"type": sent[name].type.value} if name in sent else {}
    new = {
        **_plain(entry),
        **came,
        **_changes(entry, permission),
        "name": name,
        "purpose": permission.purpose or entry.purpose,
        "review_after": _months_later(today, REVIEW_MONTHS),
    }
    if new["type"] != entry.type.value:
        for key in ("buckets", "first"):  # what they say is of the type that it was
            new.pop(key, None)
    return new


def _former_types(new: Sequence[Definition], covering: Mapping[str, Definition]) -> Mapping[str, MetricType]:
    before = {entry.name: covering[entry.name].type for entry in new if entry.name in covering}
    return {
        entry.name: before[entry.name] for entry in new if before.get(entry.name, entry.type) != entry.type
    }


def _entry(
    name: str, permission: Permission, sent: Mapping[str, ObservedMetric], today: date
) -> dict[str, Any]:
    if "*" in name:
        raise CatalogueError(f"{name}: only single metrics are allowed by name: {_FILE}")
    came = sent.get(name)
    kind = permission.type or (came.type.value if came is not None else None)
    if kind is None:
        raise CatalogueError(
            f"{name}: was not refused since the start, so its type is unknown: give type and unit"
        )
    unit = permission.unit if permission.unit is not None else (came.unit if came is not None else "1")
    return {
        "name": name,
        "description": "Allowed by name",
        "type": kind,
        "unit": unit,
        "privacy": permission.privacy,
        "purpose": permission.purpose
        or f"The operator allowed it on {today}; its question is to be written here",
        "review_after": _months_later(today, REVIEW_MONTHS),
        "keep": list(permission.keep),
    }


def _refuse_overlaps(new: Sequence[Definition], catalogue: Catalogue) -> None:
    names = {entry.name for entry in new}
    for overlap in overlaps([*catalogue, *new]):
        if overlap.name in names:
            raise PrivacyError(f"{overlap.name}: `{overlap.key}` {overlap.problem}; {_FILE}")


def _months_later(day: date, months: int) -> date:
    years, month = divmod(day.month - 1 + months, 12)
    year = day.year + years
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def _plain(entry: Definition) -> dict[str, Any]:
    """What an entry says beyond the defaults."""
    required = {"name", "description", "type", "unit", "privacy", "purpose"}
    default = Definition("", "", MetricType.GAUGE, "", "public", "")
    values = msgspec.to_builtins(entry, builtin_types=(date,))
    return {
        key: value
        for key, value in values.items()
        if key in required or getattr(entry, key) != getattr(default, key)
    }


def _written(entries: Iterator[dict[str, Any]]) -> str:
    import yaml  # noqa: PLC0415  (costs start-up time)

    return str(yaml.safe_dump({"metrics": list(entries)}, sort_keys=False, allow_unicode=True))


def _appended(text: str, new: Sequence[Definition]) -> str:
    """So that the owner's order and comments stay."""
    lines = _written(_plain(entry) for entry in new).partition("\n")[2].splitlines()
    listed = next((line for line in text.splitlines() if line.lstrip().startswith("- ")), "  - ")
    indent = " " * (len(listed) - len(listed.lstrip()))
    return text.rstrip("\n") + "\n" + "".join(f"{indent}{line}\n" for line in lines)


def _without(text: str, names: Collection[str]) -> str:
    """The file without the lines of these entries; comments before the next one stay."""
    import yaml  # noqa: PLC0415

    lines = text.splitlines()
    gone: set[int] = set()
    root: Any = yaml.compose(text, yaml.SafeLoader)
    for item in root.value[0][1].value:
        name = next(value.value for key, value in item.value if key.value == "name")
        if name in names:
            last = min(item.end_mark.line, len(lines)) - (item.end_mark.column == 0)
            own = range(item.start_mark.line, last + 1)
            said = [at for at in own if at < len(lines) and lines[at].split("#")[0].strip()]
            gone.update(range(item.start_mark.line, max(said, default=-1) + 1))
    return "\n".join(line for at, line in enumerate(lines) if at not in gone)


def _reads_as(draft: str, entries: Sequence[Definition]) -> bool:
    try:
        return parse(parse_yaml(draft), where="draft") == list(entries)
    except (DocumentError, CatalogueError):
        return False


def _replace(file: Path, text: str) -> None:
    """Whole or not at all, readable for its owner only."""
    draft = file.with_name(file.name + ".new")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft.unlink(missing_ok=True)
        with os.fdopen(
            os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
        ) as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        draft.replace(file)
    except OSError as error:
        raise CatalogueError(
            f"{file}: cannot be written ({error.strerror}): choose a writable --data-dir"
        ) from None


def _shown(entry: Definition, former: MetricType | None) -> AllowedMetric:
    assert entry.review_after is not None  # noqa: S101  (`_entry` sets it)
    return AllowedMetric(
        entry.name,
        entry.type.value,
        entry.unit,
        entry.privacy,
        entry.purpose,
        entry.keep or (),
        entry.review_after,
        None if former is None else former.value,
    )
