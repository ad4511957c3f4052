"""Turns the ways to write a unit into one, and values of one unit into another of the same kind."""

from collections.abc import Mapping

_SAME = {
    "": "1",
    "ratio": "1",
    "percent": "%",
    "bytes": "By",
    "byte": "By",
    "b": "By",
    "kb": "kBy",
    "mb": "MBy",
    "gb": "GBy",
    "kib": "KiBy",
    "mib": "MiBy",
    "gib": "GiBy",
    "milliseconds": "ms",
    "millisecond": "ms",
    "seconds": "s",
    "second": "s",
    "sec": "s",
    "microseconds": "us",
    "microsecond": "us",
    "nanoseconds": "ns",
    "nanosecond": "ns",
    "minutes": "min",
    "minute": "min",
    "hours": "h",
    "hour": "h",
    "days": "d",
    "day": "d",
}
_MICROSECONDS = ("µs", "μs")  # the micro sign, and the Greek letter

# What one of each is of the first of its kind, as a fraction, so that conversions are as exact as doubles.
_KINDS: tuple[dict[str, tuple[int, int]], ...] = (
    {
        "ns": (1, 10**9),
        "us": (1, 10**6),
        "ms": (1, 1000),
        "s": (1, 1),
        "min": (60, 1),
        "h": (3600, 1),
        "d": (86400, 1),
    },
    {"1": (1, 1), "%": (1, 100)},
    {
        "By": (1, 1),
        "kBy": (1000, 1),
        "MBy": (10**6, 1),
        "GBy": (10**9, 1),
        "TBy": (10**12, 1),
        "KiBy": (1 << 10, 1),
        "MiBy": (1 << 20, 1),
        "GiBy": (1 << 30, 1),
        "TiBy": (1 << 40, 1),
    },
)


def same_unit(sent: str, catalogued: str) -> bool:
    """Whether the two mean the same; annotations such as `{request}` and plain nouns count as 1."""
    return _plain(sent) == _plain(catalogued)


def factor(sent: str, wanted: str) -> float | None:
    """By what values in `sent` are multiplied to be in `wanted`; 1.0: both mean the same; None: never.

    An annotation is no ratio: `{request}` cannot be converted into percent.
    """
    first, second = _plain(sent), _plain(wanted)
    if first == second:
        return 1.0
    if _is_count(sent) or _is_count(wanted):
        return None
    for kind in _KINDS:
        if first in kind and second in kind:
            (above, below), (per, by) = kind[first], kind[second]
            return above * by / (below * per)
    return None


def unit_meant(sent: str, wanted: str, resource: Mapping[str, object]) -> str:
    """The unit of values that came without one: that of the entry, where the sender does not mean another.

    Micrometer names no unit for a share, which it gives between 0 and 1.
    """
    is_share = _plain(wanted) == "%" and resource.get("telemetry.sdk.name") == "io.micrometer"
    return sent or ("1" if is_share else wanted)


def _plain(unit: str) -> str:
    known = _SAME.get(unit.lower())
    if known is not None:
        return known
    if unit in _MICROSECONDS:
        return "us"
    return "1" if _is_count(unit) else unit


def _is_count(unit: str) -> bool:
    """Whether it says what is counted, and so is no unit."""
    is_annotation = unit.startswith("{") and unit.endswith("}")
    is_noun = unit.isalpha() and len(unit) > 4 and unit.islower() and unit.lower() not in _SAME  # noqa: PLR2004
    return is_annotation or is_noun
