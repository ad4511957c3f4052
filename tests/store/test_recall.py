from tests.store.store_fakes import SECOND, Histogram, Point, batch, series, stream

from blackhole.records import StreamState
from blackhole.store.append import insert
from blackhole.store.database import Database


def store(database: Database, points: list[Point], histograms: list[Histogram], streams: list[int]) -> None:
    given = batch(
        points, histograms, series=[series(n) for n in streams], streams=[stream(n, 10 + n) for n in streams]
    )
    with database.write() as connection:
        insert(connection, given.rows, given.series, given.streams, created_us=1)


def test_the_last_state_of_every_known_stream_comes_back(database: Database) -> None:
    now = database.now_ns()
    long_ago = now - 90_000 * SECOND
    store(
        database,
        [
            Point(11, now - SECOND, 3.0, stream=1, cumulative=30.0),
            Point(11, now, 2.0, stream=1, cumulative=32.0),
            Point(11, now - 5 * SECOND, 9.0, stream=1, cumulative=27.0),
            Point(12, long_ago, 1.0, stream=2, cumulative=5.0),
            Point(13, now, 0.5, stream=3),
        ],
        [
            Histogram(14, now - 1, 1, 1.0, (1.0,), (1, 0), stream=4, cumulative=(1, 1.0, (1.0,), (1, 0))),
            Histogram(14, now, 2, 5.0, (1.0,), (0, 2), stream=4, cumulative=(3, 6.0, (1.0,), (1, 2))),
        ],
        [1, 2, 3, 4, 5],
    )
    keys = [stream(n, 0).key for n in (1, 2, 3, 4, 5, 6)]
    assert database.recall(keys) == {
        keys[0]: StreamState(1, 11, now, (now - SECOND, now - 5 * SECOND), value=32.0),
        keys[1]: StreamState(2, 12, long_ago, value=5.0),
        keys[2]: StreamState(3, 13, now),
        keys[3]: StreamState(4, 14, now, (now - 1,), count=3, total=6.0, bounds=[1.0], buckets=[1, 2]),
        keys[4]: StreamState(5, 15, 0),
    }


def test_as_many_times_come_back_as_the_core_compares(database: Database) -> None:
    times = [database.now_ns() - step * SECOND for step in range(20)]
    store(database, [Point(11, time, 1.0, stream=1) for time in times], [], [1])
    state = database.recall([stream(1, 0).key])[stream(1, 0).key]
    assert (state.time_ns, list(state.earlier_ns)) == (times[0], times[1:9])


def test_nothing_is_remembered_of_unknown_keys(database: Database) -> None:
    assert database.recall([b"x" * 16]) == {}
    assert database.recall([]) == {}


def test_stored_points_of_both_tables_are_found_by_stream_and_time(database: Database) -> None:
    points = [Point(1, time, 1.0, stream=1) for time in (5, 7)]
    store(database, points, [Histogram(1, 6, 1, 1.0, stream=2)], [1, 2])
    wanted = [(1, 5), (1, 6), (2, 6), (2, 5), (3, 7), (1, 7), (1, 7)]
    assert database.find(wanted) == {(1, 5), (2, 6), (1, 7)}
    assert database.find([]) == set()


def test_recalling_does_not_wait_for_queries(database: Database) -> None:
    store(database, [Point(11, 5, 1.0, stream=1)], [], [1])
    with database.reader(), database.reader():
        assert database.recall([stream(1, 0).key])[stream(1, 0).key].time_ns == 5
