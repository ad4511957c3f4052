"""Guarded metrics are gauges in PromQL, and are not asked more finely than one value a window tells."""

import pytest
from tests.promql.data import BASE
from tests.promql.shop import Shop

from blackhole.errors import PrivacyQueryError
from blackhole.model.series import PrivacyLevel

HOUR = 3_600_000
MINUTE = 60_000
T = BASE - BASE % HOUR


@pytest.fixture
def private(shop: Shop) -> Shop:
    """A highly sensitive counter with a negative release, a gauge and a histogram; a sensitive counter."""
    level = PrivacyLevel.HIGHLY_SENSITIVE
    operations = shop.series("content.operations", "counter", {"type": "upload"}, level=level)
    shop.points(operations, [(T, 5), (T + HOUR, -2)], stream=0)
    shop.releases(
        shop.series("content.size", "gauge", level=level), [(T, None, [30, 10]), (T + HOUR, None, [4, -1])]
    )
    shop.releases(
        shop.series("content.age", "histogram", level=level), [(T, [1.0], [3, -1]), (T + HOUR, [1.0], [2, 6])]
    )
    sensitive = shop.series("peer.messages", "counter", level=PrivacyLevel.SENSITIVE)
    shop.points(sensitive, [(T, 7), (T + MINUTE, 9)], stream=0)
    return shop


def test_released_values_are_gauges_as_they_were_released(private: Shop) -> None:
    assert private.values("content_operations", T) == [5]
    assert private.values("content_operations", T + HOUR) == [-2]
    assert private.values("content_operations_total", T + HOUR) == []
    assert private.values("sum_over_time(content_operations[2h])", T + HOUR) == [3]


def test_a_value_is_seen_until_the_next_window_is_out(private: Shop) -> None:
    assert private.values("peer_messages", T + 5 * MINUTE) == [9]
    assert private.values("content_operations", T + 3 * HOUR - 1) == [-2]
    assert private.values("content_operations", T + 3 * HOUR) == []


def test_a_released_gauge_is_its_sum_by_its_count_where_there_is_one(private: Shop) -> None:
    assert private.values("content_size", T) == [3]
    assert private.values("content_size", T + HOUR + 1) == [3]
    assert private.values("count_over_time(content_size[1h])", T + HOUR) == []


def test_the_buckets_of_a_released_histogram_do_not_run_on(private: Shop) -> None:
    assert private.values('content_age_bucket{le="1"}', T + HOUR) == [2]
    assert private.values('content_age_bucket{le="+Inf"}', T + HOUR) == [8]
    assert private.values("content_age_count", T) == [2]
    assert private.values("content_age_sum", T) == []


@pytest.mark.parametrize(
    "expression",
    [
        "max(content_operations)",
        "min by (type) (content_operations)",
        "topk(1, content_operations)",
        "bottomk(1, sum by (type) (content_operations))",
        "quantile(1, content_operations)",
        'count_values("v", content_operations)',
        "max_over_time(content_operations[2h])",
        "min_over_time(peer_messages[2h])",
        "last_over_time(content_operations[2h])",
        "first_over_time(content_operations[2h])",
        "quantile_over_time(1, content_operations[2h])",
        "max_over_time(content_operations[2h:1h])",
        "max(content_age_bucket)",
    ],
)
def test_what_picks_out_one_window_or_group_is_refused(private: Shop, expression: str) -> None:
    with pytest.raises(PrivacyQueryError, match="picks out one window or group"):
        private.engine.instant(expression, T + HOUR)


@pytest.mark.parametrize("name", ["rate", "increase", "irate", "resets"])
def test_noise_is_never_taken_for_the_reset_of_a_counter(private: Shop, name: str) -> None:
    with pytest.raises(PrivacyQueryError, match="ask for sum_over_time"):
        private.engine.instant(f"{name}(content_operations[3h])", T + HOUR)


@pytest.mark.parametrize(
    ("expression", "step"),
    [
        ("content_operations", HOUR - 1),
        ("peer_messages", MINUTE - 1),
        ("sum(content_operations)", MINUTE),
        ("sum_over_time(content_operations[59m])", HOUR),
        ("avg_over_time(content_operations[2h:30m])", HOUR),
        ("vector(1) + on() content_operations", MINUTE),
        ('{__name__=~".+"}', MINUTE),
    ],
)
def test_steps_and_ranges_below_the_window_are_refused(private: Shop, expression: str, step: int) -> None:
    with pytest.raises(PrivacyQueryError, match="one value every"):
        private.engine.range(expression, T, T + 2 * HOUR, step)


def test_a_step_of_the_window_is_answered(private: Shop) -> None:
    (found,) = private.over("sum(content_operations)", T, T + HOUR, HOUR)
    assert found == ({}, [(T / 1000, 5.0), ((T + HOUR) / 1000, -2.0)])
    assert private.values("avg_over_time(peer_messages[2m])", T + MINUTE) == [8]


def test_open_metrics_are_not_held_to_the_windows_of_guarded_ones(private: Shop) -> None:
    private.points(private.series("open"), [(T, 1), (T + 1000, 2)])
    assert len(private.over("max(open)", T, T + 1000, 1000)[0][1]) == 2
