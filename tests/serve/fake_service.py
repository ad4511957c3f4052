"""Runs the HTTP side on made-up, moving data, to work on the page: python -m tests.serve.fake_service."""

import asyncio
import math
import random
import sys
import time
from datetime import UTC, datetime
from typing import Any

from tests.serve.serve_fakes import FakeRunner, FakeService

from blackhole.query.language import Answer, Point, Query, Series
from blackhole.query.reports import HealthReport, Newest, SeriesReport, ServiceHealth
from blackhole.serve.server import ApiServer

Board = dict[str, tuple[str, str, list[dict[str, str]], float]]

NETWORK: Board = {
    "p2p.connections.total": ("{connection}/s", "internal", [{}], 4.2),
    "p2p.discovery.latency": ("ms", "internal", [{"method": "dht"}, {"method": "mdns"}], 42.0),
    "p2p.bandwidth.usage": ("By/s", "public", [{"direction": "in"}, {"direction": "out"}], 84_000.0),
    "p2p.peer.connections": (
        "{connection}",
        "sensitive",
        [{"peer.type": kind} for kind in ("home", "mobile", "server", "other")],
        7.0,
    ),
    "p2p.ping.latency": ("s", "internal", [{}], 0.0123),
}
SERVICES = [{"service.name": name} for name in ("identity", "node", "social")]
SPEED: Board = {
    "process.cpu.usage": ("%", "public", SERVICES, 6.0),
    "process.memory.usage": (
        "By",
        "public",
        [{"service.name": s} for s in ("identity", "node", "social")],
        6e7,
    ),
    "identity.request.duration": ("ms", "internal", [{"rpc.method": m} for m in ("Resolve", "Verify")], 12.0),
}


def moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def value(base: float, place: int, seconds: float) -> float:
    slow = math.sin(seconds / (70 + 20 * place) + place)
    return base * (1 + 0.25 * place) * (1 + 0.3 * slow + random.uniform(-0.08, 0.08))


class MovingRunner(FakeRunner):
    def query(self, query: Query) -> Answer:
        known = (NETWORK | SPEED)[query.metric]
        start, end = float(query.start_time or 0), float(query.end_time or 0)
        times = [start + 10 * i for i in range(int((end - start) / 10))]
        series = [
            Series(
                attributes,
                [Point(moment(t), value(known[3], i, t), 3) for t in times if not 200 < t - start < 290],
            )
            for i, attributes in enumerate(known[2])
        ]
        return Answer(query.metric, "gauge", known[0], known[1], "avg", "10s", series)

    def health(self) -> HealthReport:
        now = time.time()
        seen = moment(now - 1)
        return HealthReport(
            [
                ServiceHealth("identity", True, value(24, 0, now), 0.1, 12.4, 3.1, 6.2e7, seen),
                ServiceHealth("node", True, value(80, 1, now), 9.0, 41.0, 8.7, 9.1e7, seen),
                ServiceHealth("social", False, None, None, None, None, None, moment(now - 312)),
            ]
        )

    def network(self) -> SeriesReport:
        return self._moving(NETWORK)

    def performance(self) -> SeriesReport:
        return self._moving(SPEED)

    def _moving(self, board: Board) -> SeriesReport:
        now = time.time()
        return SeriesReport(
            [
                Newest(metric, unit, level, attributes, value(base, i, now), None, None, moment(now))
                for metric, (unit, level, series, base) in board.items()
                for i, attributes in enumerate(series)
            ]
        )


class EmptyRunner(FakeRunner):
    def health(self) -> HealthReport:
        return HealthReport([])

    def network(self) -> SeriesReport:
        return SeriesReport([])

    performance = network


class MovingService(FakeService):
    def statistics(self) -> dict[str, Any]:
        now = time.time()
        moving = super().statistics()
        return moving | {"commits": int(now), "accepted": {"metrics": int(now * 180)}}


async def main(port: int, *, empty: bool) -> None:
    service = MovingService(push_interval=1)
    service.runner = EmptyRunner() if empty else MovingRunner()
    if empty:
        service.refused = []
    server = ApiServer(service.services())
    print(f"http://127.0.0.1:{await server.start('127.0.0.1', port)}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 0, empty="empty" in sys.argv))
