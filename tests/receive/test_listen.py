"""Addresses that cannot be had are one line that says what to do."""

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest
from tests.fakes import RecordingIntake
from tests.receive.conftest import Start

from blackhole.config import OtlpConfig
from blackhole.errors import BlackholeError, ConfigError, UsageError
from blackhole.receive.grpc import GrpcReceiver
from blackhole.receive.http import HttpReceiver

RECEIVERS = [(GrpcReceiver, "--otlp-grpc"), (HttpReceiver, "--otlp-http")]


def refusal(receiver: type[Any], host: str, port: int) -> BlackholeError:
    async def begin() -> None:
        one = receiver(RecordingIntake(), OtlpConfig())
        try:
            await one.start(host, port)
        finally:
            await one.stop(0)

    with pytest.raises(UsageError) as caught:
        asyncio.run(begin())
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(("receiver", "flag"), RECEIVERS)
def test_a_port_in_use_is_named_with_the_remedy(
    receiver: type[Any], flag: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        text = str(refusal(receiver, "127.0.0.1", port))
    assert f"127.0.0.1:{port} is in use" in text
    assert f"another {flag} (port 0 picks a free one)" in text
    assert not capfd.readouterr().err


@pytest.mark.parametrize(("receiver", "flag"), RECEIVERS)
def test_two_services_never_share_a_port(start: Start, receiver: type[Any], flag: str) -> None:
    running = start()
    port = running.grpc_port if receiver is GrpcReceiver else running.http_port
    assert "is in use" in str(refusal(receiver, "127.0.0.1", port))
    assert flag in str(refusal(receiver, "127.0.0.1", port))


@pytest.mark.parametrize(("receiver", "flag"), RECEIVERS)
@pytest.mark.parametrize(
    ("host", "why"), [("no-such-host.invalid", "known address"), ("192.0.2.1", "no address of this machine")]
)
def test_an_address_of_elsewhere_is_refused(receiver: type[Any], flag: str, host: str, why: str) -> None:
    text = str(refusal(receiver, host, 4317))
    assert f"{host}:4317" in text
    assert why in text
    assert flag in text


@pytest.mark.parametrize("host", ["localhost", "::1", "[::1]"])
def test_names_and_both_forms_of_ipv6_are_understood(start: Start, host: str) -> None:
    receivers = start(host=host)
    receivers.host = host.strip("[]")
    assert receivers.request(b"").status == 200
    with socket.create_connection((host.strip("[]"), receivers.grpc_port), timeout=5) as one:
        one.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert one.recv(9)[3] == 4, "an HTTP/2 settings frame"


def test_a_port_is_free_again_after_stopping(start: Start) -> None:
    async def again(port: int, grpc_port: int) -> None:
        http, grpc = (
            HttpReceiver(RecordingIntake(), OtlpConfig()),
            GrpcReceiver(RecordingIntake(), OtlpConfig()),
        )
        assert await http.start("127.0.0.1", port) == port
        assert await grpc.start("127.0.0.1", grpc_port) == grpc_port
        await http.stop(1)
        await grpc.stop(1)

    first = start()
    first.request(b"")
    first.stop()
    asyncio.run(again(first.http_port, first.grpc_port))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"token_file": "absent"}, "absent: cannot be read (No such file or directory): mend"),
        ({"token_file": "empty"}, "empty: holds no token"),
        ({"tls_cert": "junk"}, "belong together"),
        ({"tls_cert": "junk", "tls_key": "junk"}, "not a PEM certificate"),
        ({"tls_cert": "absent", "tls_key": "junk"}, "tls_cert`: absent cannot be read"),
        ({"allowed_origins": ("*",)}, "'*' is not an origin"),
        ({"allowed_origins": ("app.example",)}, "'app.example' is not an origin"),
    ],
)
@pytest.mark.parametrize("receiver", [GrpcReceiver, HttpReceiver])
def test_settings_that_cannot_be_used_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, receiver: type[Any], settings: dict[str, Any], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").touch()
    (tmp_path / "junk").write_text("junk")
    with pytest.raises(ConfigError) as caught:
        receiver(RecordingIntake(), OtlpConfig(**settings))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
