import pytest
from tests.store.store_fakes import SECOND, Histogram, Point, batch, series, stream

from blackhole.model.series import MetricType, StreamState
from blackhole.store.database import Database
from blackhole.store.upkeep.seal import Sealer, SliceSizes
from blackhole.store.write.recall import MOST_KIN
from blackhole.store.writer import insert


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
    states = [
        StreamState(1, 11, now, (now - SECOND, now - 5 * SECOND), value=32.0, key=keys[0]),
        StreamState(2, 12, long_ago, value=5.0, key=keys[1]),
        StreamState(3, 13, now, key=keys[2]),
        StreamState(4, 14, now, (now - 1,), count=3, total=6.0, bounds=[1.0], buckets=[1, 2], key=keys[3]),
        StreamState(5, 15, 0, key=keys[4]),
    ]
    assert database.recall(keys) == {state.key: state for state in states}


def test_as_many_times_come_back_as_the_core_compares(database: Database) -> None:
    times = [database.now_ns() - step * SECOND for step in range(20)]
    store(database, [Point(11, time, 1.0, stream=1) for time in times], [], [1])
    state = database.recall([stream(1, 0).key])[stream(1, 0).key]
    assert (state.time_ns, list(state.earlier_ns)) == (times[0], times[1:10])


def test_of_who_sends_seldom_as_many_times_come_back(database: Database) -> None:
    times = [database.now_ns() - step * 3600 * SECOND for step in range(20)]
    store(database, [Point(11, time, 1.0, stream=1) for time in times], [], [1])
    Sealer(database, pause=0).apply()
    state = database.recall([stream(1, 0).key])[stream(1, 0).key]
    assert (state.time_ns, list(state.earlier_ns)) == (times[0], times[1:10])


@pytest.mark.parametrize("sealed", [False, True])
def test_the_newest_streams_of_a_kin_come_back_with_what_tells_them_apart(
    database: Database, *, sealed: bool
) -> None:
    now = database.now_ns()
    numbers = range(1, MOST_KIN + 5)
    told = [stream(n, 1, raw=100 + n % 2, kin=2**64 - 1, start_ns=now - 900 * SECOND + n) for n in numbers]
    others = [stream(90, 1, raw=5, kin=6, delta=True), stream(91, 1)]
    given = batch(
        [Point(1, now - 800 * SECOND + n, 1.0, stream=n, cumulative=7.0 + n) for n in numbers],
        series=[series(1, kind=MetricType.COUNTER)],
        streams=[*told, *others],
    )
    with database.write() as connection:
        insert(connection, given.rows, given.series, given.streams, created_us=1)
    if sealed:
        assert Sealer(database, pause=0, slices=SliceSizes(5, 5)).apply() in {0, len(numbers)}
    states = database.recall([others[0].key], [2**64 - 1, 17])
    assert states.keys() == {others[0].key, *(row.key for row in told[-MOST_KIN:])}
    newest = states[told[-1].key]
    assert (newest.raw, newest.kin, newest.start_ns) == (told[-1].raw, 2**64 - 1, told[-1].start_ns)
    assert (newest.time_ns, newest.value) == (now - 800 * SECOND + numbers[-1], 7.0 + numbers[-1])
    assert states[others[0].key] == StreamState(90, 1, 0, key=others[0].key, raw=5, kin=6, delta=True)
    assert "18446744073709551615" not in repr(newest)


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
