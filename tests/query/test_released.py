"""Answers about released metrics: unclamped values, with intervals that hold the truth 95 times of 100."""

import math
import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from tests.query.query_fakes import NOW_S, Desk, FakeCatalogue, definition, desk  # noqa: F401
from tests.query.released_fakes import (
    GAUSSIAN,
    HOUR,
    LAPLACE,
    Law,
    Window,
    add_lists,
    add_releases,
    add_series,
    add_values,
    running_total,
)

from blackhole.config import Config
from blackhole.errors import PrivacyQueryError
from blackhole.query import released
from blackhole.query.language import Answer, Point, Query
from blackhole.query.run import QueryService

OPERATIONS = "content.operations"
KINDS = ("upload", "download", "share")
WINDOWS = 1440
LAST = NOW_S * 10**9 // HOUR * HOUR
BOUNDS = (10.0, 20.0, 50.0, 100.0)

LAWS = (
    Law(GAUSSIAN, 31.5),
    Law(GAUSSIAN, 0.9),
    Law(GAUSSIAN, 2.5, grid=2.0**-12),
    Law(LAPLACE, 20.0),
    Law(LAPLACE, 0.7),
)


def starts(count: int = WINDOWS) -> list[int]:
    return [LAST - n * HOUR for n in range(count, 0, -1)]


def ask(asked: Desk, metric: str, aggregation: str, hours: int = 1, **more: object) -> Answer:
    question = Query(
        metric,
        start_time=LAST / 1e9 - WINDOWS * 3600,
        end_time=LAST / 1e9,
        aggregation=aggregation,
        interval=f"{hours}h",
        **more,  # type: ignore[arg-type]
    )
    return asked.runner.query(question)


def hour_of(point: Point) -> int:
    return round(datetime.fromisoformat(point.timestamp).timestamp()) * 10**9


def coverage(points: Sequence[Point], truth: Callable[[int], float], trials: int | None = None) -> float:
    """The share of intervals that hold the truth; what has no value misses nothing."""
    missed = 0
    for point in points:
        assert point.lower is not None
        assert point.upper is not None
        missed += not point.lower <= truth(hour_of(point)) <= point.upper
    return 1 - missed / (trials or len(points))


def slack(trials: int) -> float:
    return 3.3 * math.sqrt(0.95 * 0.05 / trials)


def store_counter(asked: Desk, law: Law, seed: int) -> dict[int, list[float]]:
    """Three groups over many windows. Returns the true values by window."""
    chance = random.Random(seed)
    truth = {start: [float(chance.randrange(4)), 40.0, 0.0] for start in starts()}
    windows = [Window(s, law, [v + law.draw(chance) for v in truth[s]]) for s in truth]
    add_series(asked, OPERATIONS, "counter", KINDS)
    add_releases(asked, OPERATIONS, windows)
    add_values(asked, windows)
    return truth


@pytest.mark.parametrize("law", LAWS, ids=str)
def test_intervals_of_single_values_hold_the_truth(asked: Desk, law: Law) -> None:
    truth = store_counter(asked, law, 1)

    answer = ask(asked, OPERATIONS, "sum", group_by=["type"])

    assert [one.attributes["type"] for one in answer.series] == list(KINDS)
    for place, one in enumerate(answer.series):
        held = coverage(one.points, lambda hour, place=place: truth[hour][place])  # type: ignore[misc]
        assert held >= 0.95 - slack(WINDOWS)


@pytest.mark.parametrize("law", LAWS, ids=str)
def test_intervals_of_sums_over_groups_and_windows_hold_the_truth(asked: Desk, law: Law) -> None:
    truth = store_counter(asked, law, 2)

    points = ask(asked, OPERATIONS, "sum", hours=4).series[0].points

    total = {hour: sum(sum(truth.get(hour + n * HOUR, ())) for n in range(4)) for hour in _epochs(truth, 4)}
    held = coverage(points, total.__getitem__)
    assert held >= 0.95 - slack(len(points))


def _epochs(truth: dict[int, list[float]], hours: int) -> set[int]:
    return {hour // (hours * HOUR) * hours * HOUR for hour in truth}


def test_intervals_over_a_change_of_mechanism_hold_the_truth(asked: Desk) -> None:
    chance = random.Random(8)
    laws = (Law(GAUSSIAN, 3.0), Law(LAPLACE, 4.0))
    windows = [Window(s, laws[n % 2], [5.0 + laws[n % 2].draw(chance)]) for n, s in enumerate(starts())]
    add_series(asked, OPERATIONS, "counter", KINDS[:1])
    add_releases(asked, OPERATIONS, windows)
    add_values(asked, windows)

    points = ask(asked, OPERATIONS, "sum", hours=2).series[0].points

    true = {window.start // (2 * HOUR) * 2 * HOUR: 0.0 for window in windows}
    for window in windows:
        true[window.start // (2 * HOUR) * 2 * HOUR] += 5.0
    assert coverage(points, true.__getitem__) >= 0.95 - slack(len(points))


def test_the_interval_of_a_sum_is_no_wider_than_its_noise(asked: Desk) -> None:
    store_counter(asked, Law(GAUSSIAN, 31.5), 3)

    point = ask(asked, OPERATIONS, "sum", hours=4).series[0].points[5]

    assert point.lower is not None
    assert point.upper is not None
    assert (point.upper - point.lower) / 2 == pytest.approx(1.96 * 31.5 * math.sqrt(12), rel=0.01)


def test_values_are_what_was_released_unclamped_and_count_nobody(asked: Desk) -> None:
    law = Law(GAUSSIAN, 5.0)
    windows = [Window(start, law, [-7.0]) for start in starts(3)]
    add_series(asked, OPERATIONS, "counter", KINDS[:1])
    add_releases(asked, OPERATIONS, windows)
    add_values(asked, windows)

    answer = ask(asked, OPERATIONS, "sum")

    assert [point.value for point in answer.series[0].points] == [-7.0] * 3
    assert {point.sample_count for point in answer.series[0].points} == {None}
    assert released.RELEASED in answer.notes


def test_rate_and_mean_are_the_sum_divided_with_its_interval(asked: Desk) -> None:
    store_counter(asked, Law(GAUSSIAN, 31.5), 4)

    total, rate, mean, count = (
        ask(asked, OPERATIONS, name, hours=6).series[0].points[3] for name in ("sum", "rate", "avg", "count")
    )

    for name in ("value", "lower", "upper"):
        assert getattr(rate, name) == pytest.approx(getattr(total, name) / (6 * 3600))
        assert getattr(mean, name) == pytest.approx(getattr(total, name) / 18)
    assert (count.value, count.lower, count.upper) == (18.0, None, None)


def test_days_of_a_zone_add_up_the_windows_that_begin_in_them(asked: Desk) -> None:
    law = Law(GAUSSIAN, 31.5)
    store_counter(asked, law, 4)
    zone = "Asia/Kolkata"

    single = ask(asked, OPERATIONS, "sum").series[0].points
    days, rates = (
        ask(asked, OPERATIONS, name, hours=24, timezone=zone).series[0].points for name in ("sum", "rate")
    )

    sums: dict[str, float] = defaultdict(float)
    for point in single:
        sums[datetime.fromisoformat(point.timestamp).astimezone(ZoneInfo(zone)).date().isoformat()] += (
            point.value or 0
        )
    assert [point.value for point in days] == pytest.approx(list(sums.values()))
    assert {point.timestamp[10:] for point in days} == {"T18:30:00Z"}
    for day, rate in zip(days[1:-1], rates[1:-1], strict=True):
        for name in ("value", "lower", "upper"):
            assert getattr(rate, name) == pytest.approx(getattr(day, name) / 86400)


@pytest.mark.parametrize("mechanism", [GAUSSIAN, LAPLACE])
@pytest.mark.parametrize("hours", [1, 5, 24])
def test_intervals_of_running_totals_hold_the_truth_and_are_not_wide(
    asked: Desk, mechanism: str, hours: int
) -> None:
    chance = random.Random(hours)
    law = Law(mechanism, 4.0, grid=2.0**-8)
    windows: list[Window] = []
    for run in range(20):  # a restart begins a new factorisation
        hourly = starts()[run * 72 : run * 72 + 72]
        columns = [running_total(chance, law, [float(g)] * 72) for g in range(2)]
        windows += [
            Window(start, law, [column[step] for column in columns], None, f"f{run}", step)
            for step, start in enumerate(hourly)
        ]
    add_series(asked, OPERATIONS, "counter", KINDS[:2])
    add_releases(asked, OPERATIONS, windows)
    add_values(asked, windows)

    points = ask(asked, OPERATIONS, "sum", hours).series[0].points

    true = {hour_of(point): 0.0 for point in points}
    for window in windows:
        true[window.start // (hours * HOUR) * hours * HOUR] += 1.0
    held = coverage(points, true.__getitem__)
    assert held >= 0.95 - slack(len(points))
    errors = [point.value - true[hour_of(point)] for point in points if point.value is not None]
    spread = math.sqrt(sum(error * error for error in errors) / len(errors))
    widths = [(p.upper - p.lower) / 2 for p in points if p.upper is not None and p.lower is not None]
    told = math.sqrt(sum(width * width for width in widths) / len(widths))
    assert 1.6 < told / spread < 2.6


def test_a_lost_step_of_a_running_total_widens_the_interval(asked: Desk) -> None:
    law = Law(GAUSSIAN, 4.0)
    windows = [
        Window(start, law, [1.0], None, "f", step, lost=step == 2) for step, start in enumerate(starts(5))
    ]
    add_series(asked, OPERATIONS, "counter", KINDS[:1])
    add_releases(asked, OPERATIONS, windows)
    add_values(asked, windows)

    whole = ask(asked, OPERATIONS, "sum", hours=WINDOWS).series[0].points

    assert sum(point.value for point in whole if point.value is not None) == 4.0
    assert len(ask(asked, OPERATIONS, "sum").series[0].points) == 4


GAUGE = definition(
    "session.length",
    "gauge",
    privacy="highly_sensitive",
    privacy_unit={"name": "user", "keys": ["user.id"]},
    bounds=[0, 100],
)
SIZES = definition(
    "content.size",
    "histogram",
    privacy="highly_sensitive",
    privacy_unit={"name": "user", "keys": ["user.id"]},
    bounds=[0, 1],
    buckets=list(BOUNDS),
)


@pytest.fixture(autouse=True)
def known(asked: Desk) -> None:
    catalogue = FakeCatalogue((*FakeCatalogue().entries, GAUGE, SIZES))
    windows = Config()
    asked.runner = QueryService(asked.database, catalogue, windows=windows, now=lambda: asked.now)


@pytest.mark.parametrize("mechanism", [GAUSSIAN, LAPLACE])
@pytest.mark.parametrize("units", [0, 3, 25, 400])
def test_intervals_of_means_hold_the_truth(asked: Desk, mechanism: str, units: int) -> None:
    chance = random.Random(units)
    law, counts = Law(mechanism, 300.0, grid=2.0**-6), Law(mechanism, 6.0)
    windows = [
        Window(s, law, [[37.5 * units + law.draw(chance), units + counts.draw(chance)]], counts.scale)
        for s in starts()
    ]
    add_series(asked, GAUGE.name, "gauge", KINDS[:1])
    add_releases(asked, GAUGE.name, windows)
    add_lists(asked, windows, None)

    answer = ask(asked, GAUGE.name, "avg")

    points = [point for one in answer.series for point in one.points]
    assert released.UNCLEAR in answer.notes
    if units == 0:
        assert len(points) / WINDOWS < 0.05
        return
    assert coverage(points, lambda _: 37.5, WINDOWS) >= 0.95 - slack(WINDOWS)
    if units == 400:
        assert len(points) == WINDOWS
        assert all(p.lower is not None and p.value is not None and p.lower < p.value for p in points)


def true_percentile(counts: Sequence[float], share: float) -> float:
    edges = (0.0, *BOUNDS, BOUNDS[-1])
    left = share * sum(counts)
    for place, count in enumerate(counts):
        if count and left <= count:
            return edges[place] + (edges[place + 1] - edges[place]) * left / count
        left -= count
    return edges[-1]


SHAPES = ((900, 700, 300, 80, 20), (5, 0, 0, 4, 0), (0, 0, 60, 0, 0), (40, 0, 0, 0, 40), (0, 0, 0, 10, 300))


@pytest.mark.parametrize("law", [Law(GAUSSIAN, 6.0), Law(LAPLACE, 4.0), Law(GAUSSIAN, 0.8)], ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_intervals_of_percentiles_hold_the_truth(asked: Desk, law: Law, shape: Sequence[int]) -> None:
    chance = random.Random(len(shape))
    windows = [Window(s, law, [[n + law.draw(chance) for n in shape]]) for s in starts()]
    add_series(asked, SIZES.name, "histogram", KINDS[:1])
    add_releases(asked, SIZES.name, windows)
    add_lists(asked, windows, BOUNDS)

    for aggregation, share in (("p50", 0.5), ("p95", 0.95)):
        points = [point for one in ask(asked, SIZES.name, aggregation).series for point in one.points]
        truth = true_percentile(shape, share)
        assert coverage(points, lambda _, truth=truth: truth, WINDOWS) >= 0.95 - slack(WINDOWS)  # type: ignore[misc]
        assert all(
            p.lower is not None
            and p.value is not None
            and p.upper is not None
            and p.lower <= p.value <= p.upper
            for p in points
        )


def test_percentiles_of_many_observations_are_near_the_truth(asked: Desk) -> None:
    chance = random.Random(5)
    law = Law(GAUSSIAN, 6.0)
    windows = [Window(s, law, [[n + law.draw(chance) for n in SHAPES[0]]] * 1) for s in starts()]
    add_series(asked, SIZES.name, "histogram", KINDS[:1])
    add_releases(asked, SIZES.name, windows)
    add_lists(asked, windows, BOUNDS)

    point = ask(asked, SIZES.name, "p50", hours=24).series[0].points[3]

    assert point.value == pytest.approx(true_percentile(SHAPES[0], 0.5), abs=0.2)
    assert point.lower is not None
    assert point.upper is not None
    assert point.upper - point.lower < 0.5


@pytest.mark.parametrize("law", LAWS[:1] + LAWS[3:], ids=str)
def test_intervals_of_histogram_counts_hold_the_truth(asked: Desk, law: Law) -> None:
    chance = random.Random(6)
    windows = [
        Window(s, law, [[n + law.draw(chance) for n in SHAPES[1]] for _ in range(2)]) for s in starts()
    ]
    add_series(asked, SIZES.name, "histogram", KINDS[:2])
    add_releases(asked, SIZES.name, windows)
    add_lists(asked, windows, BOUNDS)

    points = ask(asked, SIZES.name, "count", hours=3).series[0].points

    assert coverage(points[1:-1], lambda _: 9.0 * 3 * 2) >= 0.95 - slack(len(points))


def test_percentiles_over_a_change_of_buckets_use_the_bounds_that_both_have(asked: Desk) -> None:
    law = Law(GAUSSIAN, 1.0)
    early, late = starts(2)
    first = [Window(early, law, [[0.0, 0.0, 100.0, 0.0, 0.0]])]
    second = [Window(late, law, [[0.0, 100.0, 0.0]])]
    add_series(asked, SIZES.name, "histogram", KINDS[:1])
    add_releases(asked, SIZES.name, first + second)
    add_lists(asked, first, BOUNDS)
    add_lists(asked, second, (20.0, 50.0))

    point = ask(asked, SIZES.name, "p50", hours=WINDOWS).series[0].points[-1]

    assert point.value == pytest.approx(35.0, abs=0.01)


@pytest.mark.parametrize(
    ("metric", "aggregation", "why"),
    [
        (SIZES.name, "sum", "without sums"),
        (SIZES.name, "avg", "without sums"),
        (SIZES.name, "rate", "without sums"),
        (GAUGE.name, "sum", "ask for avg"),
        (GAUGE.name, "count", "ask for avg"),
        (OPERATIONS, "p95", "would show the noise"),
        (OPERATIONS, "max", "picks out one window"),
    ],
)
def test_what_noise_makes_meaningless_is_refused_before_and_after_a_release(
    asked: Desk, metric: str, aggregation: str, why: str
) -> None:
    with pytest.raises(PrivacyQueryError, match=why):
        ask(asked, metric, aggregation)


def test_what_was_stored_without_noise_has_no_interval(asked: Desk) -> None:
    add_series(asked, OPERATIONS, "counter", KINDS[:1])
    add_values(asked, [Window(start, Law(GAUSSIAN, 1.0), [5.0]) for start in starts(2)])
    off = Config(differential_privacy=False)
    asked.runner = QueryService(asked.database, FakeCatalogue(), windows=off, now=lambda: asked.now)

    answer = ask(asked, OPERATIONS, "sum")

    assert [(p.value, p.lower, p.upper) for p in answer.series[0].points] == [(5.0, None, None)] * 2
    assert released.RELEASED not in answer.notes


def test_a_range_too_short_for_a_release_says_so(asked: Desk) -> None:
    answer = asked.runner.query(Query(OPERATIONS))

    assert "released at the end of each window of 1h: ask for a longer range, `--last 24h`" in answer.notes


def test_the_live_page_gets_the_newest_release_with_its_interval(asked: Desk) -> None:
    law = Law(GAUSSIAN, 10.0)
    short = [Window(NOW_S * 10**9 - n * 60 * 10**9, law, [1200.0]) for n in (2, 1)]
    connections = definition(
        "p2p.connections.total",
        "counter",
        category="p2p",
        privacy="highly_sensitive",
        privacy_unit="event",
        bounds=[0, 1],
    )
    asked.runner = QueryService(
        asked.database, FakeCatalogue((connections,)), windows=Config(), now=lambda: asked.now
    )
    add_series(asked, connections.name, "counter", KINDS[:1])
    add_releases(asked, connections.name, short)
    add_values(asked, short)

    (entry,) = asked.runner.network().series

    assert entry.value == pytest.approx(1200 / 3600)
    assert entry.lower == pytest.approx((1200 - 1.96 * 10 - 0.5) / 3600, rel=1e-4)
    assert entry.upper == pytest.approx((1200 + 1.96 * 10 + 0.5) / 3600, rel=1e-4)
