"""Ends queries from outside: those that take too long, have no client, or use memory that writing needs."""

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto

from blackhole.store.read.cancellation import asker

# A sort can take a gigabyte in a second: a longer pause would notice the limit too late.
LOOK_EVERY_S = 0.01
# The memory of the previous answer comes back within this time.
_MEMORY_WAIT_S = 1.0
# The memory of a query that was ended is free within this time.
_END_WAIT_S = 1.0
# After a commit ran out of memory, new queries wait up to this long so that its retry goes first.
_COMMIT_FIRST_S = 2.0


class QueryEnd(Enum):
    """Why a query was ended."""

    TIME = auto()
    MEMORY = auto()
    GONE = auto()


@dataclass(slots=True, eq=False)
class Question:
    """A running statement. `yields`: whether it is preempted when memory is short. `gone`: see `asker`."""

    interrupt: Callable[[], None]
    until: float
    yields: bool
    gone: threading.Event | None = None
    end: QueryEnd | None = None


class QuerySupervisor:
    """Supervises all running queries of one database. `short`: whether memory for queries has run out."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.short: Callable[[], bool] = lambda: False
        self._clock = clock
        self._changed = threading.Condition()
        self._running: list[Question] = []
        self._thread: threading.Thread | None = None
        self._closed = False
        self._commit_first_until = 0.0
        # Statements of one question follow each other, and waking the thread costs more than some of them.
        self._looks_at = -math.inf

    @contextmanager
    def over(self, interrupt: Callable[[], None], timeout: float, *, yields: bool) -> Iterator[Question]:
        """Supervises the block. `interrupt` is called until the block is left, if it is to end."""
        question = Question(interrupt, self._clock() + timeout, yields, asker())
        with self._changed:
            self._running.append(question)
            if self._due(question) < self._looks_at:
                self._changed.notify_all()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
                self._thread.start()
        try:
            yield question
        finally:
            with self._changed:
                self._running.remove(question)
                if question.end is not None:  # who has ended it may wait for that
                    self._changed.notify_all()

    def end_questions(self, wait: float = 0.0) -> int:
        """Preempts all queries that yield and waits so many seconds for them to end; returns their number."""
        with self._changed:
            yielding = [question for question in self._running if question.yields]
            for question in yielding:
                question.end = question.end or QueryEnd.MEMORY
            self._changed.notify_all()
            self._changed.wait_for(lambda: not any(question in self._running for question in yielding), wait)
        return len(yielding)

    def end_for_commit(self) -> int:
        """Preempts queries for a commit that failed.

        New ones begin when its retry has committed, or is late.
        """
        self._commit_first_until = self._clock() + _COMMIT_FIRST_S
        return self.end_questions(_END_WAIT_S)

    def committed(self) -> None:
        self._commit_first_until = 0.0

    def has_memory(self) -> bool:
        """Whether there is memory for a query.

        The previous answer's comes back soon, so this waits a moment.
        """
        until = self._clock() + _MEMORY_WAIT_S
        while (now := self._clock()) < self._commit_first_until or self.short():
            if now >= max(until, self._commit_first_until):
                return False
            time.sleep(_MEMORY_WAIT_S / 20)
        return True

    def close(self) -> None:
        """Ends its thread and waits for it. A living thread would disturb the interpreter's shutdown."""
        with self._changed:
            thread, self._closed = self._thread, True
            self._changed.notify_all()
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        with self._changed:
            while not self._closed:
                self._look()
                self._looks_at = min(map(self._due, self._running), default=math.inf)
                asleep = self._looks_at == math.inf
                self._changed.wait(None if asleep else max(self._looks_at - self._clock(), 0))

    def _look(self) -> None:
        now = self._clock()
        for question in self._running:
            if question.gone is not None and question.gone.is_set():
                question.end = question.end or QueryEnd.GONE
            if question.until <= now:
                question.end = question.end or QueryEnd.TIME
        self._yield_one()
        for question in self._running:
            if question.end is not None:
                question.interrupt()

    def _yield_one(self) -> None:
        """Preempts the newest query. The next follows only when its memory is free."""
        yielding = [question for question in self._running if question.yields]
        if yielding and not any(question.end for question in yielding) and self.short():
            yielding[-1].end = QueryEnd.MEMORY

    def _due(self, question: Question) -> float:
        """When to look at it next."""
        if question.yields or question.end or question.gone:
            return self._clock() + LOOK_EVERY_S
        return question.until
