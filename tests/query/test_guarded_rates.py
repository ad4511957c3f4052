"""A rate of a guarded counter is what its windows counted, by how long these are."""

from pathlib import Path

import pytest
from tests.query.query_fakes import WINDOWS, Desk, FakeCatalogue, definition, desk
from tests.store.store_fakes import SECOND, Histogram, Point, batch, series

from blackhole.model.series import MetricType, PrivacyLevel
from blackhole.query.language import Answer, Query
from blackhole.query.run import QueryService

LEVELS = {"sensitive": PrivacyLevel.SENSITIVE, "highly_sensitive": PrivacyLevel.HIGHLY_SENSITIVE}
NOW_S = 1_750_003_260 + 7 * 60 + 20


def desk_of(directory: Path, privacy: str, kind: MetricType = MetricType.COUNTER) -> Desk:
    """Two an own second, of two groups; the first window was seven windows ago, and one group fell silent."""
    place = desk(directory)
    place.now = NOW_S
    level = LEVELS[privacy]
    window = round(WINDOWS[level])
    entry = definition("a.count", kind.value, privacy=privacy, privacy_unit="event", bounds=[0, 1])
    place.runner = QueryService(
        place.database, FakeCatalogue([entry]), windows=WINDOWS, now=lambda: place.now
    )
    rows = [
        series(n + 1, "a.count", kind, unit="1", attributes=f'{{"lane":"{n}"}}', level=level)
        for n in range(2)
    ]
    newest = NOW_S // window * window - window
    lanes = [(1, newest - back * window) for back in range(7)]
    lanes += [(2, newest - back * window) for back in range(3, 7)]
    value = 2.0 * window
    if kind is MetricType.HISTOGRAM:
        place.store(
            batch(
                histograms=[
                    Histogram(n, at * SECOND, int(value), 5.0, (1.0,), (int(value), 0)) for n, at in lanes
                ],
                series=rows,
            )
        )
    else:
        place.store(batch([Point(n, at * SECOND, value) for n, at in lanes], series=rows))
    return place


def rates(answer: Answer) -> list[tuple[float | None, bool]]:
    return [(point.value, point.partial is True) for point in answer.series[0].points]


@pytest.mark.parametrize(
    ("privacy", "kind", "interval"),
    [
        ("sensitive", MetricType.COUNTER, "5m"),
        ("sensitive", MetricType.HISTOGRAM, "5m"),
        ("sensitive", MetricType.COUNTER, "90s"),
        ("highly_sensitive", MetricType.COUNTER, "3h"),
    ],
)
@pytest.mark.parametrize("whole", [False, True])
def test_the_first_and_the_last_bucket_are_divided_by_what_is_known(
    tmp_path: Path, privacy: str, kind: MetricType, interval: str, *, whole: bool
) -> None:
    place = desk_of(tmp_path, privacy, kind)
    window = WINDOWS[LEVELS[privacy]]
    answer = place.runner.query(
        Query(
            "a.count",
            start_time=NOW_S - 20 * window,
            end_time=NOW_S,
            aggregation="rate",
            interval=interval,
            filters={"lane": "0"},
            whole=whole,
        )
    )
    found = rates(answer)
    assert [value for value, _ in found] == pytest.approx([2.0] * len(found))
    if interval == "5m":
        assert found[0][1]
        assert found[-1][1]
    assert not any(partial for _, partial in found[1:-1])
    place.database.close()


def test_what_has_fallen_silent_is_not_taken_for_unknown(tmp_path: Path) -> None:
    place = desk_of(tmp_path, "sensitive")
    answer = place.runner.query(
        Query(
            "a.count",
            start_time=NOW_S - 600,
            end_time=NOW_S,
            aggregation="rate",
            interval="10m",
            filters={"lane": "1"},
        )
    )
    values = [value for value, _ in rates(answer)]
    assert sum(value or 0 for value in values) < 2.0 * len(values)
    place.database.close()
