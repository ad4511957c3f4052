"""Turns a name into one of the demo's three services: identity, node or social.

Run as `python -m blackhole.demo.services NAME` by `blackhole.demo.run`. People and contents are invented;
calls, work, waiting and failures are real.
"""

import asyncio
import contextlib
import hashlib
import random
import sys
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

import grpc

import blackhole.sdk as bh
from blackhole.demo import child, rpc
from blackhole.demo.load import Load
from blackhole.demo.rpc import Body, Client, RpcMethod

_TIDYING_EVERY, _TIDYING_FOR = 45.0, 4.0


class Identity:
    """Keeps people and checks that they are who they say."""

    def __init__(self, integration: bh.AnalyticsIntegration) -> None:
        self._secrets: dict[str, bytes] = {}
        self._operations = integration.counter(
            "identity.operations", unit="operations", description="DID operations by type"
        )
        self.methods: dict[str, RpcMethod] = {
            "Create": self.create,
            "Resolve": self.resolve,
            "Verify": self.verify,
        }

    async def create(self, body: Body, context: Any) -> Body:
        if body["user"] in self._secrets:
            await context.abort(grpc.StatusCode.ALREADY_EXISTS, "the identity exists")
        self._secrets[body["user"]] = await _hash(body["secret"], body["user"])
        self._count("create", body)
        return {}

    async def resolve(self, body: Body, context: Any) -> Body:
        self._count("resolve", body)
        if body["user"] not in self._secrets:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such identity")
        return {"known": True}

    async def verify(self, body: Body, context: Any) -> Body:
        self._count("verify", body)
        expected = self._secrets.get(body["user"])
        if expected is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such identity")
        if await _hash(body["secret"], body["user"]) != expected:
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, "the secret is wrong")
        return {"verified": True}

    def _count(self, kind: str, body: Body) -> None:
        self._operations.add(1, {"type": kind, "user.id": body["user"]})


class Node:
    """Keeps contents on a disk that is slow now and then."""

    _PLACES = 8
    _MOST = 2000

    def __init__(self) -> None:
        self._sizes: dict[str, int] = {}
        self._busy = asyncio.Semaphore(self._PLACES)
        self.methods: dict[str, RpcMethod] = {"Store": self.store, "Fetch": self.fetch}

    async def store(self, body: Body, context: Any) -> Body:
        await self._work(body["size"], context)
        self._sizes[body["content"]] = body["size"]
        if len(self._sizes) > self._MOST:
            self._sizes.pop(next(iter(self._sizes)))
        return {}

    async def fetch(self, body: Body, context: Any) -> Body:
        size = self._sizes.get(body["content"])
        if size is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such content")
        await self._work(size or 0, context)
        return {"size": size}

    async def _work(self, size: int, context: Any) -> None:
        if self._busy.locked():
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "the node is busy")
        async with self._busy:
            tidying = time.monotonic() % _TIDYING_EVERY < _TIDYING_FOR
            await asyncio.sleep((0.25 if tidying else 0.004) * random.expovariate(1.0) + size / 50e6)


class Social:
    """What people use: it asks identity who they are, and node for the contents."""

    def __init__(self, integration: bh.AnalyticsIntegration, identity: Client, node: Client) -> None:
        self._identity, self._node = identity, node
        self._operations = integration.counter(
            "content.operations", unit="operations", description="Content operations by type"
        )
        self._sizes = integration.histogram("content.size", unit="By", description="Size of contents")
        self.methods: dict[str, RpcMethod] = {"Share": self.share, "Read": self.read, "Follow": self.follow}

    async def share(self, body: Body, context: Any) -> Body:
        await self._ask(self._identity, "Verify", {"user": body["user"], "secret": body["secret"]}, context)
        await self._ask(self._node, "Store", {"content": body["content"], "size": body["size"]}, context)
        self._operations.add(1, {"type": "upload", "user.id": body["user"]})
        self._sizes.record(body["size"], {"type": body["type"], "user.id": body["user"]})
        return {}

    async def read(self, body: Body, context: Any) -> Body:
        answer = await self._ask(self._node, "Fetch", {"content": body["content"]}, context)
        self._operations.add(1, {"type": "download", "user.id": body["user"]})
        return answer

    async def follow(self, body: Body, context: Any) -> Body:
        return await self._ask(self._identity, "Resolve", {"user": body["other"]}, context)

    async def _ask(self, service: Client, method: str, body: Body, context: Any) -> Body:
        """Hands the status of the other service on, without its words."""
        try:
            return await service.call(method, body, timeout=0.8)
        except grpc.aio.AioRpcError as error:
            await context.abort(error.code(), f"{method} failed")
            raise


async def _hash(secret: str, salt: str) -> bytes:
    return await asyncio.to_thread(hashlib.pbkdf2_hmac, "sha256", secret.encode(), salt.encode(), 3000)


async def _run(name: str, foundation: bh.Foundation, order: dict[str, Any]) -> None:
    integration = bh.AnalyticsIntegration(name)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    child.when_left(partial(loop.call_soon_threadsafe, stopped.set))
    async with contextlib.AsyncExitStack() as stack:
        methods = await _methods(name, integration, foundation, order, stack)
        server, address = await rpc.serve(name.capitalize(), methods, integration, foundation.tracer)
        stack.push_async_callback(server.stop, 0.5)
        child.say(address=address)
        if name == "social":
            load = asyncio.create_task(Load(address, order["identity"], foundation.tracer).run())
            stack.push_async_callback(_cancel, load)
        await stopped.wait()


async def _methods(
    name: str,
    integration: bh.AnalyticsIntegration,
    foundation: bh.Foundation,
    order: dict[str, Any],
    stack: contextlib.AsyncExitStack,
) -> Mapping[str, RpcMethod]:
    if name == "identity":
        return Identity(integration).methods
    if name == "node":
        return Node().methods
    identity = Client("Identity", order["identity"], foundation.tracer)
    node = Client("Node", order["node"], foundation.tracer)
    stack.push_async_callback(identity.close)
    stack.push_async_callback(node.close)
    return Social(integration, identity, node).methods


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def main() -> None:
    name = sys.argv[1]
    try:
        order = child.order()
    except child.OrphanedError:
        return
    with bh.setup(name, endpoint=order["endpoint"], interval=order["interval"]) as foundation:
        asyncio.run(_run(name, foundation, order))


if __name__ == "__main__":
    main()
