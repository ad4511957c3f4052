import pytest
from tests.sdk.reading import Measured


def test_a_success_counts_a_request_and_its_duration() -> None:
    measured = Measured()
    measured.integration.record("Resolve", 12.5)
    key = (("method", "Resolve"), ("success", True))
    assert measured.counts("demo.requests.total") == {key: 1}
    assert measured.counts("demo.errors.total") == {}
    assert measured.points("demo.request.duration")[key].sum == 12.5


def test_a_failure_counts_an_error_by_its_kind() -> None:
    measured = Measured()
    with pytest.raises(KeyError), measured.integration.measure("Resolve"):
        raise KeyError("did:key:secret")
    assert measured.counts("demo.requests.total") == {(("method", "Resolve"), ("success", False)): 1}
    assert measured.counts("demo.errors.total") == {(("error_type", "not_found"), ("method", "Resolve")): 1}


def test_custom_instruments_are_made_once_and_keep_their_kind() -> None:
    integration = Measured().integration
    assert integration.counter("own") is integration.counter("own")
    assert set(integration.custom) == {"own"}
    with pytest.raises(TypeError, match="own"):
        integration.histogram("own")


def test_the_instruments_are_those_of_the_specification() -> None:
    integration = Measured().integration
    assert integration.meter.name == "blackhole-demo"
    integration.updowncounter("level").add(-1)
    integration.histogram("wide", boundaries=[1.0, 2.0]).record(1)
