"""Checks of what pages of other sites can do with a receiver here. Advice: OTLP does not ask for it."""

from blackhole.conformance import rules, samples
from blackhole.conformance.check import BrokenError, RuleLevel, Transport, check
from blackhole.conformance.http import JSON, HttpAnswer, HttpClient, HttpRequest

FOREIGN = "https://foreign.example"
_FIRST_ERROR = 400


def _closed(answer: HttpAnswer) -> str:
    allowed = answer.headers.get("access-control-allow-origin", "")
    if allowed:
        raise BrokenError(f"{answer.status} with Access-Control-Allow-Origin: {allowed}")
    return f"{answer.status}, no Access-Control-Allow-Origin"


@check(
    "a preflight from {}",
    Transport.HTTP,
    RuleLevel.ADVICE,
    rule=rules.FETCH_CORS,
    remedy="allow only origins that the owner listed",
    over=("a foreign origin", "the null origin"),
)
async def preflight(http: HttpClient, origin: str) -> str:
    headers = {
        "Origin": "null" if "null" in origin else FOREIGN,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    return _closed(await http.send(HttpRequest("/v1/metrics", method="OPTIONS", kind="", headers=headers)))


@check(
    "a request of a foreign page",
    Transport.HTTP,
    RuleLevel.ADVICE,
    rule=rules.FETCH_CORS,
    remedy="refuse an Origin that the owner did not list: a simple request needs no preflight",
)
async def foreign_page(http: HttpClient) -> str:
    request = HttpRequest("/v1/metrics", samples.json_body("metrics"), JSON, headers={"Origin": FOREIGN})
    answer = await http.send(request)
    if answer.status < _FIRST_ERROR:
        raise BrokenError(f"{answer.status}: its data were taken")
    return _closed(answer)


@check(
    "a foreign Host",
    Transport.HTTP,
    RuleLevel.ADVICE,
    rule=rules.REBINDING,
    remedy="answer 421 (or 403) to names that are not the receiver's, unless a token is shown",
)
async def foreign_host(http: HttpClient) -> str:
    headers = {"Host": "rebound.example", "Authorization": ""}
    answer = await http.send(HttpRequest("/v1/metrics", samples.metrics(), headers=headers))
    if answer.status < _FIRST_ERROR:
        raise BrokenError(f"{answer.status}: it was taken")
    return str(answer.status)
