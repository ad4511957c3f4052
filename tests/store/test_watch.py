import threading
import time
from collections.abc import Callable

from blackhole.store.read.cancellation import asked_by
from blackhole.store.read.supervisor import QueryEnd, QuerySupervisor, Question

PATIENCE_S = 10.0


def until(done: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < end
        time.sleep(0.002)


def nothing() -> None:
    pass


def test_a_question_is_interrupted_when_its_time_is_over() -> None:
    interrupted = threading.Event()
    with QuerySupervisor().over(interrupted.set, 0.05, yields=False) as question:
        assert interrupted.wait(PATIENCE_S)
        assert question.end is QueryEnd.TIME


def test_a_question_that_nobody_waits_for_is_interrupted() -> None:
    gone, interrupted = threading.Event(), threading.Event()
    with asked_by(gone), QuerySupervisor().over(interrupted.set, PATIENCE_S, yields=False) as question:
        time.sleep(0.05)
        assert not interrupted.is_set()
        gone.set()
        assert interrupted.wait(1)
        assert question.end is QueryEnd.GONE


def test_a_question_that_has_left_is_not_interrupted() -> None:
    watch, interrupted = QuerySupervisor(), threading.Event()
    with watch.over(interrupted.set, 0.05, yields=True):
        pass
    with watch.over(nothing, PATIENCE_S, yields=True):
        time.sleep(0.15)
    assert not interrupted.is_set()


def test_an_interruption_that_came_too_early_is_repeated() -> None:
    times: list[float] = []
    with QuerySupervisor().over(lambda: times.append(time.monotonic()), 0.0, yields=False):
        until(lambda: len(times) > 2)


def test_the_newest_yields_first_and_alone_until_it_has_left() -> None:
    watch = QuerySupervisor()
    with watch.over(nothing, PATIENCE_S, yields=True) as older:
        with watch.over(nothing, PATIENCE_S, yields=True) as newer:
            watch.short = lambda: True
            until(lambda: newer.end is QueryEnd.MEMORY)
            time.sleep(0.05)
            assert older.end is None
        until(lambda: older.end is QueryEnd.MEMORY)


def test_what_belongs_to_writing_does_not_yield() -> None:
    watch = QuerySupervisor()
    watch.short = lambda: True
    with watch.over(nothing, PATIENCE_S, yields=False) as writing:
        assert watch.end_questions() == 0
        with watch.over(nothing, PATIENCE_S, yields=True) as asked:
            until(lambda: asked.end is QueryEnd.MEMORY)
    assert writing.end is None


def test_all_questions_can_be_ended_at_once() -> None:
    watch = QuerySupervisor()
    interrupted = [threading.Event(), threading.Event()]
    with (
        watch.over(interrupted[0].set, PATIENCE_S, yields=True) as first,
        watch.over(interrupted[1].set, PATIENCE_S, yields=True) as second,
    ):
        assert watch.end_questions() == 2
        assert all(event.wait(PATIENCE_S) for event in interrupted)
        ended: list[Question] = [first, second]
        assert [question.end for question in ended] == [QueryEnd.MEMORY, QueryEnd.MEMORY]
    assert watch.end_questions() == 0


def test_who_ends_questions_may_wait_until_they_have_left() -> None:
    watch, left = QuerySupervisor(), threading.Event()

    def ask() -> None:
        with watch.over(nothing, PATIENCE_S, yields=True) as question:
            running.set()
            until(lambda: question.end is not None)
            time.sleep(0.1)
            left.set()

    running, asking = threading.Event(), threading.Thread(target=ask)
    asking.start()
    assert running.wait(PATIENCE_S)
    assert watch.end_questions(PATIENCE_S) == 1
    assert left.is_set()
    asking.join()


def test_nothing_of_a_closed_watch_runs_on() -> None:
    watch, before = QuerySupervisor(), threading.active_count()
    with watch.over(nothing, PATIENCE_S, yields=True):
        assert threading.active_count() == before + 1
    watch.close()
    assert threading.active_count() == before
