"""What a clock that ran ahead has left of later than now is shown to nobody until its time has come."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.clock.clock_fakes import DAY, HOUR, SECOND, Machine
from tests.clock.node import NAME, Node

from blackhole.config import Config
from blackhole.query.language import Query
from blackhole.query.run import QueryService

PROMQL = "identity_requests_total"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """It heard 10 two minutes ago, 1000 three days ahead and 25 just now."""
    node = Node(tmp_path, Machine(wall=1_800_000_000 * SECOND))
    machine, began = node.machine, node.machine.wall
    machine.passes(HOUR)
    node.hear(10, began=began)
    machine.wall += 3 * DAY
    machine.passes(60 * SECOND)
    node.hear(1000, began=began)
    machine.wall -= 3 * DAY
    machine.passes(60 * SECOND)
    node.hear(1015, began=began)
    yield node
    node.close()


def runner(node: Node) -> QueryService:
    return QueryService(
        node.database, node.catalogue, windows=Config(), now=lambda: node.machine.wall / SECOND, started=0
    )


def told(node: Node, aggregation: str, start: int, end: int) -> float:
    query = Query(
        NAME, start_time=start // SECOND, end_time=end // SECOND, aggregation=aggregation, interval="12h"
    )
    series = runner(node).query(query).series
    return sum(point.value or 0 for one in series for point in one.points)


@pytest.mark.parametrize("sealed", [False, True])
def test_no_question_is_answered_with_what_is_of_the_future(node: Node, *, sealed: bool) -> None:
    now = node.machine.wall
    if sealed:
        node.machine.wall += 4 * DAY
        node.seal()
        node.machine.wall = now
    assert told(node, "sum", now - DAY, now + 30 * DAY) == 25
    assert told(node, "count", now - DAY, now + 30 * DAY) == 2
    assert told(node, "sum", now + DAY, now + 30 * DAY) == 0
    assert told(node, "rate", now + DAY, now + 30 * DAY) == 0
    node.machine.wall += 4 * DAY
    assert told(node, "sum", now - DAY, now + 30 * DAY) == 1015


@pytest.mark.parametrize("sealed", [False, True])
def test_promql_shows_nothing_of_the_future(node: Node, *, sealed: bool) -> None:
    now = node.machine.wall
    if sealed:
        node.machine.wall += 4 * DAY
        node.seal()
        node.machine.wall = now
    engine = runner(node).promql
    later = (now + 3 * DAY) // 10**6
    selector = f'{{__name__=~"{PROMQL}.*"}}'
    assert engine.instant(selector, now // 10**6).series
    assert engine.instant(selector, later).series == []
    assert engine.instant(f"count_over_time({selector}[4d])", later).series[0][1][0][1] == 2
    found = engine.range(selector, (now - HOUR) // 10**6, later, 60_000).series
    assert all(time * SECOND <= now + HOUR for _, points in found for time, _ in points)
    node.machine.wall += 3 * DAY + HOUR
    assert engine.instant(selector, later).series


def test_nobody_was_seen_later_than_now(node: Node) -> None:
    machine = node.machine
    (metric,) = [one for one in runner(node).metrics() if one.metric == NAME]
    now = f"{machine.wall // SECOND}"
    assert metric.last_seen is not None
    assert metric.last_seen <= _text(int(now) + 1)


def _text(seconds: int) -> str:
    from blackhole.model.times import format_time  # noqa: PLC0415

    return format_time(seconds * SECOND)
