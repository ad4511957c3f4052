"""Runs the HTTP side on made-up, fast data, to measure the page on: python -m bench.page_service SPEED.

24 metrics of 4 series each, 10 messages a second, and the points that are asked for, one in 5 s unless an
interval is named. SPEED: seconds that pass in the messages a second, so that an hour of them takes less.
"""

import asyncio
import itertools
import math
import sys
import time
from datetime import UTC, datetime
from typing import Any

import msgspec
from tests.serve.serve_fakes import FakeRunner, FakeService

from blackhole.model.written_times import SECOND, parse_interval
from blackhole.query.language import Answer, Point, Query, Series
from blackhole.query.reports import HealthReport, Newest, SeriesReport, ServiceHealth
from blackhole.serve.server import ApiServer

METRICS = [f"bench.page.m{number:02}" for number in range(24)]
SERIES = [{"kind": kind} for kind in ("a", "b", "c", "d")]
STEP = 5
A_SECOND = 10


def moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def value(place: int, seconds: float) -> float:
    return 50 + 10 * place + 20 * math.sin(seconds / (9 + place)) + 5 * math.sin(seconds * 3.1 + place)


class FastRunner(FakeRunner):
    """`speed` 0: real time."""

    def __init__(self, speed: float) -> None:
        super().__init__()
        self._began = time.time()
        self._speed = speed
        self._turns = itertools.count()

    def now(self) -> float:
        passed = time.time() - self._began
        return self._began + passed * (self._speed or 1)

    def query_document(self, query: Query) -> list[bytes]:
        end = min(time.time(), float(query.end_time or time.time()))
        start = float(query.start_time or end - 600)
        step = STEP if query.interval is None else round(parse_interval(query.interval) / SECOND)
        times = range(int(start // step) * step, math.ceil(end), step)
        series = [
            Series(attributes, [Point(moment(t), value(place, t), 1) for t in times])
            for place, attributes in enumerate(SERIES)
        ]
        answer = Answer(query.metric, "gauge", "ms", "internal", "avg", f"{step}s", series)
        return [msgspec.json.encode(answer)]

    def health(self) -> HealthReport:
        return HealthReport([ServiceHealth("node", True, 80.0, 0.1, 41.0, 8.7, 9.1e7, moment(self.now()))])

    def network(self) -> SeriesReport:
        return SeriesReport([])

    def performance(self) -> SeriesReport:
        now = self.now()
        return SeriesReport(
            [
                Newest(metric, "ms", "internal", attributes, value(place, now), None, None, moment(now))
                for metric in METRICS
                for place, attributes in enumerate(SERIES)
            ]
        )


class FastService(FakeService):
    def __init__(self, speed: float) -> None:
        super().__init__(push_interval=1 / A_SECOND)
        self.runner = FastRunner(speed)
        self.refused = []

    def statistics(self) -> dict[str, Any]:
        return super().statistics() | {"commits": time.monotonic_ns()}


async def main(speed: float) -> None:
    server = ApiServer(FastService(speed).services())
    port = await server.start("127.0.0.1", 0)
    print(f'ready {{"api":"http://127.0.0.1:{port}","otlp_http":""}}', flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 0))
