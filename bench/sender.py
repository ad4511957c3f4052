"""Sends one load over gRPC in a process of its own, and prints in one line of JSON what became of it.

`python -m bench.sender HOST:PORT POINTS LANES REQUESTS FIRST_NS START_NS`
"""

import asyncio
import json
import sys
import time
from typing import Any

import grpc
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse

from bench.requests import METHOD, Load, lane


async def send(target: str, load: Load, requests: int, first_ns: int, start_ns: int) -> dict[str, Any]:
    """Every lane sends its share, one request after the other; lanes run side by side."""
    outcome: dict[str, Any] = {"points": 0, "rejected": 0, "message": ""}

    async def run(number: int) -> None:
        channel = grpc.aio.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)])
        export = channel.unary_unary(METHOD)
        for body in lane(load, number, requests // load.lanes, first_ns, start_ns):
            answer = ExportMetricsServiceResponse.FromString(await export(body, timeout=60))
            outcome["points"] += load.series * load.slots
            outcome["rejected"] += answer.partial_success.rejected_data_points
            outcome["message"] = outcome["message"] or answer.partial_success.error_message
        await channel.close()

    began = time.perf_counter()
    await asyncio.gather(*(run(number) for number in range(load.lanes)))
    return {**outcome, "seconds": time.perf_counter() - began}


def main() -> None:
    target, *numbers = sys.argv[1:]
    points, lanes, requests, first_ns, start_ns = map(int, numbers)
    outcome = asyncio.run(send(target, Load(points, lanes), requests, first_ns, start_ns))
    print(json.dumps(outcome))


if __name__ == "__main__":
    main()
