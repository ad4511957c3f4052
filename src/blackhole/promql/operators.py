"""Turns two vectors, or a vector and a scalar, into one: arithmetic, comparison and set operators."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from blackhole.errors import EvaluationError
from blackhole.promql.maths import ARITHMETIC, COMPARISONS
from blackhole.promql.names import NAME, Labels
from blackhole.promql.values import Key, ScalarValues, Values, Vector, VectorSeries, key_of, merged, nameless


@dataclass(frozen=True, slots=True)
class Matching:
    """Which labels must be equal, and which side may have several series for one of the other.

    `labels`: with `on` only these, else all but these. `many`: left, right or neither (empty).
    """

    labels: frozenset[str] = frozenset()
    on: bool = False
    many: str = ""
    include: tuple[str, ...] = ()
    returns_bool: bool = False

    def key(self, labels: Labels) -> Key:
        return key_of(self.picked(labels))

    def picked(self, labels: Labels) -> Labels:
        if self.on:
            return {name: value for name, value in labels.items() if name in self.labels}
        return {n: v for n, v in labels.items() if n not in self.labels and n != NAME}


OperandPair = Callable[[float, float], float | None]


def cell_of(operator: str, *, returns_bool: bool, keeps_right: bool = False) -> OperandPair:
    """What two values make: a number, or of a comparison that does not hold nothing."""
    if operator in ARITHMETIC:
        return ARITHMETIC[operator]
    holds = COMPARISONS[operator]
    if returns_bool:
        return lambda left, right: float(holds(left, right))
    if keeps_right:
        return lambda left, right: right if holds(left, right) else None
    return lambda left, right: left if holds(left, right) else None


def scalars(operator: str, left: ScalarValues, right: ScalarValues) -> ScalarValues:
    cell = ARITHMETIC.get(operator) or (lambda a, b: float(COMPARISONS[operator](a, b)))
    return [cell(a, b) for a, b in zip(left, right, strict=True)]


def with_scalar(
    operator: str, vector: Vector, scalar: ScalarValues, *, swapped: bool, returns_bool: bool
) -> Vector:
    """`swapped`: the scalar stands on the left; the value of the vector is what a comparison keeps."""
    cell = cell_of(operator, returns_bool=returns_bool, keeps_right=swapped)
    drops = operator in ARITHMETIC or returns_bool
    answers: Vector = []
    for series in vector:
        pairs = zip(series.values, scalar, strict=True)
        values: Values
        if swapped:
            values = [None if value is None else cell(number, value) for value, number in pairs]
        else:
            values = [None if value is None else cell(value, number) for value, number in pairs]
        answers.append(VectorSeries(nameless(series.labels) if drops else series.labels, values))
    return merged(answers)


def vectors(operator: str, left: Vector, right: Vector, matching: Matching) -> Vector:
    """Raises EvaluationError where more than one series of the one side match."""
    swapped = matching.many == "right"
    many, one = (right, left) if swapped else (left, right)
    cell = cell_of(operator, returns_bool=matching.returns_bool)
    if swapped:
        cell = _swapped(cell)
    drops = operator in ARITHMETIC or matching.returns_bool
    sides = _by_key(one, matching)
    _check_one_side(many, sides, "left" if swapped else "right")
    partners = {key: _presence(found) for key, found in sides.items()}
    if not matching.many:
        _check_many_side(_by_key(many, matching), partners)
    return merged(
        VectorSeries(
            _result_labels(series.labels, other.labels, matching, drops=drops), _cells(series, other, cell)
        )
        for series in many
        for other in sides.get(matching.key(series.labels), ())
    )


def _swapped(cell: OperandPair) -> OperandPair:
    return lambda left, right: cell(right, left)


def _cells(series: VectorSeries, other: VectorSeries, cell: OperandPair) -> Values:
    return [
        None if left is None or right is None else cell(left, right)
        for left, right in zip(series.values, other.values, strict=True)
    ]


def _by_key(vector: Vector, matching: Matching) -> dict[Key, Vector]:
    found: dict[Key, Vector] = {}
    for series in vector:
        found.setdefault(matching.key(series.labels), []).append(series)
    return found


def _presence(members: Iterable[VectorSeries]) -> list[int]:
    """How many of the series have a value at each step."""
    columns = zip(*(series.values for series in members), strict=True)
    return [sum(value is not None for value in column) for column in columns]


def _check_one_side(many: Vector, sides: dict[Key, Vector], side: str) -> None:
    """At a step at which the other side is empty nothing is matched, and so nothing is wrong."""
    shared = [members for members in sides.values() if len(members) > 1]
    if not many or not shared:
        return
    asked = _presence(many)
    if any(_clash(members, asked) for members in shared):
        raise EvaluationError(
            f"found duplicate series for the match group on the {side} hand-side of the operation: "
            "many-to-many matching not allowed: matching labels must be unique on one side"
        )


def _check_many_side(many: dict[Key, Vector], partners: dict[Key, list[int]]) -> None:
    for key, members in many.items():
        if len(members) > 1 and key in partners and _clash(members, partners[key]):
            raise EvaluationError(
                "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
            )


def _clash(members: Vector, partners: list[int]) -> bool:
    """Whether at some step several of `members` have a value, and so has a partner."""
    return any(count > 1 and there for count, there in zip(_presence(members), partners, strict=True))


def _result_labels(labels: Labels, other: Labels, matching: Matching, *, drops: bool) -> Labels:
    result = nameless(labels) if drops else dict(labels)
    if not matching.many:
        result = {name: value for name, value in result.items() if (name in matching.labels) is matching.on}
    for name in matching.include:
        result.pop(name, None)
        if other.get(name):
            result[name] = other[name]
    return result


def sets(operator: str, left: Vector, right: Vector, matching: Matching) -> Vector:
    """and, or, unless: whole samples, kept or not by whether the other side has one that matches."""
    lefts = {key: _presence(members) for key, members in _by_key(left, matching).items()}
    rights = {key: _presence(members) for key, members in _by_key(right, matching).items()}
    if operator == "and":
        return [_where(series, rights.get(matching.key(series.labels)), there=True) for series in left]
    if operator == "unless":
        return [_where(series, rights.get(matching.key(series.labels)), there=False) for series in left]
    added = [_where(series, lefts.get(matching.key(series.labels)), there=False) for series in right]
    return merged([*left, *added])


def _where(series: VectorSeries, presence: list[int] | None, *, there: bool) -> VectorSeries:
    """The values at the steps at which the other side has any (`there`) or none."""
    if presence is None:
        return VectorSeries(series.labels, [None] * len(series.values) if there else series.values)
    pairs = zip(series.values, presence, strict=True)
    return VectorSeries(series.labels, [value if bool(count) is there else None for value, count in pairs])
