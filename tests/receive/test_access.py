"""Who may send over HTTP: host names, pages, tokens, TLS."""

import socket
import ssl

import pytest
from tests.receive.calls import begin
from tests.receive.conftest import PROTOBUF, Receivers, Start, eventually, head, status, statuses

from blackhole.receive.answers import Code

PAGE = "https://app.example"


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:4318", "127.0.0.1:1", "[::1]:4318", "192.168.1.5", "a.localhost", "localhost."],
)
def test_hosts_of_this_machine_are_served(receivers: Receivers, host: str) -> None:
    assert receivers.request(b"", host=host).status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:4318", "localhost.evil.example", "127.0.0.1.nip.io", ""]
)
def test_foreign_hosts_are_421(receivers: Receivers, host: str) -> None:
    response = receivers.request(b"", host=host)
    assert (response.status, status(response).code) == (421, Code.PERMISSION_DENIED)
    assert not receivers.intake.payloads


def test_a_missing_or_doubled_host_is_421(receivers: Receivers) -> None:
    none = f"POST /v1/metrics HTTP/1.1\r\nContent-Type: {PROTOBUF}\r\n\r\n".encode()
    assert statuses(receivers.raw(none, pause=0.1)) == [421]
    assert statuses(receivers.raw(head("Host: evil.example"), pause=0.1)) == [421]
    assert statuses(receivers.raw(none.replace(b"1.1", b"1.0"), pause=0.1)) == [200]


def test_pages_may_not_send_unless_they_are_listed(start: Start) -> None:
    receivers = start(allowed_origins=(PAGE + "/",))
    for origin in ("https://evil.example", "null", "", PAGE + ".evil", "http://app.example"):
        for method in ("POST", "OPTIONS"):
            response = receivers.request(
                b"", method=method, origin=origin, access_control_request_method="POST"
            )
            assert response.status == 403
            assert not [name for name in response.headers if name.startswith("access-control")]
    assert not receivers.intake.payloads
    response = receivers.request(b"", origin=PAGE)
    assert (response.status, response.headers["access-control-allow-origin"]) == (200, PAGE)
    assert response.headers["vary"] == "origin"


def test_preflights_are_answered_for_listed_origins(start: Start) -> None:
    receivers = start(allowed_origins=(PAGE,))
    response = receivers.request(
        method="OPTIONS", origin=PAGE, content_type=None, access_control_request_method="POST"
    )
    assert (response.status, response.body) == (204, b"")
    assert response.headers["access-control-allow-origin"] == PAGE
    assert response.headers["access-control-allow-methods"] == "POST"
    assert "content-type" in response.headers["access-control-allow-headers"]
    assert "access-control-allow-credentials" not in response.headers
    refused = receivers.request(b"", path="/elsewhere", origin=PAGE)
    assert (refused.status, refused.headers["access-control-allow-origin"]) == (404, PAGE)


def test_without_a_list_no_page_may_send(receivers: Receivers) -> None:
    assert receivers.request(b"", origin=f"http://127.0.0.1:{receivers.http_port}").status == 403


def test_with_a_token_file_the_token_is_needed(start: Start, token: str) -> None:
    receivers = start(token_file=token)
    for given in (
        "",
        "Bearer wrong",
        "Basic s3cret",
        "s3cret",
        "Bearer",
        "Bearer s3cret x",
        "Bearer s3cre\xe9",
    ):
        response = receivers.request(b"", authorization=given)
        assert (response.status, status(response).code) == (401, Code.UNAUTHENTICATED)
        assert response.headers["www-authenticate"].startswith("Bearer")
    assert not receivers.intake.payloads
    assert receivers.request(b"", authorization="Bearer s3cret").status == 200
    assert receivers.request(b"", authorization="bearer s3cret").status == 200


def test_who_has_the_token_may_use_any_host_name(start: Start, token: str) -> None:
    receivers = start(token_file=token)
    assert receivers.request(b"", host="node.lan", authorization="Bearer s3cret").status == 200
    assert receivers.request(b"", host="node.lan").status == 421
    assert receivers.request(b"", host="node.lan", authorization="Bearer wrong").status == 401


def test_browsers_ask_without_the_token(start: Start, token: str) -> None:
    receivers = start(token_file=token, allowed_origins=(PAGE,))
    response = receivers.request(method="OPTIONS", origin=PAGE, access_control_request_method="POST")
    assert response.status == 204
    assert "authorization" in response.headers["access-control-allow-headers"]


def test_tls_is_spoken_when_it_is_set(start: Start, certificate: tuple[str, str]) -> None:
    cert, key = certificate
    receivers = start(tls_cert=cert, tls_key=key)
    trusting = ssl.create_default_context(cafile=cert)
    assert receivers.request(b"x", tls=trusting).status == 200
    assert statuses(receivers.raw(head())) == [400]


@pytest.mark.parametrize(
    "spoken", [b"POST /v1/metrics HTTP/1.1\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]
)
def test_who_speaks_plainly_to_a_port_with_tls_is_told_and_named(
    start: Start, certificate: tuple[str, str], spoken: bytes
) -> None:
    cert, key = certificate
    receivers = start(tls_cert=cert, tls_key=key)
    for answer in (receivers.raw(spoken), begin(receivers, spoken)):
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"https://" in answer
    for junk in (b"SSH-2.0-x\r\n", b"\x00\x01"):
        receivers.raw(junk)
        begin(receivers, junk)
    expected = {("otlp_http", "plain", 1), ("otlp_grpc", "plain", 1)}
    eventually(lambda: {(one.door, one.kind, one.count) for one in receivers.away.snapshot()} == expected)
    sender = receivers.away.snapshot()[0]
    assert sender.place == "this machine"
    assert "which takes TLS alone" in sender.words
    assert "https://" in sender.remedy
    trusting = ssl.create_default_context(cafile=cert)
    assert receivers.request(b"x", tls=trusting).status == 200


def test_who_says_nothing_to_a_port_with_tls_keeps_nobody_out(
    start: Start, certificate: tuple[str, str]
) -> None:
    cert, key = certificate
    receivers = start(tls_cert=cert, tls_key=key)
    with socket.create_connection((receivers.host, receivers.http_port), timeout=5):
        trusting = ssl.create_default_context(cafile=cert)
        assert receivers.request(b"x", tls=trusting).status == 200
        receivers.stop()
