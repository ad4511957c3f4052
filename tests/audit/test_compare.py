"""The comparison of two samples has power against a doubled sensitivity, and does not cry wolf."""

import math
import random
from dataclasses import replace
from statistics import fmean

import pytest
from tests.audit.reference import Reference, Row

from blackhole.audit.compare import compare
from blackhole.audit.samples import Claim
from blackhole.privacy.mechanism import Mechanism

CROWD: list[Row] = [(f"u{i}", i % 4, 1.0 + i % 7) for i in range(24)]
# One more person, who gives all that one may, in two groups.
PERSON: list[Row] = [("new", 0, 50.0), ("new", 2, 50.0)]
MECHANISMS: list[Mechanism] = [Mechanism.GAUSSIAN, Mechanism.LAPLACE]


def measured(engine: Reference, trials: int, seed: int = 7) -> float:
    without = engine.trials(CROWD, trials, seed)
    with_unit = engine.trials([*CROWD, *PERSON], trials, seed + 1)
    return compare(without, with_unit, engine.claim).measured


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_what_the_true_mechanism_gives_away_is_nearly_reached_and_never_passed(mechanism: Mechanism) -> None:
    engine = Reference(mechanism)
    found = measured(engine, 10_000)
    assert 0.75 * engine.claim.bound < found <= engine.claim.bound


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("cost", [0.5, 1.0, 2.0])
def test_ten_thousand_trials_find_a_doubled_sensitivity(mechanism: Mechanism, cost: float) -> None:
    engine = Reference(mechanism, cost=cost)
    assert measured(replace(engine, sensitivity=10.0), 10_000) > engine.claim.bound


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_of_many_sound_engines_none_is_accused(mechanism: Mechanism) -> None:
    """At 99.9 % and two bounds, two in a thousand would be allowed."""
    engine = Reference(mechanism)
    accused = [seed for seed in range(100) if measured(engine, 400, 1000 + 2 * seed) > engine.claim.bound]
    assert accused == []


def test_a_bound_on_mu_is_below_the_truth_as_often_as_it_says() -> None:
    """With a low confidence it must fail now and then, and seldom enough: neither loose nor wrong."""
    chance = random.Random(5)
    claim = Claim(Mechanism.GAUSSIAN, 1.0)
    over = []
    for _ in range(200):
        without = [(float(round(chance.gauss(0, 40))),) for _ in range(600)]
        with_unit = [(float(round(chance.gauss(40, 40))),) for _ in range(600)]
        over.append(not compare(without, with_unit, claim, confidence=0.6).passed)
    assert 0.05 < fmean(over) < 0.4


def test_an_absent_value_is_an_event_like_any_other() -> None:
    found = compare([(None,)] * 200, [(0.0,)] * 200, Claim(Mechanism.LAPLACE, 1.0))
    assert not found.passed
    assert "value 1" in found.words


def test_a_value_that_only_one_side_has_is_found() -> None:
    """Half-lines cannot see it: the same numbers, but for one in ten."""
    chance = random.Random(3)
    without = [(float(chance.choice([0, 2, 4])),) for _ in range(2000)]
    with_unit = [(1.0 if chance.random() < 0.1 else float(chance.choice([0, 2, 4])),) for _ in range(2000)]
    found = compare(without, with_unit, Claim(Mechanism.LAPLACE, 1.0))
    assert not found.passed
    assert "value 1 = 1" in found.words


def test_samples_that_are_the_same_give_nothing_away() -> None:
    found = compare(
        [(float(i % 10),) for i in range(400)],
        [(float(i % 10),) for i in range(400)],
        Claim(Mechanism.LAPLACE, 0.1),
    )
    assert found.passed
    assert math.isfinite(found.measured)
