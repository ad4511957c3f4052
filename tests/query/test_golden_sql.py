"""The SQL of every aggregation, pinned. UPDATE_GOLDEN=1 writes the files anew."""

import os
from pathlib import Path

import pytest

from blackhole.model.series import MetricType, PrivacyLevel
from blackhole.query.language import AGGREGATIONS, Request, Subject
from blackhole.query.select import render

GOLDEN = Path(__file__).parents[1] / "golden" / "sql"


@pytest.mark.parametrize("kind", [MetricType.COUNTER, MetricType.HISTOGRAM])
@pytest.mark.parametrize("aggregation", [name for name in AGGREGATIONS if name != "sum_rate"])
def test_the_sql_of_an_aggregation_is_the_one_that_was_reviewed(kind: MetricType, aggregation: str) -> None:
    sql = render(Request(Subject("a.b", kind, "1", PrivacyLevel.PUBLIC), 0, 60, 1, aggregation))
    golden = GOLDEN / f"{kind}_{aggregation}.sql"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(sql)
    assert sql == golden.read_text()
