"""Answers equal those of Prometheus, which stand in tests/golden/promql (renewed by `make promql-golden`)."""

import json
import math
from collections.abc import Iterator
from typing import Any

import pytest
from tests.promql import oracle
from tests.promql.data import store

from blackhole.errors import QueryError
from blackhole.query.promql.engine import Engine, Result
from blackhole.query.promql.values import key_of
from blackhole.store.database import Database

GOLDEN: dict[str, dict[str, Any]] = json.loads(oracle.ANSWERS.read_text(encoding="utf-8"))
RELATIVE = 1e-9
ORDERED = ("sort", "topk", "bottomk")

Points = dict[float, float]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    database = Database.open(tmp_path_factory.mktemp("promql") / "analytics.duckdb")
    store(database)
    yield Engine(database, {})
    database.close()


def test_the_table_is_the_one_that_prometheus_was_asked() -> None:
    assert list(GOLDEN) == oracle.expressions()
    assert len(GOLDEN) >= 150


@pytest.mark.parametrize("expression", list(GOLDEN))
def test_at_one_time_as_prometheus(engine: Engine, expression: str) -> None:
    expected = GOLDEN[expression]["query"]
    found = ask(lambda: engine.instant(expression, oracle.MOMENT))
    compare(found, expected)
    if expression.startswith(ORDERED) and isinstance(found, Result):
        assert [labels for labels, _ in found.series] == [entry["metric"] for entry in expected["result"]]


@pytest.mark.parametrize("expression", list(GOLDEN))
def test_over_a_range_as_prometheus(engine: Engine, expression: str) -> None:
    found = ask(lambda: engine.range(expression, oracle.START, oracle.END, oracle.STEP))
    compare(found, GOLDEN[expression]["query_range"])


def ask(question: Any) -> Result | str:
    try:
        result: Result = question()
    except QueryError as error:
        return str(error)
    return result


def compare(found: Result | str, expected: Any) -> None:
    """Errors need only be errors on both sides; their words are our own."""
    assert isinstance(found, str) is isinstance(expected, str), (found, expected)
    if isinstance(found, str):
        return
    assert found.kind == expected["resultType"]
    ours = {key_of(labels): dict(points) for labels, points in found.series}
    assert len(ours) == len(found.series)
    theirs = expected_series(expected)
    assert ours.keys() == theirs.keys()
    for key, points in theirs.items():
        assert ours[key].keys() == points.keys(), key
        wrong = {t: (ours[key][t], value) for t, value in points.items() if not equal(ours[key][t], value)}
        assert wrong == {}, key


def expected_series(expected: Any) -> dict[tuple[tuple[str, str], ...], Points]:
    if expected["resultType"] == "scalar":
        return {(): {expected["result"][0]: float(expected["result"][1])}}
    return {
        key_of(entry["metric"]): {t: float(v) for t, v in entry.get("values") or [entry["value"]]}
        for entry in expected["result"]
    }


def equal(ours: float, theirs: float) -> bool:
    if math.isnan(theirs):
        return math.isnan(ours)
    return ours == theirs or math.isclose(ours, theirs, rel_tol=RELATIVE)
