"""Bad input is answered clearly; the process stays up and its memory bounded."""

import gzip
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from google.rpc import status_pb2  # type: ignore[import-untyped]
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from tests.e2e.service import Service, counter, request

METRIC = "node.requests.total"
MAX_MEMORY = 256 * 2**20
LIMIT = 16 * 2**20


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One for all: whatever a test sends, the next one must find it well."""
    with Service(tmp_path_factory.mktemp("service") / "data") as running:
        yield running


@pytest.fixture(autouse=True)
def well_afterwards(service: Service) -> Iterator[None]:
    yield
    assert service.is_running
    assert service.memory < MAX_MEMORY
    # Of another metric than the one whose table a test fills.
    other = counter("identity.requests.total", 1.0, start=time.time_ns(), delta=True)
    assert service.post(request(other)) == (200, b"")


def message(body: bytes) -> str:
    words: str = status_pb2.Status.FromString(body).message
    return words


def good() -> bytes:
    return request(counter("identity.requests.total", 1.0, start=time.time_ns(), method="x"))


def test_truncated_requests_are_400_or_a_shorter_request(service: Service) -> None:
    whole = good()
    statuses = set()
    for end in range(1, len(whole)):
        status, body = service.post(whole[:end])
        statuses.add(status)
        assert status == 400
        assert message(body)
    assert statuses == {400}


def test_random_bodies_are_answered(service: Service) -> None:
    chance = random.Random(11)
    for kind in ("application/x-protobuf", "application/json"):
        for path in ("/v1/metrics", "/v1/traces", "/v1/logs"):
            for _ in range(40):
                junk = chance.randbytes(chance.randrange(1, 400))
                status, body = service.post(junk, path, content_type=kind)
                assert status in {200, 400}
                assert status == 200 or body


def test_random_calls_are_answered(service: Service) -> None:
    chance = random.Random(12)
    refused = 0
    for _ in range(60):
        try:
            service.call(chance.randbytes(chance.randrange(1, 400)))
        except grpc.RpcError as error:
            assert error.code() is grpc.StatusCode.INVALID_ARGUMENT  # noqa: PT017
            refused += 1
    assert refused > 30


def test_oversized_bodies_are_413_and_resource_exhausted(service: Service) -> None:
    status, body = service.post(bytes(LIMIT + 1))
    assert (status, str(LIMIT) in message(body)) == (413, True)
    assert service.post(b"x" * 65536 for _ in range(LIMIT // 65536 + 1))[0] == 413
    with pytest.raises(grpc.RpcError) as caught:
        service.call(bytes(LIMIT + 1))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_many_large_bodies_at_once_keep_memory_bounded(service: Service) -> None:
    body = bytes(LIMIT)
    packed = gzip.compress(body, 1)
    with ThreadPoolExecutor(12) as pool:
        sent = [pool.submit(service.post, body) for _ in range(12)]
        sent += [pool.submit(service.post, packed, content_encoding="gzip") for _ in range(24)]
        peak = 0
        while not all(one.done() for one in sent):
            peak = max(peak, service.memory)
            time.sleep(0.01)
    assert {one.result()[0] for one in sent} <= {400, 503}
    assert peak < MAX_MEMORY


def test_many_large_calls_at_once_keep_memory_bounded(service: Service) -> None:
    body = bytes(LIMIT)

    def code(_: int) -> grpc.StatusCode:
        with pytest.raises(grpc.RpcError) as caught:
            service.call(body)
        found: grpc.StatusCode = caught.value.code()
        return found

    with ThreadPoolExecutor(12) as pool:
        sent = [pool.submit(code, turn) for turn in range(24)]
        peak = 0
        while not all(one.done() for one in sent):
            peak = max(peak, service.memory)
            time.sleep(0.01)
    assert {one.result() for one in sent} <= {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.UNAVAILABLE,
    }
    assert peak < MAX_MEMORY


@pytest.mark.parametrize("kind", ["text/plain", "application/grpc", ""])
def test_wrong_content_types_are_415(service: Service, kind: str) -> None:
    status, body = service.post(good(), content_type=kind)
    assert status == 415
    assert b"application/x-protobuf or application/json" in body


def test_a_gzip_bomb_is_413(service: Service) -> None:
    before = service.memory
    bomb = gzip.compress(bytes(200 * 2**20), 1)
    status, body = service.post(bomb, content_encoding="gzip")
    assert (status, str(LIMIT) in message(body)) == (413, True)
    assert service.memory - before < 3 * LIMIT


def test_unknown_fields_are_ignored(service: Service) -> None:
    unknown = bytes([15 << 3 | 2, 4]) + b"what"
    assert service.post(good() + unknown) == (200, b"")
    text = b'{"resourceMetrics":[],"somethingNew":{"a":[1,null]}}'
    assert service.post(text, content_type="application/json") == (200, b"{}")


def test_metrics_outside_the_catalogue_are_a_partial_success(service: Service) -> None:
    status, body = service.post(request(counter("no.such.metric", 1.0, start=time.time_ns())))
    partial = ExportMetricsServiceResponse.FromString(body).partial_success
    assert (status, partial.rejected_data_points) == (200, 1)
    assert "no.such.metric" in partial.error_message


@pytest.mark.slow
def test_ten_thousand_new_series_a_second_are_bounded_and_said(service: Service) -> None:
    """The table holds 20,000 series of one metric: what is over it is refused with the reason."""
    began, made, refused, peak = time.monotonic(), 0, 0, 0
    words = set()
    start = time.time_ns()
    while made < 50_000:
        metric = counter(METRIC, 1.0, start=start)
        for _ in range(1000):
            point = metric.sum.data_points.add(
                start_time_unix_nano=start, time_unix_nano=time.time_ns(), as_int=1
            )
            point.attributes.add(key="peer").value.string_value = f"series {made}"
            made += 1
        status, body = service.post(request(metric))
        assert status == 200
        partial = ExportMetricsServiceResponse.FromString(body).partial_success
        refused += partial.rejected_data_points
        words.add(partial.error_message)
        peak = max(peak, service.memory)
        time.sleep(max(0.0, began + made / 10_000 - time.monotonic()))
    assert 25_000 < refused < made
    assert any(METRIC in text and "series" in text for text in words)
    assert peak < MAX_MEMORY
    assert time.monotonic() - began < 20, "it kept up"


def test_an_empty_request_is_ok(service: Service) -> None:
    assert service.post(ExportMetricsServiceRequest().SerializeToString()) == (200, b"")
