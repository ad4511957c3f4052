"""Turns a catalogue entry into two inputs that differ by one privacy unit, and what must come of them."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from blackhole.audit.checks import Expectation, NoiseParameters
from blackhole.audit.lines import AuditLine, AuditScalar
from blackhole.catalogue.definition import Definition, PrivacyUnit
from blackhole.model.series import MetricType
from blackhole.privacy.factorisation import coefficients
from blackhole.privacy.mechanism import Mechanism
from blackhole.privacy.terms import Terms, declared_groups

# Units of the crowd in each cell, so that nobody's group is empty.
_CROWD = 2
# How many times its bound a unit sends that does not keep to it.
_EXCESS = 3

NeighbourWindows = tuple[tuple[AuditLine, ...], ...]


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The lines of each window, without and with one unit more."""

    name: str
    without: NeighbourWindows
    with_unit: NeighbourWindows
    expected: Expectation


@dataclass(frozen=True, slots=True)
class WindowCell:
    """A value that is released: a group, of histograms one bucket of it, given by a value inside."""

    attributes: dict[str, AuditScalar]
    observed: float | None = None


def neighbours(definition: Definition, terms: Terms) -> Iterator[Neighbours]:
    """One unit that uses all that it may, and one that asks for more in every way."""
    yield _within(definition, terms)
    if not terms.by_event:
        yield _beyond(definition, terms)


def cells(definition: Definition) -> list[WindowCell]:
    """In the order in which they are released."""
    groups = [dict[str, AuditScalar](group) for group in declared_groups(definition)]
    if definition.type is not MetricType.HISTOGRAM:
        return [WindowCell(group) for group in groups]
    bounds = definition.buckets or ()
    inside = [*bounds, math.nextafter(bounds[-1], math.inf) if bounds else 0.0]
    return [WindowCell(group, value) for group in groups for value in inside]


def _within(definition: Definition, terms: Terms) -> Neighbours:
    """In every window that counts, in the first groups, exactly the bound."""
    released = cells(definition)
    chosen = range(terms.groups_per_unit)
    lines = [_line(definition, released[i], "one more", _most(terms)) for i in chosen]
    shift = [_most(terms) if i in chosen else 0.0 for i in range(len(released))]
    counted = [i < terms.charged_windows for i in range(terms.windows)]
    crowd = _crowd(definition, terms, released)
    return Neighbours(
        "one unit at its bounds",
        crowd,
        tuple((*window, *lines) if counts else window for window, counts in zip(crowd, counted, strict=True)),
        _expectation(terms, len(released), [shift if counts else [0.0] * len(shift) for counts in counted]),
    )


def _beyond(definition: Definition, terms: Terms) -> Neighbours:
    """In every window and every group, far above the bound, and with a second id that is ever another."""
    released = cells(definition)
    lines = [
        _line(definition, cell, "one more", _EXCESS * _most(terms), f"alias {i}")
        for i, cell in enumerate(released)
    ]
    free = terms.groups_per_unit < len(released)
    each: list[float | None] = [None if free else _most(terms)] * len(released)
    nothing: list[float | None] = [0.0] * len(released)
    crowd = _crowd(definition, terms, released)
    counted = [i < terms.charged_windows for i in range(terms.windows)]
    return Neighbours(
        "one unit far beyond its bounds",
        crowd,
        tuple((*window, *lines) for window in crowd),
        _expectation(terms, len(released), [each if counts else nothing for counts in counted]),
    )


def _crowd(definition: Definition, terms: Terms, released: Sequence[WindowCell]) -> NeighbourWindows:
    """A few units in each cell, others in each window, so that none has more than one cell."""
    value = 1.0 if terms.by_event else _most(terms)
    return tuple(
        tuple(
            _line(definition, cell, f"window {window}, cell {place}, unit {unit}", value)
            for place, cell in enumerate(released)
            for unit in range(_CROWD)
        )
        for window in range(terms.windows)
    )


def _most(terms: Terms) -> float:
    """The most that a unit may move a value, on the side of its larger bound."""
    if terms.by_event:
        return 1.0
    lower, upper = terms.bounds
    return math.copysign(terms.sensitivity * terms.grid, upper if abs(upper) >= abs(lower) else lower)


def _line(definition: Definition, cell: WindowCell, unit: str, amount: float, alias: str = "") -> AuditLine:
    attributes = dict(cell.attributes)
    if isinstance(definition.privacy_unit, PrivacyUnit):
        first, *others = definition.privacy_unit.keys
        attributes[first] = unit
        if alias and others:
            attributes[others[0]] = alias
    if cell.observed is not None:
        return AuditLine(cell.observed, attributes, count=round(amount))
    return AuditLine(amount, attributes)


def _expectation(terms: Terms, cells: int, shifts: Sequence[Sequence[float | None]]) -> Expectation:
    """`shifts`: of each window and cell."""
    moved = terms.groups_per_unit * _most(terms) * terms.charged_windows
    value = _CROWD * (1.0 if terms.by_event else _most(terms))
    noise: tuple[NoiseParameters, ...] = (NoiseParameters(terms.mechanism, terms.scale, terms.grid),)
    exact: tuple[float | None, ...] = (value,)
    flat = [shift for window in shifts for shift in window]
    if terms.count_scale is not None:  # a gauge's count follows its sum
        noise = (*noise, NoiseParameters(terms.mechanism, terms.count_scale, 1.0))
        exact = (*exact, float(_CROWD))
        flat = [s for shift in flat for s in (shift, None if shift is None else float(bool(shift)))]
        moved += terms.groups_per_unit * terms.charged_windows
    times = cells * terms.windows
    if terms.running_total:
        # Sums of normal noise are normal; of Laplace noise only the first value has a law of its own.
        free = 0 if terms.mechanism == Mechanism.GAUSSIAN else cells * (terms.windows - 1)
        exact = (*(exact * (times - free)), *(None,) * free)
        noise = _correlated(terms, cells)
        return Expectation(exact, tuple(flat), moved, noise, independent=False)
    return Expectation(exact * times, tuple(flat), moved, noise * times)


def _correlated(terms: Terms, cells: int) -> tuple[NoiseParameters, ...]:
    """What is stored of a running total are its increments: differences of the factor's rows."""
    factors = coefficients()
    steps = [factors[0], *(after - before for before, after in pairwise(factors))]
    norms = [math.hypot(*steps[: window + 1]) for window in range(terms.windows)]
    return tuple(
        NoiseParameters(terms.mechanism, terms.scale * norm, terms.grid)
        for norm in norms
        for _ in range(cells)
    )
