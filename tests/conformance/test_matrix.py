"""The published matrix is about the checks that there are."""

import re
from pathlib import Path

import pytest
from bench.conformance import document
from bench.peers import PEERS

from blackhole.conformance import suite
from blackhole.conformance.suite import RuleFinding, SuiteResult

MATRIX = Path(__file__).resolve().parents[2] / "docs" / "conformance-matrix.md"


def finding(name: str, result: SuiteResult, seen: str) -> RuleFinding:
    check = suite.checks()[0]
    return RuleFinding(name, check.transport, check.level, check.rule, result, seen, check.remedy, 0.1)


def rows(text: str) -> list[tuple[str, str]]:
    table = text.partition("## Every check")[2].partition("##")[0]
    return re.findall(r"^\| (.+?) \| (http|grpc) \|", table, re.MULTILINE)


def test_the_matrix_has_every_check_and_no_other() -> None:
    assert rows(MATRIX.read_text(encoding="utf-8")) == [(one.name, one.transport) for one in suite.checks()]


def test_the_matrix_says_that_we_pass_and_when_it_was_written() -> None:
    text = MATRIX.read_text(encoding="utf-8")
    assert re.search(r"`python -m bench.conformance` on 20\d\d-\d\d-\d\d", text)
    assert f"What was seen: {PEERS[0].name}" not in text
    for peer in PEERS[1:]:
        assert f"| {peer.name} | {peer.version} |" in text


@pytest.mark.parametrize("result", list(SuiteResult))
def test_a_receiver_that_cannot_be_had_is_named_with_the_reason(result: SuiteResult) -> None:
    found = {PEERS[0]: [finding("a | b", result, "<seen>")]}
    text = "\n".join(document(found, {PEERS[1]: "it cannot be built"}))
    assert f"| {PEERS[1].name} | {PEERS[1].version} | not compared: it cannot be built |" in text
    assert "a \\| b" in text
    assert ("&lt;seen>" in text) == (result is SuiteResult.FAILED)
