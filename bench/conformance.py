"""Runs the conformance suite against the receivers that can be had; writes docs/conformance-matrix.md."""

import argparse
import asyncio
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.peers import PEERS, Peer
from bench.rotel import MissingError
from blackhole.conformance import suite, target
from blackhole.conformance.check import RuleLevel
from blackhole.conformance.suite import RuleFinding, SuiteResult

MATRIX = Path("docs/conformance-matrix.md")
MARKS = {SuiteResult.PASSED: "✓", SuiteResult.FAILED: "✗", SuiteResult.SKIPPED: "–"}  # noqa: RUF001  (an en dash is meant)
Findings = Mapping[Peer, Sequence[RuleFinding]]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.conformance", description=__doc__)
    parser.add_argument("--to", type=Path, default=MATRIX)
    to = parser.parse_args().to
    found: dict[Peer, Sequence[RuleFinding]] = {}
    missing: dict[Peer, str] = {}
    for peer in PEERS:
        try:
            found[peer] = findings(peer)
            print(f"{peer.name}: {counts(found[peer])}", flush=True)
        except MissingError as error:
            missing[peer] = str(error)
            print(f"{peer.name} is not compared: {error}", flush=True)
    to.write_text("\n".join(document(found, missing)) + "\n", encoding="utf-8")
    return 0 if suite.conforms(found.get(PEERS[0], ())) else 1


def findings(peer: Peer) -> Sequence[RuleFinding]:
    """Raises MissingError."""
    with tempfile.TemporaryDirectory(prefix="blackhole-bench-") as scratch, peer.run(Path(scratch)) as urls:
        return asyncio.run(_try(urls))


async def _try(urls: Sequence[str]) -> Sequence[RuleFinding]:
    probe = await target.reach(urls)
    try:
        return await suite.run(probe)
    finally:
        await probe.close()


def counts(found: Sequence[RuleFinding], level: RuleLevel | None = None) -> str:
    results = Counter(f.result for f in found if level in {None, f.level})
    return ", ".join(f"{results[result]} {mark}" for result, mark in MARKS.items() if results[result])


def document(found: Findings, missing: Mapping[Peer, str]) -> Iterator[str]:
    today = datetime.now(UTC).date().isoformat()
    yield "# Conformance matrix"
    yield ""
    passed, failed, skipped = MARKS.values()
    yield f"Written by `python -m bench.conformance` on {today}; [conformance](conformance.md) says how."
    yield f"{passed} kept, {failed} broken, {skipped} does not apply."
    yield "Only what can be seen from outside is judged;"
    yield "each receiver ran as it comes, with the settings that the table names."
    yield ""
    yield from _summary(found, missing)
    yield ""
    yield "## Every check"
    yield ""
    yield from _table(found)
    for peer, results in found.items():
        yield from _failures(peer, results)


def _summary(found: Findings, missing: Mapping[Peer, str]) -> Iterator[str]:
    yield "| receiver | version | as | required | recommended | advice |"
    yield "|---|---|---|---|---|---|"
    for peer, results in found.items():
        cells = [counts(results, level) for level in RuleLevel]
        yield f"| {peer.name} | {peer.version} | {peer.note} | {' | '.join(cells)} |"
    for peer, reason in missing.items():
        yield f"| {peer.name} | {peer.version} | not compared: {_cell(reason)} | | | |"


def _table(found: Findings) -> Iterator[str]:
    yield f"| check | over | level | rule | {' | '.join(peer.name for peer in found)} |"
    yield "|---|---|---|---|" + "---|" * len(found)
    for row in zip(*found.values(), strict=True):
        first = row[0]
        marks = " | ".join(MARKS[finding.result] for finding in row)
        yield f"| {_cell(first.name)} | {first.transport} | {first.level} | {first.rule} | {marks} |"


def _failures(peer: Peer, results: Sequence[RuleFinding]) -> Iterator[str]:
    failed = [finding for finding in results if finding.result is SuiteResult.FAILED]
    if failed:
        yield ""
        yield f"## What was seen: {peer.name}"
        yield ""
        yield "| check | over | level | seen |"
        yield "|---|---|---|---|"
    for finding in failed:
        yield f"| {_cell(finding.name)} | {finding.transport} | {finding.level} | {_cell(finding.seen)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    sys.exit(main())
