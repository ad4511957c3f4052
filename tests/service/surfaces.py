"""Asks a running service the same question everywhere: API, command line, PromQL, SQL, stream, health."""

import csv
import http.client
import io
import json
import os
import subprocess
import time
import urllib.parse
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.e2e.service import BLACKHOLE, Service
from websockets.sync.client import connect

# Moments (Unix seconds) and values.
Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Question:
    """What a person wants to know. `interval` in seconds; None leaves it to who answers."""

    metric: str
    aggregation: str
    start: float
    end: float
    interval: float | None = None

    def body(self) -> dict[str, Any]:
        more = {} if self.interval is None else {"interval": self.interval}
        asked = {"metric": self.metric, "aggregation": self.aggregation}
        return {**asked, "start_time": self.start, "end_time": self.end, **more}


@dataclass(frozen=True)
class Surfaces:
    service: Service

    def api(self, question: Question, **more: Any) -> Points:
        return points(self.service.query(**question.body(), **more))

    def command_line(self, question: Question) -> Points:
        return points(json.loads(self._run(question, "--format", "json")))

    def csv(self, question: Question) -> Points:
        rows = csv.DictReader(io.StringIO(self._run(question, "--format", "csv")))
        return [(moment(row["timestamp"]), float(row["value"])) for row in rows]

    def table(self, question: Question) -> list[float]:
        """The values of the table, which are rounded for people."""
        _, _, _, *lines = self._run(question, "--utc").splitlines()
        return [float(line.split()[2].replace(",", "")) for line in lines if line[:1].isdigit()]

    def sql(self, text: str) -> list[list[Any]]:
        answer: list[list[Any]] = self._ask("POST", "/api/analytics/sql", {"sql": text})["rows"]
        return answer

    def promql(self, expression: str, at: float) -> float:
        """The value of an expression of one series."""
        asked = urllib.parse.urlencode({"query": expression, "time": f"{at:.3f}"})
        (found,) = self._ask("GET", f"/api/v1/query?{asked}")["data"]["result"]
        return float(found["value"][1])

    def health(self, service: str) -> dict[str, Any]:
        services = self._ask("GET", "/api/analytics/health")["services"]
        found: dict[str, Any] = next(one for one in services if one["service"] == service)
        return found

    def heard_of(self, service: str, seconds: float) -> None:
        """Waits until a service has sent what its requests are told by."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            services = self._ask("GET", "/api/analytics/health")["services"]
            if any(one["service"] == service and one["request_rate"] is not None for one in services):
                return
            time.sleep(0.2)
        raise AssertionError(f"nothing came from {service}")

    def legend(self, kind: str, wanted: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
        """What the stream says is the newest of the series that are `wanted`, once there are some."""
        until = time.monotonic() + 20
        url = self.service.ready["api"].replace("http", "ws", 1) + "/analytics/stream"
        with connect(url) as socket:
            while time.monotonic() < until:
                message = json.loads(socket.recv(timeout=20))
                entries = message["data"].get("series", ()) if message["type"] == kind else ()
                found = [one for one in entries if wanted(one)]
                if found:
                    return found
        raise AssertionError(f"the stream tells of no such series in {kind}")

    def _run(self, question: Question, *more: str) -> str:
        interval = () if question.interval is None else ("--interval", f"{question.interval:g}s")
        times = ("--start", f"{question.start:.6f}", "--end", f"{question.end:.6f}")
        done = subprocess.run(
            [BLACKHOLE, "query", question.metric, "--agg", question.aggregation, *times, *interval, *more],
            env={**os.environ, "BLACKHOLE_URL": self.service.ready["api"]},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        place = self.service.ready["api"].removeprefix("http://")
        with closing(http.client.HTTPConnection(place, timeout=30)) as connection:
            headers = {} if body is None else {"content-type": "application/json"}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            text = answer.read()
            assert answer.status == 200, text
            return json.loads(text)


def points(answer: Any) -> Points:
    """Of an answer of one series."""
    (series,) = answer["series"]
    return [(moment(point["timestamp"]), point["value"]) for point in series["points"]]


def moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
