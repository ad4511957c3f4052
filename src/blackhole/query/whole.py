"""Turns the values of a group's buckets into what their aggregation comes to over all of them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import mul

import msgspec

from blackhole.query.language import RATES, Overall, finite

_MEANS = frozenset({"avg", *RATES})
_ADDED = frozenset({"sum", "count"})


@dataclass(slots=True)
class Whole:
    """A mean weighs each bucket by what it is the mean of: values, or for a rate its seconds."""

    aggregation: str
    _values: list[float] = field(default_factory=list)
    _weights: list[float] = field(default_factory=list)
    _settled: float | None = None

    def add(self, value: float, weight: float) -> None:
        self._values.append(value)
        self._weights.append(weight)

    def extend(self, values: Iterable[float], weights: Iterable[float]) -> None:
        self._values.extend(values)
        self._weights.extend(weights)

    def settle(self, value: float | None) -> None:
        """What was worked out elsewhere, from more than the values of buckets."""
        self._settled = value

    def answer(self) -> Overall | msgspec.UnsetType:
        value = self._settled if self._settled is not None else self._joined()
        return msgspec.UNSET if value is None else Overall(finite(value))

    def _joined(self) -> float | None:
        values = self._values
        if not values:
            return None
        if self.aggregation in _MEANS:
            total = sum(self._weights)
            return sum(map(mul, values, self._weights)) / total if total > 0 else None
        if self.aggregation in _ADDED:
            return sum(values)
        known = {"min": min(values), "max": max(values), "last": values[-1]}
        return known.get(self.aggregation)
