"""Turns the text of an expression into its tree, and text of durations and times into milliseconds."""

import re
from datetime import timedelta

import promql_parser as syntax

from blackhole.errors import ExpressionError, QueryError
from blackhole.model.written_times import parse_time

MAX_LENGTH = 20_000
# The parser recurses: some thousands of nested expressions would end the process.
MAX_NESTING = 200
_STRING = re.compile(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|`[^`]*`|#[^\n]*", re.DOTALL)
_DIGITS = r"[0-9](?:_?[0-9])*"
_EXPONENT = rf"(?:e[+-]?{_DIGITS})?"
_NUMBER = (
    rf"(?<![\w:.])(?:0x(?:_?[0-9a-f])+|{_DIGITS}(?:\.(?:{_DIGITS})?)?{_EXPONENT}|\.{_DIGITS}{_EXPONENT})"
    r"(?![\w.])"
)
_REWRITTEN = re.compile(
    rf"{_STRING.pattern}|\b(offset\s+[+-]?\s*0(?:ms|[smhdwy])?(?![\w.]))|({_NUMBER})",
    re.DOTALL | re.IGNORECASE,
)
_BRANCH = re.compile(r"[({\[+\-*/%^<>=!]|\b(?:and|or|unless|atan2)\b", re.IGNORECASE)
_BEFORE_THE_EPOCH = re.compile(r"@\s*-")
_DURATION = re.compile(r"(?:[0-9]+(?:ms|[smhdwy]))+")
_WITH_EXPONENT = re.compile(r"[+-]?[0-9]+(?:\.[0-9]*)?[eE][+-]?[0-9]{1,3}")
_SECONDS = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_MILLISECOND = timedelta(milliseconds=1)


def parse(text: str) -> syntax.Expr:
    """Raises ExpressionError: not PromQL, or longer or deeper than anybody needs."""
    if not text.strip():
        raise ExpressionError("the query is empty")
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"the query is longer than {MAX_LENGTH:,} characters")
    bare = _STRING.sub("", text)
    if _BEFORE_THE_EPOCH.search(bare):
        raise ExpressionError("`@` takes times after 1970 only")
    if len(_BRANCH.findall(bare)) > MAX_NESTING:
        raise ExpressionError(f"the query has more than {MAX_NESTING} operators, brackets and calls")
    try:
        return syntax.parse(_REWRITTEN.sub(_rewritten, text))
    except ValueError as error:
        raise ExpressionError(f"parse error: {error}") from None
    except BaseException as error:
        # A panic of the parser is no Exception; its text may hold a piece of the query.
        if type(error).__name__ != "PanicException":
            raise
        raise ExpressionError("parse error: the expression is not understood") from None


def _rewritten(match: re.Match[str]) -> str:
    """Says what the parser does not take as it is meant in a way that it does.

    In a matcher in backquotes it takes backslashes for escapes; it knows no offset of 0, nor `1_000`.
    """
    found = match[0]
    if match[1]:
        return ""
    if match[2]:
        return found.replace("_", "")
    if found[0] != "`":
        return found
    inner = found[1:-1].replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{inner}"'


def milliseconds(duration: timedelta | None) -> int:
    return 0 if duration is None else duration // _MILLISECOND


def time_of(text: str, field: str) -> int:
    """Milliseconds of an RFC 3339 time or of Unix seconds. Raises ExpressionError."""
    if _WITH_EXPONENT.fullmatch(text):
        text = f"{float(text):f}"
    try:
        return (parse_time(text, field) + 500_000) // 1_000_000
    except QueryError as error:
        raise ExpressionError(str(error)) from None


def _seconds(text: str) -> float:
    """Raises ValueError, also for what only Python takes for a number."""
    if not _SECONDS.fullmatch(text):
        raise ValueError(text[:20])
    return float(text) * 1000


def duration_of(text: str, field: str) -> int:
    """Milliseconds of `15s`, `1h30m` or of seconds. Raises ExpressionError."""
    try:
        value = milliseconds(syntax.parse_duration(text)) if _DURATION.fullmatch(text) else _seconds(text)
        length = round(value)
    except (ValueError, OverflowError):
        raise ExpressionError(f"{field} is not a duration: write it like 15s, 5m or 1h") from None
    if length <= 0:
        raise ExpressionError(f"{field} must be greater than zero")
    return length
