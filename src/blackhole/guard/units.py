"""Turns the ways to write a unit into one, so that a warning means a real difference."""

_SAME = {
    "": "1",
    "percent": "%",
    "bytes": "By",
    "byte": "By",
    "b": "By",
    "milliseconds": "ms",
    "millisecond": "ms",
    "seconds": "s",
    "second": "s",
    "microseconds": "us",
    "nanoseconds": "ns",
}


def same_unit(sent: str, catalogued: str) -> bool:
    """Whether the two mean the same; annotations such as `{request}` and plain nouns count as 1."""
    return _plain(sent) == _plain(catalogued)


def _plain(unit: str) -> str:
    known = _SAME.get(unit.lower())
    if known is not None:
        return known
    is_annotation = unit.startswith("{") and unit.endswith("}")
    is_noun = unit.isalpha() and len(unit) > 4 and unit.islower()  # noqa: PLR2004  (`connections`, `operations`)
    return "1" if is_annotation or is_noun else unit
