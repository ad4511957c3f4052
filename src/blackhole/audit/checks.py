"""The checks that every mechanism passes, as one list: what it gives away, where its means are, its noise."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from blackhole.audit.compare import compare
from blackhole.audit.law import LEAST_CHANCE, independence, mean_shift, noise_law
from blackhole.audit.samples import AuditFinding, AuditSample, Claim
from blackhole.privacy.mechanism import Mechanism


@dataclass(frozen=True, slots=True)
class NoiseParameters:
    """What the noise of one coordinate is announced to be, in the metric's unit."""

    mechanism: Mechanism
    scale: float
    grid: float


@dataclass(frozen=True, slots=True)
class Expectation:
    """What would be released without noise, by hand, and how far one more unit moves it.

    None: the engine is free there, or no law is known. `independent`: whether no noise knows of another.
    """

    exact: tuple[float | None, ...]
    shift: tuple[float | None, ...]
    total_shift: float
    noise: tuple[NoiseParameters, ...]
    independent: bool = True


def examine(
    without: AuditSample, with_unit: AuditSample, claim: Claim, expected: Expectation
) -> list[AuditFinding]:
    """All checks of one mechanism on one pair of neighbours."""
    findings = [
        compare(without, with_unit, claim),
        mean_shift(without, with_unit, expected.shift, expected.total_shift),
    ]
    known = [i for i, exact in enumerate(expected.exact) if exact is not None]
    columns = {i: [outcome[i] for outcome in without] for i in known}
    whole = {i: [v for v in column if v is not None] for i, column in columns.items()}
    absent = [i for i in known if len(whole[i]) < len(without)]
    if absent:
        words = f"value {absent[0] + 1} is absent in {len(without) - len(whole[absent[0]])} trials"
        return [*findings, AuditFinding("always released", 0.0, LEAST_CHANCE, passed=False, words=words)]
    findings.append(_law(whole, expected))
    if expected.independent:
        findings.append(_unrelated([whole[i] for i in known]))
    return findings


def _law(columns: dict[int, list[float]], expected: Expectation) -> AuditFinding:
    """The worst of all coordinates."""
    found = []
    for place, values in columns.items():
        noise, exact = expected.noise[place], expected.exact[place] or 0.0
        found.append(noise_law(values, exact, noise.mechanism, noise.scale, noise.grid))
    return _worst(found)


def _unrelated(columns: Sequence[Sequence[float]]) -> AuditFinding:
    """Neither between neighbouring values of a release, nor from one release to the next."""
    found = [independence(one, other) for one, other in pairwise(columns)]
    found += [independence(column[:-1], column[1:]) for column in columns]
    return _worst(found)


def _worst(findings: Sequence[AuditFinding]) -> AuditFinding:
    """The least likely of many, allowed for being the least of so many."""
    worst = min(findings, key=lambda finding: finding.measured)
    chance = min(worst.measured * len(findings), 1.0)
    return replace(worst, measured=chance, passed=chance >= worst.allowed)
