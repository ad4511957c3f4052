"""Tries whether the privacy engine keeps its promise, and prints a table of what was claimed and measured."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from blackhole.cli.options import PlaceOption, common
from blackhole.cli.privacy_simulate import released_entry

if TYPE_CHECKING:
    from blackhole.audit.subjects import AuditSubject
    from blackhole.audit.suite import AuditRow

_COLUMNS = "  {:<2}{:<8} {:<18} {:<28} {:<31} {:>10} {:>10}"


@click.command("audit")
@click.option("--trials", default=10_000, show_default=True, type=click.IntRange(min=200), metavar="N")
@click.option("--metric", "metrics", multiple=True, metavar="NAME", help="Audit this one of the catalogue.")
@common
def command(place: PlaceOption, trials: int, metrics: tuple[str, ...]) -> int:
    """Try whether what is released keeps the promise about one person more or less.

    The engine runs N times with and without one unit; what tells the two apart best is searched on one half
    of the trials and judged on the other. The answer is a lower bound on what is given away, at 99.9 %.
    Exit code 1: more than is claimed, or noise or means that are not what they should be.
    """
    subjects = _subjects(place, metrics)
    rows = []
    if not place.as_json:
        click.echo(_COLUMNS.format("", "path", "noise", "metric", "with and without", "claimed", "at least"))
    for row in _rows(subjects, trials):
        rows.append(row)
        if not place.as_json:
            click.echo(_words(row))
    passed = all(row.passed for row in rows)
    if place.as_json:
        import json  # noqa: PLC0415

        click.echo(json.dumps({"passed": passed, "trials": trials, "rows": [*map(_plain, rows)]}))
    else:
        failed = sum(not row.passed for row in rows)
        click.echo(f"{len(rows)} audited, {failed} failed; {trials:,} trials a side at the guard")
    return 0 if passed else 1


def _subjects(place: PlaceOption, metrics: Sequence[str]) -> "list[AuditSubject]":
    from blackhole.audit.subjects import MECHANISMS, built_in, of_metric, subject  # noqa: PLC0415

    if not metrics:
        tried = list(built_in())
    else:
        from blackhole.catalogue.load import load  # noqa: PLC0415

        catalogue = load([Path(name).expanduser() for name in place.config().catalogue])
        tried = [of_metric(released_entry(catalogue, name)) for name in metrics]
    return [subject(entry, mechanism, windows) for entry, windows in tried for mechanism in MECHANISMS]


def _rows(subjects: "Sequence[AuditSubject]", trials: int) -> "Iterator[AuditRow]":
    from blackhole.audit.guard_path import GuardPath  # noqa: PLC0415
    from blackhole.audit.service_path import ServicePath  # noqa: PLC0415
    from blackhole.audit.suite import audit  # noqa: PLC0415

    yield from audit(GuardPath(), subjects, trials)
    yield from audit(ServicePath(), subjects, trials)


def _words(row: "AuditRow") -> str:
    claim = row.claim
    line = _COLUMNS.format(
        "✓" if row.passed else "✗",
        row.path,
        claim.mechanism,
        row.subject,
        row.inputs,
        f"{claim.symbol} {claim.bound:.3f}",
        f"{row.findings[0].measured:.3f}",
    )
    return "\n".join([line, *(f"    ✗ {finding.check}: {finding.words}" for finding in row.failures)])


def _plain(row: "AuditRow") -> dict[str, Any]:
    return {
        "path": row.path,
        "metric": row.subject,
        "inputs": row.inputs,
        "mechanism": row.claim.mechanism,
        "claimed": row.claim.bound,
        "at_least": row.findings[0].measured,
        "trials": row.trials,
        "passed": row.passed,
        "findings": [asdict(finding) for finding in row.findings],
    }
