"""Checks of connections: kept alive, used side by side, and written to as networks do."""

import asyncio

from blackhole.conformance import rules, samples
from blackhole.conformance.answers import refused, taken
from blackhole.conformance.check import BrokenError, RuleLevel, Transport, check
from blackhole.conformance.checks.errors import GARBAGE
from blackhole.conformance.http import JSON, PROTOBUF, PUT_OFF, HttpClient, HttpRequest
from blackhole.conformance.samples import SIGNALS

CONNECTIONS = 8
_CONTINUE = 100
_EACH = 4


def _request(signal: str = "metrics") -> HttpRequest:
    return HttpRequest(f"/v1/{signal}", samples.REQUESTS[signal]())


@check(
    "keep-alive",
    Transport.HTTP,
    RuleLevel.RECOMMENDED,
    rule=rules.HTTP_CONNECTION,
    remedy="serve several requests on one connection, of either encoding",
)
async def keep_alive(http: HttpClient) -> str:
    async with http.connect() as connection:
        for signal in SIGNALS:
            taken(await connection.ask(_request(signal)), signal, PROTOBUF)
            request = HttpRequest(f"/v1/{signal}", samples.json_body(signal), JSON)
            taken(await connection.ask(request), signal, JSON)
    return "six requests on one connection"


@check(
    "keep-alive after a refusal",
    Transport.HTTP,
    RuleLevel.RECOMMENDED,
    rule=rules.MESSAGES_PERSIST,
    remedy="a request that was read to its end is no reason to close",
)
async def keep_alive_after_refusal(http: HttpClient) -> str:
    async with http.connect() as connection:
        refused(await connection.ask(HttpRequest("/v1/metrics", GARBAGE)))
        return taken(await connection.ask(_request()), "metrics", PROTOBUF).words


@check(
    "pipelined requests",
    Transport.HTTP,
    RuleLevel.RECOMMENDED,
    rule=rules.MESSAGES_PIPELINE,
    remedy="answer in the order of the requests",
)
async def pipelined(http: HttpClient) -> str:
    requests = [
        _request("metrics"),
        HttpRequest("/v1/traces", samples.json_body("traces"), JSON),
        HttpRequest("/v1/nothing-of-the-kind", method="GET", kind=""),
        _request("logs"),
    ]
    async with http.connect() as connection:
        await connection.write_requests(requests)
        answers = [await connection.read() for _ in requests]
    taken(answers[0], "metrics", PROTOBUF)
    taken(answers[1], "traces", JSON)
    if answers[2].status < 400:  # noqa: PLR2004
        raise BrokenError(f"{answers[2].status} where the third request asked for nothing")
    taken(answers[3], "logs", PROTOBUF)
    return "four answers in order"


@check(
    "parallel connections",
    Transport.HTTP,
    RuleLevel.REQUIRED,
    rule=rules.HTTP_CONCURRENT,
    remedy="serve several connections side by side; what is too much is 429 or 503",
)
async def parallel(http: HttpClient) -> str:
    async def one() -> int:
        later = 0
        async with http.connect() as connection:
            for _ in range(_EACH):
                answer = await connection.ask(_request())
                if answer.status in PUT_OFF:
                    later += 1
                else:
                    taken(answer, "metrics", PROTOBUF)
        return later

    later = sum(await asyncio.gather(*(one() for _ in range(CONNECTIONS))))
    return f"{CONNECTIONS * _EACH} requests on {CONNECTIONS} connections, {later} put off"


@check(
    "a chunked body",
    Transport.HTTP,
    RuleLevel.REQUIRED,
    rule=rules.MESSAGES_CHUNKED,
    remedy="read Transfer-Encoding: chunked",
)
async def chunked(http: HttpClient) -> str:
    request = HttpRequest("/v1/metrics", samples.metrics(), chunked=True)
    return taken(await http.send(request), "metrics", PROTOBUF).words


@check(
    "a body in pieces",
    Transport.HTTP,
    RuleLevel.REQUIRED,
    rule=rules.HTTP_REQUEST,
    remedy="read until Content-Length, however it arrives",
)
async def in_pieces(http: HttpClient) -> str:
    whole = http.encode(_request())
    async with http.connect() as connection:
        await connection.write(whole[:7], whole[7:-20], whole[-20:-1], whole[-1:], pause=0.03)
        return taken(await connection.read(), "metrics", PROTOBUF).words


@check(
    "Expect: 100-continue",
    Transport.HTTP,
    RuleLevel.RECOMMENDED,
    rule=rules.SEMANTICS_EXPECT,
    remedy="send 100 (Continue) before reading the body, or the answer at once",
)
async def expects(http: HttpClient) -> str:
    body = samples.metrics()
    request = HttpRequest("/v1/metrics", body, headers={"Expect": "100-continue"})
    whole = http.encode(request)
    async with http.connect() as connection:
        await connection.write(whole[: -len(body)])
        interim = await connection.read_interim()
        if interim != _CONTINUE:
            raise BrokenError(f"{interim} before the body was sent")
        await connection.write(body)
        return f"100, then {taken(await connection.read(), 'metrics', PROTOBUF).words}"


@check(
    "names of headers in any case",
    Transport.HTTP,
    RuleLevel.REQUIRED,
    rule=rules.SEMANTICS_FIELDS,
    remedy="names of header fields have no case",
)
async def header_names(http: HttpClient) -> str:
    body = samples.metrics()
    headers = {"Content-Length": "", "CONTENT-TYPE": PROTOBUF, "content-length": str(len(body))}
    request = HttpRequest("/v1/metrics", body, kind="", headers=headers)
    return taken(await http.send(request), "metrics", PROTOBUF).words
