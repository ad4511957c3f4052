"""Turns the tree of an expression into values at every step of a grid."""

import math
from collections.abc import Callable, Sequence
from functools import partial

import promql_parser as syntax

from blackhole.errors import EvaluationError, ExpressionError
from blackhole.promql import aggregates, calls, histograms, operators, relabel
from blackhole.promql.aggregates import Grouping
from blackhole.promql.ranges import Function, Ranges
from blackhole.promql.tree import (
    bare,
    grouping_of,
    is_scalar,
    matchers_in,
    matching_of,
    text_of,
    unsupported,
)
from blackhole.promql.values import Grid, ScalarValues, Values, Vector, VectorSeries, key_of, merged, nameless

Args = Sequence[syntax.Expr]

_PLAIN = frozenset(
    [
        *("rate", "increase", "delta", "irate", "idelta", "resets", "changes", "deriv"),
        *(f"{name}_over_time" for name in ("sum", "avg", "min", "max", "count", "present", "last", "first")),
        *(f"{name}_over_time" for name in ("stddev", "stdvar", "mad")),
        *(f"ts_of_{name}_over_time" for name in ("first", "last", "max", "min")),
    ]
)
# Functions that take numbers beside the range, and where among the arguments these are.
_WITH_NUMBERS: dict[str, Sequence[int]] = {
    "quantile_over_time": (0,),
    "predict_linear": (1,),
    "double_exponential_smoothing": (1, 2),
}
# Aggregations that the core works out while it reads.
_IN_THE_CORE = frozenset(("sum", "avg", "min", "max", "count", "group"))
_SET_OPERATORS = ("and", "or", "unless")


class Evaluator:
    """Evaluates one question; `ranges` reads what the selectors name."""

    def __init__(self, ranges: Ranges) -> None:
        self.ranges = ranges

    def vector(self, expr: syntax.Expr, grid: Grid) -> Vector:
        """An instant vector at every step. Raises QueryError."""
        match expr:
            case syntax.ParenExpr():
                return self.vector(expr.expr, grid)
            case syntax.VectorSelector():
                return self.ranges.instant(expr, grid)
            case syntax.UnaryExpr():
                return calls.mapped(self.vector(expr.expr, grid), lambda value: -value)
            case syntax.BinaryExpr():
                return self._binary(expr, grid)
            case syntax.AggregateExpr():
                with self.ranges.privacy.inside(str(expr.op)):
                    return self._aggregate(expr, grid)
            case syntax.Call():
                with self.ranges.privacy.inside(expr.func.name):
                    return self._call(expr, grid)
        raise ExpressionError("the expression is no instant vector")

    def scalar(self, expr: syntax.Expr, grid: Grid) -> ScalarValues:
        """A number at every step. Raises QueryError."""
        match expr:
            case syntax.NumberLiteral():
                return [expr.val] * grid.count
            case syntax.ParenExpr():
                return self.scalar(expr.expr, grid)
            case syntax.UnaryExpr():
                return [-value for value in self.scalar(expr.expr, grid)]
            case syntax.BinaryExpr():
                left, right = self.scalar(expr.lhs, grid), self.scalar(expr.rhs, grid)
                return operators.scalars(str(expr.op), left, right)
            case syntax.Call():
                return self._scalar_call(expr, grid)
        raise ExpressionError("the expression is no scalar")

    def _scalar_call(self, call: syntax.Call, grid: Grid) -> ScalarValues:
        match call.func.name:
            case "time":
                return [time / 1000 for time in grid.times]
            case "pi":
                return [math.pi] * grid.count
            case "scalar":
                return calls.only_value(self.vector(call.args[0], grid), grid.count)
        raise unsupported(call.func.name)

    def _binary(self, expr: syntax.BinaryExpr, grid: Grid) -> Vector:
        operator, matching = str(expr.op), matching_of(expr.modifier)
        if is_scalar(expr.lhs) or is_scalar(expr.rhs):
            swapped = is_scalar(expr.lhs)
            vector, scalar = (expr.rhs, expr.lhs) if swapped else (expr.lhs, expr.rhs)
            return operators.with_scalar(
                operator,
                self.vector(vector, grid),
                self.scalar(scalar, grid),
                swapped=swapped,
                returns_bool=matching.returns_bool,
            )
        left, right = self.vector(expr.lhs, grid), self.vector(expr.rhs, grid)
        if operator in _SET_OPERATORS:
            return operators.sets(operator, left, right, matching)
        return operators.vectors(operator, left, right, matching)

    def _aggregate(self, expr: syntax.AggregateExpr, grid: Grid) -> Vector:
        name, grouping = str(expr.op), grouping_of(expr.modifier)
        if name not in aggregates.KNOWN:
            raise unsupported(name)
        if name in _IN_THE_CORE:
            found = self._grouped(name, grouping, bare(expr.expr), grid)
            if found is not None:
                return found
        vector = self.vector(expr.expr, grid)
        if name in aggregates.SIMPLE:
            return aggregates.simple(vector, grouping, aggregates.SIMPLE[name])
        if name == "count_values":
            return aggregates.count_values(vector, grouping, text_of(expr.param))
        number = self.scalar(_needed(expr.param), grid)
        if name == "quantile":
            return aggregates.quantiles(vector, grouping, number)
        if name == "limitk":
            return aggregates.limited(vector, grouping, number)
        return aggregates.extremes(vector, grouping, number, largest=name == "topk")

    def _call(self, call: syntax.Call, grid: Grid) -> Vector:
        name, args = call.func.name, call.args
        if name in _PLAIN or name in _WITH_NUMBERS:
            return self._over_range(name, args, grid)
        if name in calls.MAPPED:
            vector = (
                self.vector(args[0], grid) if args else [VectorSeries({}, [t / 1000 for t in grid.times])]
            )
            return calls.mapped(vector, calls.MAPPED[name])
        if name in calls.BOUNDED:
            numbers = [self.scalar(arg, grid) for arg in args[1:]]
            return calls.bounded(name, self.vector(args[0], grid), numbers, grid.count)
        if name not in _SPECIAL:
            raise unsupported(name)
        return _SPECIAL[name](self, args, grid)

    def _grouped(self, operator: str, grouping: Grouping, expr: syntax.Expr, grid: Grid) -> Vector | None:
        """An aggregation of a selector, or of a function of one; None where the core cannot do it."""
        if isinstance(expr, syntax.VectorSelector):
            return self.ranges.grouped(operator, grouping, Function("last_over_time"), expr, grid)
        if isinstance(expr, syntax.Call) and expr.func.name in _PLAIN:
            with self.ranges.privacy.inside(expr.func.name):
                function = Function(expr.func.name)
                return self.ranges.grouped(operator, grouping, function, bare(expr.args[0]), grid)
        return None

    def _over_range(self, name: str, args: Sequence[syntax.Expr], grid: Grid) -> Vector:
        numbers = [self.scalar(args[place], grid) for place in _WITH_NUMBERS.get(name, ())]
        expr = bare(args[1 if name == "quantile_over_time" else 0])
        if name == "double_exponential_smoothing":
            self._check_factors(numbers, expr, grid)
        pairs = list(zip(numbers[0], numbers[-1], strict=True)) if numbers else []
        function = Function(name, pairs)
        found = sorted(
            self.ranges.windows(function, expr, grid, self.vector), key=lambda series: key_of(series.labels)
        )
        if function.keeps_name:
            return merged(found)
        return merged(VectorSeries(nameless(series.labels), series.values) for series in found)

    def _check_factors(self, factors: Sequence[ScalarValues], expr: syntax.Expr, grid: Grid) -> None:
        """Of double_exponential_smoothing, where there are samples. Raises EvaluationError."""
        for word, values in zip(("smoothing", "trend"), factors, strict=True):
            wrong = {step: value for step, value in enumerate(values) if value <= 0 or value >= 1}
            if not wrong:
                continue
            present = Function("present_over_time")
            for series in self.ranges.windows(present, expr, grid, self.vector):
                for step, value in wrong.items():
                    if series.values[step] is not None:
                        raise EvaluationError(f"invalid {word} factor: {value:g} is not between 0 and 1")


def _needed(expr: syntax.Expr | None) -> syntax.Expr:
    if expr is None:
        raise ExpressionError("the aggregation needs a parameter")
    return expr


def _vector(evaluator: Evaluator, args: Args, grid: Grid) -> Vector:
    return [VectorSeries({}, list(evaluator.scalar(args[0], grid)))]


def _timestamp(evaluator: Evaluator, args: Args, grid: Grid) -> Vector:
    """The times of samples where they are named directly, else those of the steps."""
    selector = bare(args[0])
    if isinstance(selector, syntax.VectorSelector):
        vector = evaluator.ranges.instant(selector, grid, stamps=True)
        return merged(VectorSeries(nameless(series.labels), series.values) for series in vector)
    return calls.stamped(evaluator.vector(args[0], grid), grid)


def _absent(evaluator: Evaluator, args: Args, grid: Grid) -> Vector:
    values = calls.missing(evaluator.vector(args[0], grid), grid.count)
    return [VectorSeries(relabel.absent_labels(matchers_in(args[0])), values)]


def _absent_over_time(evaluator: Evaluator, args: Args, grid: Grid) -> Vector:
    values: Values = [1.0] * grid.count
    present = Function("present_over_time")
    for series in evaluator.ranges.windows(present, args[0], grid, evaluator.vector):
        for step, value in enumerate(series.values):
            if value is not None:
                values[step] = None
    return [VectorSeries(relabel.absent_labels(matchers_in(args[0])), values)]


def _histogram_quantile(evaluator: Evaluator, args: Args, grid: Grid) -> Vector:
    return histograms.histogram_quantile(evaluator.scalar(args[0], grid), evaluator.vector(args[1], grid))


def _histogram_fraction(evaluator: Evaluator, args: Args, grid: Grid) -> Vector:
    lower, upper = evaluator.scalar(args[0], grid), evaluator.scalar(args[1], grid)
    return histograms.histogram_fraction(lower, upper, evaluator.vector(args[2], grid))


def _label_replace(evaluator: Evaluator, args: Args, grid: Grid) -> Vector:
    texts = [text_of(arg) for arg in args[1:]]
    return relabel.label_replace(evaluator.vector(args[0], grid), texts, evaluator.ranges.regexes)


def _label_join(evaluator: Evaluator, args: Args, grid: Grid) -> Vector:
    return relabel.label_join(evaluator.vector(args[0], grid), [text_of(arg) for arg in args[1:]])


def _sort(evaluator: Evaluator, args: Args, grid: Grid, *, descending: bool = False) -> Vector:
    return calls.in_order(evaluator.vector(args[0], grid), descending=descending)


def _sort_by_label(evaluator: Evaluator, args: Args, grid: Grid, *, descending: bool = False) -> Vector:
    names = [text_of(arg) for arg in args[1:]]
    return calls.in_order_of_labels(evaluator.vector(args[0], grid), names, descending=descending)


_SPECIAL: dict[str, Callable[[Evaluator, Args, Grid], Vector]] = {
    "vector": _vector,
    "timestamp": _timestamp,
    "absent": _absent,
    "absent_over_time": _absent_over_time,
    "histogram_quantile": _histogram_quantile,
    "histogram_fraction": _histogram_fraction,
    "label_replace": _label_replace,
    "label_join": _label_join,
    "sort": _sort,
    "sort_desc": partial(_sort, descending=True),
    "sort_by_label": _sort_by_label,
    "sort_by_label_desc": partial(_sort_by_label, descending=True),
}
