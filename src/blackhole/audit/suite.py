"""Turns subjects and paths through the service into rows: the claim, what was measured, the verdict."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from blackhole.audit.checks import examine
from blackhole.audit.neighbours import Neighbours, NeighbourWindows, neighbours
from blackhole.audit.samples import AuditFinding, AuditSample, Claim
from blackhole.audit.subjects import AuditSubject


class Path(Protocol):
    """A way from lines to released values; every trial is a budget period with all its windows."""

    @property
    def name(self) -> str: ...
    def affordable(self, subject: AuditSubject, trials: int) -> int:
        """How many of the trials that were asked for are made of this subject: some paths are slow."""

    def sample(self, subject: AuditSubject, windows: NeighbourWindows, trials: int) -> AuditSample:
        """One outcome a trial: the values of each window in order, of each window those of each group."""


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One subject on one path, with one pair of neighbours."""

    path: str
    subject: str
    inputs: str
    claim: Claim
    trials: int
    findings: tuple[AuditFinding, ...]

    @property
    def passed(self) -> bool:
        return all(finding.passed for finding in self.findings)

    @property
    def failures(self) -> Sequence[AuditFinding]:
        return [finding for finding in self.findings if not finding.passed]


def audit(path: Path, subjects: Sequence[AuditSubject], trials: int) -> Iterator[AuditRow]:
    """A row for each subject and pair of neighbours; the trials without the unit serve for all its pairs."""
    for subject in subjects:
        count = path.affordable(subject, trials)
        pairs = list(neighbours(subject.definition, subject.terms))
        without = path.sample(subject, pairs[0].without, count)
        for pair in pairs:
            yield _row(path, subject, pair, without, count)


def _row(path: Path, subject: AuditSubject, pair: Neighbours, without: AuditSample, trials: int) -> AuditRow:
    with_unit = path.sample(subject, pair.with_unit, trials)
    findings = examine(without, with_unit, subject.claim, pair.expected)
    return AuditRow(path.name, subject.name, pair.name, subject.claim, trials, tuple(findings))
