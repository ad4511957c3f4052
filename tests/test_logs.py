"""No line of the log names anybody: not by its words, not by an exception, not when nobody caught it."""

import asyncio
import json
import logging
import subprocess
import sys
import threading
from typing import Any

import pytest

from blackhole.privacy.scrub import names_somebody
from blackhole.runtime.logs import WITHHELD, Lines, on_loop_error, place, to_stderr

PEER = "12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf"


def line(
    message: str, *values: object, style: str = "text", own: tuple[str, ...] = (), error: Any = None
) -> str:
    trace = (type(error), error, error.__traceback__) if error is not None else None
    record = logging.LogRecord("blackhole.x", logging.WARNING, "x.py", 1, message, values, trace)
    return Lines(style, names_somebody, own).format(record)


def raised(text: str) -> ValueError:
    try:
        raise ValueError(text)  # noqa: TRY301
    except ValueError as error:
        return error


def test_a_word_that_names_somebody_is_redacted_and_the_rest_stays() -> None:
    assert line("a commit of %d rows failed: %s", 3, f"duplicate {PEER}").endswith(
        "WARNING blackhole.x: a commit of 3 rows failed: duplicate redacted"
    )


def test_an_identity_of_several_words_withholds_the_line() -> None:
    assert line("call %s back", "+49 170 1234567").endswith(f": {WITHHELD}")


def test_paths_and_addresses_of_the_service_may_be_named() -> None:
    said = line("%s: old", "/home/ada/data/analytics.duckdb", own=("/home/ada/data",))
    assert said.endswith("/home/ada/data/analytics.duckdb: old")
    assert line("%s: old", "/home/ada/data", own=("",)).endswith("redacted old")


def test_a_line_is_one_line_in_either_style() -> None:
    assert "\n" not in line("first\nsecond")
    assert json.loads(line("first\nsecond", style="json"))["message"] == "first second"
    assert PEER not in line(PEER, style="json")


@pytest.mark.parametrize("style", ["text", "json"])
def test_of_an_exception_only_kind_and_place_are_written(style: str) -> None:
    said = line("failed", error=raised("ada lovelace"), style=style)
    assert "ada" not in said
    assert "failed: ValueError at test_logs.py:" in said
    assert "Traceback" not in said


def test_an_error_without_a_place_has_its_kind() -> None:
    assert place(KeyError("ada")) == "KeyError"


def test_errors_of_the_loop_are_kind_and_place(caplog: pytest.LogCaptureFixture) -> None:
    loop = asyncio.new_event_loop()
    on_loop_error(loop, {"message": "ada", "exception": raised("ada"), "future": "<Task ada>"})
    on_loop_error(loop, {"message": "ada"})
    loop.close()
    assert "ada" not in caplog.text
    assert len(caplog.records) == 2


CRASHES = {
    "the main thread": "raise ValueError('ada lovelace')",
    "another thread": "import threading as t; a = t.Thread(target=int, args=['ada']); a.start(); a.join()",
    "a finaliser": "class A:\n  def __del__(self): raise ValueError('ada lovelace')\nA()",
    "a record that cannot be written": "import logging; logging.warning('%d', 'ada')",
}


@pytest.mark.parametrize("where", CRASHES)
def test_a_crash_tells_nothing_of_its_text(where: str) -> None:
    setting = (
        "from blackhole.runtime import logs\n"
        "logs.to_stderr('text', lambda _: False)\n"
        "logs.uncaught_to_log()\n"
    )
    command = [sys.executable, "-c", setting + CRASHES[where]]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert "ada" not in done.stderr
    if "record" not in where:
        assert "unexpected ValueError at " in done.stderr


def test_the_log_is_set_up_once(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before, level, raising = root.handlers[:], root.level, logging.raiseExceptions
    try:
        to_stderr("text", names_somebody)
        threading.Thread(target=lambda: logging.getLogger("blackhole").info("hello %s", PEER)).run()
        assert capsys.readouterr().err.endswith("INFO blackhole: hello redacted\n")
    finally:
        logging.raiseExceptions = raising
        root.handlers[:] = before
        root.setLevel(level)
