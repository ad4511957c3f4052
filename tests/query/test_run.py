import math
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import mean

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.query.query_fakes import NOW, NOW_S, WINDOWS, Desk, FakeCatalogue, definition, desk
from tests.store.store_fakes import SECOND, Histogram, Point, batch, series

from blackhole.errors import QueryError, UnknownMetricError
from blackhole.model.series import MetricType, PrivacyLevel
from blackhole.query.language import Answer, Query
from blackhole.query.run import QueryService

SERVICES = ("identity", "node", "social")
START = NOW_S - 3600


def store(asked: Desk, metric: str, kind: MetricType, values: Sequence[Point], **more: object) -> None:
    numbers = sorted({value.series for value in values})
    asked.store(
        batch(
            values,
            series=[
                series(n, metric, kind, attributes=f'{{"service.name":"{SERVICES[n % 3]}"}}', **more)  # type: ignore[arg-type]
                for n in numbers
            ],
        )
    )


def shown(answer: Answer) -> dict[str, list[tuple[float, float | None]]]:
    """Unix seconds and values of each group, the group as its values joined."""
    return {
        ",".join(str(value) for value in one.attributes.values()): [
            (datetime.fromisoformat(point.timestamp).timestamp(), point.value) for point in one.points
        ]
        for one in answer.series
    }


@dataclass(frozen=True)
class Sample:
    series: int
    seconds: int
    value: float


samples = st.lists(
    st.builds(
        Sample, st.integers(0, 2), st.integers(-300, 3900), st.floats(-1000, 1000).map(lambda v: round(v, 2))
    ),
    max_size=60,
)


def percentile(values: Sequence[float], q: float) -> float:
    """Linear between the two nearest, as PERCENTILE_CONT of SQL:2003."""
    ordered = sorted(values)
    place = q * (len(ordered) - 1)
    low = math.floor(place)
    return ordered[low] + (ordered[min(low + 1, len(ordered) - 1)] - ordered[low]) * (place - low)


def model(found: Sequence[Sample], aggregation: str) -> float:
    values = [sample.value for sample in found]
    if aggregation.startswith("p"):
        return percentile(values, int(aggregation[1:]) / 100)
    if aggregation == "count":
        return len(values)
    simple: dict[str, Callable[[list[float]], float]] = {"avg": mean, "sum": sum, "max": max, "min": min}
    return simple[aggregation](values)


@settings(max_examples=25, deadline=None)
@given(
    samples,
    st.sampled_from(["avg", "sum", "max", "min", "count", "p50", "p90", "p99"]),
    st.sampled_from([7, 60, 300, 3600, 86400]),
    st.booleans(),
)
def test_answers_are_those_of_a_plain_model(
    given_samples: list[Sample],
    aggregation: str,
    step: int,
    grouped: bool,
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        asked = desk(Path(directory))
        points = [Point(s.series, (START + s.seconds) * SECOND, s.value) for s in given_samples]
        if points:
            store(asked, "node.requests.total", MetricType.COUNTER, points, unit="1")
        answer = asked.runner.query(
            Query(
                "node.requests.total",
                aggregation=aggregation,
                interval=step,
                group_by=["service.name"] if grouped else [],
            )
        )
        asked.database.close()
    expected: dict[tuple[str, int], list[Sample]] = defaultdict(list)
    for sample in given_samples:
        if 0 <= sample.seconds < 3600:
            bucket = (START + sample.seconds) // step * step
            expected[SERVICES[sample.series] if grouped else "", bucket].append(sample)
    answered = {(group, int(at)): value for group, line in shown(answer).items() for at, value in line}
    assert answered == {
        (group, bucket): pytest.approx(model(found, aggregation))
        for (group, bucket), found in expected.items()
    }
    counts = sum(point.sample_count or 0 for one in answer.series for point in one.points)
    assert counts == sum(len(found) for found in expected.values())


def test_the_range_holds_its_start_and_not_its_end(asked: Desk) -> None:
    values = [Point(1, second * SECOND, float(second)) for second in (99, 100, 159, 160)]
    store(asked, "process.cpu.usage", MetricType.GAUGE, values, unit="percent")
    answer = asked.runner.query(
        Query("process.cpu.usage", start_time=100, end_time=160, aggregation="sum", interval="1d")
    )
    assert shown(answer) == {"": [(0.0, 259.0)]}


def test_the_last_value_is_the_newest_one(asked: Desk) -> None:
    values = [Point(1, NOW - 3 * SECOND, 5.0), Point(1, NOW - SECOND, 7.0), Point(1, NOW - 2 * SECOND, 6.0)]
    store(asked, "process.cpu.usage", MetricType.GAUGE, values, unit="percent")
    answer = asked.runner.query(Query("process.cpu.usage", aggregation="last", interval="1h"))
    assert [value for _, value in shown(answer)[""]] == [7.0]


def test_an_answer_names_what_it_is_about(asked: Desk) -> None:
    store(asked, "process.cpu.usage", MetricType.GAUGE, [Point(1, NOW - SECOND, 5.0)], unit="percent")
    answer = asked.runner.query(Query("process.cpu.usage"))
    assert (answer.metric, answer.type, answer.unit) == ("process.cpu.usage", "gauge", "percent")
    assert (answer.privacy_level, answer.aggregation, answer.interval) == ("public", "avg", "1m")
    assert (answer.sampling_rate, answer.notes) == (1.0, [])
    point = answer.series[0].points[0]
    assert (point.timestamp, point.sample_count, point.lower, point.upper) == (
        "2025-06-15T15:06:00Z",
        1,
        None,
        None,
    )


def test_filters_and_groups_work_on_attributes_of_every_kind(asked: Desk) -> None:
    attributes = [
        '{"ok":true,"port":80,"zone":"a"}',
        '{"ok":false,"port":80,"zone":"b"}',
        '{"ok":true,"port":81.5}',
    ]
    asked.store(
        batch(
            [Point(n, NOW - SECOND, 10.0**n) for n in range(3)],
            series=[series(n, unit="percent", attributes=text) for n, text in enumerate(attributes)],
        )
    )

    def total(**filters: str | float | bool | list[str | int | float | bool]) -> float | None:
        answer = asked.runner.query(
            Query("process.cpu.usage", aggregation="sum", interval="1h", filters=dict(filters))
        )
        points = answer.series[0].points
        return points[0].value if points else None

    assert total(ok="true") == total(ok=True) == 101.0
    assert total(port="80") == total(port=80.0) == 11.0
    assert total(port=81.5, ok=True) == 100.0
    assert total(zone=["a", "b"]) == 11.0
    assert total(zone="c") is None
    assert total(missing="") is None
    grouped = asked.runner.query(
        Query("process.cpu.usage", aggregation="sum", interval="1h", group_by=["zone", "ok"])
    )
    assert {key: line[0][1] for key, line in shown(grouped).items()} == {
        "a,True": 1.0,
        "b,False": 10.0,
        ",True": 100.0,
    }


def histogram_store(asked: Desk, *rows: Histogram) -> None:
    asked.store(
        batch(
            histograms=rows,
            series=[
                series(
                    1, "p2p.discovery.latency", MetricType.HISTOGRAM, unit="ms", level=PrivacyLevel.INTERNAL
                )
            ],
        )
    )


@pytest.mark.parametrize(
    ("aggregation", "value"),
    [
        ("count", 10.0),
        ("sum", 500.0),
        ("avg", 50.0),
        ("rate", 10.0 / 75),  # from a minute before the first until the last
        ("sum_rate", 500.0 / 75),
        ("max", 100.0),
        ("min", 37.5),
        ("last", 37.5),
        ("p50", 50.0),
        ("p90", 90.0),
    ],
)
def test_histograms_answer_from_counts_sums_and_buckets(asked: Desk, aggregation: str, value: float) -> None:
    histogram_store(
        asked,
        Histogram(1, NOW - 20 * SECOND, 2, 200.0, (50.0, 100.0), (0, 2, 0)),
        Histogram(1, NOW - 10 * SECOND, 8, 300.0, (50.0, 100.0), (5, 3, 0)),
        Histogram(1, NOW - 5 * SECOND, 0, 0.0, (50.0, 100.0), (0, 0, 0)),
    )
    answer = asked.runner.query(
        Query("p2p.discovery.latency", start_time=NOW_S - 3600, aggregation=aggregation, interval="1d")
    )
    point = answer.series[0].points[0]
    assert point.value == pytest.approx(value)
    assert point.sample_count == (
        3 if "rate" in aggregation else 2
    )  # of what nothing was observed has no mean


def test_a_histogram_without_buckets_has_no_percentile_but_a_mean(asked: Desk) -> None:
    histogram_store(asked, Histogram(1, NOW - SECOND, 4, 10.0))
    assert shown(asked.runner.query(Query("p2p.discovery.latency"))) == {"": []}
    answer = asked.runner.query(Query("p2p.discovery.latency", aggregation="avg"))
    assert [value for _, value in shown(answer)[""]] == [2.5]


def sensitive_store(asked: Desk) -> None:
    asked.store(
        batch(
            [Point(1, NOW - n * 60 * SECOND, 7.0) for n in range(1, 4)],
            series=[
                series(
                    1,
                    "p2p.peer.connections",
                    MetricType.UPDOWNCOUNTER,
                    unit="1",
                    level=PrivacyLevel.SENSITIVE,
                )
            ],
        )
    )


def test_a_private_metric_shows_no_counts_and_says_that_small_groups_are_withheld(asked: Desk) -> None:
    sensitive_store(asked)
    answer = asked.runner.query(Query("p2p.peer.connections"))
    assert answer.privacy_level == "sensitive"
    assert {point.sample_count for point in answer.series[0].points} == {None}
    assert any("withheld" in note for note in answer.notes)


@pytest.mark.parametrize(
    "query",
    [
        Query("p2p.peer.connections", interval="30s"),
        Query("p2p.peer.connections", aggregation="max"),
        Query("content.operations", interval="30m"),
    ],
)
def test_a_private_metric_is_guarded_even_when_nothing_is_stored(asked: Desk, query: Query) -> None:
    with pytest.raises(QueryError, match="sensitive"):
        asked.runner.query(query)


def test_an_unknown_metric_is_named_with_its_neighbours(asked: Desk) -> None:
    store(asked, "home.made.metric", MetricType.GAUGE, [Point(1, NOW - SECOND, 5.0)])
    with pytest.raises(UnknownMetricError, match=r"did you mean home\.made\.metric"):
        asked.runner.query(Query("home.made.metrik"))
    with pytest.raises(UnknownMetricError, match=r"did you mean process.cpu.usage"):
        asked.runner.query(Query("process.cpu.usag"))
    with pytest.raises(UnknownMetricError, match="catalogue list"):
        asked.runner.query(Query("zzz"))


def test_a_metric_without_data_gives_an_empty_series_and_a_note(asked: Desk) -> None:
    answer = asked.runner.query(Query("process.cpu.usage"))
    assert (answer.type, answer.unit, answer.privacy_level) == ("gauge", "percent", "public")
    assert shown(answer) == {"": []}
    assert answer.notes == ["nothing of this metric has been stored yet"]
    assert asked.runner.query(Query("process.cpu.usage", group_by=["x"])).series == []


def test_types_and_units_are_not_mixed(asked: Desk) -> None:
    asked.store(
        batch(
            [Point(1, NOW - SECOND, 5.0), Point(2, NOW - SECOND, 500.0)],
            series=[series(1, unit="percent"), series(2, unit="permille")],
        )
    )
    answer = asked.runner.query(Query("process.cpu.usage"))
    assert (answer.unit, [value for _, value in shown(answer)[""]]) == ("percent", [5.0])
    assert answer.notes == ["also stored as gauge in permille: not in this answer"]


def test_values_that_json_cannot_say_are_null(asked: Desk) -> None:
    store(asked, "process.cpu.usage", MetricType.GAUGE, [Point(1, NOW - SECOND, math.inf)], unit="percent")
    assert [value for _, value in shown(asked.runner.query(Query("process.cpu.usage")))[""]] == [None]


def test_an_answer_says_what_share_was_kept_of_what_it_is_made_of(asked: Desk) -> None:
    values = [Point(1, 10 * SECOND, 1.0, stream=1), Point(1, 20 * SECOND, 2.0, stream=1)]
    store(asked, "process.cpu.usage", MetricType.GAUGE, values[:1], unit="percent")
    store(asked, "process.cpu.usage", MetricType.GAUGE, values[1:], unit="percent")
    with asked.database.write() as connection:
        connection.execute("INSERT INTO thinned SELECT max(created_at), 0.25 FROM points")

    def answer(start: int, end: int) -> Answer:
        return asked.runner.query(Query("process.cpu.usage", start_time=start, end_time=end))

    assert answer(0, 15).sampling_rate == 1.0
    assert answer(0, 25).sampling_rate == 0.25
    assert answer(15, 25).notes != answer(0, 15).notes


def test_a_query_document_says_what_its_answer_says(asked: Desk) -> None:
    values = [Point(1, second * SECOND, float(second)) for second in range(100)]
    store(asked, "process.cpu.usage", MetricType.GAUGE, values, unit="percent")
    for query in (
        Query("process.cpu.usage", start_time=0, end_time=100, interval="1s", group_by=["service.name"]),
        Query("process.cpu.usage", start_time=200, end_time=300),
        Query("node.errors.total"),
    ):
        document = b"".join(asked.runner.query_document(query))
        assert msgspec.json.decode(document, type=Answer) == asked.runner.query(query)


def test_more_than_200000_points_in_all_are_refused(asked: Desk) -> None:
    with asked.database.write() as connection:
        connection.execute(
            "INSERT INTO series SELECT i, 'process.cpu.usage', 'gauge', 'percent', "
            "json_object('k', i), 0, NULL, '2024-01-01' FROM range(21) t(i)"
        )
        connection.execute(
            "INSERT INTO recent_points (series, stream, time, value, cumulative, created_at) "
            "SELECT i % 21, 1, make_timestamp_ns(($1 - i // 21) * 1000000000), 1, NULL, "
            "'2024-01-01' FROM range(210000) t(i)",
            [NOW_S - 1],
        )
    query = Query("process.cpu.usage", start_time=NOW_S - 10_500, interval="1s", group_by=["k"])
    with pytest.raises(QueryError, match="more than 200,000 points in all"):
        asked.runner.query(query)


def test_the_list_of_metrics_counts_open_ones_and_says_nothing_of_guarded_ones(asked: Desk) -> None:
    store(asked, "process.cpu.usage", MetricType.GAUGE, [Point(1, NOW - SECOND, 5.0)], unit="percent")
    asked.store(
        batch(
            [Point(9, NOW, 7.0)],
            series=[
                series(9, "p2p.peer.connections", MetricType.UPDOWNCOUNTER, level=PrivacyLevel.SENSITIVE)
            ],
        )
    )
    asked.runner.query(Query("process.cpu.usage"))
    metrics = {info.metric: info for info in asked.runner.metrics()}
    cpu, peers, memory = (
        metrics[name] for name in ("process.cpu.usage", "p2p.peer.connections", "process.memory.usage")
    )
    assert (cpu.stored, cpu.series, cpu.points, cpu.last_seen) == (True, 1, 1, "2025-06-15T15:06:59Z")
    assert cpu.last_asked == "2025-06-15T15:07:00+00:00"
    assert (peers.privacy, peers.series, peers.points, peers.first_seen, peers.last_seen) == (
        "sensitive",
        *(None,) * 4,
    )
    assert (memory.stored, memory.points, memory.last_asked) == (False, None, None)


def test_a_question_is_remembered_by_the_next_run(asked: Desk) -> None:
    asked.runner.query(Query("process.cpu.usage"))
    asked.runner.keep_asked()
    later = QueryService(asked.database, FakeCatalogue(), windows=WINDOWS, now=lambda: asked.now)
    times = {info.metric: info.last_asked for info in later.metrics() if info.last_asked is not None}
    assert times == {"process.cpu.usage": "2025-06-15T15:07:00+00:00"}


def test_sql_is_no_question_for_a_metric(asked: Desk) -> None:
    asked.runner.sql("SELECT count(*) FROM metrics WHERE metric_name = 'process.cpu.usage'")
    assert [info.last_asked for info in asked.runner.metrics() if info.last_asked is not None] == []


def test_received_is_what_was_committed_since_the_start_and_nothing_of_guarded_metrics(asked: Desk) -> None:
    asked.in_time = False
    store(asked, "process.cpu.usage", MetricType.GAUGE, [Point(1, NOW - SECOND, 1.0)], unit="percent")
    peers = [Point(2, NOW - SECOND, 9.0)]
    store(asked, "p2p.peer.connections", MetricType.COUNTER, peers, level=PrivacyLevel.SENSITIVE)
    assert {info.received for info in asked.runner.metrics()} == {None}  # nothing collects here
    before = QueryService(asked.database, FakeCatalogue(), windows=WINDOWS, started=NOW_S)
    received = {info.metric: info.received for info in before.metrics()}
    assert received["process.cpu.usage"] == 1
    assert received["process.memory.usage"] == 0
    assert received["p2p.peer.connections"] is None
    assert received["content.operations"] is None
    after = QueryService(asked.database, FakeCatalogue(), windows=WINDOWS, started=NOW_S + 1)
    assert {info.received for info in after.metrics()} == {None, 0}


def test_another_catalogue_holds_for_the_next_question(asked: Desk) -> None:
    with pytest.raises(UnknownMetricError):
        asked.runner.query(Query("shop.sales"))
    asked.runner.recatalogue(FakeCatalogue((definition("shop.sales", "counter"),)))
    assert asked.runner.query(Query("shop.sales")).notes == ["nothing of this metric has been stored yet"]
    assert [info.metric for info in asked.runner.metrics()] == ["shop.sales"]
