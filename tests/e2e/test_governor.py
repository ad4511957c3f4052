"""Senders that come far too often are held back, with OTLP's own words, and lose nothing by it."""

import json
import time
from pathlib import Path

import grpc
import psutil
import pytest
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]
from tests.e2e.service import Service, counter, request, stored

SECONDS = 6.0
WARM_UP = 4.0
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


def overload(data: Path, *, governed: bool) -> tuple[float, float, int]:
    """CPU seconds a second, the last value that the sender counted, and how often it was sent away."""
    value, refused = 0, 0
    with Service(data, governed=governed) as service:
        start = time.time_ns()
        until = time.monotonic() + SECONDS + WARM_UP
        before, began = used(service), time.monotonic()
        warm = True
        while time.monotonic() < until:
            if warm and time.monotonic() - began > WARM_UP:
                warm, before, began = False, used(service), time.monotonic()
            value += 1
            body = request(counter(METRIC, value, start=start))
            try:
                service.call(body)
            except grpc.RpcError as error:
                refused += 1
                time.sleep(min(retry_delay(error), max(until - time.monotonic(), 0)))
        share = (used(service) - before) / (time.monotonic() - began)
        while True:
            try:
                service.call(request(counter(METRIC, value, start=start)))
                break
            except grpc.RpcError as error:
                time.sleep(retry_delay(error))
        assert service.stop() == 0
    return share, value, refused


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_busy_sender_is_held_back_and_its_totals_are_exact(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    ungoverned, _, never = overload(tmp_path / "a" / "data", governed=False)
    governed, value, _ = overload(tmp_path / "b" / "data", governed=True)
    assert never == 0
    assert governed < ungoverned / 2
    sums = stored(tmp_path / "b" / "data", f"SELECT sum(value) FROM metrics WHERE metric_name = '{METRIC}'")
    assert sums == [(value,)]


def test_the_sampling_rate_is_in_every_answer(tmp_path: Path) -> None:
    with Service(tmp_path / "data") as service:
        assert service.post(request(counter(METRIC, 1.0, start=time.time_ns(), delta=True)))[0] == 200
        answer = service.query(METRIC)
    assert json.dumps(answer["sampling_rate"]) == "1.0"
