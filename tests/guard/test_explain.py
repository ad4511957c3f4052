"""What is said about a metric: figures that follow from the catalogue, in words for newcomers."""

import math
import random

import pytest
from tests.guard.ledger_fakes import ENTRIES, entry

from blackhole.catalogue.definition import Definition
from blackhole.catalogue.load import load
from blackhole.config import Config, Duration
from blackhole.privacy.budget import epsilon_of
from blackhole.privacy.explain import Explanation, explain
from blackhole.privacy.factorisation import coefficients
from blackhole.privacy.mechanism import Mechanism

OPERATIONS, USERS = ENTRIES


def explained(definition: Definition, *others: Definition, **settings: object) -> Explanation:
    return explain(definition, (definition, *others), Config(**settings))  # type: ignore[arg-type]


def test_the_figures_of_a_release_are_those_of_the_plan() -> None:
    found = explained(OPERATIONS, USERS)

    assert (found.mechanism, found.window, found.groups, found.windows) == ("discrete_gaussian", "1h", 3, 24)
    assert found.share == pytest.approx(1 / 3)
    assert found.rho is not None
    assert found.scale is not None
    assert found.scale == pytest.approx(math.sqrt(1 / (2 * found.rho)), rel=0.01)
    assert found.epsilon == pytest.approx(epsilon_of(found.rho, 1e-9))
    assert found.cost == pytest.approx(epsilon_of(found.rho * 24, 1e-9))
    assert found.expected_error_95 == Mechanism.GAUSSIAN.half_width([found.scale])
    assert found.expected_error_95_period == Mechanism.GAUSSIAN.half_width([found.scale] * 24)


def test_without_delta_the_measure_is_epsilon() -> None:
    found = explained(OPERATIONS, privacy_delta=0.0)

    assert (found.mechanism, found.delta, found.rho) == ("discrete_laplace", 0.0, None)
    assert found.epsilon == pytest.approx(1 / 24)
    assert found.cost == pytest.approx(1.0)


def test_of_a_running_total_the_error_is_that_of_its_increments_and_of_its_end() -> None:
    views = entry("page.views", privacy_unit="event", release="running_total")
    found = explained(views)
    assert found.scale is not None
    factors, chance = coefficients(), random.Random(1)
    ends, steps = [], []
    for _ in range(4000):
        fresh = [chance.gauss(0, found.scale) for _ in range(24)]
        totals = [sum(factors[t - s] * fresh[s] for s in range(t + 1)) for t in (22, 23)]
        ends.append(totals[1])
        steps.append(totals[1] - totals[0])

    assert found.running_total
    assert found.expected_error_95_period == pytest.approx(1.96 * spread(ends), rel=0.04)
    assert found.expected_error_95 == pytest.approx(1.96 * spread(steps), rel=0.04)


def spread(values: list[float]) -> float:
    return math.sqrt(sum(value * value for value in values) / len(values))


def test_the_words_say_what_happens_how_wrong_it_is_and_what_it_costs() -> None:
    words = explained(OPERATIONS).words

    assert "every hour one number is published for each of the 3 groups" in words
    assert "cut to between 0 and 1" in words
    assert "24 of the 24 windows of a day" in words
    assert "19 of 20 values" in words
    assert "all metrics together cost at most ε = 1" in words


def test_the_assumptions_name_who_is_protected_and_for_how_long() -> None:
    of_users = "\n".join(explained(OPERATIONS).assumptions)
    of_peers = "\n".join(
        explained(entry("peers", privacy_unit={"name": "peer", "keys": ["peer.id"]})).assumptions
    )
    of_events = explained(entry("views", privacy_unit="event", max_events_per_unit=20)).assumptions

    assert "points without any of them count together as one user" in of_users
    assert "cost 2ε, and d periods d·ε" in of_users
    assert "clamp bias unknown" in of_users
    assert "a peer id is not a person" in of_peers
    assert any(
        "ε per event, 20·ε per person if true (400\u03c1 for Gaussian noise)" in said for said in of_events
    )


def test_a_sensitive_metric_is_told_to_have_no_formal_guarantee() -> None:
    sensitive = entry("peers", privacy="sensitive", max_groups_per_unit=2)
    found = explained(
        sensitive, region_populations={"north": 5000, "tiny": 20}, sensitive_window=Duration(120)
    )

    assert (found.k_anonymity, found.window, found.mechanism, found.scale) == (5, "2m", None, None)
    assert "fewer than 5 users are merged into `other`" in found.words
    assert "no formal guarantee" in found.words
    assert "shown as they are: north)" in found.words


def test_without_differential_privacy_nothing_of_it_is_claimed() -> None:
    found = explained(OPERATIONS, differential_privacy=False)

    assert (found.mechanism, found.epsilon, found.scale, found.window) == (None, None, None, "1m")
    assert "differential_privacy is off" in found.words


def test_open_metrics_that_count_the_same_events_are_listed_with_their_reason() -> None:
    calls = entry("rpc.calls", privacy="internal", same_events_ok="calls of the node itself")

    guarded, own = explained(OPERATIONS, calls), explained(calls, OPERATIONS)

    assert guarded.same_events == own.same_events == {"rpc.calls": "calls of the node itself"}
    assert any("rpc.calls" in said and "calls of the node itself" in said for said in guarded.assumptions)
    assert "accepted because: calls of the node itself" in own.words
    assert "never leaves this node" in own.words
    assert explained(entry("open", privacy="public")).same_events == {}


def test_every_entry_that_is_published_can_be_explained() -> None:
    catalogue = load()
    for level in ("public", "internal", "sensitive", "highly_sensitive"):
        for definition in [d for d in catalogue if d.privacy == level][:4]:
            found = explain(definition, catalogue, Config())
            assert found.words
            assert found.assumptions
