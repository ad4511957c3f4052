"""What is not PromQL, or not supported of it, is an error of one line; nothing ends the process."""

import subprocess
import sys

import pytest
from tests.promql.shop import Shop

from blackhole.errors import ExpressionError
from blackhole.promql.syntax import MAX_LENGTH, MAX_NESTING, duration_of, parse, time_of


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "sum(",
        "a{b=~'['}",
        "rate(a)",
        "foo(a)",
        "{}",
        "{a=''}",
        "1 == 1",
        "a[5m] + 1",
        "a @ -1",
        "a[1.5h]",
    ],
)
def test_what_is_not_promql_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        parse(text)


@pytest.mark.parametrize("piece", ["(", "-", "1+", "{", "[", "a and ", "sum(", "a ATAN2 "])
def test_endless_nesting_is_refused_before_the_parser_sees_it(piece: str) -> None:
    with pytest.raises(ExpressionError, match=f"more than {MAX_NESTING}"):
        parse(piece * (MAX_NESTING + 1) + "a")


def test_the_deepest_that_is_let_in_is_parsed_also_in_a_thread() -> None:
    code = (
        "import threading; from blackhole.promql.syntax import parse, MAX_NESTING as n\n"
        "texts = ('(' * n + '1' + ')' * n, '-' * n + 'a', '+'.join(['a'] * n), 'abs(' * n + 'a' + ')' * n)\n"
        "for text in texts:\n"
        "    thread = threading.Thread(target=parse, args=(text,)); thread.start(); thread.join()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_brackets_in_strings_and_comments_do_not_count() -> None:
    parse('a{b="' + "((((" * 200 + '"} # ' + "-+" * 300)


def test_a_long_query_is_refused() -> None:
    with pytest.raises(ExpressionError, match="longer than"):
        parse("a" * (MAX_LENGTH + 1))


@pytest.mark.parametrize(
    "expression",
    [
        "limit_ratio(0.5, queue)",
        "info(queue)",
        "histogram_quantiles(queue, 'q', 0.5)",
        "histogram_count(queue)",
        "queue + fill(0) queue",
    ],
)
def test_what_is_not_supported_says_so(shop: Shop, expression: str) -> None:
    with pytest.raises(ExpressionError, match="not supported"):
        shop.engine.instant(expression, 0)


def test_or_between_matchers_is_refused(shop: Shop) -> None:
    with pytest.raises(ExpressionError, match="join two selectors"):
        shop.engine.instant('queue{a="b" or c="d"}', 0)


@pytest.mark.parametrize(
    ("text", "length"), [("15", 15_000), ("0.5", 500), ("1m30s", 90_000), ("1h", 3_600_000), ("20ms", 20)]
)
def test_durations(text: str, length: int) -> None:
    assert duration_of(text, "step") == length


@pytest.mark.parametrize("text", ["", "x", "0", "-1", "NaN", "1e400", "Inf"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ExpressionError, match="step"):
        duration_of(text, "step")


def test_times_are_unix_seconds_or_rfc_3339() -> None:
    assert time_of("1750000000.123", "time") == 1_750_000_000_123
    assert time_of("2025-06-15T15:06:40Z", "time") == 1_750_000_000_000
    with pytest.raises(ExpressionError, match="time"):
        time_of("yesterday", "time")
