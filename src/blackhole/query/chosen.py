"""Turns the filters and groups of a question into the series that it is about."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import compress
from typing import Any

import msgspec

from blackhole.query.filters import passing
from blackhole.query.language import Query
from blackhole.store.read.regexes import Regexes


@dataclass(frozen=True, slots=True)
class Chosen:
    """The series that are asked for, each with the number of its group.

    `factors`: by what the values of each are multiplied, since they were stored in another unit.
    """

    ids: list[int]
    groups: list[int]
    attributes: list[dict[str, Any]]
    factors: list[float]

    @property
    def are_converted(self) -> bool:
        return any(factor != 1.0 for factor in self.factors)

    @property
    def bound(self) -> dict[str, Any]:
        """What SQL names them by: $ids and $groups, and $factors where some are converted."""
        named: dict[str, Any] = {"ids": self.ids, "groups": self.groups}
        return named | {"factors": self.factors} if self.are_converted else named


def choose(query: Query, series: Iterable[tuple[int, str, float]], regexes: Regexes) -> Chosen:
    """Filters series (number, attributes as JSON, factor), grouped by `group_by`. Raises QueryError."""
    chosen = Chosen([], [], [], [])
    numbers: dict[bytes, int] = {}
    known: list[tuple[int, dict[str, Any], float]] = [
        (number, msgspec.json.decode(document), factor) for number, document, factor in series
    ]
    passed = passing(query.filters, [attributes for _, attributes, _ in known], regexes)
    for number, attributes, factor in compress(known, passed):
        group = {key: attributes.get(key, "") for key in query.group_by}
        place = numbers.setdefault(msgspec.json.encode(group), len(numbers))
        if place == len(chosen.attributes):
            chosen.attributes.append(group)
        chosen.ids.append(number)
        chosen.groups.append(place)
        chosen.factors.append(factor)
    return chosen
