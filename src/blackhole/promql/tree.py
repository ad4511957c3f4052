"""Turns nodes of the parser's tree into what is asked of them: types, texts, matching, grouping."""

import promql_parser as syntax

from blackhole.errors import ExpressionError
from blackhole.promql.aggregates import Grouping
from blackhole.promql.matching import Matcher, matchers_of
from blackhole.promql.operators import Matching


def type_of(expr: syntax.Expr) -> str:
    """scalar, vector, matrix or string."""
    scalar = False
    match expr:
        case syntax.ParenExpr() | syntax.UnaryExpr():
            return type_of(expr.expr)
        case syntax.StringLiteral():
            return "string"
        case syntax.MatrixSelector() | syntax.SubqueryExpr():
            return "matrix"
        case syntax.NumberLiteral():
            scalar = True
        case syntax.BinaryExpr():
            scalar = is_scalar(expr.lhs) and is_scalar(expr.rhs)
        case syntax.Call():
            scalar = expr.func.return_type == syntax.ValueType.Scalar
    return "scalar" if scalar else "vector"


def is_scalar(expr: syntax.Expr) -> bool:
    return type_of(expr) == "scalar"


def text_of(expr: syntax.Expr | None) -> str:
    """The value of a string literal. Raises ExpressionError."""
    literal = expr and bare(expr)
    if not isinstance(literal, syntax.StringLiteral):
        raise ExpressionError("a string is wanted where an expression stands")
    return literal.val


def matchers_in(expr: syntax.Expr) -> list[Matcher]:
    """The matchers of an expression that is a selector, else none."""
    node = bare(expr)
    selector = node.vector_selector if isinstance(node, syntax.MatrixSelector) else node
    return matchers_of(selector) if isinstance(selector, syntax.VectorSelector) else []


def bare(expr: syntax.Expr) -> syntax.Expr:
    while isinstance(expr, syntax.ParenExpr):
        expr = expr.expr
    return expr


def matching_of(modifier: syntax.BinModifier | None) -> Matching:
    if modifier is None:
        return Matching()
    fill = modifier.fill_values
    if fill is not None and (fill.lhs is not None or fill.rhs is not None):
        raise unsupported("fill")
    sides = (
        (syntax.VectorMatchCardinality.ManyToOne, "left"),
        (syntax.VectorMatchCardinality.OneToMany, "right"),
    )
    labels = modifier.matching
    return Matching(
        labels=frozenset(labels.labels if labels is not None else ()),
        on=labels is not None and labels.type == syntax.LabelModifierType.Include,
        many=next((side for card, side in sides if card == modifier.card), ""),
        include=tuple(modifier.group_labels or ()),
        returns_bool=modifier.return_bool,
    )


def grouping_of(modifier: syntax.AggModifier | None) -> Grouping:
    if modifier is None:
        return Grouping(frozenset())
    return Grouping(frozenset(modifier.labels), without=modifier.type == syntax.AggModifierType.Without)


def unsupported(name: str) -> ExpressionError:
    """The error for what the parser knows and we do not."""
    return ExpressionError(f"{name}() of PromQL is not supported here")
