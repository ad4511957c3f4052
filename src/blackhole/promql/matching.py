"""Turns label matchers into the values that they take."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import promql_parser as syntax

from blackhole.errors import ExpressionError
from blackhole.promql.names import NAME, Labels
from blackhole.store.read.regexes import Regexes


@dataclass(frozen=True, slots=True)
class Matcher:
    """`pattern`: whether `value` is a regular expression."""

    label: str
    value: str
    pattern: bool
    negated: bool


def matchers_of(selector: syntax.VectorSelector) -> list[Matcher]:
    """All matchers of a selector, its name among them. Raises ExpressionError."""
    if selector.matchers.or_matchers:
        raise ExpressionError("`or` between label matchers is not PromQL: join two selectors with `or`")
    matchers = [_matcher(matcher) for matcher in selector.matchers.matchers]
    if selector.name is not None:
        matchers.append(Matcher(NAME, selector.name, pattern=False, negated=False))
    return matchers


def _matcher(matcher: syntax.Matcher) -> Matcher:
    pattern = matcher.op in (syntax.MatchOp.Re, syntax.MatchOp.NotRe)
    negated = matcher.op in (syntax.MatchOp.NotEqual, syntax.MatchOp.NotRe)
    return Matcher(matcher.name, matcher.value, pattern, negated)


def accepted(matchers: Sequence[Matcher], candidates: Sequence[Labels], regexes: Regexes) -> list[bool]:
    """Whether each of `candidates` passes all matchers; a label that is not there is empty."""
    passed = [True] * len(candidates)
    for matcher in matchers:
        values = [labels.get(matcher.label, "") for labels in candidates]
        matching = regexes.matched(matcher.value, values) if matcher.pattern else {matcher.value}
        passed = [
            ok and (value in matching) is not matcher.negated
            for ok, value in zip(passed, values, strict=True)
        ]
    return passed


def expand(template: str, groups: dict[str, str]) -> str:
    """`$1`, `${1}` and `${name}` of Go's regexp.Expand; what is not a group is empty, `$$` is `$`."""
    return re.sub(
        r"\$(?:(\$)|\{(\w+)\}|(\w+))",
        lambda match: "$" if match[1] else groups.get(match[2] or match[3], ""),
        template,
    )
