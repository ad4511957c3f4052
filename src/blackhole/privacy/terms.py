"""Turns a catalogue entry and its share of the budget into the terms under which the metric is released."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from blackhole.catalogue.definition import OTHER, Definition, PrivacyUnit
from blackhole.model.series import KeptAttributes, MetricType
from blackhole.privacy.mechanism import Mechanism

WEIGHTS: Mapping[str, int] = {"low": 4, "medium": 2, "high": 1}
EVENT = "event"

# The scale is rounded up to whole parts of a step, so that the samplers' fractions stay short.
SCALE_PARTS = 1024
_FINE_STEPS = 20
_WHOLE_UNITS = ("By", "bytes", "1")


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """How one highly sensitive metric is released in one budget period.

    Values are whole numbers of `grid`; `sensitivity` is how far one unit moves one value, in steps of it.
    Each unit counts in at most `groups_per_unit` values a window, and in `charged_windows` of the period's
    `windows`. `cost`: of one release. `scale`: of the noise, in the metric's unit; `count_scale`: of the
    counts that gauges have beside.
    """

    metric: str
    type: MetricType
    mechanism: Mechanism
    unit: str
    bounds: tuple[float, float]
    grid: float
    sensitivity: int
    groups_per_unit: int
    windows: int
    charged_windows: int
    groups: int
    values: int
    cost: float
    scale: float
    count_scale: float | None = None
    running_total: bool = False

    @property
    def by_event(self) -> bool:
        return self.unit == EVENT

    @property
    def remembers_units(self) -> bool:
        """Whether what a unit did earlier in the period decides whether it still counts."""
        return not self.by_event and self.charged_windows < self.windows

    @property
    def rho(self) -> float | None:
        """What one release costs in ρ; None where costs are counted in ε."""
        return self.cost if self.mechanism.counts_rho else None

    @property
    def steps(self) -> float:
        """The scale in steps of the grid."""
        return self.scale / self.grid


def shares(definitions: Sequence[Definition]) -> dict[str, float]:
    """The part of the budget of each highly sensitive metric, by name; they add up to 1."""
    weights = {d.name: WEIGHTS[d.noise] for d in definitions if d.privacy == "highly_sensitive"}
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items()}


def terms_of(definition: Definition, cost: float, windows: int, mechanism: Mechanism) -> Terms:
    """The terms for a metric that may cost `cost` (ρ or ε) in a period of `windows` windows.

    Raises ValueError where the entry cannot be released with noise.
    """
    unit = definition.privacy_unit
    if unit is None or definition.bounds is None:
        raise ValueError(f"{definition.name}: a highly sensitive metric needs `privacy_unit` and `bounds`")
    by_event = not isinstance(unit, PrivacyUnit)
    grid, sensitivity = (1.0, 1) if by_event else _grid(definition, *definition.bounds)
    groups = len(list(declared_groups(definition)))
    cells = groups * definition.cells
    most = 1 if by_event else min(definition.max_groups_per_unit, cells)
    charged = 1 if by_event else min(windows, definition.max_windows_per_unit or windows)
    running = definition.release == "running_total"
    # A gauge is released as a sum and a count, each for half of the cost.
    each = cost / charged / (2 if definition.type is MetricType.GAUGE else 1)
    spread = mechanism.running_total_spread if running else 1.0
    scale = _steps(mechanism, sensitivity * spread, most, each) * grid
    is_gauge = definition.type is MetricType.GAUGE
    return Terms(
        metric=definition.name,
        type=definition.type,
        mechanism=mechanism,
        unit=unit.name if isinstance(unit, PrivacyUnit) else EVENT,
        bounds=definition.bounds,
        grid=grid,
        sensitivity=sensitivity,
        groups_per_unit=most,
        windows=windows,
        charged_windows=charged,
        groups=groups,
        values=cells * (2 if is_gauge else 1),
        cost=cost / charged,
        scale=scale,
        count_scale=_steps(mechanism, 1, most, each) if is_gauge else None,
        running_total=running,
    )


def declared_groups(definition: Definition) -> Iterator[KeptAttributes]:
    """Every group that is released, in a fixed order: each declared value of each key, and `other`."""
    keys = definition.released_keys
    for chosen in itertools.product(*(dict.fromkeys((*definition.values[key], OTHER)) for key in keys)):
        yield dict(zip(keys, chosen, strict=True))


def window_count(period_s: float, window_s: float) -> int:
    """Windows of a period; the last one is shorter where they do not fit."""
    return max(1, math.ceil(period_s / window_s - 1e-9))


def _steps(mechanism: Mechanism, sensitivity: float, groups: int, cost: float) -> float:
    """The scale in steps of the grid, rounded up."""
    return math.ceil(mechanism.scale(sensitivity, groups, cost) * SCALE_PARTS) / SCALE_PARTS


def _grid(definition: Definition, least: float, most: float) -> tuple[float, int]:
    """The grid, a power of two (1 for what is counted), and the largest contribution in its steps."""
    largest = max(abs(least), abs(most))
    if definition.type is MetricType.HISTOGRAM or _is_whole(definition, least, most):
        return 1.0, max(1, math.floor(largest))
    grid = 2.0 ** (math.frexp(largest)[1] - 1 - _FINE_STEPS)
    return grid, math.floor(largest / grid)


def _is_whole(definition: Definition, *bounds: float) -> bool:
    unit = definition.unit
    counts = (
        unit.startswith("{")
        or unit in _WHOLE_UNITS
        or (unit.isalpha() and unit.endswith("s") and len(unit) > 1)
    )
    return (
        counts
        and definition.type in (MetricType.COUNTER, MetricType.UPDOWNCOUNTER)
        and all(float(bound).is_integer() for bound in bounds)
    )
