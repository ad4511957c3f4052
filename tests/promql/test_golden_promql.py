"""Answers equal those of Prometheus, which stand in tests/golden/promql (renewed by `make promql-golden`)."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.promql import oracle
from tests.promql.comparing import ask, compare
from tests.promql.data import open_metrics, store

from blackhole.promql.engine import Engine
from blackhole.store.database import Database
from blackhole.store.upkeep.seal import Sealer

GOLDEN: dict[str, dict[str, Any]] = json.loads(oracle.ANSWERS.read_text(encoding="utf-8"))
OTHER_SEED = 7


@pytest.fixture(scope="module", params=["recent", "sealed"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    database = Database.open(tmp_path_factory.mktemp("promql") / "analytics.duckdb")
    store(database)
    if request.param == "sealed":
        seal(database)
    yield Engine(database, {})
    database.close()


def seal(database: Database) -> None:
    sealer = Sealer(database, pause=0)
    while sealer.apply():
        pass
    with database.reader() as reader:
        left = "SELECT (SELECT count(*) FROM recent_points) + (SELECT count(*) FROM recent_histogram_points)"
        assert reader.rows(left).rows == [(0,)]


def test_the_table_is_the_one_that_prometheus_was_asked() -> None:
    assert list(GOLDEN) == oracle.expressions()
    assert len(GOLDEN) >= 150


@pytest.mark.parametrize("expression", list(GOLDEN))
def test_at_one_time_as_prometheus(engine: Engine, expression: str) -> None:
    found = ask(engine, "query", expression)
    compare(found, GOLDEN[expression]["query"], ordered=expression.startswith(oracle.ORDERED))


@pytest.mark.parametrize("expression", list(GOLDEN))
def test_over_a_range_as_prometheus(engine: Engine, expression: str) -> None:
    compare(ask(engine, "query_range", expression), GOLDEN[expression]["query_range"])


def test_other_data_as_prometheus_where_it_is_built(tmp_path: Path) -> None:
    if not oracle.is_built():
        pytest.skip("Prometheus is not built: `make promql-golden` builds it")
    database = Database.open(tmp_path / "analytics.duckdb")
    store(database, OTHER_SEED)
    engine = Engine(database, {})
    with oracle.prometheus(oracle.EXPERIMENTAL, lines=open_metrics(OTHER_SEED)) as api:
        for expression in oracle.expressions():
            for endpoint, expected in oracle.answers_to(api, expression).items():
                compare(ask(engine, endpoint, expression), expected)
    database.close()
