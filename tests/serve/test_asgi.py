"""The server binds, serves and stops inside a running loop, and says in one line why it cannot."""

import asyncio
import signal
import socket
import ssl

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from blackhole.errors import UsageError
from blackhole.runtime.asgi import AsgiServer
from blackhole.runtime.turned_away import TurnedAway

pytestmark = pytest.mark.anyio


async def slow(_request: Request) -> Response:
    await asyncio.sleep(0.3)
    return PlainTextResponse("done")


def server() -> AsgiServer:
    return AsgiServer(Starlette(routes=[Route("/slow", slow)]), name="test server", flag="--listen")


async def test_port_zero_picks_a_free_one_and_signals_stay_with_the_program() -> None:
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    running = server()
    port = await running.start("127.0.0.1", 0)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"http://127.0.0.1:{port}/slow")).text == "done"
    await running.stop(1)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_a_running_request_is_finished_before_the_end() -> None:
    running = server()
    port = await running.start("127.0.0.1", 0)
    async with httpx.AsyncClient() as client:
        request = asyncio.create_task(client.get(f"http://127.0.0.1:{port}/slow"))
        await asyncio.sleep(0.1)
        await running.stop(5)
        assert (await request).text == "done"


async def test_a_port_in_use_is_one_line_with_the_remedy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=rf"127.0.0.1:{port} is in use: .*--listen") as refused:
            await server().start("127.0.0.1", port)
    assert "\n" not in str(refused.value)


async def test_an_address_of_another_machine_is_refused_with_the_remedy() -> None:
    with pytest.raises(UsageError, match=r"is no address of this machine: .*--listen"):
        await server().start("192.0.2.1", 0)


@pytest.mark.parametrize("files", [("cert.pem", ""), ("", "key.pem"), ("cert.pem", "key.pem")])
def test_unusable_tls_files_are_refused(files: tuple[str, str]) -> None:
    with pytest.raises(UsageError, match="tls_cert"):
        AsgiServer(Starlette(), name="API", flag="--listen", tls_cert=files[0], tls_key=files[1])


async def test_who_speaks_plainly_to_a_page_with_tls_is_told_and_named(certificate: tuple[str, str]) -> None:
    cert, key = certificate
    away = TurnedAway()
    running = AsgiServer(Starlette(), name="API", flag="--listen", tls_cert=cert, tls_key=key, away=away)
    port = await running.start("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
    assert b"https://" in await reader.read()
    writer.close()
    assert [(one.kind, one.door, one.count) for one in away.snapshot()] == [("plain", "api", 1)]
    trusting = ssl.create_default_context(cafile=cert)
    async with httpx.AsyncClient(verify=trusting) as client:
        assert (await client.get(f"https://localhost:{port}/")).status_code == 404
    await running.stop(1)


async def test_stopping_what_never_started_is_nothing() -> None:
    await server().stop(1)


async def test_an_offer_of_http_2_is_passed_over_and_its_body_read() -> None:
    async def echo(asked: Request) -> Response:
        return Response(await asked.body())

    running = AsgiServer(
        Starlette(routes=[Route("/echo", echo, methods=["POST"])]), name="test server", flag="--listen"
    )
    port = await running.start("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    offer = (
        b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n"
    )
    for body in (b"one", b"two"):
        writer.write(b"POST /echo HTTP/1.1\r\nHost: localhost\r\n" + offer)
        writer.write(b"Content-Length: %d\r\n\r\n" % len(body))
        await asyncio.sleep(0.02)
        writer.write(body)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        assert await reader.readexactly(3) == body
    writer.close()
    await running.stop(1)
