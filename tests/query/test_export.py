import random

import msgspec
import pytest
from tests.query.query_fakes import NOW, Desk
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
)
from tests.store.store_fakes import SECOND, Point, batch, series, stream

from blackhole.model.series import MetricType
from blackhole.model.times import format_time
from blackhole.privacy.intervals import about, of, steps_factor
from blackhole.query import export
from blackhole.store.upkeep.seal import Sealer

METRIC = "content.operations"
EVER = export.Range(0, 2**62)
BASE = 1_700_000_000 // 3600 * HOUR


def rows(asked: Desk, span: export.Range = EVER, *, page_rows: int = 1000) -> list[export.ExportedRow]:
    def ask(text: str, most: int) -> bytes:
        return msgspec.json.encode(asked.runner.sql(text, most))

    return list(export.rows(ask, METRIC, span, page_rows=page_rows))


def test_every_released_number_carries_the_interval_of_its_noise(asked: Desk) -> None:
    law = Law(GAUSSIAN, 4.0)
    windows = [Window(BASE + n * HOUR, law, [float(10 + n), float(20 + n)]) for n in range(3)]
    add_series(asked, METRIC, "counter", ["a", "b"])
    add_releases(asked, METRIC, windows)
    add_values(asked, windows)
    found = rows(asked)
    assert [row["value"] for row in found] == [10, 20, 11, 21, 12, 22]
    for row in found:
        assert (row["lower"], row["upper"]) == about(row["value"], of(GAUSSIAN, 16.0))
        assert row["privacy_level"] == "highly_sensitive"


def test_increments_of_a_running_total_carry_the_noise_of_increments(asked: Desk) -> None:
    law = Law(GAUSSIAN, 4.0)
    windows = [Window(BASE + n * HOUR, law, [10.0], factorisation="f", step=n) for n in range(3)]
    add_series(asked, METRIC, "counter", ["a"])
    add_releases(asked, METRIC, windows)
    add_values(asked, windows)
    widths = [row["upper"] - row["value"] for row in rows(asked)]
    expected = [of(GAUSSIAN, 16.0 * steps_factor([n])).half_width(whole=True) for n in range(3)]
    assert widths == pytest.approx(expected)


def test_released_histograms_are_their_noisy_buckets_and_gauges_their_means(asked: Desk) -> None:
    law = Law(LAPLACE, 2.0)
    histogram = [Window(BASE, law, [[5.0, -1.0, 7.0]])]
    gauge = [Window(BASE + HOUR, law, [[900.0, 30.0]], count_scale=1.0)]
    add_series(asked, METRIC, "histogram", ["a"])
    add_releases(asked, METRIC, [*histogram, *gauge])
    add_lists(asked, histogram, [1.0, 2.0])
    add_lists(asked, gauge, None)
    buckets, mean = rows(asked)
    assert (buckets["count"], buckets["buckets"], buckets["value"]) == (11, [5, -1, 7], None)
    assert buckets["lower"] < 11 < buckets["upper"]
    assert mean["value"] == 30
    assert mean["lower"] < 30 < mean["upper"]
    assert mean["buckets"] is None


def test_values_without_noise_have_no_interval(asked: Desk) -> None:
    add_series(asked, METRIC, "counter", ["a"])
    add_values(asked, [Window(BASE, Law(GAUSSIAN, 1.0), [3.0])])
    assert [(row["lower"], row["upper"]) for row in rows(asked)] == [(None, None)]


@pytest.mark.parametrize("page_rows", [2, 3, 7, 1000])
def test_pages_give_every_row_once_whatever_their_size(asked: Desk, page_rows: int) -> None:
    """Five values at each of ten moments: pages end within a moment, and may be smaller than one."""
    add_series(asked, METRIC, "counter", [str(number) for number in range(5)])
    windows = [
        Window(BASE + n * HOUR, Law(GAUSSIAN, 1.0), [n * 5.0 + g for g in range(5)]) for n in range(10)
    ]
    add_values(asked, windows)
    found = rows(asked, page_rows=page_rows)
    assert sorted(row["value"] for row in found) == list(range(50))
    some = rows(asked, export.Range(BASE + HOUR, BASE + 3 * HOUR), page_rows=page_rows)
    assert sorted(row["value"] for row in some) == list(range(5, 15))


def test_names_are_found_by_their_beginning_and_quoted(asked: Desk) -> None:
    def ask(text: str, most: int) -> bytes:
        return msgspec.json.encode(asked.runner.sql(text, most))

    for number, name in enumerate(("a.b", "a.b.c", "x'y"), 1):
        add_series(asked, name, "gauge", ["a"], first=number)
    assert export.names(ask, "a.*") == ["a.b", "a.b.c"]
    assert export.names(ask, "a.b") == ["a.b"]
    assert export.names(ask, "x'y") == ["x'y"]
    assert export.names(ask, "' OR true --") == []


@pytest.mark.parametrize("page_rows", [50, 1000])
def test_sealed_rows_come_in_the_order_of_time_with_what_was_late(asked: Desk, page_rows: int) -> None:
    """Days with nothing between, and chunks that overlap: a page is looked for in a part of the time."""
    metric = "process.cpu.usage"
    chance, start = random.Random(2), (NOW // (86400 * SECOND) - 9) * 86400 * SECOND
    stored: list[tuple[int, float]] = []
    for days in ((0, 1, 5), (0, 4, 8)):
        moments = {
            start + day * 86400 * SECOND + chance.randrange(86400) * SECOND for day in days for _ in range(90)
        }
        points = [Point(1, at, float(chance.randrange(99)), stream=1) for at in sorted(moments)]
        known = [] if stored else [series(1, metric, MetricType.GAUGE)]
        asked.store(batch(points, series=known, streams=[stream(1, 1)] if known else []))
        stored += [(point.time_ns, point.value) for point in points]
        with asked.database.write() as connection:
            connection.execute("UPDATE recent_points SET created_at = make_timestamp(1)")
        if len(stored) < 300:
            assert Sealer(asked.database, pause=0).apply()

    def ask(text: str, most: int) -> bytes:
        return msgspec.json.encode(asked.runner.sql(text, most))

    found = list(export.rows(ask, metric, EVER, page_rows=page_rows))
    assert sorted((row["timestamp"], row["value"]) for row in found) == sorted(
        (format_time(at), value) for at, value in stored
    )
    assert [row["timestamp"] for row in found] == sorted(row["timestamp"] for row in found)
