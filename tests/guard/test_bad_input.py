"""Contributions that are no numbers, contradict themselves or name no unit: refused, or bounded as any."""

import math
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
    Metric,
)
from tests.guard.guarded import DELTA, START, Private, any_value, metric, rows

from blackhole.guard.reasons import Reason

NAN, INF = math.nan, math.inf
ALICE = {"user.id": "alice", "kind": "a"}
NOTHING = {"a": [0.0], "b": [0.0], "other": [0.0]}


@pytest.fixture
def private(tmp_path: Path) -> Private:
    return Private(tmp_path)


@pytest.mark.parametrize("name", ["secret.count", "secret.events"])
@pytest.mark.parametrize("value", [NAN, INF, -INF, -1.0, -1e308])
def test_what_no_counter_can_say_is_refused_and_the_rest_is_counted(
    private: Private, name: str, value: float
) -> None:
    points = [(ALICE, 2.0), ({"user.id": "bob", "kind": "a"}, value), (ALICE, 3.0)]
    judged = private.send(metric(name, points, time=lambda n: START + n))
    assert judged.verdict.rejected == 1
    assert Reason.MALFORMED_POINT.words in judged.verdict.message
    assert private.released(name) == NOTHING | {"a": [5.0]}


@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_a_level_without_end_is_refused(private: Private, value: float) -> None:
    judged = private.send(metric("secret.level", [(ALICE, 7.0), (ALICE, value)], time=lambda n: START + n))
    assert judged.verdict.rejected == 1
    assert private.released("secret.level") == NOTHING | {"a": [7.0]}


@pytest.mark.parametrize(
    ("values", "gives"),
    [
        ([NAN], [0.0, 0.0]),
        ([5.0, NAN], [5.0, 1.0]),
        ([INF], [100.0, 1.0]),
        ([-INF], [0.0, 1.0]),
        ([1e308], [100.0, 1.0]),
    ],
)
def test_gauges_are_clamped_and_say_nothing_where_they_are_no_number(
    private: Private, values: list[float], gives: list[float]
) -> None:
    points = [(ALICE, value) for value in values]
    assert private.send(metric("secret.heat", points, time=lambda n: START + n)).verdict.rejected == 0
    assert private.released("secret.heat")["a"] == pytest.approx(gives, abs=2)


@pytest.mark.parametrize("value", [1e9, 1e308])
def test_one_unit_adds_no_more_than_its_bounds(private: Private, value: float) -> None:
    points = [({"user.id": "alice", "kind": "a", "device": f"{n}"}, value) for n in range(50)]
    private.send(metric("secret.count", points), metric("secret.level", [(ALICE, -value)]))
    found = {private.series[s]: v for batch in private.close() for s, v in rows(batch)}
    in_a = {row.metric: value for row, value in found.items() if row.attributes == '{"kind":"a"}'}
    assert in_a == {"secret.count": 100.0, "secret.level": -50.0, "secret.events": 0.0}


def _histogram(name: str, **given: Any) -> Metric:
    made = Metric(name=name)
    made.histogram.aggregation_temporality = DELTA  # type: ignore[assignment]
    point = made.histogram.data_points.add(time_unix_nano=START)
    point.MergeFrom(HistogramDataPoint(**given))
    for key, value in ALICE.items():
        point.attributes.add(key=key).value.string_value = value
    return made


def _exponential(name: str, **given: Any) -> Metric:
    made = Metric(name=name)
    made.exponential_histogram.aggregation_temporality = DELTA  # type: ignore[assignment]
    point = made.exponential_histogram.data_points.add(time_unix_nano=START)
    point.MergeFrom(ExponentialHistogramDataPoint(**given))
    for key, value in ALICE.items():
        point.attributes.add(key=key).value.string_value = value
    return made


@pytest.mark.parametrize("name", ["secret.time", "secret.delays"])
@pytest.mark.parametrize(
    "given",
    [
        {"count": 3, "bucket_counts": [1, 2], "explicit_bounds": [INF]},
        {"count": 3, "sum": NAN, "bucket_counts": [1, 2], "explicit_bounds": [1.0]},
        {"count": 3, "sum": INF, "min": NAN, "max": -INF, "bucket_counts": [1, 2], "explicit_bounds": [1.0]},
    ],
)
def test_histograms_whose_sum_or_last_bound_is_no_number_are_counted(
    private: Private, name: str, given: dict[str, Any]
) -> None:
    assert private.send(_histogram(name, **given)).verdict.rejected == 0
    assert sum(private.released(name)["a"]) > 0


@pytest.mark.parametrize("name", ["secret.time", "secret.delays"])
@pytest.mark.parametrize(
    "given",
    [
        {"count": 5, "bucket_counts": [1, 2], "explicit_bounds": [1.0]},
        {"count": 3, "bucket_counts": [1, 2], "explicit_bounds": [1.0, 2.0]},
        {"count": 3, "bucket_counts": [1, 1, 1], "explicit_bounds": [2.0, 1.0]},
        {"count": 3, "bucket_counts": [1, 1, 1], "explicit_bounds": [1.0, 1.0]},
        {"count": 3, "bucket_counts": [1, 2], "explicit_bounds": [NAN]},
        {"count": 3, "bucket_counts": [1, 2], "explicit_bounds": [-INF]},
        {"count": 0, "bucket_counts": [2**63, 2**63], "explicit_bounds": [1.0]},
        {"count": 3},
    ],
)
def test_histograms_that_contradict_themselves_are_refused(
    private: Private, name: str, given: dict[str, Any]
) -> None:
    assert private.send(_histogram(name, **given)).verdict.rejected == 1
    assert private.released(name)["a"] == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    "given",
    [
        {"count": 5, "scale": 2, "positive": {"bucket_counts": [1, 2]}},
        {"count": 3, "scale": 99, "positive": {"bucket_counts": [1, 2]}},
        {"count": 3, "scale": 2, "zero_threshold": NAN, "positive": {"bucket_counts": [1, 2]}},
        {"count": 3, "scale": -10, "positive": {"bucket_counts": [1, 2], "offset": 2**31 - 1}},
    ],
)
def test_exponential_histograms_that_contradict_themselves_are_refused(
    private: Private, given: dict[str, Any]
) -> None:
    assert private.send(_exponential("secret.time", **given)).verdict.rejected == 1
    assert private.released("secret.time")["a"] == [0.0, 0.0, 0.0]


def test_a_histogram_of_a_unit_is_bounded_in_each_bucket(private: Private) -> None:
    assert (
        private.send(
            _histogram("secret.time", count=2**62, bucket_counts=[2**61, 2**61], explicit_bounds=[10.0])
        ).verdict.rejected
        == 0
    )
    assert private.released("secret.time")["a"] == [100.0, 0.0, 100.0]


UNITS: dict[str, Any] = {
    "missing": None,
    "empty": "",
    "empty bytes": b"",
    "a value of no type": any_value(any_value("")).__class__(),
    "text": "alice",
    "bytes": b"\xff\x00",
    "64 KiB": "u" * 65_536,
    "nested": {"a": [{"b": "c"}]},
    "an array": ["alice", "bob"],
    "a number": 2**63 - 1,
    "control characters": "\0\u202e\n",
}


@pytest.mark.parametrize("case", UNITS)
def test_whatever_names_a_unit_it_is_one_unit(private: Private, case: str) -> None:
    """Also where nothing does: all points without any id count together as one."""
    named = {} if UNITS[case] is None else {"user.id": UNITS[case]}
    points = [({**named, "kind": "a", "device": f"{n}"}, 90.0) for n in range(5)]
    assert private.send(metric("secret.count", points)).verdict.rejected == 0
    assert private.released("secret.count") == NOTHING | {"a": [100.0]}


def test_the_next_key_names_the_unit_where_the_first_is_empty(private: Private) -> None:
    points = [({"user.id": "", "peer.id": f"p{n}", "kind": "a"}, 90.0) for n in range(3)]
    private.send(metric("secret.count", points))
    assert private.released("secret.count")["a"] == [270.0]


def test_the_unit_may_be_named_by_the_resource(private: Private) -> None:
    for device, user in enumerate(("alice", "bob", "bob")):
        point = {"kind": "a", "device": f"{device}"}
        private.send(metric("secret.count", [(point, 90.0)]), resource={"user.id": user})
    assert private.released("secret.count")["a"] == [190.0]


def test_values_that_are_not_declared_are_one_group(private: Private) -> None:
    kinds: list[Any] = ["c", "", 7, b"a", {"a": "a"}, ["a"], "A", "a "]
    points = [({"user.id": f"u{n}", "kind": kind}, 1.0) for n, kind in enumerate(kinds)]
    private.send(metric("secret.count", points))
    assert private.released("secret.count") == NOTHING | {"other": [8.0]}
