"""Tries whether any OTLP receiver keeps the rules, and prints a table of what was seen."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from blackhole.conformance.suite import RuleFinding

_MARKS = {"passed": "✓", "failed": "✗", "skipped": "–"}  # noqa: RUF001  (an en dash is meant)


@click.command("conformance")
@click.argument("urls", nargs=-1, required=True, metavar="URL [URL]")
@click.option("--token", default="", envvar="BLACKHOLE_TOKEN", metavar="TOKEN", help="Bearer token.")
@click.option("--failed", "only_failed", is_flag=True, help="List only what failed.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
def command(urls: tuple[str, ...], token: str, only_failed: bool, as_json: bool) -> int:
    """Try an OTLP receiver against the specification: http://HOST:4318, grpc://HOST:4317, or both.

    It sends some made-up telemetry of a service `otlp-conformance`. Exit code 1: a required check failed.
    """
    import asyncio  # noqa: PLC0415

    from blackhole.conformance import suite, target  # noqa: PLC0415

    async def findings() -> "list[RuleFinding]":
        probe = await target.reach(urls, token)
        try:
            return await suite.run(probe)
        finally:
            await probe.close()

    found = asyncio.run(findings())
    passed = suite.conforms(found)
    if as_json:
        click.echo(json.dumps({"conforms": passed, "findings": [asdict(finding) for finding in found]}))
    else:
        click.echo(report(found, only_failed=only_failed))
    return 0 if passed else 1


def report(findings: "Sequence[RuleFinding]", *, only_failed: bool = False) -> str:
    """The table, what mends each failure, and the counts."""
    from blackhole.cli.render import table  # noqa: PLC0415

    failed = [finding for finding in findings if finding.result == "failed"]
    shown = failed if only_failed else findings
    rows = [[_MARKS[f.result], f.level, f"{f.name} ({f.transport})", f.rule, f.seen] for f in shown]
    parts = [table(["", "level", "check", "rule", "seen"], rows)] if rows else []
    remedies: dict[str, list[str]] = {}
    for finding in failed:
        remedies.setdefault(finding.remedy, []).append(finding.name)
    if remedies:
        parts.append("\n".join(f"✗ {'; '.join(names)}:\n  {remedy}" for remedy, names in remedies.items()))
    return "\n\n".join([*parts, _counts(findings)])


def _counts(findings: "Sequence[RuleFinding]") -> str:
    lines = []
    for level in ("required", "recommended", "advice"):
        counts = Counter(str(finding.result) for finding in findings if finding.level == level)
        words = ", ".join(f"{counts[result]} {result}" for result in _MARKS if counts[result])
        lines.append(f"{level + ':':<13}{words or 'none'}")
    return "\n".join(lines)
