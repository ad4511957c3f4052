"""A strict reader of Prometheus' text format: what would fail a target or lose a sample is an error."""

import re
from dataclasses import dataclass, field

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:\\[\\n"]|[^"\\\n])*)"(,|$)')
_LINE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)")
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|Inf)|NaN")
_SUFFIXES = {"histogram": {"_bucket", "_sum", "_count"}, "summary": {"_sum", "_count"}}
_KINDS = {"counter", "gauge", "histogram", "summary", "untyped"}

Labels = tuple[tuple[str, str], ...]


@dataclass
class Family:
    name: str
    kind: str = ""
    samples: dict[tuple[str, Labels], float] = field(default_factory=dict)


def read(text: str) -> dict[str, Family]:
    """The families of a page by name. Raises AssertionError."""
    assert text.endswith("\n")
    families: dict[str, Family] = {}
    current: Family | None = None
    for line in text[:-1].split("\n"):
        if line.startswith(("# HELP ", "# TYPE ")):
            _, word, name, *rest = line.split(" ", 3)
            assert NAME.fullmatch(name)
            if word == "HELP":
                assert name not in families, f"{name} stands twice"
                current = families[name] = Family(name)
                assert re.fullmatch(r"(?:\\[\\n]|[^\\])*", rest[0] if rest else "")
            else:
                assert current is not None
                assert (current.name, current.kind) == (name, "")
                assert rest[0] in _KINDS
                current.kind = rest[0]
        elif not line.startswith("#"):
            assert current is not None
            _sample(current, line)
    for family in families.values():
        _check(family)
    owners = [name for family in families.values() for name in _names(family)]
    assert len(owners) == len(set(owners)), "a part of one family has the name of another"
    return families


def _names(family: Family) -> set[str]:
    return {family.name, *(f"{family.name}{suffix}" for suffix in _SUFFIXES.get(family.kind, set()))}


def _sample(family: Family, line: str) -> None:
    match = _LINE.fullmatch(line)
    assert match, line
    name, inner, value = match.groups()
    suffix = name.removeprefix(family.name)
    assert name.startswith(family.name), line
    assert suffix in _SUFFIXES.get(family.kind, {""}), line
    assert _NUMBER.fullmatch(value), line
    labels = _labels(inner or "")
    assert (suffix, labels) not in family.samples, f"{line} stands twice"
    family.samples[suffix, labels] = float(value)


def _labels(text: str) -> Labels:
    found: dict[str, str] = {}
    while text:
        match = _LABEL.match(text)
        assert match, text
        name, value, comma = match.groups()
        assert name not in found, f"the label {name} stands twice"
        assert not name.startswith("__")
        found[name] = re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], value)
        text = text[match.end() :]
        assert not comma or text, "a comma without a label"
    return tuple(sorted(found.items()))


def _check(family: Family) -> None:
    assert family.kind, family.name
    assert family.samples, family.name
    if family.kind == "counter":
        assert family.name.endswith("total")
        assert all(value >= 0 for value in family.samples.values())
    if family.kind != "histogram":
        return
    rows: dict[Labels, dict[float, float]] = {}
    for (suffix, labels), value in family.samples.items():
        if suffix == "_bucket":
            others = tuple(pair for pair in labels if pair[0] != "le")
            rows.setdefault(others, {})[float(dict(labels)["le"])] = value
        else:
            assert "le" not in dict(labels)
    for others, buckets in rows.items():
        counts = [buckets[bound] for bound in sorted(buckets)]
        assert counts == sorted(counts), f"{family.name} falls"
        assert buckets[float("inf")] == family.samples["_count", others]
