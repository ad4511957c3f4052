"""Every planted fault is found; an engine without one passes, again and again."""

import math
import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from tests.audit.faults import FAULTS
from tests.audit.reference import Reference, Row, density, exact_noise, float_noise

from blackhole.audit.checks import Expectation, NoiseParameters, examine
from blackhole.audit.law import independence, mean_shift, noise_law, on_grid
from blackhole.audit.noise import at_most, chance, deviation
from blackhole.audit.samples import AuditFinding
from blackhole.privacy.mechanism import Mechanism

MECHANISMS: list[Mechanism] = [Mechanism.GAUSSIAN, Mechanism.LAPLACE]
CROWD: list[Row] = [(f"u{i}", i % 4, 1.0 + i % 7) for i in range(24)]
SUMS = (24.0, 23.0, 22.0, 21.0)
# One person with two keys, in more groups than one may have, with more than one may give.
PERSON: list[Row] = [(name, group, 30.0) for name in ("new", "alias:new") for group in range(4)]
# One person, who keeps to what one may.
MODEST: list[Row] = [("new", group, 20.0) for group in range(2)]


def sound(mechanism: Mechanism) -> Reference:
    return Reference(mechanism, same_person=lambda unit: unit.removeprefix("alias:"))


def findings(
    engine: Reference, trials: int, seed: int = 11, person: Sequence[Row] = PERSON
) -> list[AuditFinding]:
    honest = sound(engine.mechanism)
    expected = Expectation(
        exact=SUMS * engine.publications,
        shift=(None,) * 4 * engine.publications,
        total_shift=honest.most * honest.groups_per_unit,
        noise=(NoiseParameters(engine.mechanism, honest.scale, 1.0),) * 4 * engine.publications,
    )
    without = engine.trials(CROWD, trials, seed)
    with_unit = engine.trials([*CROWD, *person], trials, seed + 1)
    return examine(without, with_unit, honest.claim, expected)


def failed(found: list[AuditFinding]) -> list[str]:
    return [finding.check for finding in found if not finding.passed]


def test_the_sums_of_the_crowd_are_what_they_are_said_to_be() -> None:
    totals = sound(Mechanism.GAUSSIAN).exact(CROWD, random.Random(0))
    assert tuple(total for total, _ in totals) == SUMS


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("name", FAULTS)
def test_ten_thousand_trials_find_every_planted_fault(name: str, mechanism: Mechanism) -> None:
    assert failed(findings(FAULTS[name](sound(mechanism)), 10_000))


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize(
    "name",
    ["noise for half of the sensitivity", "too many groups a unit", "one person under two keys", "no clamp"],
)
def test_faults_that_give_a_unit_away_are_found_by_what_it_gives_away(
    name: str, mechanism: Mechanism
) -> None:
    """Not only by their side effects on means and noise."""
    assert "one unit more or less" in failed(findings(FAULTS[name](sound(mechanism)), 10_000))


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_release_that_is_published_twice_is_found_by_what_it_gives_away(mechanism: Mechanism) -> None:
    """Each copy alone is sound."""
    found = findings(replace(sound(mechanism), publications=2), 10_000, person=MODEST)
    assert "one unit more or less" in failed(found)
    assert "noise law" not in failed(found)


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_an_engine_without_a_fault_passes_every_check(mechanism: Mechanism) -> None:
    assert failed(findings(sound(mechanism), 10_000)) == []
    wrongly = [seed for seed in range(40) if failed(findings(sound(mechanism), 500, 3000 + 2 * seed))]
    assert wrongly == []


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("scale", [0.7, 3.25, 40.0, 64.5])
def test_the_law_is_the_normalised_sum_of_its_terms(mechanism: Mechanism, scale: float) -> None:
    reach = math.ceil(60 * scale)
    terms = [density(mechanism, scale, k) for k in range(-reach, reach + 1)]
    whole = math.fsum(terms)
    for step in (-7, -1, 0, 1, 3, round(2 * scale)):
        assert chance(mechanism, scale, step) == pytest.approx(terms[step + reach] / whole, rel=1e-9)
        assert at_most(mechanism, scale, step) == pytest.approx(
            math.fsum(terms[: step + reach + 1]) / whole, rel=2e-5
        )
    variance = math.fsum(k * k * term for k, term in enumerate(terms, -reach)) / whole
    if scale > 3:
        assert deviation(mechanism, scale) == pytest.approx(math.sqrt(variance), rel=0.01)


def test_floats_between_the_steps_are_not_on_the_grid() -> None:
    assert on_grid([3.0, 2.5], 1.0, 0.5) == [4, 3]
    assert on_grid([3.0, 2.6], 1.0, 0.5) is None


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_noise_of_a_fine_grid_follows_the_law_and_noise_of_another_scale_does_not(
    mechanism: Mechanism,
) -> None:
    source, grid, scale = random.Random(2), 2.0**-20, 3.0
    values = [round(float_noise(source, mechanism, scale) / grid) * grid for _ in range(4000)]
    assert noise_law(values, 0.0, mechanism, scale, grid).passed
    assert not noise_law(values, 0.0, mechanism, scale * 1.15, grid).passed


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_the_law_of_the_other_mechanism_is_told_apart(mechanism: Mechanism) -> None:
    source = random.Random(4)
    values = [exact_noise(source, mechanism, 20.0) for _ in range(4000)]
    other = Mechanism.LAPLACE if mechanism == Mechanism.GAUSSIAN else Mechanism.GAUSSIAN
    same_deviation = 20.0 / math.sqrt(2) if other == Mechanism.LAPLACE else 20.0 * math.sqrt(2)
    assert noise_law(values, 0.0, mechanism, 20.0, 1.0).passed
    assert not noise_law(values, 0.0, other, same_deviation, 1.0).passed


def test_noise_that_comes_again_is_not_independent() -> None:
    source = random.Random(6)
    first = [source.gauss(0, 1) for _ in range(500)]
    assert independence(first, [source.gauss(0, 1) for _ in range(500)]).passed
    assert not independence(first, [0.4 * x + source.gauss(0, 1) for x in first]).passed


def test_a_mean_that_moves_too_far_or_not_at_all_is_found() -> None:
    source = random.Random(8)
    without = [(source.gauss(0, 10),) for _ in range(2000)]
    with_unit = [(source.gauss(10, 10),) for _ in range(2000)]
    assert mean_shift(without, with_unit, (10.0,), 10.0).passed
    assert not mean_shift(without, with_unit, (20.0,), 20.0).passed
    assert not mean_shift(without, without[::-1], (10.0,), 10.0).passed
