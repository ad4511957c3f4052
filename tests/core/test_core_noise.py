"""The core's noise follows its exact law, at every scale that releases use, and is OpenDP's noise."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from blackhole import _core
from blackhole.audit.law import noise_law
from blackhole.audit.noise import chance
from blackhole.audit.statistics import chi_square_tail
from blackhole.privacy.mechanism import Mechanism
from blackhole.privacy.terms import SCALE_PARTS

MECHANISMS: list[Mechanism] = [Mechanism.GAUSSIAN, Mechanism.LAPLACE]
# One false alarm in a million.
LEAST = 1e-6


def drawn(mechanism: Mechanism, scale: float, count: int) -> list[int]:
    return _core.noise(mechanism, round(scale * SCALE_PARTS), count)


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("scale", [0.25, 1.0, 2.5, 41 / 2, 317 + 1 / SCALE_PARTS])
def test_samples_follow_the_exact_law(mechanism: Mechanism, scale: float) -> None:
    found = noise_law(drawn(mechanism, scale, 20_000), 0.0, mechanism, scale, 1.0)
    assert found.passed, found.words


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_noise_of_a_fine_grid_follows_its_law_too(mechanism: Mechanism) -> None:
    """A byte sum or a gauge has a million steps and more."""
    scale = 3.0 * 2**22
    found = noise_law(drawn(mechanism, scale, 5_000), 0.0, mechanism, scale, 1.0)
    assert found.passed, found.words


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_each_single_step_is_as_frequent_as_its_exact_chance(mechanism: Mechanism) -> None:
    """Step by step, so that no error hides in a bin: a doubled zero is the classic one of Laplace."""
    scale, count = 1.5, 60_000
    seen = Counter(drawn(mechanism, scale, count))
    for step in range(-4, 5):
        expected = count * chance(mechanism, scale, step)
        assert abs(seen[step] - expected) < 5 * math.sqrt(expected)


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_two_draws_are_never_the_same_series(mechanism: Mechanism) -> None:
    assert drawn(mechanism, 1000.0, 50) != drawn(mechanism, 1000.0, 50)


@pytest.mark.parametrize(("name", "scale"), [("discrete_gaussian", 0), ("uniform", 1024), ("", 1024)])
def test_no_noise_is_never_drawn(name: str, scale: int) -> None:
    with pytest.raises(ValueError, match="no such mechanism, or a scale of nothing"):
        _core.noise(name, scale, 1)


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("scale", [1.0, 20.5])
def test_opendp_draws_the_same_noise(mechanism: Mechanism, scale: float) -> None:
    theirs = opendp_noise(mechanism, scale)([0] * 20_000)
    assert same_law(drawn(mechanism, scale, 20_000), theirs) > LEAST


def test_the_comparison_with_opendp_tells_a_scale_that_is_a_tenth_larger() -> None:
    theirs = opendp_noise(Mechanism.GAUSSIAN, 20.5)([0] * 20_000)
    assert same_law(drawn(Mechanism.GAUSSIAN, 22.5, 20_000), theirs) < LEAST


@pytest.mark.parametrize("rho", [0.015, 0.5])
def test_opendp_says_that_our_noise_costs_what_we_say(rho: float) -> None:
    opendp = prelude()
    scale = 7 * math.sqrt(1 / (2 * rho))
    space = opendp.vector_domain(opendp.atom_domain(T=int)), opendp.l2_distance(T=float)
    assert opendp.m.make_gaussian(*space, scale=scale).map(7.0) == pytest.approx(rho, rel=1e-9)


def prelude() -> Any:
    opendp = pytest.importorskip("opendp.prelude", reason="needs `make build-tests`")
    opendp.enable_features("contrib")
    return opendp


def opendp_noise(mechanism: Mechanism, scale: float) -> Callable[[list[int]], Sequence[int]]:
    opendp = prelude()
    values = opendp.vector_domain(opendp.atom_domain(T=int))
    if mechanism == Mechanism.GAUSSIAN:
        made = opendp.m.make_gaussian(values, opendp.l2_distance(T=float), scale=scale)
    else:
        made = opendp.m.make_laplace(values, opendp.l1_distance(T=int), scale=scale)
    return made  # type: ignore[no-any-return]


def same_law(ours: Sequence[int], theirs: Sequence[int]) -> float:
    """The chance of two samples of the same size differing so much, by χ² over bins of equal weight."""
    ordered = sorted([*ours, *theirs])
    edges = sorted({ordered[len(ordered) * i // 30] for i in range(1, 30)})

    def counts(sample: Sequence[int]) -> Counter[int]:
        return Counter(sum(step > edge for edge in edges) for step in sample)

    one, other = counts(ours), counts(theirs)
    cells = [cell for cell in range(len(edges) + 1) if one[cell] + other[cell]]
    statistic = sum((one[c] - other[c]) ** 2 / (one[c] + other[c]) for c in cells)
    return chi_square_tail(statistic, len(cells) - 1)
