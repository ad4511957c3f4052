"""Compares what we answer with what Prometheus answered."""

import math
from collections.abc import Callable
from typing import Any

from tests.promql import oracle

from blackhole.errors import QueryError
from blackhole.promql.engine import Engine, Result
from blackhole.promql.values import Key, key_of

RELATIVE = 1e-9


def ask(engine: Engine, endpoint: str, expression: str) -> Result | str:
    """The answer to what the oracle asked, or the error as text."""
    questions: dict[str, Callable[[], Result]] = {
        "query": lambda: engine.instant(expression, oracle.MOMENT),
        "query_range": lambda: engine.range(expression, oracle.START, oracle.END, oracle.STEP),
    }
    try:
        return questions[endpoint]()
    except QueryError as error:
        return str(error)


def compare(found: Result | str, expected: Any, *, ordered: bool = False) -> None:
    """Errors need only be errors on both sides; their words are our own."""
    assert isinstance(found, str) is isinstance(expected, str), (found, expected)
    if isinstance(found, str):
        return
    assert found.kind == expected["resultType"]
    ours = {key_of(labels): dict(points) for labels, points in found.series}
    assert len(ours) == len(found.series)
    theirs = _series(expected)
    assert ours.keys() == theirs.keys()
    for key, points in theirs.items():
        assert ours[key].keys() == points.keys(), key
        wrong = {t: (ours[key][t], value) for t, value in points.items() if not equal(ours[key][t], value)}
        assert wrong == {}, key
    if ordered:
        assert [labels for labels, _ in found.series] == [entry["metric"] for entry in expected["result"]]


def _series(expected: Any) -> dict[Key, dict[float, float]]:
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
