"""What a series keeps of its attributes is what its entry allows, and nothing else."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackhole.catalogue.definition import Definition
from blackhole.config import Config
from blackhole.guard.attributes import Reducer, canonical

PEER = "12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf"


def definition(**keys: Any) -> Definition:
    base = {
        "name": "p2p.test",
        "description": "d",
        "type": "counter",
        "unit": "1",
        "privacy": "internal",
        "purpose": "p",
    }
    return msgspec.convert({**base, **keys}, Definition)


def reduce(
    entry: Definition, point: dict[str, object], resource: dict[str, object] | None = None, **settings: Any
) -> dict[str, object]:
    reducer = Reducer(Config(**settings))
    return {**reducer.reduce(entry, entry.name, resource or {}, point)}


def test_only_listed_attributes_survive_and_the_service_name_always_does() -> None:
    entry = definition(keep=["peer_type"])
    kept = reduce(
        entry, {"peer_type": "local", "peer.id": PEER, "x": 1}, {"service.name": "node", "host": "h"}
    )
    assert kept == {"peer_type": "local", "service.name": "node"}


def test_an_entry_without_keep_and_aggregation_keeps_nothing() -> None:
    assert reduce(definition(), {"type": "a", "region": "eu"}) == {}


def test_an_unknown_aggregation_keeps_nothing() -> None:
    assert reduce(definition(aggregation="by_moon_phase"), {"type": "a", "region": "eu"}) == {}


def test_keep_replaces_the_keys_of_the_aggregation() -> None:
    assert definition(aggregation="by_type", keep=["colour"]).kept_keys == ("colour",)
    assert definition(aggregation="by_type").kept_keys == ("type", "category", "region")


def test_by_type_keeps_the_metrics_own_declared_type_key() -> None:
    entry = definition(aggregation="by_type", values={"peer_type": ["local", "network"]})
    assert reduce(entry, {"peer_type": "local", "peer.id": PEER}) == {"peer_type": "local"}


def test_a_value_that_is_not_declared_becomes_other() -> None:
    entry = definition(keep=["type", "ok"], values={"type": ["a", "b"], "ok": ["true", "false"]})
    assert reduce(entry, {"type": PEER, "ok": True}) == {"type": "other", "ok": "true"}


def test_a_point_attribute_wins_over_a_resource_attribute() -> None:
    assert reduce(definition(keep=["k"]), {"k": "point"}, {"k": "resource"}) == {"k": "point"}


def test_an_identity_in_a_kept_attribute_is_redacted() -> None:
    assert reduce(definition(keep=["k"]), {"k": PEER}, {"service.name": PEER}) == {
        "k": "redacted",
        "service.name": "redacted",
    }


def test_values_beyond_the_cap_become_other_and_known_ones_stay() -> None:
    reducer, entry = Reducer(Config(max_values_per_key=2)), definition(keep=["k"])
    seen = [reducer.reduce(entry, "m", {}, {"k": v})["k"] for v in ("a", "b", "c", "a", "d", "b")]
    assert seen == ["a", "b", "other", "a", "other", "b"]


@pytest.mark.parametrize(
    ("region", "kept"), [("big", "big"), ("small", "other"), ("unlisted", "other"), (7, "other")]
)
def test_a_region_with_few_people_becomes_other(region: object, kept: str) -> None:
    entry = definition(
        aggregation="by_region",
        privacy="sensitive",
        bounds=[0, 1],
        privacy_unit={"name": "peer", "keys": ["peer.id"]},
    )
    populations = {"big": 5000, "small": 999}
    assert reduce(entry, {"region": region}, region_populations=populations) == {"region": kept}


def test_an_unlisted_region_is_other_even_when_no_population_is_too_small() -> None:
    entry = definition(aggregation="by_region")
    assert reduce(entry, {"region": PEER}, min_region_population=0) == {"region": "other"}


def test_an_undeclared_service_name_is_no_group_of_a_noisy_release() -> None:
    entry = definition(
        privacy="highly_sensitive", keep=["type"], values={"type": ["a"]}, bounds=[0, 1], privacy_unit="event"
    )
    assert reduce(entry, {"type": "a"}, {"service.name": "node"}) == {"type": "a"}


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(["type", "peer.id", "service.name", "x"]), anything))
def test_whatever_comes_the_result_is_allowed_scalar_and_canonical(point: dict[str, object]) -> None:
    kept = reduce(definition(keep=["type"]), point)
    assert kept.keys() <= {"type", "service.name"}
    assert all(isinstance(v, str | int | float | bool) for v in kept.values())
    assert msgspec.json.decode(canonical(kept)) == kept  # type: ignore[arg-type]


def test_of_declared_services_every_other_one_is_other() -> None:
    entry = definition(privacy="highly_sensitive", values={"service.name": ["node"]}, keep=[])
    assert reduce(entry, {}, {"service.name": "node"}) == {"service.name": "node"}
    assert reduce(entry, {}, {"service.name": "somebody"}) == {"service.name": "other"}
    assert entry.declared_groups == 2


def test_a_released_metric_without_declared_services_has_none() -> None:
    assert reduce(definition(privacy="highly_sensitive", keep=[]), {}, {"service.name": "node"}) == {}
