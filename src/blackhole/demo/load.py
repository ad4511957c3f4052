"""Turns the time of day into people: calls to social, at a rate that swings and sometimes bursts."""

import asyncio
import contextlib
import math
import random
import time
import uuid

import grpc
from opentelemetry import trace

from blackhole.demo.rpc import Client

_PEOPLE = 40
_BASE_RATE = 7.0
_SWING_SECONDS = 40.0
_MISTYPED, _LOST, _UNKNOWN, _BURST = 0.03, 0.04, 0.05, 0.002
_CONTENT_TYPES = ("image", "text", "video", "audio")
_MEDIAN_SIZE = {"image": 80_000, "text": 2_000, "video": 900_000, "audio": 300_000}


class Load:
    """People who share, read and follow; a few mistype their secret or ask for what is not there."""

    def __init__(self, social: str, identity: str, tracer: trace.Tracer) -> None:
        self._social = Client("Social", social, tracer)
        self._identity = Client("Identity", identity, tracer)
        self._people = {f"did:key:z6Mk{uuid.uuid4().hex}": uuid.uuid4().hex for _ in range(_PEOPLE)}
        self._contents: list[str] = []
        self._burst_until = 0.0

    async def run(self) -> None:
        try:
            for user, secret in self._people.items():
                await self._quietly(self._identity, "Create", {"user": user, "secret": secret})
            async with asyncio.TaskGroup() as visits:
                while True:
                    await asyncio.sleep(random.expovariate(self._rate()))
                    visits.create_task(self._visit())
        finally:
            await self._social.close()
            await self._identity.close()

    def _rate(self) -> float:
        """Visits a second."""
        now = time.monotonic()
        if random.random() < _BURST:
            self._burst_until = now + random.uniform(2.0, 5.0)
        swing = 1.0 + 0.7 * math.sin(2 * math.pi * now / _SWING_SECONDS)
        return _BASE_RATE * swing * (3.0 if now < self._burst_until else 1.0)

    async def _visit(self) -> None:
        user = random.choice(list(self._people))
        visit = random.choices((self._share, self._read, self._follow), weights=(2, 5, 2))[0]
        await visit(user)

    async def _share(self, user: str) -> None:
        kind = random.choice(_CONTENT_TYPES)
        content = uuid.uuid4().hex
        mistyped = random.random() < _MISTYPED
        shared = await self._quietly(
            self._social,
            "Share",
            {
                "user": user,
                "secret": "mistyped" if mistyped else self._people[user],
                "content": content,
                "type": kind,
                "size": int(_MEDIAN_SIZE[kind] * random.lognormvariate(0.0, 0.8)),
            },
        )
        if shared:
            self._contents = [*self._contents[-200:], content]

    async def _read(self, user: str) -> None:
        lost = not self._contents or random.random() < _LOST
        content = "lost" if lost else random.choice(self._contents)
        await self._quietly(self._social, "Read", {"user": user, "content": content})

    async def _follow(self, user: str) -> None:
        unknown = random.random() < _UNKNOWN
        other = "did:key:unknown" if unknown else random.choice(list(self._people))
        await self._quietly(self._social, "Follow", {"user": user, "other": other})

    async def _quietly(self, service: Client, method: str, body: dict[str, object]) -> bool:
        """Whether it worked; the services measure why it did not."""
        with contextlib.suppress(grpc.aio.AioRpcError):
            await service.call(method, body, timeout=2.0)
            return True
        return False
