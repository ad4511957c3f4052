"""Senders that come far too often are held back, with OTLP's own words, and lose nothing by it."""

import json
import threading
import time
from pathlib import Path

import grpc
import psutil
import pytest
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]
from tests.e2e.service import EXPORT_METRICS, Service, counter, request, stored

SECONDS = 5.0
WARM_UP = 5.0
SENDERS = 8
METRIC = "node.requests.total"


def retry_delay(error: grpc.RpcError) -> float:
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    found = dict(error.trailing_metadata() or ())["grpc-status-details-bin"]
    retry = error_details_pb2.RetryInfo()
    [detail] = status_pb2.Status.FromString(found).details
    assert detail.Unpack(retry)
    return float(retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9)


def used(service: Service) -> float:
    times = psutil.Process(service.process.pid).cpu_times()
    return float(times.user + times.system)


class Sender(threading.Thread):
    """Counts, and sends the count again and again; when sent away it comes when it was asked to."""

    def __init__(self, target: str, name: str, start_ns: int, until: float) -> None:
        super().__init__(daemon=True)
        self.name, self.value, self.refused = name, 0, 0
        self._start_ns, self._until = start_ns, until
        self._channel = grpc.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)])

    def run(self) -> None:
        with self._channel:
            while time.monotonic() < self._until:
                self.value += 1
                self._send()

    def _send(self) -> None:
        """Until it is taken: totals must be exact in the end."""
        while True:
            body = request(counter(METRIC, self.value, start=self._start_ns), service=self.name)
            try:
                self._channel.unary_unary(EXPORT_METRICS)(body, timeout=30)
            except grpc.RpcError as error:
                self.refused += 1
                time.sleep(retry_delay(error))
            else:
                return


def overload(data: Path, *arguments: str, governed: bool) -> tuple[float, int, int]:
    """CPU seconds a second, what the senders counted together, and how often they were sent away."""
    with Service(data, arguments, governed=governed) as service:
        until = time.monotonic() + WARM_UP + SECONDS
        start = time.time_ns()
        senders = [Sender(service.ready["otlp_grpc"], f"sender {n}", start, until) for n in range(SENDERS)]
        for sender in senders:
            sender.start()
        time.sleep(WARM_UP)
        before, began = used(service), time.monotonic()
        time.sleep(SECONDS)
        share = (used(service) - before) / (time.monotonic() - began)
        for sender in senders:
            sender.join(60)
        assert service.stop() == 0
    return share, sum(sender.value for sender in senders), sum(sender.refused for sender in senders)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_busy_senders_are_held_back_and_their_totals_are_exact(tmp_path: Path) -> None:
    low = tmp_path / "low.yaml"
    low.write_text("analytics: {max_cpu_usage: 2}")  # what may be used at once is gone soon
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    ungoverned, _, never = overload(tmp_path / "a" / "data", governed=False)
    governed, value, _ = overload(tmp_path / "b" / "data", "--config", str(low), governed=True)
    assert never == 0
    assert governed < ungoverned / 2
    sums = stored(tmp_path / "b" / "data", f"SELECT sum(value) FROM metrics WHERE metric_name = '{METRIC}'")
    assert sums == [(value,)]


def test_the_sampling_rate_is_in_every_answer(tmp_path: Path) -> None:
    with Service(tmp_path / "data") as service:
        assert service.post(request(counter(METRIC, 1.0, start=time.time_ns(), delta=True)))[0] == 200
        answer = service.query(METRIC)
    assert json.dumps(answer["sampling_rate"]) == "1.0"
