"""Requests that are refused, each with an identity where the error is; and headers that nobody asked for."""

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.canary.identities import Canaries
from tests.canary.places import metrics

PROTOBUF = "application/x-protobuf"
JSON = "application/json"


@dataclass(frozen=True)
class Sent:
    """One HTTP request to the receiver."""

    body: bytes
    path: str = "/v1/metrics"
    method: str = "POST"
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": PROTOBUF})


def headers(canaries: Canaries, content_type: str, **more: str) -> dict[str, str]:
    """What a proxy, a browser or an SDK may add."""
    return {
        "content-type": content_type,
        "user-agent": canaries.name("user agent"),
        "baggage": f"user={canaries.name('baggage')}",
        "cookie": f"session={canaries.any('a cookie')}",
        "traceparent": f"00-{canaries.identifier(16, 'traceparent').hex()}-{'1' * 16}-01",
        "tracestate": f"v={canaries.name('tracestate')}",
        "x-forwarded-for": canaries.of("IPv4 address", "x-forwarded-for"),
        canaries.name("the name of a header"): canaries.any("a header"),
        **more,
    }


def _json(canaries: Canaries) -> Iterator[Any]:
    """Documents that are no requests, wrong at each place where a decoder may look."""
    name = canaries.name("JSON that is wrong")
    yield {"resourceMetrics": name}
    yield {name: [], "resourceMetrics": [name]}
    yield {"resourceMetrics": [{"resource": {"attributes": [{"key": "a", "value": {"intValue": name}}]}}]}
    yield {
        "resourceMetrics": [{"resource": {"attributes": [{"key": "a", "value": {"bytesValue": f"!{name}"}}]}}]
    }
    for point in (
        {"timeUnixNano": name},
        {"asInt": name},
        {"asDouble": name},
        {"asInt": "1", "exemplars": [{"traceId": name, "asInt": "1"}]},
        {"flags": name},
    ):
        data = {"gauge": {"dataPoints": [point]}}
        yield {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "app.heat", **data}]}]}]}
    kind = {"sum": {"aggregationTemporality": name, "dataPoints": [{"asInt": "1"}]}}
    yield {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "app.count", **kind}]}]}]}


def bodies(canaries: Canaries) -> Iterator[Sent]:
    whole = metrics(canaries).SerializeToString()
    for content_type in (PROTOBUF, JSON):
        sent = headers(canaries, content_type)
        yield Sent(whole[: len(whole) // 2], headers=sent)
        yield Sent(whole + b"\xff\xff", headers=sent)
        yield Sent(canaries.name("a body that is nothing").encode(), headers=sent)
        for path in ("/v1/traces", "/v1/logs"):
            yield Sent(whole, path, headers=sent)
    for document in _json(canaries):
        yield Sent(json.dumps(document).encode(), headers=headers(canaries, JSON))
    for text in (
        f'{{"resourceMetrics": [{canaries.name("no JSON")}',
        f'"{canaries.name("half a string")}\\ud800"',
    ):
        for path in ("/v1/metrics", "/v1/traces", "/v1/logs"):
            yield Sent(text.encode(), path, headers=headers(canaries, JSON))
    name = canaries.name("invalid UTF-8").encode()
    yield Sent(b'{"' + name + b'\xff": 1}', headers=headers(canaries, JSON))
    zipped = gzip.compress(whole)
    yield Sent(zipped[: len(zipped) // 2], headers=headers(canaries, PROTOBUF) | {"content-encoding": "gzip"})
    yield Sent(name * 200_000, headers=headers(canaries, PROTOBUF))
    bomb = gzip.compress(name * 200_000)
    yield Sent(bomb, headers=headers(canaries, PROTOBUF) | {"content-encoding": "gzip"})


def requests(canaries: Canaries) -> Iterator[Sent]:
    """What is wrong outside of the body."""
    plain = headers(canaries, PROTOBUF)
    yield Sent(b"", f"/v1/metrics?user={canaries.name('a query')}", headers=plain)
    yield Sent(b"", f"/v1/{canaries.name('a path')}", headers=plain)
    yield Sent(b"", f"/{canaries.name('a path')}/v1/logs", method="GET", headers=plain)
    yield Sent(b"", method="DELETE", headers=plain)
    for key in ("content-type", "content-encoding", "host", "origin", "authorization", "accept"):
        yield Sent(b"x", headers=plain | {key: canaries.name(f"the header {key}")})
    yield Sent(b"x", headers=plain | {"authorization": f"Bearer {canaries.any('a token')}"})
    yield Sent(b"x", headers=plain | {"origin": f"https://{canaries.name('an origin')}.example"})
    yield Sent(b"x", headers=plain | {"x-long": canaries.name("a long header") * 2_000})
