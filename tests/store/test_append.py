import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from tests.store.store_fakes import FakeRows, Histogram, Interval, Point, batch, series, stream

from blackhole.errors import OverloadedError, QueriesPreemptedError, StoreError
from blackhole.model.batch import ArrowExporter, GuardedBatch
from blackhole.store.database import Database
from blackhole.store.writer import CommitReport, Writer

NOW = 1_750_000_000 * 10**9
KEYS = [(0, NOW + n) for n in (1, 2, 3)]


class Failing:
    """A Database whose commits fail when told to, before or after they have reached the file."""

    def __init__(self, database: Database) -> None:
        self.real = database
        self.failures: list[Callable[[], None]] = []
        self.after_commit = False
        self.open = threading.Event()
        self.open.set()

    def next_created_us(self) -> int:
        return self.real.next_created_us()

    def find(self, points: Sequence[tuple[int, int]]) -> set[tuple[int, int]]:
        return self.real.find(points)

    @contextmanager
    def write(self) -> Iterator[duckdb.DuckDBPyConnection]:
        self.open.wait(20)
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None and not self.after_commit:
            failure()
        with self.real.write() as connection:
            yield connection
        if failure is not None:
            failure()


def disk_full() -> None:
    raise StoreError("a.duckdb: not written: No space left on device")


@pytest.fixture
def failing(database: Database) -> Failing:
    return Failing(database)


@contextmanager
def writing(
    database: Failing, reports: list[CommitReport] | None = None, *, wait: float = 0.0, most: int = 1000
) -> Iterator[Writer]:
    seen = [] if reports is None else reports
    writer = Writer(
        database,  # type: ignore[arg-type]  # stands in for a Database
        commit_wait=wait,
        batch_size=100,
        max_pending_rows=most,
        on_commit=seen.append,
    )
    writer.start()
    yield writer
    database.open.set()
    writer.close(10)


def points(first: int, count: int = 1) -> GuardedBatch:
    return batch([Point(1, NOW + n, float(n)) for n in range(first, first + count)])


def stored(database: Database) -> list[float]:
    with database.reader() as reader:
        return [value for (value,) in reader.rows("SELECT value FROM recent_points ORDER BY rowid").rows]


def test_done_means_committed_with_series_and_streams(failing: Failing) -> None:
    given = batch(
        [Point(7, NOW, 1.5, stream=3, cumulative=4.0)],
        [
            Histogram(
                8, NOW, 2, 3.0, (1.0, 2.0), (1, 1, 0), 1.0, 2.0, stream=4, cumulative=(2, 3.0, (1.0,), (1, 1))
            )
        ],
        series=[series(7), series(8, "x.y")],
        streams=[stream(3, 7), stream(4, 8)],
    )
    reports: list[CommitReport] = []
    with writing(failing, reports) as writer:
        writer.submit(given).result(10)
        with failing.real.reader() as reader:
            assert reader.rows(
                "SELECT series, stream, epoch_ns(time), value, cumulative FROM points"
            ).rows == [(7, 3, NOW, 1.5, 4.0)]
            assert reader.rows("SELECT * EXCLUDE (time, created_at) FROM histogram_points").rows == [
                (8, 4, 2, 3.0, 1.0, 2.0, [1.0, 2.0], [1, 1, 0], 2, 3.0, [1.0], [1, 1])
            ]
            assert reader.rows("SELECT id, key, series FROM streams ORDER BY id").rows == [
                (3, stream(3, 7).key, 7),
                (4, stream(4, 8).key, 8),
            ]
        assert failing.real.series() == list(given.series)
    assert [(report.rows, report.series) for report in reports] == [(2, 2)]
    assert reports[0].seconds > 0


def test_batches_that_wait_together_share_a_commit_in_their_order(failing: Failing) -> None:
    reports: list[CommitReport] = []
    with writing(failing, reports, wait=0.3) as writer:
        done = [writer.submit(points(n)) for n in range(20)]
        for future in done:
            future.result(10)
    assert [report.rows for report in reports] == [20]
    assert stored(failing.real) == [float(n) for n in range(20)]


def test_enough_rows_end_the_wait(failing: Failing) -> None:
    with writing(failing, wait=60.0) as writer:
        writer.submit(points(0, 60))
        writer.submit(points(60, 60)).result(10)
        assert len(stored(failing.real)) == 120


def test_a_batch_without_rows_is_done_after_all_that_came_before_it(failing: Failing) -> None:
    failing.open.clear()
    with writing(failing) as writer:
        first = writer.submit(points(0))
        time.sleep(0.05)
        empty = writer.submit(batch())
        time.sleep(0.05)
        assert not first.done()
        assert not empty.done()
        failing.open.set()
        empty.result(10)
        assert first.done()


def test_points_are_found_in_the_queue_in_the_commit_under_way_and_in_the_file(failing: Failing) -> None:
    with writing(failing) as writer:
        writer.submit(points(1)).result(10)
        failing.open.clear()
        under_way = writer.submit(points(2))
        while writer._head is None:
            time.sleep(0.001)
        queued = writer.submit(points(3))
        assert writer.find([(0, 0), *KEYS]) == set(KEYS)
        failing.open.set()
        under_way.result(10), queued.result(10)
        assert writer.find([(0, 0), *KEYS]) == set(KEYS)


def test_what_a_commit_holds_of_counted_records_is_one_row_a_stream_and_points_stay_as_sent(
    failing: Failing,
) -> None:
    with writing(failing, wait=60.0) as writer:
        for number in range(50):
            writer.submit(replace(points(number), repeatable=False))
        writer.submit(points(100, 50)).result(10)
    assert sorted(stored(failing.real)) == [*range(100, 150), sum(range(50))]


def test_new_series_alone_are_committed_too(failing: Failing) -> None:
    with writing(failing) as writer:
        writer.submit(batch(series=[series(5)])).result(10)
        assert [row.id for row in failing.real.series()] == [5]


def test_after_a_failed_commit_senders_are_told_and_the_rows_are_stored_once_in_order(
    failing: Failing,
) -> None:
    failing.failures = [disk_full, disk_full]
    with writing(failing) as writer:
        with pytest.raises(OverloadedError) as refused:
            writer.submit(points(0, 3)).result(10)
        assert refused.value.retry_after > 0
        retried = writer.submit(points(3, 2))
        with pytest.raises(OverloadedError):
            retried.result(10)
        writer.submit(batch()).result(10)
        assert writer.pending_rows == 0
    assert stored(failing.real) == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_senders_that_must_not_send_again_wait_until_a_later_attempt(failing: Failing) -> None:
    failing.failures = [disk_full, disk_full]
    with writing(failing) as writer:
        spans = writer.submit(replace(points(0), repeatable=False))
        with pytest.raises(OverloadedError):
            writer.submit(points(1)).result(10)
        spans.result(10)
    assert sorted(stored(failing.real)) == [0.0, 1.0]


def test_a_commit_that_failed_after_it_reached_the_file_is_not_repeated(failing: Failing) -> None:
    failing.failures, failing.after_commit = [disk_full], True
    with writing(failing) as writer:
        with pytest.raises(OverloadedError):
            writer.submit(points(0, 3)).result(10)
        writer.submit(points(3)).result(10)
    assert stored(failing.real) == [0.0, 1.0, 2.0, 3.0]


def out_of_memory() -> None:
    raise QueriesPreemptedError("a.duckdb: not written: Out of Memory Error")


def test_a_commit_that_takes_memory_from_questions_is_tried_again_before_anybody_is_told(
    failing: Failing,
) -> None:
    failing.failures = [out_of_memory]
    with writing(failing) as writer:
        assert writer.submit(points(0, 3)).result(10) is None
    assert stored(failing.real) == [0.0, 1.0, 2.0]


def test_a_second_want_of_memory_is_told(failing: Failing) -> None:
    failing.failures = [out_of_memory, out_of_memory]
    with writing(failing) as writer:
        with pytest.raises(OverloadedError, match="send again"):
            writer.submit(points(0)).result(10)
        writer.submit(points(1)).result(10)
    assert stored(failing.real) == [0.0, 1.0]


@pytest.mark.parametrize(("factor", "kept"), [(1, []), (4, [0.25])])
def test_a_commit_says_what_share_of_its_rows_was_kept(
    database: Database, factor: int, kept: list[float]
) -> None:
    writer = Writer(database, commit_wait=0, batch_size=1, max_pending_rows=9, factor=lambda: factor)
    writer.start()
    writer.submit(points(0)).result(10)
    writer.close(10)
    with database.reader() as reader:
        rows = reader.rows("SELECT t.sampling_rate FROM thinned t JOIN points p USING (created_at)").rows
    assert [rate for (rate,) in rows] == kept


def test_rows_that_cannot_be_read_do_not_end_the_writer(failing: Failing) -> None:
    class Shy(FakeRows):
        asked = 0

        def point_stream(self) -> ArrowExporter:
            type(self).asked += 1
            if self.asked == 1:
                raise RuntimeError("not now")
            return super().point_stream()

    with writing(failing) as writer:
        with pytest.raises(OverloadedError):
            writer.submit(GuardedBatch(Shy([Point(1, NOW, 5.0)]))).result(10)
        writer.submit(batch()).result(10)
    assert stored(failing.real) == [5.0]


def test_a_report_that_fails_does_not_end_the_writer(database: Database) -> None:
    def report(_: CommitReport) -> None:
        raise ValueError("broken")

    writer = Writer(database, commit_wait=0, batch_size=1, max_pending_rows=9, on_commit=report)
    writer.start()
    for number in range(3):
        writer.submit(points(number)).result(10)
    writer.close(10)
    assert stored(database) == [0.0, 1.0, 2.0]


def test_a_full_queue_refuses_and_keeps_what_it_has(failing: Failing) -> None:
    failing.open.clear()
    with writing(failing, most=10) as writer:
        taken = [writer.submit(points(10 * n, 10)) for n in range(2)]
        with pytest.raises(OverloadedError, match="too many points"):
            writer.submit(points(20))
        assert writer.pending_rows == 20
        assert writer.max_pending_rows == 10
        failing.open.set()
        for future in taken:
            future.result(10)
        writer.submit(points(20)).result(10)
    assert len(stored(failing.real)) == 21


def test_closing_commits_what_is_queued_and_refuses_more(failing: Failing) -> None:
    with writing(failing, wait=30.0) as writer:
        waiting = writer.submit(points(0))
        writer.close(10)
        assert waiting.result(0) is None
        with pytest.raises(OverloadedError, match="stopping"):
            writer.submit(points(1))
    assert stored(failing.real) == [0.0]


def test_closing_gives_up_at_its_time_and_answers_those_who_wait(failing: Failing) -> None:
    failing.failures = [disk_full] * 100
    with writing(failing) as writer:
        with pytest.raises(OverloadedError):
            writer.submit(points(0)).result(10)
        began = time.monotonic()
        writer.close(0.5)
        assert time.monotonic() - began < 8
        assert writer.pending_rows == 1


def test_many_threads_lose_nothing(failing: Failing) -> None:
    failing.failures = [disk_full]

    def send(writer: Writer, first: int) -> None:
        futures = [writer.submit(points(first + n)) for n in range(50)]
        for future in futures:
            try:
                future.result(20)
            except OverloadedError:
                continue

    with writing(failing, wait=0.005, most=10_000) as writer:
        threads = [threading.Thread(target=send, args=(writer, 100 * n)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        writer.submit(batch()).result(20)
    values = stored(failing.real)
    assert sorted(values) == sorted(float(100 * n + k) for n in range(4) for k in range(50))
    for n in range(4):
        mine = [value for value in values if 100 * n <= value < 100 * n + 50]
        assert mine == sorted(mine)


CRASH = """
import sys
from pathlib import Path
from blackhole.store.writer import Writer
from blackhole.store.database import Database
from tests.store.store_fakes import Point, batch, series, stream

database = Database.open(Path(sys.argv[1]))
first = database.next_stream
writer = Writer(database, commit_wait=0.001, batch_size=64, max_pending_rows=10**6)
writer.start()
for number in range(first, first + 100_000):
    point = Point(number, number, 1.0, stream=number)
    given = batch([point], series=[series(number)], streams=[stream(number, number)])
    writer.submit(given).result(20)
    print(number, flush=True)
"""


def _kill_while_writing(path: Path, answered: int) -> Sequence[int]:
    with subprocess.Popen(
        [sys.executable, "-c", CRASH, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as writer:
        assert writer.stdout is not None
        told = [int(writer.stdout.readline()) for _ in range(answered)]
        writer.kill()
        return told + [int(line) for line in writer.stdout if line.endswith("\n")]


def test_what_was_answered_survives_kill_9_with_its_series_and_stream(tmp_path: Path) -> None:
    path = tmp_path / "a.duckdb"
    told: list[int] = []
    for answered in (1, 7, 20):
        told += _kill_while_writing(path, answered)
    with duckdb.connect(str(path), read_only=True) as plain:
        rows = plain.execute("SELECT stream FROM points ORDER BY stream").fetchall()
        whole = plain.execute(
            "SELECT count(*) FROM points p JOIN series s ON s.id = p.series JOIN streams t ON t.id = p.stream"
        ).fetchall()
    found = [number for (number,) in rows]
    assert set(told) <= set(found)
    assert len(found) == len(set(found))
    assert whole == [(len(found),)]


def test_a_stream_is_stored_with_its_kin_and_an_increment_with_what_it_was_counted_over(
    database: Database,
) -> None:
    given = batch(
        [Point(1, NOW, 5.0, stream=2, cumulative=5.0)],
        series=[series(1)],
        streams=[
            stream(2, 1, raw=2**64 - 1, kin=7, start_ns=NOW - 9),
            stream(3, 1, raw=8, kin=None, delta=True),
            stream(4, 1),
        ],
        intervals=[
            Interval(1, 2, NOW, NOW - 9, 5.0, estimated=True, period_ns=60),
            Interval(1, 3, NOW, NOW - 1, 2.0, 3.5),
        ],
    )
    writer = Writer(database, commit_wait=0, batch_size=10, max_pending_rows=100)
    writer.start()
    writer.submit(given).result(20)
    writer.close(20)
    with database.reader() as reader:
        streams = reader.rows("SELECT id, raw, kin, epoch_ns(start), delta FROM streams ORDER BY id").rows
        intervals = reader.rows(
            "SELECT series, stream, epoch_ns(time), epoch_ns(since), value, total, estimated, period"
            " FROM intervals ORDER BY stream"
        ).rows
    assert streams == [
        (2, 2**64 - 1, 7, NOW - 9, False),
        (3, 8, None, None, True),
        (4, None, None, None, False),
    ]
    assert intervals == [
        (1, 2, NOW, NOW - 9, 5.0, None, True, 60),
        (1, 3, NOW, NOW - 1, 2.0, 3.5, False, None),
    ]
