"""Writes src/blackhole/sdk/guarded.py: what the SDK knows of the built-in catalogue's guarded metrics."""

from collections.abc import Iterable
from pathlib import Path

from blackhole.catalogue.definition import Definition, PrivacyUnit
from blackhole.catalogue.load import load
from blackhole.model.series import MetricType

TARGET = Path(__file__).resolve().parent.parent / "src" / "blackhole" / "sdk" / "guarded.py"
HEAD = '''"""The built-in catalogue's guarded metrics, as `python -m tools.sdk_views` writes them."""

from typing import NamedTuple


class Guarded(NamedTuple):
    """`keys`: the attributes that the service uses, ids of privacy units last; they end in its guard."""

    name: str
    histogram: bool
    keys: tuple[str, ...]
    boundaries: tuple[float, ...]


GUARDED = (
'''


def guarded(entries: Iterable[Definition]) -> list[tuple[str, bool, tuple[str, ...], tuple[float, ...]]]:
    """The fields of `Guarded`, by name."""
    found = sorted((entry for entry in entries if entry.level.guarded), key=lambda entry: entry.name)
    return [
        (
            entry.name,
            entry.type is MetricType.HISTOGRAM,
            (*entry.kept_keys, *_unit_keys(entry)),
            tuple(map(float, entry.buckets or ())) if entry.type is MetricType.HISTOGRAM else (),
        )
        for entry in found
    ]


def _unit_keys(entry: Definition) -> tuple[str, ...]:
    return entry.privacy_unit.keys if isinstance(entry.privacy_unit, PrivacyUnit) else ()


def _render(entries: Iterable[Definition]) -> str:
    lines = (f"    Guarded({', '.join(map(_literal, fields))}),\n" for fields in guarded(entries))
    return HEAD + "".join(lines) + ")\n"


def _literal(value: object) -> str:
    if isinstance(value, tuple):
        inner = ", ".join(map(_literal, value))
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    return f'"{value}"' if isinstance(value, str) else repr(value)


if __name__ == "__main__":
    TARGET.write_text(_render(load()), encoding="utf-8")
