"""Sends points at a fixed rate, whatever the answers take, and prints as JSON how long these took.

`python -m bench.steady HOST:PORT POINTS LANES POINTS_A_SECOND SECONDS FIRST_NS START_NS`
"""

import asyncio
import json
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import grpc
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse

from bench.requests import METHOD, STEP_NS, Load, Template

WARM_UP_S = 2.0
RETRY_S = 1.0  # as RetryInfo says


@dataclass(slots=True)
class Outcome:
    """`latencies`: seconds from when a request was due to its OK, waits and retries included."""

    points: int = 0
    rejected: int = 0
    throttled: int = 0
    message: str = ""
    latencies: list[float] = field(default_factory=list)


class Lane:
    """One connection with a share of the series; a request that is due while one is under way follows it."""

    def __init__(self, target: str, load: Load, number: int, start_ns: int) -> None:
        self._channel = grpc.aio.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)])
        self._export = self._channel.unary_unary(METHOD)
        self._template = Template(load, number, start_ns)
        self._step_ns = load.slots * STEP_NS

    async def run(self, begin: float, interval: float, end: float, first_ns: int, outcome: Outcome) -> None:
        """Requests are due at `begin` and every `interval` seconds, on the loop's clock, until `end`."""
        clock = asyncio.get_running_loop().time
        due, time_ns = begin, first_ns
        while due < end:
            body = self._template.stamp(time_ns)
            await asyncio.sleep(max(due - clock(), 0))
            await self._deliver(body, outcome)
            if due - begin >= WARM_UP_S:
                outcome.latencies.append(clock() - due)
            outcome.points += self._template.points
            due, time_ns = due + interval, time_ns + self._step_ns
        await self._channel.close()

    async def _deliver(self, body: bytes, outcome: Outcome) -> None:
        while True:
            try:
                answer = ExportMetricsServiceResponse.FromString(await self._export(body, timeout=60))
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
                outcome.throttled += 1
                await asyncio.sleep(RETRY_S)
                continue
            outcome.rejected += answer.partial_success.rejected_data_points
            outcome.message = outcome.message or answer.partial_success.error_message
            return


async def send(target: str, load: Load, rate: int, seconds: int, times: tuple[int, int]) -> Outcome:
    """`times`: of the first point, and of the start of all counters, in nanoseconds."""
    outcome = Outcome()
    first_ns, start_ns = times
    lanes = [Lane(target, load, number, start_ns) for number in range(load.lanes)]
    interval = load.points * load.lanes / rate
    begin = asyncio.get_running_loop().time() + 0.5
    shifts = [begin + interval * number / load.lanes for number in range(load.lanes)]
    end = begin + seconds
    runs = zip(lanes, shifts, strict=True)
    await asyncio.gather(*(lane.run(at, interval, end, first_ns, outcome) for lane, at in runs))
    return outcome


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that `share` of all do not exceed."""
    ranked = sorted(values)
    return ranked[max(math.ceil(share * len(ranked)) - 1, 0)]


def main() -> None:
    target, *numbers = sys.argv[1:]
    points, lanes, rate, seconds, first_ns, start_ns = map(int, numbers)
    began = time.perf_counter()
    outcome = asyncio.run(send(target, Load(points, lanes), rate, seconds, (first_ns, start_ns)))
    told = {**asdict(outcome), "seconds": time.perf_counter() - began}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
