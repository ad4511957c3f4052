"""Percentiles of a range are of all that was observed in it, however it was sent and however it is kept."""

import math
import random
from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from tests.query.query_fakes import NOW, NOW_S, Desk, desk
from tests.query.test_sealed import settle
from tests.store.store_fakes import SECOND, Histogram, batch, series, stream

from blackhole.model.series import MetricType, PrivacyLevel, SeriesRow
from blackhole.query.language import Answer, Overall, Query, Series
from blackhole.store.upkeep.seal import Sealer

NAME = "p2p.discovery.latency"
SHARES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
COARSE = (10.0, 100.0, 1000.0)
FINE = (2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0)
EXPONENTIAL = tuple(sorted({*COARSE, *(2.0**n for n in range(10))}))


def row(number: int = 1, kind: MetricType = MetricType.HISTOGRAM) -> SeriesRow:
    attributes = f'{{"peer_type":"t{number}"}}'
    return series(number, NAME, kind, unit="ms", level=PrivacyLevel.INTERNAL, attributes=attributes)


def store(asked: Desk, *rows: Histogram) -> None:
    numbers = {histogram.series for histogram in rows}
    asked.store(
        batch(
            histograms=rows,
            series=[row(number) for number in numbers],
            streams=[stream(number, number) for number in numbers],
        )
    )


def observed(
    values: Sequence[float], at: int, bounds: tuple[float, ...], *, number: int = 1, most: bool = False
) -> Histogram:
    """What an SDK makes of these values."""
    buckets = [0] * (len(bounds) + 1)
    for value in values:
        buckets[bisect_left(bounds, value)] += 1
    greatest = max(values) if most else None
    return Histogram(
        number, at, len(values), sum(values), bounds, tuple(buckets), max=greatest, stream=number
    )


def ask(asked: Desk, aggregation: str = "p95", **more: object) -> Answer:
    start = NOW_S - 3600
    return asked.runner.query(Query(NAME, start_time=start, aggregation=aggregation, **more))  # type: ignore[arg-type]


def only(answer: Answer) -> Series:
    (found,) = answer.series
    return found


def test_a_range_has_the_percentile_of_its_summed_buckets_not_a_middle_of_their_percentiles(
    asked: Desk,
) -> None:
    quiet = [observed([4.0], NOW - n * 60 * SECOND, FINE) for n in range(2, 50)]
    busy = observed([200.0] * 200, NOW - 60 * SECOND, FINE)
    store(asked, busy, *quiet)
    found = only(ask(asked, interval="1m"))
    assert len(found.points) == 49
    assert found.overall == only(ask(asked, interval="1d")).overall
    assert isinstance(found.overall, Overall)
    assert 100 < (found.overall.value or 0) <= 250


def test_a_percentile_in_the_last_bucket_is_over_its_bound(asked: Desk) -> None:
    store(
        asked,
        observed([4.0] * 20, NOW - 120 * SECOND, COARSE),
        observed([5000.0] * 20, NOW - 60 * SECOND, COARSE),
    )
    found = only(ask(asked, interval="1m"))
    assert [(point.value, point.over) for point in found.points][1] == (1000.0, True)
    assert found.points[0].over is not True
    assert found.overall == Overall(1000.0, over=True)
    assert only(ask(asked, "p50")).overall == Overall(10.0)


def test_the_last_bucket_ends_at_the_greatest_value_only_where_that_of_all_is_known(asked: Desk) -> None:
    store(asked, observed([2000.0] * 10, NOW - 60 * SECOND, COARSE, most=True))
    assert only(ask(asked, "p50")).overall == Overall(1500.0)
    store(asked, observed([2000.0] * 10, NOW - 30 * SECOND, COARSE, number=2))
    assert only(ask(asked, "p99")).overall == Overall(pytest.approx(1980.0), over=True)  # type: ignore[arg-type]


def test_what_has_no_buckets_says_so_and_what_to_ask_for(asked: Desk) -> None:
    store(asked, Histogram(1, NOW - SECOND, 4, 10.0))
    (note,) = ask(asked).notes
    assert note.startswith(f"{NAME} has no buckets: ask avg")
    assert ask(asked, "avg").notes == []
    assert only(ask(asked, "avg")).overall == Overall(2.5)


def test_a_summary_says_that_it_has_no_buckets(asked: Desk) -> None:
    asked.store(
        batch(histograms=[Histogram(1, NOW - SECOND, 4, 10.0)], series=[row(kind=MetricType.SUMMARY)])
    )
    assert "has no buckets: ask avg" in ask(asked).notes[0]


def test_a_part_without_buckets_is_said_to_be_left_out(asked: Desk) -> None:
    store(asked, observed([4.0], NOW - SECOND, FINE), Histogram(2, NOW - SECOND, 4, 10.0, stream=2))
    answer = ask(asked)
    assert [note for note in answer.notes if "without buckets" in note]
    assert only(answer).overall is not None
    assert ask(asked, filters={"peer_type": "t1"}).notes == []


def test_an_empty_range_says_only_that(asked: Desk) -> None:
    store(asked, observed([4.0], NOW - 7200 * SECOND, FINE))
    assert ask(asked).notes == ["no data in this range"]


@pytest.mark.parametrize("seed", range(4))
def test_the_answer_lies_in_the_bucket_of_the_true_percentile(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    asked = desk(tmp_path)
    known_most = chance.random() < 0.3
    raw: dict[int, list[tuple[int, list[float]]]] = {1: [], 2: [], 3: []}
    for half in range(2):
        rows = []
        for number, told in raw.items():
            bounds = chance.choice([COARSE, FINE, EXPONENTIAL])
            for at in range(NOW - 6 * 3600 * SECOND, NOW, 600 * SECOND):
                values = [chance.lognormvariate(3, 2.5) for _ in range(chance.randrange(1, 9))]
                moment = at + half * 300 * SECOND
                told.append((moment, values))
                rows.append(observed(values, moment, bounds, number=number, most=known_most))
        new = [] if half else [row(number) for number in raw]
        streams = [] if half else [stream(number, number) for number in raw]
        asked.store(batch(histograms=rows, series=new, streams=streams))
        if half < chance.randrange(3):
            settle(asked)
            assert Sealer(asked.database, pause=0).apply()
    for aggregation, share in SHARES.items():
        _compare(asked, raw, aggregation, share, known_most=known_most)
    asked.database.close()


def _compare(
    asked: Desk,
    raw: dict[int, list[tuple[int, list[float]]]],
    aggregation: str,
    share: float,
    *,
    known_most: bool,
) -> None:
    start = NOW_S - 5 * 3600 + 17
    question = Query(NAME, start_time=start, aggregation=aggregation, interval="20m", group_by=["peer_type"])
    answer = asked.runner.query(question)
    assert len(answer.series) == 3
    for found in answer.series:
        told = raw[int(found.attributes["peer_type"][1:])]
        inside = [value for at, values in told if start * SECOND <= at < NOW for value in values]
        assert isinstance(found.overall, Overall)
        assert found.overall.value is not None
        _same_bucket(found.overall.value, found.overall.over is True, inside, share, known_most=known_most)


def _same_bucket(value: float, over: bool, inside: list[float], share: float, *, known_most: bool) -> None:
    truth = sorted(inside)[max(math.ceil(share * len(inside)) - 1, 0)]
    assert over is (truth > COARSE[-1] and not known_most)
    ends = [0.0, *COARSE, max(*inside, *COARSE)]
    if over:
        assert value == COARSE[-1]
    else:
        lower, upper = next((a, b) for a, b in pairwise(ends) if a < truth <= b)
        assert lower <= value <= upper * (1 + 1e-12)
