"""Windows that are released with so little noise that the values are the sums themselves."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tests.core.support import Script

from blackhole import _core

NUMBER = 9
Groups = dict[int, list[float]]


def rule(
    groups: Sequence[int], *, grid: float = 1.0, release: Mapping[str, Any] | None = None, **more: Any
) -> _core.Rule:
    """Noise of 1/1024 of a step rounds to none, practically always."""
    given = {"scale": 1, "count_scale": 1, "grid": grid, "groups": list(groups), **(release or {})}
    released = _core.Release("discrete_gaussian", **given)
    bounds = {"lower": 0.0, "upper": 100.0} | more
    return _core.Rule(NUMBER, series_limit=0, guarded=True, release=released, **bounds)


def script(given: _core.Rule) -> Script:
    """Group and unit are attributes of the points."""

    def treat(new: _core.NewSeries) -> _core.Treatment:
        unit = new.attributes.get("unit")
        return _core.Treatment.window(
            int(str(new.attributes["group"])),
            None if unit is None else f"{unit}".encode("utf-8", "surrogatepass"),
        )

    return Script(given, treat)


def close(known: _core.SeriesTable) -> Groups | None:
    """What the window gives; None where it is closed for everybody."""
    [released] = known.close_release([NUMBER])
    return None if released.groups is None else dict(released.groups)


def whole_steps(value: float, lower: float, upper: float, grid: float) -> float:
    """A value on the grid: the nearest step, halves away from zero, none of them beyond a bound."""
    clamped = min(max(value, lower), upper)
    nearest = math.copysign(math.floor(abs(clamped) / grid + 0.5), clamped)
    lowest, highest = math.ceil(lower / grid), math.floor(upper / grid)
    return min(max(nearest, lowest), max(highest, lowest)) * grid
