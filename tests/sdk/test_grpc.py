import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import grpc.aio
import pytest
from tests.sdk.reading import Measured

import blackhole.sdk as bh

REQUESTS, ERRORS = "demo.requests.total", "demo.errors.total"


def succeed(request: bytes, context: Any) -> bytes:  # noqa: ARG001
    return request


def refuse(request: bytes, context: Any) -> bytes:  # noqa: ARG001
    context.abort(grpc.StatusCode.PERMISSION_DENIED, "no")
    raise AssertionError


def mark(request: bytes, context: Any) -> bytes:
    context.set_code(grpc.StatusCode.NOT_FOUND)
    return request


def crash(request: bytes, context: Any) -> bytes:  # noqa: ARG001
    raise ValueError("a person's name")


def count_down(request: bytes, context: Any) -> Iterator[bytes]:  # noqa: ARG001
    yield from (b"2", b"1")


async def succeed_later(request: bytes, context: Any) -> bytes:  # noqa: ARG001
    return request


async def refuse_later(request: bytes, context: Any) -> bytes:
    await context.abort(grpc.StatusCode.PERMISSION_DENIED, "no")
    return request


async def count_down_later(request: bytes, context: Any) -> AsyncIterator[bytes]:  # noqa: ARG001
    for number in (b"2", b"1"):
        yield number


def handlers(**behaviors: Any) -> Any:
    return grpc.method_handlers_generic_handler(
        "test.Service",
        {
            name: (
                grpc.unary_stream_rpc_method_handler(behavior)
                if name == "Stream"
                else grpc.unary_unary_rpc_method_handler(behavior)
            )
            for name, behavior in behaviors.items()
        },
    )


def call(port: int, method: str) -> Any:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        if method == "Stream":
            return list(channel.unary_stream(f"/test.Service/{method}")(b"x", timeout=5))
        return channel.unary_unary(f"/test.Service/{method}")(b"x", timeout=5)


def key(method: str, *, success: bool) -> tuple[tuple[str, Any], ...]:
    return (("method", f"/test.Service/{method}"), ("success", success))


def test_a_threaded_server_counts_calls_by_full_method_and_outcome() -> None:
    measured = Measured()
    server = grpc.server(
        ThreadPoolExecutor(2), interceptors=[bh.grpc_server_interceptor(measured.integration)]
    )
    server.add_generic_rpc_handlers(
        [handlers(Good=succeed, Refused=refuse, Marked=mark, Broken=crash, Stream=count_down)]
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        assert call(port, "Good") == b"x"
        assert call(port, "Stream") == [b"2", b"1"]
        for method in ("Refused", "Marked", "Broken", "Missing"):
            with pytest.raises(grpc.RpcError):
                call(port, method)
    finally:
        server.stop(None).wait()
    assert measured.counts(REQUESTS) == {
        key("Good", success=True): 1,
        key("Stream", success=True): 1,
        key("Refused", success=False): 1,
        key("Marked", success=False): 1,
        key("Broken", success=False): 1,
    }
    assert {dict(attributes)["error_type"] for attributes in measured.counts(ERRORS)} == {
        "denied",
        "not_found",
        "invalid",
    }


def test_an_asyncio_server_counts_the_same_way() -> None:
    measured = Measured()

    async def serve_and_call() -> None:
        server = grpc.aio.server(interceptors=[bh.grpc_server_interceptor(measured.integration)])
        server.add_generic_rpc_handlers(
            [handlers(Good=succeed_later, Refused=refuse_later, Stream=count_down_later)]
        )
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        assert await asyncio.to_thread(call, port, "Good") == b"x"
        assert await asyncio.to_thread(call, port, "Stream") == [b"2", b"1"]
        with pytest.raises(grpc.RpcError):
            await asyncio.to_thread(call, port, "Refused")
        await server.stop(None)

    asyncio.run(serve_and_call())
    assert measured.counts(REQUESTS) == {
        key("Good", success=True): 1,
        key("Stream", success=True): 1,
        key("Refused", success=False): 1,
    }
    assert measured.counts(ERRORS) == {(("error_type", "denied"), ("method", "/test.Service/Refused")): 1}
