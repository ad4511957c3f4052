"""Who cannot reach the service is named by kind and place, with a remedy, and nobody is named by it."""

import json
import logging
import socket
import subprocess
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from tests.e2e.service import BLACKHOLE, Service
from tests.receive.conftest import eventually

from blackhole.privacy.scrub import names_somebody
from blackhole.receive.grpc import PATHS
from blackhole.runtime.turned_away import MOST_ENTRIES, MOST_LINES, OTHER, TurnedAway

METRICS = next(iter(PATHS))
PEER = "12D3KooWGRUVhXFBHEGgiPDYGmVeyuZL1tQwWjKBGLFiDYwHLQfM"


def away(moments: list[float] | None = None) -> TurnedAway:
    return TurnedAway(names_somebody, lambda: moments[0] if moments is not None else 0.0)


def test_one_line_is_written_for_each_kind_and_place(caplog: pytest.LogCaptureFixture) -> None:
    known = away()
    for client in ("127.0.0.1", "::1", "192.0.2.7", "::ffff:127.0.0.1", "192.0.2.8"):
        known.note("tls", "otlp_http", client, 4318)
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        "something on this machine speaks TLS to port 4318, which is plain",
        "something on another machine speaks TLS to port 4318, which is plain",
    ]
    assert {(sender.place, sender.count) for sender in known.snapshot()} == {
        ("this machine", 3),
        ("another machine", 2),
    }
    assert "192.0.2" not in caplog.text + str(known.snapshot())


def test_a_remedy_names_the_ports_that_are_in_use() -> None:
    known = away()
    known.listens("otlp_http", 14318)
    known.listens("otlp_grpc", 14317)
    known.note("http1", "otlp_grpc", "127.0.0.1", 14317)
    known.note("http2", "otlp_http", "127.0.0.1", 14318)
    known.note("path", "api", "127.0.0.1", 8081, "/v1/metrics")
    remedies = {sender.kind: sender.remedy for sender in known.snapshot()}
    assert remedies["http1"].startswith("send HTTP to the other port, 14318;")
    assert remedies["http2"].startswith("gRPC goes to the other port, 14317;")
    assert remedies["path"] == "this is the page's port: send OTLP to port 14318 or 14317"


def test_there_are_never_too_many_lines_or_entries(caplog: pytest.LogCaptureFixture) -> None:
    moments = [0.0]
    known = away(moments)
    for number in range(3 * MOST_ENTRIES):
        known.note("cors", "api", "127.0.0.1", 8080, f"https://{number}")
    assert len(caplog.records) == MOST_LINES
    assert len(known.snapshot()) == MOST_ENTRIES + 1
    moments[0] = 61.0
    known.note("token", "otlp_http", "127.0.0.1", 4318)
    assert len(caplog.records) == MOST_LINES + 1


@pytest.mark.parametrize(
    ("origin", "shown"),
    [
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://127.0.0.1:5173", "http://127.0.0.1:5173"),
        ("https://app.example.org", "https://app.example.org"),
        (f"https://{'garden.' * 10}org", f"https://{'garden.' * 10}"[:64]),
        ("https://ada-4711.example", OTHER),
        ("null", OTHER),
        ("https://ada@example.org", "https://example.org"),
        ("https://192.0.2.7", OTHER),
        (f"https://{PEER}.example.org", OTHER),
        ("https://example.org/ada/lovelace", "https://example.org"),
        ("chrome-extension://abcdefghijklmnop", OTHER),
        ("https://[::1", OTHER),
        ("http://a:99999", OTHER),
    ],
)
def test_an_origin_is_shown_only_where_it_names_nobody(origin: str, shown: str) -> None:
    assert away().origin(origin) == shown


def begin(address: str, data: bytes) -> None:
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(data)
        connection.settimeout(30)
        connection.recv(100)


def turned_away(api: str) -> list[dict[str, Any]]:
    answer: list[dict[str, Any]] = httpx.get(f"{api}/api/analytics/status").json()["turned_away"]
    return answer


HELLO = bytes.fromhex("16030100050100000100")
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
OTLP = {"content-type": "application/x-protobuf"}


def test_many_at_once_are_one_line(caplog: pytest.LogCaptureFixture) -> None:
    known = away()
    known.note("http1", "otlp_grpc", "127.0.0.1", 4317, count=500)
    assert [sender.count for sender in known.snapshot()] == [500]
    assert len(caplog.records) == 1


def test_each_is_named_in_the_api_the_log_status_and_doctor(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Service(data) as service:
        otlp, api = service.ready["otlp_http"], service.ready["api"]
        begin(otlp, HELLO)
        begin(api.removeprefix("http://"), HELLO)
        begin(otlp, PREFACE)
        url = f"http://{otlp}"
        httpx.post(f"{url}/v1/metric", content=b"", headers=OTLP)
        httpx.post(f"{url}/ada/lovelace/v1/{PEER}", content=b"", headers=OTLP)
        httpx.post(f"{api}/v1/metrics", content=b"", headers=OTLP)
        httpx.post(f"{url}/v1/metrics", content=b"", headers={"content-type": "text/plain"})
        httpx.post(f"{url}/v1/metrics", content=b"", headers={"content-type": f"text/{PEER}"})
        page = {"origin": "https://app.example.org", "access-control-request-method": "POST"}
        httpx.options(f"{url}/v1/metrics", headers=page)
        httpx.get(f"{api}/api/analytics/status", headers=page)
        for beginning in (HELLO, b"POST /v1/metrics HTTP/1.1\r\nhost: localhost\r\n\r\n"):
            begin(service.ready["otlp_grpc"], beginning)
        eventually(lambda: len(turned_away(api)) == 12)
        answer = turned_away(api)
        seen = {(sender["kind"], sender["door"], sender["detail"]) for sender in answer}
        assert seen == {
            ("tls", "otlp_grpc", ""),
            ("http1", "otlp_grpc", ""),
            ("tls", "otlp_http", ""),
            ("tls", "api", ""),
            ("http2", "otlp_http", ""),
            ("path", "otlp_http", "/v1/metric"),
            ("path", "otlp_http", "/…/…/v1/…"),
            ("path", "api", "/v1/metrics"),
            ("content_type", "otlp_http", "text/plain"),
            ("content_type", "otlp_http", OTHER),
            ("cors", "otlp_http", "https://app.example.org"),
            ("cors", "api", "https://app.example.org"),
        }
        assert {sender["place"] for sender in answer} == {"this machine"}
        told = {
            command: subprocess.run(
                [str(BLACKHOLE), command, "--data-dir", str(data)],
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
            ).stdout
            for command in ("status", "doctor")
        }
    log = (tmp_path / "stderr").read_text()
    for text in (*told.values(), log):
        assert "speaks TLS to port" in text
        assert "OTEL_EXPORTER_OTLP_INSECURE=true" in text
        assert "speaks HTTP/1 to port" in text
        assert f"send HTTP to the other port, {otlp.rpartition(':')[2]};" in text
        assert "OTEL_EXPORTER_OTLP_PROTOCOL=grpc" in text
        assert PEER not in text
        assert "lovelace" not in text
    assert log.count("speaks TLS to port") == 3


def test_who_has_no_token_is_named(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("a-token-of-thirty-two-characters!\n")
    secret.chmod(0o600)
    config = tmp_path / "analytics.yaml"
    config.write_text(json.dumps({"analytics": {"otlp": {"token_file": str(secret)}}}))
    with Service(tmp_path / "data", ("--config", str(config))) as service:
        api = service.ready["api"]
        httpx.post(f"http://{service.ready['otlp_http']}/v1/metrics", content=b"", headers=OTLP)
        with grpc.insecure_channel(service.ready["otlp_grpc"]) as channel:
            for _ in range(3):
                with pytest.raises(grpc.RpcError):
                    channel.unary_unary(METRICS)(b"", timeout=10)
        expected = {("otlp_http", "token", 1), ("otlp_grpc", "token", 3)}
        eventually(lambda: {(one["door"], one["kind"], one["count"]) for one in turned_away(api)} == expected)


def test_who_is_let_in_is_not_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with Service(tmp_path / "data") as service:
        api = service.ready["api"]
        httpx.get(f"{api}/")
        httpx.get(f"{api}/favicon.ico")
        httpx.get(f"http://{service.ready['otlp_http']}/")
        httpx.post(f"{api}/api/analytics/query", json={"metric": "no.such"}, headers={"origin": api})
        httpx.post(f"http://{service.ready['otlp_http']}/v1/metrics", content=b"", headers=OTLP)
        assert httpx.get(f"{api}/api/analytics/status").json()["turned_away"] == []
