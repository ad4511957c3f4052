"""What is stored becomes the samples that Prometheus would have, within limits that answer with an error."""

import math
from pathlib import Path

import pytest
from tests.promql.data import BASE, store
from tests.promql.shop import SECOND, Shop

from blackhole.errors import EvaluationError, EvaluationTimeoutError, ExpressionError
from blackhole.query import samples as storage
from blackhole.query.promql import selection, values
from blackhole.query.promql.engine import MAX_POINTS, Engine
from blackhole.query.promql.stepped import SUMMED
from blackhole.query.promql.summed import LEAST_STEP
from blackhole.store.database import Database
from blackhole.store.seal import Sealer

T = BASE
MINUTE = 60 * SECOND


def test_a_counter_is_the_running_sum_of_all_increments_ever_stored(shop: Shop) -> None:
    series = shop.series("requests", "counter")
    shop.points(series, [(T - 86_400_000, 100), (T, 2), (T + 10_000, 3)])
    assert shop.values("requests_total", T + 10_000) == [105]
    assert shop.values("requests_total", T + 9_999) == [102]


def test_a_counter_that_ran_before_it_was_known_begins_at_its_own_value(shop: Shop) -> None:
    series = shop.series("requests", "counter")
    shop.counted(series, [(T, 0, 700), (T + 10_000, 5, 705), (T + 20_000, 3, 3), (T + 30_000, 4, 7)])
    assert shop.values("requests_total", T) == [700]
    assert shop.values("requests_total", T + 30_000) == [712]
    assert shop.values("resets(requests_total[1m])", T + 30_000) == [1]
    assert shop.values("count_over_time(requests_total[9s])", T + 30_000) == [1]


def test_after_a_restart_nothing_is_extrapolated_to_before_it(shop: Shop) -> None:
    series = shop.series("requests", "counter")
    shop.counted(series, [(T, 900, 900), (T + 10_000, 1, 1), (T + 20_000, 9, 10)])
    for question in ("increase(requests_total[19s])", f"increase(requests_total[19s] @ {T / 1000 + 20})"):
        assert shop.values(question, T + 20_000) == pytest.approx([9 * (10 + 10 / 9) / 10])


def test_what_two_streams_counted_before_they_were_known_is_added_up(shop: Shop) -> None:
    series = shop.series("requests", "counter")
    shop.counted(series, [(T, 0, 100), (T + 10_000, 5, 105)], stream=1)
    shop.counted(series, [(T + 5_000, 0, 50), (T + 15_000, 2, 52)], stream=2)
    assert shop.values("requests_total", T + 15_000) == [157]
    assert shop.values("resets(requests_total[1m])", T + 15_000) == [0]


@pytest.mark.parametrize("sealed", [False, True])
def test_a_histogram_that_ran_before_it_was_known_begins_with_what_it_had(
    tmp_path: Path, sealed: bool
) -> None:
    shop = Shop(Database.open(tmp_path / "analytics.duckdb"))
    size = shop.series("size", "histogram")
    with shop.database.write() as connection:
        for time, buckets, sent in ((T, [0, 0], [30, 12]), (T + 10_000, [1, 2], [31, 14])):
            connection.execute(
                "INSERT INTO recent_histogram_points VALUES (?, 1, make_timestamp_ns(?), ?, ?, NULL, NULL,"
                " [1.0], ?, ?, ?, [1.0], ?, make_timestamp(0))",
                [size, time * 1_000_000, sum(buckets), 0.5, buckets, sum(sent), 99.5, sent],
            )
    if sealed:
        sealer = Sealer(shop.database, pause=0)
        sealer._started_us = 1
        assert sealer.apply() == 2
    assert shop.values('size_bucket{le="1"}', T) == [30]
    assert shop.values("size_count", T + 10_000) == [45]
    assert shop.values("size_sum", T) == [99 if sealed else 99.5]
    shop.database.close()


def test_a_sealed_day_of_a_histogram_is_answered_in_little_memory(tmp_path: Path) -> None:
    shop = Shop(Database.open(tmp_path / "analytics.duckdb"))
    size = shop.series("size", "histogram")
    with shop.database.write() as connection:
        connection.execute(
            "INSERT INTO recent_histogram_points SELECT $id, 1, make_timestamp_ns(($origin + n * 15000)"
            " * 1000000), 6, 4.5, NULL, NULL, [1.0, 2.0], [1, 2, 3], 6 * n, 4.5 * n, [1.0, 2.0],"
            " [n, 2 * n, 3 * n], make_timestamp(0) FROM range(1, 5761) AS numbers(n)",
            {"id": size, "origin": T},
        )
    sealer = Sealer(shop.database, pause=0)
    sealer._started_us = 1
    assert sealer.apply() == 5760
    end = T + 5760 * 15_000
    assert shop.values("size_count", end) == [6 * 5760]
    assert shop.values('increase(size_bucket{le="2"}[1m])', end) == pytest.approx([12])
    (found,) = shop.over("histogram_quantile(0.5, rate(size_bucket[5m]))", end - 600_000, end, 60_000)
    assert [value for _, value in found[1]] == pytest.approx([2.0] * 11)
    shop.database.close()


def test_streams_of_one_series_count_together(shop: Shop) -> None:
    series = shop.series("requests", "counter")
    shop.points(series, [(T, 1), (T + 10_000, 5), (T + 20_000, 5)], stream=1)
    shop.points(series, [(T + 10_000, 7), (T + 15_000, 2)], stream=2)
    assert shop.values("requests_total", T + 20_000) == [20]
    assert shop.values("count_over_time(requests_total[1m])", T + 20_000) == [4]
    assert shop.values("increase(requests_total[20s])", T + 20_000) == pytest.approx([7 * 12.5 / 10])


def test_series_that_prometheus_cannot_tell_apart_count_together(shop: Shop) -> None:
    first, second = (shop.series("requests", "counter", {key: "x"}) for key in ("a.b", "a_b"))
    shop.points(first, [(T, 1), (T + 10_000, 5)])
    shop.points(second, [(T, 10), (T + 10_000, 50)])
    assert shop.values('requests_total{a_b="x"}', T + 10_000) == [66]
    assert shop.values("increase(requests_total[10s])", T + 10_000) == []
    assert shop.values("increase(requests_total[11s])", T + 10_000) == pytest.approx([60.5])


def test_of_two_levels_in_one_millisecond_the_later_counts(shop: Shop) -> None:
    shop.points(shop.series("level", "updowncounter"), [(T, 1), (T, 2), (T - 5, 9)])
    assert shop.values("level", T) == [2]
    assert shop.values("sum_over_time(level[1m])", T + 1) == [11]


def test_ranges_are_open_at_the_left_and_five_minutes_old_is_gone(shop: Shop) -> None:
    shop.points(shop.series("level"), [(T, 1)])
    assert shop.values("level", T + 5 * MINUTE - 1) == [1]
    assert shop.values("level", T + 5 * MINUTE) == []
    assert shop.values("count_over_time(level[1m])", T + MINUTE) == []


def test_a_histogram_whose_bounds_change_counts_on(shop: Shop) -> None:
    series = shop.series("size", "histogram")
    shop.intervals(series, [(T, [1, 2], [1, 2, 3], 9.0), (T + 10_000, [1, 4], [4, 5, 6], 70.0)])
    buckets = shop.engine.instant("size_bucket", T + 10_000).series
    found = {labels["le"]: points[0][1] for labels, points in buckets}
    assert found == {"1": 5, "2": 3 + 4, "4": 3 + 9, "+Inf": 6 + 15}
    assert shop.values("size_sum", T + 10_000) == [79]
    assert shop.values('increase(size_bucket{le="+Inf"}[11s])', T + 10_000) == pytest.approx([15 * 1.1])


def test_a_histogram_without_buckets_or_sums_has_a_count(shop: Shop) -> None:
    shop.intervals(shop.series("size", "histogram"), [(T, None, None, None), (T + 1000, None, None, None)])
    assert shop.values("size_count", T + 1000) == [6]
    assert shop.values("size_sum", T + 1000) == []
    assert shop.values("size_bucket", T + 1000) == [6]


def test_a_summary_has_no_buckets(shop: Shop) -> None:
    shop.intervals(shop.series("size", "summary"), [(T, None, None, 5.0)])
    assert (shop.values("size_count", T), shop.values("size_bucket", T)) == ([3], [])


@pytest.mark.parametrize("name", sorted(SUMMED))
@pytest.mark.parametrize("length", ["1m", "3m", "40s"])
def test_sums_of_steps_answer_as_samples_do(shop: Shop, name: str, length: str) -> None:
    """With `@` the samples are read, without it SQL sums them up."""
    store(shop.database)
    answered = 0
    buckets = "http_latency_seconds_bucket"
    for metric in ("http_requests_total", "queue_length", "odd_values_ratio", buckets, "jobs_done_total"):
        summed = shop.over(f"{name}({metric}[{length}])", T + 100_500, T + 1_500_500, LEAST_STEP)
        answered += len(summed)
        by_time: dict[float, dict[str, float]] = {}
        for labels, points in summed:
            for time, value in points:
                by_time.setdefault(time, {})[str(sorted(labels.items()))] = value
        for time, expected in list(by_time.items())[::5]:
            sampled = shop.engine.instant(f"{name}({metric}[{length}] @ {time})", 0).series
            found = {str(sorted(labels.items())): points[0][1] for labels, points in sampled}
            assert found == pytest.approx(expected, rel=1e-9, nan_ok=True)
    assert answered


def test_too_many_points_a_series_are_refused(shop: Shop) -> None:
    shop.engine.range("1", 0, (MAX_POINTS - 1) * SECOND, SECOND)
    with pytest.raises(ExpressionError, match="11,000 points"):
        shop.engine.range("1", 0, MAX_POINTS * SECOND, SECOND)


def test_too_many_series_are_refused(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "MAX_SERIES", 1)
    for name in ("a", "b"):
        shop.points(shop.series("level", "gauge", {"name": name}), [(T, 1)])
    assert shop.values('level{name="a"}', T) == [1]
    with pytest.raises(EvaluationError, match="more than 1 series"):
        shop.engine.instant("level", T)


def test_too_many_samples_are_refused(shop: Shop) -> None:
    shop.points(shop.series("level"), [(T + n, n) for n in range(20)])
    with shop.database.reader() as reader:
        source = storage.Samples(reader, lambda: 10.0, max_samples=19)
        with pytest.raises(EvaluationError, match="more than 19 samples"):
            list(source.levels([1], T - 1, T + 100))


def test_too_many_values_are_refused() -> None:
    allowance = values.Allowance(cells=10)
    allowance.take(10)
    with pytest.raises(EvaluationError, match="fewer series or a longer step"):
        allowance.take(1)


def test_a_question_ends_when_its_time_is_over(shop: Shop) -> None:
    store(shop.database)
    impatient = Engine(shop.database, {}, seconds=1e-6)
    with pytest.raises(EvaluationTimeoutError):
        impatient.instant("sum(rate(http_requests_total[5m]))", T + 600_000)


def test_windows_that_would_take_too_long_are_refused_before_they_are_looked_at(shop: Shop) -> None:
    shop.points(shop.series("level"), [(T + n * 1000, n) for n in range(2000)])
    hurried = Engine(shop.database, {}, seconds=3)
    with pytest.raises(EvaluationTimeoutError, match="longer step or shorter ranges"):
        hurried.range("deriv(level[1h])", T + 2_000_000, T + 4_000_000, 400)


def test_numbers_that_do_not_exist_are_answered_as_such(shop: Shop) -> None:
    assert math.isnan(shop.engine.instant("0 / 0", T).series[0][1][0][1])
    assert shop.engine.instant("-1 / 0", T).series[0][1][0][1] == -math.inf


def test_an_expression_that_has_a_string_or_samples_as_its_value(shop: Shop) -> None:
    shop.points(shop.series("level"), [(T, 1), (T + 1000, 2)])
    assert shop.engine.instant('"words"', T).text == "words"
    found = shop.engine.instant("level[1m]", T + 1000)
    assert (found.kind, found.series[0][1]) == ("matrix", [(T / 1000, 1.0), (T / 1000 + 1, 2.0)])
    with pytest.raises(ExpressionError, match="must be Scalar or instant Vector"):
        shop.engine.range("level[1m]", T, T + 1000, 1000)


def test_patterns_are_matched_in_time_that_does_not_explode(shop: Shop) -> None:
    shop.points(shop.series("level", "gauge", {"name": "a" * 40 + "!"}), [(T, 1)])
    assert shop.values('level{name=~"(a+)+"}', T) == []
    assert shop.values('level{name=~"(a+)+!"}', T) == [1]
    assert shop.values('level{name!~"a.*"}', T) == []
    with pytest.raises(ExpressionError, match="regex"):
        shop.engine.instant('level{name=~"(?=a)"}', T)
