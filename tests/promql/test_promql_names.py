"""Names and labels are those of Prometheus' OTLP receiver (names.json, renewed by `make promql-golden`)."""

import json
from typing import Any

import pytest
from tests.promql.naming import BOUNDS, CASES, Case
from tests.promql.oracle import NAMES

from blackhole.model.series import PrivacyLevel
from blackhole.promql.names import LE, NAME, kind_of, labels_of, metric_name, number_text

GOLDEN: dict[str, list[dict[str, str]]] = json.loads(NAMES.read_text(encoding="utf-8"))


@pytest.mark.parametrize(("number", "case"), list(enumerate(CASES)), ids=lambda value: str(value)[:40])
def test_named_as_by_prometheus(number: int, case: Case) -> None:
    name, unit, kind, attributes = case
    expected = GOLDEN[str(number)]
    full = metric_name(name, kind, unit, PrivacyLevel.PUBLIC)
    parts = {f"{full}_{part}" for part in ("bucket", "count", "sum")} if kind == "histogram" else {full}
    assert {series[NAME] for series in expected} == parts
    # We keep the attribute of the resource beside `job`, so that one sees where it comes from.
    ours = labels_of({**attributes, "service.name": "api"}) | {"service_name": "api"}
    for series in expected:
        theirs = {key: value for key, value in series.items() if key not in {NAME, LE}}
        assert ours == {**theirs, "service_name": "api"}


def test_the_names_asked_for_are_these() -> None:
    assert list(GOLDEN) == [str(number) for number in range(len(CASES))]
    assert all(GOLDEN.values())


def test_bounds_are_written_as_by_prometheus() -> None:
    written = {series[LE] for series in GOLDEN["20"] if LE in series}
    assert written == {number_text(bound) for bound in (*BOUNDS, float("inf"))}


def test_guarded_metrics_are_gauges_and_have_no_suffix_of_counters() -> None:
    assert kind_of("counter", PrivacyLevel.SENSITIVE) == "gauge"
    assert (
        metric_name("content.operations", "counter", "{op}", PrivacyLevel.HIGHLY_SENSITIVE)
        == "content_operations"
    )
    assert (
        metric_name("content.operations", "counter", "{op}", PrivacyLevel.PUBLIC)
        == "content_operations_total"
    )


def test_job_and_instance_are_those_of_the_resource() -> None:
    resource: dict[str, Any] = {
        "service.name": "api",
        "service.namespace": "shop",
        "service.instance.id": "1",
    }
    labels = labels_of(resource)
    assert (labels["job"], labels["instance"]) == ("shop/api", "1")
    assert labels_of({**resource, "job": "mine"})["job"] == "mine"
