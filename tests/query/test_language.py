import pytest
from tests.query.query_fakes import NOW, WINDOWS

from blackhole.errors import QueryError
from blackhole.model.series import MetricType, PrivacyLevel
from blackhole.model.written_times import SECOND
from blackhole.query.language import Condition, Query, Request, Subject, parse, plan

GAUGE = Subject("a.b", MetricType.GAUGE, "1", PrivacyLevel.PUBLIC)
SENSITIVE = Subject("a.b", MetricType.UPDOWNCOUNTER, "1", PrivacyLevel.SENSITIVE)


def planned(query: Query, subject: Subject = GAUGE) -> Request:
    return plan(query, subject, WINDOWS, NOW)


def test_a_question_without_times_is_about_the_last_hour() -> None:
    request = planned(Query("a.b"))
    assert (request.start, request.end, request.step) == (NOW - 3600 * SECOND, NOW, 30 * SECOND)
    assert request.interval == "30s"


def test_one_time_given_leaves_an_hour_before_the_end_or_all_until_now() -> None:
    assert planned(Query("a.b", end_time=7200)).start == 3600 * SECOND
    assert planned(Query("a.b", start_time=NOW // SECOND - 60)).end == NOW


@pytest.mark.parametrize(
    ("kind", "aggregation"),
    [
        (MetricType.COUNTER, "rate"),
        (MetricType.UPDOWNCOUNTER, "avg"),
        (MetricType.GAUGE, "avg"),
        (MetricType.HISTOGRAM, "p95"),
        (MetricType.SUMMARY, "avg"),
    ],
)
def test_each_type_has_its_own_default(kind: MetricType, aggregation: str) -> None:
    assert planned(Query("a.b"), Subject("a.b", kind, "", PrivacyLevel.PUBLIC)).aggregation == aggregation


@pytest.mark.parametrize(
    ("query", "subject", "words"),
    [
        (Query("a.b", start_time=10, end_time=10), GAUGE, "start_time must be before end_time"),
        (Query("a.b", aggregation="median"), GAUGE, "aggregation is one of avg, max"),
        (Query("a.b", aggregation="rate"), GAUGE, "rate is for counters and histograms"),
        (Query("a.b", aggregation="rate"), SENSITIVE, "rate is for counters and histograms"),
        (Query("a.b", aggregation="max"), SENSITIVE, "max picks out one window, and a.b is sensitive"),
        (Query("a.b", aggregation="min"), SENSITIVE, "min picks out one window"),
        (Query("a.b", aggregation="last"), SENSITIVE, "last picks out one window"),
        (Query("a.b", interval="59s"), SENSITIVE, "one value every 1m: ask for an interval of at least 1m"),
        (Query("a.b", interval="100ms"), GAUGE, "more than 11,000 points a series"),
        (Query("a.b", group_by=[str(n) for n in range(33)]), GAUGE, "at most 32"),
        (Query("a.b", filters={"k": Condition()}), GAUGE, "the filter k says nothing: give a value"),
        (Query("a.b", filters={"k": Condition(matches="x" * 1001)}), GAUGE, "longer than 1,000"),
        (Query("a.b", filters={"k": Condition(not_matches="x" * 1001)}), GAUGE, "longer than 1,000"),
    ],
)
def test_what_cannot_be_answered_is_refused_and_says_why(query: Query, subject: Subject, words: str) -> None:
    with pytest.raises(QueryError, match=words):
        planned(query, subject)


def test_exactly_11000_points_are_allowed() -> None:
    assert planned(Query("a.b", start_time=0, end_time=11_000, interval="1s")).step == SECOND
    with pytest.raises(QueryError, match="11,000"):
        planned(Query("a.b", start_time=0, end_time=11_001, interval="1s"))
    with pytest.raises(QueryError, match="11,000"):
        planned(Query("a.b", start_time=0.5, end_time=11_000.5, interval="1s"))


def test_the_interval_chosen_for_a_private_metric_is_a_multiple_of_its_window() -> None:
    assert planned(Query("a.b"), SENSITIVE).interval == "1m"
    highly = Subject("a.b", MetricType.COUNTER, "1", PrivacyLevel.HIGHLY_SENSITIVE)
    assert planned(Query("a.b"), highly).interval == "1h"


def test_a_question_comes_from_json_and_unknown_keys_are_named() -> None:
    query = parse(b'{"metric":"a.b","start_time":1,"filters":{"k":"v"},"group_by":["x"]}')
    assert (query.metric, query.start_time, query.filters, query.group_by) == ("a.b", 1, {"k": "v"}, ["x"])
    assert parse(b'{"metric":"a.b","filters":{"k":{"not":[1,"v"]}}}').filters == {"k": Condition([1, "v"])}
    with pytest.raises(QueryError, match="unknown field `like`"):
        parse(b'{"metric":"a.b","filters":{"k":{"like":"v"}}}')
    with pytest.raises(QueryError, match="unknown field `wher`"):
        parse('{"metric":"a.b","wher":1}')
    with pytest.raises(QueryError, match="not JSON"):
        parse("{")
