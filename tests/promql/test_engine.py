"""What is stored becomes the samples that Prometheus would have, within limits that answer with an error."""

import math
from pathlib import Path
from typing import Any

import pytest
from tests.promql.data import BASE, store
from tests.promql.shop import SECOND, Shop

from blackhole.errors import EvaluationError, EvaluationTimeoutError, ExpressionError
from blackhole.promql import selection, values, windowed
from blackhole.promql.engine import MAX_STEPS, Engine, Found
from blackhole.store.database import Database
from blackhole.store.read import samples as storage
from blackhole.store.upkeep.seal import Sealer

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


@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize(
    "name", ["rate", "delta", "sum_over_time", "last_over_time", "resets", "stddev_over_time"]
)
def test_small_slices_and_rounds_of_few_series_answer_as_all_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, sealed: bool
) -> None:
    shop = Shop(Database.open(tmp_path / "analytics.duckdb"))
    store(shop.database)
    if sealed:
        seal(shop.database)
    asked = [
        f"{name}({metric}[10m])"
        for metric in ("http_requests_total", "queue_length", "http_latency_seconds_bucket")
    ]
    span = T + 100_500, T + 3_500_500, MINUTE
    whole = [shop.over(query, *span) for query in asked]
    assert all(whole)
    monkeypatch.setattr(windowed, "_BLOCK", 7 * MINUTE)
    monkeypatch.setattr(windowed, "_SOON", 0)
    monkeypatch.setattr(windowed, "SLICE", 50)
    monkeypatch.setattr(windowed, "MOST_HELD", 100_000)
    assert [shop.over(query, *span) for query in asked] == approximately(whole)
    monkeypatch.setattr(windowed, "_rounds", lambda *_: 3)
    assert [shop.over(query, *span) for query in asked] == approximately(whole)
    shop.database.close()


def approximately(answers: list[Found]) -> Any:
    return [
        [
            (labels, [(time, pytest.approx(value, nan_ok=True)) for time, value in points])
            for labels, points in found
        ]
        for found in answers
    ]


@pytest.mark.parametrize("operator", ["sum", "avg", "min", "max", "count", "group"])
@pytest.mark.parametrize("inner", ["rate(http_requests_total[5m])", "queue_length", "odd_values_ratio"])
def test_what_the_core_aggregates_is_what_the_series_come_to(shop: Shop, operator: str, inner: str) -> None:
    """`+ 0` keeps the aggregation out of the core."""
    store(shop.database)
    span = T + 100_500, T + 3_500_500, MINUTE
    for grouping in ("", "by (service_name) ", "without (method) "):
        found = shop.over(f"{operator} {grouping}({inner})", *span)
        assert found
        assert [found] == approximately([shop.over(f"{operator} {grouping}({inner} + 0)", *span)])


def test_names_that_an_aggregation_must_not_mix_are_an_error_as_before(shop: Shop) -> None:
    for name in ("one", "two"):
        shop.points(shop.series(name), [(T, 1), (T + 10_000, 2)])
    with pytest.raises(EvaluationError, match="same labelset"):
        shop.values('sum(delta({__name__=~"one|two"}[1m]))', T + 10_000)
    assert shop.values('sum({__name__=~"one|two"})', T + 10_000) == [4]


def seal(database: Database) -> None:
    sealer = Sealer(database, pause=0)
    sealer._started_us = 1
    while sealer.apply():
        pass


@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize("apart", [0, 1, 999_999])
def test_samples_of_one_millisecond_are_one(tmp_path: Path, sealed: bool, apart: int) -> None:
    """Of levels the last, of increments their sum; nanoseconds are finer than PromQL."""
    shop = Shop(Database.open(tmp_path / "analytics.duckdb"))
    level, counter, delta = (
        shop.series(name, kind)
        for name, kind in (("level", "gauge"), ("done", "counter"), ("told", "counter"))
    )
    with shop.database.write() as connection:
        for number, (first, second) in ((level, (5.0, 7.0)), (counter, (5.0, 2.0)), (delta, (5.0, 2.0))):
            running = (None, None) if number != counter else (5.0, 7.0)
            rows = zip((0, apart), (first, second), running, strict=True)
            for away, value, sent in rows:
                connection.execute(
                    "INSERT INTO recent_points (series, stream, time, value, cumulative, created_at)"
                    " VALUES (?, ?, make_timestamp_ns(?), ?, ?, make_timestamp(0))",
                    [number, number, T * 1_000_000 + away, value, sent],
                )
    if sealed:
        seal(shop.database)
    for name in ("level", "done_total", "told_total"):
        assert shop.values(name, T) == [7]
        assert shop.values(f"count_over_time({name}[1m])", T) == [1]
        assert shop.values(f"sum_over_time({name}[1m])", T) == [7]
        assert shop.values(f"sum_over_time({name}[1m:1ms] @ {T / 1000})", T)
        for function in ("rate", "increase", "delta", "irate", "idelta", "deriv", "predict_linear"):
            more = ", 60" if function == "predict_linear" else ""
            assert shop.values(f"{function}({name}[1m]{more})", T) == []
            assert shop.over(f"{function}({name}[1m]{more})", T, T + MINUTE, 1000) == []
    shop.database.close()


def test_samples_of_histograms_in_one_millisecond_are_one(shop: Shop) -> None:
    size = shop.series("size", "histogram")
    shop.intervals(size, [(T, [1.0], [1, 2], 4.0), (T, [1.0], [3, 0], 1.0)])
    for name, value in (("size_count", 6), ("size_sum", 5), ('size_bucket{le="1"}', 4)):
        assert shop.values(name, T) == [value]
        assert shop.values(f"count_over_time({name}[1m])", T) == [1]
        assert shop.values(f"rate({name}[1m])", T) == []


def test_as_many_steps_as_grafana_asks_for_are_answered_and_more_refused(shop: Shop) -> None:
    """As Prometheus, which counts the steps between the points."""
    shop.points(shop.series("level"), [(T, 1)])
    (found,) = shop.engine.range("1", 0, MAX_STEPS * SECOND, SECOND).series
    assert len(found[1]) == 11_001
    assert shop.over("level", T, T + MAX_STEPS * 10, 10)
    with pytest.raises(ExpressionError, match="exceeded maximum resolution of 11,000 points per timeseries"):
        shop.engine.range("1", 0, (MAX_STEPS + 1) * SECOND, SECOND)


def test_too_many_series_are_refused(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "MAX_SERIES", 1)
    for name in ("a", "b"):
        shop.points(shop.series("level", "gauge", {"name": name}), [(T, 1)])
    assert shop.values('level{name="a"}', T) == [1]
    with pytest.raises(EvaluationError, match="more than 1 series"):
        shop.engine.instant("level", T)


def test_too_many_noisy_values_are_refused(shop: Shop) -> None:
    shop.releases(shop.series("level"), [(T + n, [1.0], [n, n]) for n in range(10)])
    with shop.database.reader() as reader:
        source = storage.Samples(reader, lambda: 10.0, max_samples=9)
        with pytest.raises(EvaluationError, match="more than 9 samples"):
            list(source.releases([1], T - 1, T + 100))


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


def test_windows_that_take_too_long_are_ended(shop: Shop) -> None:
    level = shop.series("level")
    with shop.database.write() as connection:
        connection.execute(
            "INSERT INTO recent_points (series, stream, time, value, created_at) SELECT $id, 1,"
            " make_timestamp_ns(($origin + n * 100) * 1000000), n % 1000, make_timestamp(0)"
            " FROM range(36000) t(n)",
            {"id": level, "origin": T},
        )
    hurried = Engine(shop.database, {}, seconds=1)
    with pytest.raises(EvaluationTimeoutError, match="longer"):
        hurried.range("quantile_over_time(0.5, level[1h])", T + 3_000_000, T + 4_000_000, 100)


def test_windows_that_would_hold_too_much_are_refused(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one window a digest is enough, where the function needs no more."""
    shop.points(shop.series("level"), [(T + n, n) for n in range(20)])
    for name, value in (("MOST_HELD", 1), ("SLICE", 1), ("_BLOCK", 3), ("_SOON", 0)):
        monkeypatch.setattr(windowed, name, value)
    assert shop.values("increase(level[1m])", T + 20) == pytest.approx([19], rel=0.1)
    with pytest.raises(EvaluationError, match="more memory than the service may use"):
        shop.values("quantile_over_time(0.5, level[1m])", T + 20)


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
