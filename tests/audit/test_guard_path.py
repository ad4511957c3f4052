"""The service's own guard keeps what it announces, and the audit finds it out when it does not."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from tests.audit.guard_faults import AROUND, INSIDE, MORE_WINDOWS, Plant

from blackhole.audit.checks import Expectation, examine
from blackhole.audit.guard_path import GuardPath
from blackhole.audit.neighbours import Neighbours, neighbours
from blackhole.audit.samples import AuditFinding
from blackhole.audit.subjects import MECHANISMS, AuditSubject, built_in, subject
from blackhole.privacy.mechanism import Mechanism

SUBJECTS = {entry.name: (entry, windows) for entry, windows in built_in()}
CI_TRIALS = 500


def honest(name: str, mechanism: Mechanism) -> AuditSubject:
    entry, windows = SUBJECTS[name]
    return subject(entry, mechanism, windows)


def failed(findings: Sequence[AuditFinding]) -> list[str]:
    return [f"{finding.check}: {finding.words}" for finding in findings if not finding.passed]


def checks(path: GuardPath, tried: AuditSubject, pair: Neighbours, trials: int) -> list[AuditFinding]:
    without = path.sample(tried, pair.without, trials)
    with_unit = path.sample(tried, pair.with_unit, trials)
    times = len(without[0]) // len(pair.expected.exact)
    return examine(without, with_unit, tried.claim, _repeated(pair.expected, times))


def _repeated(expected: Expectation, times: int) -> Expectation:
    """What is said of one release is said of each copy, so that only what copies give away can fail."""
    return replace(
        expected,
        exact=expected.exact * times,
        shift=expected.shift * times,
        total_shift=expected.total_shift * times,
        noise=expected.noise * times,
    )


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("name", SUBJECTS)
def test_every_kind_of_metric_passes_with_both_kinds_of_noise(name: str, mechanism: Mechanism) -> None:
    tried = honest(name, mechanism)
    for pair in neighbours(tried.definition, tried.terms):
        assert failed(checks(GuardPath(), tried, pair, CI_TRIALS)) == []


@pytest.mark.slow
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_ten_thousand_trials_find_noise_for_half_of_the_sensitivity(
    mechanism: Mechanism, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert found_out(INSIDE["noise for half of the sensitivity"], mechanism, monkeypatch, trials=10_000)


@pytest.mark.slow
@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("fault", INSIDE)
def test_what_is_planted_in_the_guard_is_found_by_what_a_unit_gives_away(
    fault: str, mechanism: Mechanism, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert found_out(INSIDE[fault], mechanism, monkeypatch, trials=3_000)


@pytest.mark.slow
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_unit_in_more_windows_than_are_charged_is_found(
    mechanism: Mechanism, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert faults_found(MORE_WINDOWS, mechanism, monkeypatch, trials=3_000)


def found_out(
    planted: tuple[str, bool, Plant], mechanism: Mechanism, patch: pytest.MonkeyPatch, *, trials: int
) -> bool:
    return "one unit more or less" in faults_found(planted, mechanism, patch, trials=trials)


def faults_found(
    planted: tuple[str, bool, Plant], mechanism: Mechanism, patch: pytest.MonkeyPatch, *, trials: int
) -> list[str]:
    """The checks that fail."""
    name, excessive, plant = planted
    tried = honest(name, mechanism)
    pair = list(neighbours(tried.definition, tried.terms))[excessive]
    plant(patch)
    return [finding.check for finding in checks(GuardPath(), tried, pair, trials) if not finding.passed]


@pytest.mark.slow
@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("fault", AROUND)
def test_what_is_planted_beside_the_guard_is_found(fault: str, mechanism: Mechanism) -> None:
    tried = honest("audit.counter", mechanism)
    pair = next(neighbours(tried.definition, tried.terms))
    assert failed(checks(AROUND[fault](), tried, pair, 6_000))


@pytest.mark.slow
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_release_published_twice_is_found_by_what_both_copies_give_away(mechanism: Mechanism) -> None:
    tried = honest("audit.counter", mechanism)
    pair = next(neighbours(tried.definition, tried.terms))
    found = checks(AROUND["one release twice, with new noise"](), tried, pair, 10_000)
    assert [finding.check for finding in found if not finding.passed] == ["one unit more or less"]
