"""Turns label matchers into the values that they take; regular expressions are RE2's, as in Prometheus."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import promql_parser as syntax

from blackhole.errors import ExpressionError
from blackhole.query.promql.names import NAME, Labels
from blackhole.store.reader import Reader

_MATCHED = "SELECT value FROM (SELECT unnest($values) AS value) WHERE regexp_full_match(value, $pattern, 's')"
_GROUPS = (
    "SELECT value, {groups} FROM (SELECT unnest($values) AS value) WHERE regexp_full_match(value, $pattern)"
)
_MAX_VALUES = 200_000
_GROUP = re.compile(
    r"\\Q.*?(?:\\E|\Z)|\\.|\[\^?\]?(?:\\.|\[:\w+:\]|[^\]])*\]|\((?!\?)|\(\?P?<(\w+)>", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Matcher:
    """`pattern`: whether `value` is a regular expression."""

    label: str
    value: str
    pattern: bool
    negated: bool


class Regexes:
    """Matches with RE2, which takes no longer than the text is long; DuckDB has it."""

    def __init__(self, reader: Reader, left: Callable[[], float]) -> None:
        self._reader = reader
        self._left = left
        self._known: dict[tuple[str, str], bool] = {}

    def matched(self, pattern: str, values: Iterable[str]) -> set[str]:
        """Those of `values` that match as a whole."""
        pattern = _as_re2(pattern)
        wanted = set(values)
        new = [value for value in wanted if (pattern, value) not in self._known]
        if new:
            rows = self._reader.rows(
                _MATCHED,
                {"values": new, "pattern": pattern},
                max_rows=_MAX_VALUES,
                timeout=self._left(),
            ).rows
            found = {row[0] for row in rows}
            self._known.update(((pattern, value), value in found) for value in new)
        return {value for value in wanted if self._known[pattern, value]}

    def groups(self, pattern: str, values: Iterable[str]) -> dict[str, dict[str, str]]:
        """What the groups of `pattern` hold, by number and name, of each value that matches as a whole."""
        pattern = _as_re2(pattern)
        names = [match[1] for match in _GROUP.finditer(pattern) if match[0].startswith("(")]
        wanted = f"(?s:{pattern})"
        columns = ", ".join(f"regexp_extract(value, $whole, {n})" for n in range(len(names) + 1))
        rows = self._reader.rows(
            _GROUPS.format(groups=columns),
            {"values": list(set(values)), "pattern": wanted, "whole": f"^{wanted}$"},
            max_rows=_MAX_VALUES,
            timeout=self._left(),
        ).rows
        return {
            value: {
                **{str(number): text for number, text in enumerate(found)},
                **{name: text for name, text in zip(names, found[1:], strict=True) if name},
            }
            for value, *found in rows
        }


def _as_re2(pattern: str) -> str:
    """Go also takes `(?<name>` for `(?P<name>`; the RE2 here is older."""
    return _GROUP.sub(
        lambda match: match[0].replace("(?<", "(?P<") if match[0].startswith("(?<") else match[0], pattern
    )


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
