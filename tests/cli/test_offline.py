"""What is read from the file alone, when no service runs."""

import json
from pathlib import Path

from tests.store.store_fakes import SECOND, Histogram, Point, batch, series, stream

from blackhole.cli.offline import File
from blackhole.config import Config
from blackhole.model.series import MetricType, PrivacyLevel
from blackhole.store.database import Database
from blackhole.store.upkeep.seal import Sealer
from blackhole.store.writer import insert

NOW = 1_750_000_000 * SECOND


def test_status_counts_the_points_of_open_metrics_as_sql_does(tmp_path: Path) -> None:
    """Also those that are sealed, and without the intervals of histograms in which nothing was observed."""
    path = tmp_path / "analytics.duckdb"
    database = Database.open(path, clock=lambda: NOW)
    times = [NOW - n * 300 * SECOND for n in range(60)]
    given = batch(
        [Point(n, time, 1.0, stream=n) for n in (1, 2) for time in times],
        [Histogram(3, time, n % 3, None if n % 5 == 0 else 1.0, stream=3) for n, time in enumerate(times)],
        series=[
            series(1, "a", MetricType.GAUGE),
            series(2, "b", MetricType.GAUGE, level=PrivacyLevel.SENSITIVE),
            series(3, "c", MetricType.HISTOGRAM),
        ],
        streams=[stream(n, n) for n in (1, 2, 3)],
    )
    with database.write() as connection:
        insert(connection, given.rows, given.series, given.streams, created_us=1)
    limits = {"until": NOW - 9000 * SECOND, "settled": 2, "least": 1}
    for table in ("recent_points", "recent_histogram_points"):
        Sealer(database, pause=0)._apply(table, 100, limits)
    with database.reader() as reader:
        ((expected,),) = reader.rows("SELECT count(*) FROM metrics WHERE privacy_level < 2").rows
        assert reader.rows("SELECT count(*) > 0 FROM histogram_chunks").rows == [(True,)]
        assert reader.rows("SELECT count(*) > 0 FROM recent_histogram_points").rows == [(True,)]
    database.close()
    file = File(path, Config(), tmp_path)
    status = json.loads(file.status())
    file.close()
    assert (status["points"], status["metrics"]) == (expected, 2)
    assert 60 < expected < 120
