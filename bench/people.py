"""Asks the API as people do, beside what is measured: so many threads, each one question after the other."""

import http.client
import json
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

TIMEOUT_S = 60.0

Question = tuple[str, Mapping[str, Any]]


class People:
    """`question`: what the so-manieth person asks the so-manieth time (from 1), as endpoint and body.

    `answers`: by status; `unexpected`: those of other statuses than `expected`, and connections that broke.
    """

    def __init__(
        self,
        api: str,
        number: int,
        question: Callable[[int, int], Question],
        *,
        pause: float = 0.0,
        expected: Collection[int] = (http.client.OK,),
    ) -> None:
        self._place = api.removeprefix("http://")
        self._question = question
        self._pause = pause
        self._expected = expected
        self._stopped = threading.Event()
        self.answers: Counter[int] = Counter()
        self.unexpected: list[str] = []
        self._threads = [threading.Thread(target=self._ask, args=(person,)) for person in range(number)]

    @contextmanager
    def asking(self) -> Iterator[None]:
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            for thread in self._threads:
                thread.join()

    def _ask(self, person: int) -> None:
        nth = 0
        while not self._stopped.wait(self._pause):
            nth += 1
            self._post(*self._question(person, nth))

    def _post(self, what: str, question: Mapping[str, Any]) -> None:
        connection = http.client.HTTPConnection(self._place, timeout=TIMEOUT_S)
        try:
            headers = {"content-type": "application/json"}
            connection.request("POST", f"/api/analytics/{what}", json.dumps(question), headers)
            answer = connection.getresponse()
            body = answer.read()
        except OSError as error:
            self.unexpected.append(repr(error))
            return
        finally:
            connection.close()
        self.answers[answer.status] += 1
        if answer.status not in self._expected:
            self.unexpected.append(f"{answer.status}: {body[:200]!r}")
