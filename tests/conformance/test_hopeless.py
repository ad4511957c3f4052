"""No check can be passed by doing nothing right: for each there is a receiver that fails it."""

import pytest
from tests.conformance.faulty import (
    Forward,
    GrpcFault,
    GrpcForward,
    HttpFault,
    answer,
    grpc_server,
    http_server,
)

from blackhole.conformance import suite
from blackhole.conformance.check import Check, Transport
from blackhole.conformance.grpc import Reply
from blackhole.conformance.http import JSON, HttpAnswer, HttpRequest
from blackhole.conformance.target import Probe
from blackhole.conformance.wire import nested, number, text

pytestmark = pytest.mark.anyio

RETRY = nested(3, text(1, "type.googleapis.com/google.rpc.RetryInfo"))


async def breaks_down(_request: HttpRequest, _forward: Forward) -> HttpAnswer | None:
    return answer(500)


async def takes_anything(_request: HttpRequest, _forward: Forward) -> HttpAnswer | None:
    return answer(200, "text/html", b"welcome", access_control_allow_origin="*")


async def hangs_up(_request: HttpRequest, _forward: Forward) -> HttpAnswer | None:
    return None


async def is_busy(_request: HttpRequest, _forward: Forward) -> HttpAnswer | None:
    return answer(503)


async def says_nothing(request: HttpRequest, _forward: Forward) -> HttpAnswer | None:
    if request.kind == JSON:
        return answer(200, JSON, b'{"partialSuccess": {}}')
    return answer(200, request.kind or "text/plain", nested(1))


async def rejects_silently(request: HttpRequest, _forward: Forward) -> HttpAnswer | None:
    if request.kind == JSON:
        rejected = "rejectedSpans" if "traces" in request.path else "rejectedDataPoints"
        return answer(200, JSON, b'{"partialSuccess": {"%s": "1"}}' % rejected.encode())
    return answer(200, request.kind or "text/plain", nested(1, number(1, 1)))


async def is_broken(_method: str, _body: bytes, _forward: GrpcForward) -> Reply:
    return Reply("INTERNAL")


async def wants_it_again(_method: str, _body: bytes, _forward: GrpcForward) -> Reply:
    return Reply("UNAVAILABLE")


async def wants_all_again(_method: str, _body: bytes, _forward: GrpcForward) -> Reply:
    return Reply("RESOURCE_EXHAUSTED", details=RETRY)


async def says_nothing_in_grpc(_method: str, _body: bytes, _forward: GrpcForward) -> Reply:
    return Reply("OK", body=nested(1))


async def rejects_silently_in_grpc(_method: str, _body: bytes, _forward: GrpcForward) -> Reply:
    return Reply("OK", body=nested(1, number(1, 1)))


HTTP: tuple[HttpFault, ...] = (
    breaks_down,
    takes_anything,
    hangs_up,
    is_busy,
    says_nothing,
    rejects_silently,
)
GRPC: tuple[GrpcFault, ...] = (
    is_broken,
    wants_it_again,
    wants_all_again,
    says_nothing_in_grpc,
    rejects_silently_in_grpc,
)


def of(transport: Transport) -> list[Check]:
    return [check for check in suite.checks() if check.transport is transport]


async def outcome(check: Check, probe: Probe) -> str:
    """Those that judge all answers get some to judge."""
    before = next(other for other in suite.checks() if other.transport is check.transport)
    findings = await suite.run(probe, [before, check] if check.last else [check])
    return findings[-1].result


@pytest.mark.parametrize("check", of(Transport.HTTP), ids=lambda check: check.name)
async def test_every_check_over_http_can_fail(check: Check) -> None:
    results = []
    for fault in HTTP:
        async with http_server(fault) as client:
            results.append(await outcome(check, Probe(http=client)))
        if results[-1] == "failed":
            break
    assert "failed" in results


@pytest.mark.parametrize("check", of(Transport.GRPC), ids=lambda check: check.name)
async def test_every_check_over_grpc_can_fail(check: Check) -> None:
    results = []
    for fault in GRPC:
        async with grpc_server(fault) as client:
            results.append(await outcome(check, Probe(grpc=client)))
        if results[-1] == "failed":
            break
    assert "failed" in results


@pytest.mark.parametrize("fault", HTTP, ids=lambda fault: fault.__name__)
async def test_none_of_them_conforms(fault: HttpFault) -> None:
    async with http_server(fault) as client:
        assert not suite.conforms(await suite.run(Probe(http=client)))
