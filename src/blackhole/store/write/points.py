"""Turns rows in Arrow form back into numbers, without a file."""

from collections.abc import Iterable

import duckdb

from blackhole.model.batch import PointBatch

_ALL = "SELECT series, epoch_ns(time), value FROM incoming"


def points(rows: PointBatch) -> Iterable[tuple[int, int, float]]:
    """(series, nanoseconds since the epoch, value) of each number point, in order."""
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.register("incoming", rows.point_stream())
        return connection.execute(_ALL).fetchall()
