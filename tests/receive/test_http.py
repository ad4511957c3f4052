"""OTLP over HTTP, from outside: real connections, and raw bytes where a client would not do it."""

import base64
import gzip
import json
import random
import socket
import time
import zlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from google.rpc import error_details_pb2  # type: ignore[import-untyped]
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from tests.receive.conftest import (
    JSON,
    LIMIT,
    PROTOBUF,
    Receivers,
    Response,
    Start,
    eventually,
    head,
    status,
    statuses,
)

from blackhole.config import Size
from blackhole.errors import OverloadedError, UndecodableError
from blackhole.model.signals import Encoding, Payload, Signal, Verdict
from blackhole.receive import http as receive_http
from blackhole.receive import protocol
from blackhole.receive.admission import Gate
from blackhole.receive.answers import Code


@pytest.mark.parametrize("signal", Signal)
@pytest.mark.parametrize(
    ("content_type", "encoding", "empty"),
    [
        (PROTOBUF, Encoding.PROTOBUF, b""),
        ("Application/X-Protobuf; charset=utf-8", Encoding.PROTOBUF, b""),
        (JSON, Encoding.JSON, b"{}"),
        ("application/json;charset=UTF-8", Encoding.JSON, b"{}"),
    ],
)
def test_a_request_reaches_the_intake_and_is_answered_in_its_encoding(
    receivers: Receivers, signal: Signal, content_type: str, encoding: Encoding, empty: bytes
) -> None:
    response = receivers.request(b"body", path=f"/v1/{signal}", content_type=content_type)
    assert (response.status, response.body) == (200, empty)
    assert response.headers["content-type"] == content_type.lower().partition(";")[0]
    assert receivers.intake.payloads == [Payload(signal, encoding, b"body")]


def test_an_empty_request_succeeds(receivers: Receivers) -> None:
    assert receivers.request(b"").status == 200
    assert receivers.intake.payloads == [Payload(Signal.METRICS, Encoding.PROTOBUF, b"")]


def test_partial_success_is_ok_with_count_and_reason(receivers: Receivers) -> None:
    receivers.intake.verdict = Verdict(2, "x.y is not in the catalogue")
    response = receivers.request(b"body")
    got = ExportMetricsServiceResponse.FromString(response.body)
    assert response.status == 200
    assert got.partial_success.rejected_data_points == 2
    assert got.partial_success.error_message == "x.y is not in the catalogue"
    body = json.loads(receivers.request(b"{}", content_type=JSON, path="/v1/logs").body)
    assert body["partialSuccess"] == {
        "rejectedLogRecords": "2",
        "errorMessage": "x.y is not in the catalogue",
    }


def test_an_undecodable_request_is_400_with_a_status(receivers: Receivers) -> None:
    receivers.intake.error = UndecodableError("not a metrics request")
    response = receivers.request(b"\xff")
    assert response.status == 400
    assert status(response).code == Code.INVALID_ARGUMENT
    assert status(response).message == "not a metrics request"
    assert json.loads(receivers.request(b"[", content_type=JSON).body)["code"] == Code.INVALID_ARGUMENT


def test_overload_is_503_with_the_time_to_come_back(receivers: Receivers) -> None:
    receivers.intake.error = OverloadedError("busy", retry_after=1.2)
    response = receivers.request(b"body")
    assert (response.status, response.headers["retry-after"]) == (503, "2")
    info = error_details_pb2.RetryInfo()
    assert status(response).details[0].Unpack(info)
    assert info.retry_delay.ToTimedelta().total_seconds() == pytest.approx(1.2)


@pytest.mark.parametrize("bug", [ValueError("content"), MemoryError(), KeyError("content")])
def test_a_bug_is_503_and_never_a_plain_500(receivers: Receivers, bug: Exception) -> None:
    receivers.intake.error = bug
    response = receivers.request(b"body")
    assert response.status == 503
    assert int(response.headers["retry-after"]) >= 1
    assert b"content" not in response.body
    assert receivers.http.failures == {"unavailable": 1}


@pytest.mark.parametrize(
    "path", ["/", "/v1/metric", "/v1/metrics/", "/V1/metrics", "/v1/profiles", "/metrics"]
)
def test_other_paths_are_404(receivers: Receivers, path: str) -> None:
    response = receivers.request(b"", path=path)
    assert (response.status, status(response).code) == (404, Code.NOT_FOUND)


def test_a_query_does_not_change_the_path(receivers: Receivers) -> None:
    assert receivers.request(b"", path="/v1/metrics?a=b").status == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE"])
def test_other_methods_are_405_and_the_right_one_is_named(receivers: Receivers, method: str) -> None:
    response = receivers.request(method=method)
    assert (response.status, response.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("kind", ["text/plain", "application/grpc", "application/x-protobufs", "", None])
def test_other_content_types_are_415_and_the_right_ones_are_named(
    receivers: Receivers, kind: str | None
) -> None:
    response = receivers.request(b"body", content_type=kind)
    assert response.status == 415
    assert "application/x-protobuf or application/json" in json.loads(response.body)["message"]
    assert not receivers.intake.payloads


@pytest.mark.parametrize("name", ["zstd", "br", "gzip, gzip"])
def test_other_encodings_are_415_and_the_right_ones_are_named(receivers: Receivers, name: str) -> None:
    response = receivers.request(b"body", content_encoding=name)
    assert (response.status, response.headers["accept-encoding"]) == (415, "gzip, deflate")
    assert "gzip, deflate or none" in status(response).message


@pytest.mark.parametrize(
    ("name", "packed"),
    [("gzip", gzip.compress(b"body")), ("deflate", zlib.compress(b"body")), ("identity", b"body")],
    ids=["gzip", "deflate", "identity"],
)
def test_compressed_bodies_arrive_inflated(receivers: Receivers, name: str, packed: bytes) -> None:
    assert receivers.request(packed, content_encoding=name).status == 200
    assert receivers.intake.payloads[0].body == b"body"


@pytest.mark.parametrize(
    "packed",
    [b"", b"body", gzip.compress(b"body")[:-1], gzip.compress(b"body") + b"x"],
    ids=["empty", "not", "cut", "more"],
)
def test_broken_compression_is_400(receivers: Receivers, packed: bytes) -> None:
    response = receivers.request(packed, content_encoding="gzip")
    assert (response.status, status(response).code) == (400, Code.INVALID_ARGUMENT)


def test_a_body_at_the_limit_passes_and_one_byte_more_is_413(receivers: Receivers) -> None:
    assert receivers.request(bytes(LIMIT)).status == 200
    for name, body in (("identity", bytes(LIMIT + 1)), ("gzip", gzip.compress(bytes(LIMIT + 1)))):
        response = receivers.request(body, content_encoding=name)
        assert (response.status, status(response).code) == (413, Code.RESOURCE_EXHAUSTED)
        assert not status(response).details
    assert len(receivers.intake.payloads) == 1


def test_a_much_too_large_body_is_answered_clearly_too(receivers: Receivers) -> None:
    assert receivers.request(bytes(20 * 2**20)).status == 413
    assert receivers.request(bytes(20 * 2**20), connection="close").status == 413
    assert receivers.request(b"").status == 200


def test_a_gzip_bomb_is_413(start: Start) -> None:
    receivers = start(max_request_size=Size(2**20))
    bomb = gzip.compress(bytes(200 * 2**20))
    began = time.monotonic()
    assert receivers.request(bomb, content_encoding="gzip").status == 413
    assert time.monotonic() - began < 2


def test_chunked_bodies_are_read_and_bounded(receivers: Receivers) -> None:
    def chunked(size: int) -> Response:
        return receivers.request(b"x" * 1024 for _ in range(size // 1024))

    assert chunked(LIMIT).status == 200
    assert receivers.intake.payloads[0].body == b"x" * LIMIT
    assert chunked(LIMIT + 1024).status == 413


def test_connections_are_kept_and_requests_may_be_pipelined(receivers: Receivers) -> None:
    one = head("Content-Length: 2") + b"ab"
    assert statuses(receivers.raw(one + one, pause=0.3)) == [200, 200]
    assert [p.body for p in receivers.intake.payloads] == [b"ab", b"ab"]


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x00\x01\x02 not http at all\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"POST /v1/metrics HTTP/9.9\r\n\r\n",
        head("Content-Length: abc"),
        head("Content-Length: -1"),
        head("Content-Length: +1") + b"a",
        head("Content-Length: 1", "Content-Length: 2") + b"ab",
        head("Content-Length: 1", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
        head("Transfer-Encoding: chunked") + b"zz\r\n",
        head("Bad Header Name: 1"),
        head("Content-Length: 1") + b"ab",
    ],
)
def test_malformed_http_is_400(receivers: Receivers, request_bytes: bytes) -> None:
    assert statuses(receivers.raw(request_bytes, pause=0.2))[-1] == 400
    assert receivers.request(b"").status == 200


@pytest.mark.parametrize("cut", [head("Content-Length: 10") + b"ab", head()[:-2], b"POST"])
def test_a_sender_that_breaks_off_leaves_nothing(receivers: Receivers, cut: bytes) -> None:
    assert 200 not in statuses(receivers.raw(cut))
    assert receivers.request(b"ok").status == 200
    assert [p.body for p in receivers.intake.payloads] == [b"ok"]


def test_random_bytes_never_stop_it(receivers: Receivers) -> None:
    chance = random.Random(7)
    for _ in range(60):
        junk = chance.randbytes(chance.randrange(2000))
        receivers.raw(junk)
        receivers.raw(head(f"Content-Length: {len(junk)}", "Content-Encoding: gzip"), junk)
    assert receivers.request(b"").status == 200


@pytest.mark.parametrize(
    "flood",
    [
        head("X: " + "a" * 400_000),
        head(*(f"X-{n}: {n}" for n in range(40_000))),
        b"POST /" + b"a" * 400_000,
        head("Transfer-Encoding: chunked") + b"1\r\na\r\n0\r\nX: " + b"a" * 400_000,
    ],
    ids=["one header", "many headers", "path", "trailer"],
)
def test_heads_are_bounded(receivers: Receivers, flood: bytes) -> None:
    pieces = [flood[at : at + 8192] for at in range(0, len(flood), 8192)]
    with (
        socket.create_connection(("127.0.0.1", receivers.http_port), timeout=10) as one,
        pytest.raises(ConnectionError),
    ):
        slowly(one, pieces)
    assert not receivers.intake.finished
    assert receivers.request(b"").status == 200


def slowly(one: socket.socket, pieces: list[bytes]) -> None:
    for piece in pieces:
        one.sendall(piece)
        time.sleep(0.002)


def test_slow_heads_are_cut_off(monkeypatch: pytest.MonkeyPatch, start: Start) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.1)
    receivers = start()
    for begun in (b"", b"POST /v1/me"):
        with socket.create_connection(("127.0.0.1", receivers.http_port), timeout=5) as one:
            one.sendall(begun)
            assert one.recv(10) == b""


def test_slow_bodies_are_told_to_come_back(monkeypatch: pytest.MonkeyPatch, start: Start) -> None:
    monkeypatch.setattr(receive_http, "READ_SECONDS", 0.1)
    gate = Gate(requests=4, volume=10**6)
    receivers = start(gate=gate)
    with socket.create_connection(("127.0.0.1", receivers.http_port), timeout=5) as one:
        one.sendall(head("Content-Length: 10") + b"ab")
        assert one.recv(1000).startswith(b"HTTP/1.1 503")
    assert (gate.requests, gate.volume) == (0, 0)


def test_bodies_that_nobody_reads_are_cut_off(monkeypatch: pytest.MonkeyPatch, receivers: Receivers) -> None:
    monkeypatch.setattr(protocol, "UNREAD_BYTES", 10**6)
    with socket.create_connection(("127.0.0.1", receivers.http_port), timeout=5) as one:
        one.sendall(head("Content-Length: 1000000000000"))
        with pytest.raises(ConnectionError):
            one.sendall(bytes(100 * 2**20))


def test_connections_are_bounded(monkeypatch: pytest.MonkeyPatch, receivers: Receivers) -> None:
    monkeypatch.setattr(protocol, "MOST_CONNECTIONS", 3)
    place = ("127.0.0.1", receivers.http_port)
    kept = [socket.create_connection(place, timeout=5) for _ in range(3)]
    time.sleep(0.1)
    with socket.create_connection(place, timeout=5) as one:
        assert one.recv(10) == b""
    for connection in kept:
        connection.close()
    eventually(lambda: receivers.request(b"").status == 200)


def test_a_sender_that_asks_first_is_refused_before_it_sends(receivers: Receivers) -> None:
    asks = ("Expect: 100-continue", f"Content-Length: {LIMIT + 1}")
    answer = receivers.raw(head(*asks))
    assert statuses(answer) == [413]
    assert b"connection: close" in answer
    answer = receivers.raw(head("Expect: 100-continue", "Content-Length: 2"), b"ab", pause=0.1)
    assert statuses(answer) == [100, 200]


OFFER = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA")


@pytest.mark.parametrize("pieces", [1, 2, 50])
@pytest.mark.parametrize("offer", [OFFER, ("connection: keep-alive, Upgrade", "upgrade: websocket")])
def test_an_offered_upgrade_is_passed_over(receivers: Receivers, offer: tuple[str, ...], pieces: int) -> None:
    """As the JDK's HttpClient and `curl --http2` offer one with each first request."""
    whole = head(*offer, "Content-Length: 2") + b"ab" + head(*offer, "Content-Length: 3") + b"cde"
    whole += head("Transfer-Encoding: chunked", *offer) + b"2\r\nfg\r\n0\r\n\r\n"
    size = -(-len(whole) // pieces)
    parts = [whole[at : at + size] for at in range(0, len(whole), size)]
    answer = receivers.raw(*parts, pause=0.005)
    assert statuses(answer) == [200, 200, 200]
    assert [payload.body for payload in receivers.intake.payloads] == [b"ab", b"cde", b"fg"]


def test_a_tunnel_is_no_offer(receivers: Receivers) -> None:
    assert statuses(receivers.raw(b"CONNECT /v1/metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")) == [405]


def test_many_at_once_wait_and_the_rest_is_told_to_come_back(start: Start) -> None:
    receivers = start(gate=Gate(requests=3, volume=10**6, patience=0.2))
    with ThreadPoolExecutor(30) as pool:
        with receivers.intake.held():
            sent = [pool.submit(receivers.request, b"x") for _ in range(30)]
            eventually(lambda: sum(future.done() for future in sent) == 27)
        answers = [future.result() for future in sent]
    assert sorted({answer.status for answer in answers}) == [200, 503]
    assert sum(answer.status == 200 for answer in answers) == 3
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers if answer.status == 503)
    assert receivers.intake.most_at_once == 3
    assert receivers.request(b"").status == 200


def test_bytes_in_flight_are_bounded(start: Start) -> None:
    gate = Gate(requests=16, volume=2 * LIMIT, patience=0.1)
    receivers = start(gate=gate)
    with ThreadPoolExecutor(6) as pool:
        with receivers.intake.held():
            sent = [pool.submit(receivers.request, bytes(LIMIT)) for _ in range(6)]
            eventually(lambda: sum(future.done() for future in sent) == 4)
            assert gate.volume == 2 * LIMIT
        assert sorted(future.result().status for future in sent) == [200, 200, 503, 503, 503, 503]
    assert (gate.requests, gate.volume) == (0, 0)


def test_what_inflates_needs_room_too(start: Start) -> None:
    gate = Gate(requests=16, volume=2 * LIMIT, patience=0.1)
    receivers = start(gate=gate)
    packed = gzip.compress(bytes(LIMIT))
    with ThreadPoolExecutor(6) as pool:
        with receivers.intake.held():
            sent = [pool.submit(receivers.request, packed, content_encoding="gzip") for _ in range(6)]
            eventually(lambda: sum(future.done() for future in sent) >= 4)
            assert gate.volume <= 2 * LIMIT
        assert {future.result().status for future in sent} == {200, 503}
    assert (gate.requests, gate.volume) == (0, 0)


def test_a_sender_that_leaves_does_not_stop_the_intake(receivers: Receivers) -> None:
    with (
        receivers.intake.held(),
        socket.create_connection(("127.0.0.1", receivers.http_port), timeout=5) as one,
    ):
        one.sendall(head("Content-Length: 2") + b"ab")
        eventually(lambda: receivers.intake.under_way == 1)
    eventually(lambda: receivers.intake.finished == 1)


def test_stopping_lets_requests_finish_and_takes_no_more(receivers: Receivers) -> None:
    with ThreadPoolExecutor(2) as pool:
        with receivers.intake.held():
            sent = pool.submit(receivers.request, b"x")
            eventually(lambda: receivers.intake.under_way == 1)
            stopping = pool.submit(receivers.stop, 5.0)
            time.sleep(0.2)
            with pytest.raises(ConnectionError):
                receivers.request(b"late")
        assert sent.result().status == 200
        stopping.result()


def test_what_does_not_finish_in_time_is_503_when_stopping(receivers: Receivers) -> None:
    with ThreadPoolExecutor(2) as pool:
        with receivers.intake.held():
            sent = pool.submit(receivers.request, b"x")
            eventually(lambda: receivers.intake.under_way == 1)
            stopping = pool.submit(receivers.stop, 0.2)
            assert sent.result().status == 503
        stopping.result()


def test_nothing_of_a_request_is_logged(
    receivers: Receivers, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("DEBUG")
    secret = base64.b64encode(b"12D3KooWSecretPeer").decode()
    receivers.intake.error = ValueError(secret)
    receivers.request(secret.encode(), user_agent=secret, x_peer=secret)
    receivers.request(secret.encode(), path=f"/{secret}", host=secret)
    receivers.raw(secret.encode() + b"\r\n\r\n")
    out, err = capfd.readouterr()
    assert secret not in caplog.text + out + err
