"""Filters say what an attribute is, is not, or looks like."""

import pytest
from tests.query.query_fakes import NOW, NOW_S, Desk
from tests.store.store_fakes import SECOND, Point, batch, series

from blackhole.errors import QueryError
from blackhole.model.series import MetricType, PrivacyLevel
from blackhole.query.language import Condition, Query, parse


@pytest.mark.parametrize(
    ("condition", "total"),
    [
        ('{"not": "a"}', 110.0),
        ('{"not": ["a", "ab"]}', 100.0),
        ('{"not": ""}', 11.0),
        ('{"matches": "a"}', 1.0),
        ('{"matches": "a.*"}', 11.0),
        ('{"matches": ""}', 100.0),
        ('{"matches": ".*"}', 111.0),
        ('{"not_matches": "a.+"}', 101.0),
        ('{"not_matches": "|a"}', 10.0),
        ('{"matches": "a.*", "not": "ab"}', 1.0),
        ('{"matches": "a.*", "not_matches": "a"}', 10.0),
        ('{"matches": "c"}', None),
    ],
)
def test_conditions_take_series_whole_and_the_absent_as_empty(
    asked: Desk, condition: str, total: float | None
) -> None:
    attributes = ['{"zone":"a"}', '{"zone":"ab"}', "{}"]
    asked.store(
        batch(
            [Point(n, NOW - SECOND, 10.0**n) for n in range(3)],
            series=[series(n, unit="percent", attributes=text) for n, text in enumerate(attributes)],
        )
    )
    question = f'{{"metric":"process.cpu.usage","aggregation":"sum","filters":{{"zone":{condition}}}}}'
    points = asked.runner.query(parse(question)).series[0].points
    assert [point.value for point in points] == ([] if total is None else [total])


def test_conditions_see_numbers_and_truths_as_a_person_writes_them(asked: Desk) -> None:
    asked.store(
        batch(
            [Point(1, NOW - SECOND, 3.0)],
            series=[series(1, unit="percent", attributes='{"port":80,"ok":true}')],
        )
    )

    def found(**filters: Condition) -> bool:
        answer = asked.runner.query(Query("process.cpu.usage", filters=dict(filters)))
        return answer.series[0].points != []

    assert found(port=Condition(matches="8."), ok=Condition(matches="t.*"))
    assert not found(port=Condition(not_=80))
    assert not found(ok=Condition(not_=["true"]))


@pytest.mark.parametrize("stored", [False, True])
def test_what_is_no_pattern_is_refused_and_says_why(asked: Desk, stored: bool) -> None:
    if stored:
        asked.store(batch([Point(1, NOW - SECOND, 3.0)], series=[series(1, unit="percent")]))
    with pytest.raises(QueryError, match=r"the pattern of the filter zone cannot be used: .*missing \)"):
        asked.runner.query(Query("process.cpu.usage", filters={"zone": Condition(matches="(a")}))


def test_filters_of_a_private_metric_choose_among_the_attributes_that_were_kept(asked: Desk) -> None:
    asked.store(
        batch(
            [Point(n, (NOW_S - 120) * SECOND, 10.0**n) for n in range(2)],
            series=[
                series(
                    n,
                    "p2p.peer.connections",
                    MetricType.UPDOWNCOUNTER,
                    unit="1",
                    level=PrivacyLevel.SENSITIVE,
                    attributes=f'{{"peer.type":"{kind}"}}',
                )
                for n, kind in enumerate(["home", "mobile"])
            ],
        )
    )

    def total(key: str, condition: Condition) -> float | None:
        query = Query("p2p.peer.connections", aggregation="sum", interval="2m", filters={key: condition})
        points = asked.runner.query(query).series[0].points
        assert all(point.sample_count is None for point in points)
        return sum(point.value or 0 for point in points)

    assert total("peer.type", Condition(matches="mob.*")) == 10.0
    assert total("peer.id", Condition(matches=".+")) == 0
    assert total("peer.id", Condition(not_="12D3KooWabc")) == 11.0
