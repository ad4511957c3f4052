"""Turns requests of Prometheus' HTTP API into questions of PromQL, and their answers into its JSON."""

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from blackhole import errors
from blackhole.errors import BlackholeError, ExpressionError, TooLargeError, UnsupportedError
from blackhole.query.promql import syntax
from blackhole.query.promql.discovery import Span
from blackhole.query.promql.engine import Result
from blackhole.query.promql.names import number_text
from blackhole.serve.problems import problem
from blackhole.serve.services import Services
from blackhole.serve.threads import Threads

# The release of Prometheus whose semantics the answers have; Grafana decides by it what it may ask.
VERSION = "3.0.0"
MAX_BODY = 64 * 1024
FORM = "application/x-www-form-urlencoded"
_NO_STORE = {"cache-control": "no-store"}
_KINDS: tuple[tuple[type[BlackholeError], str], ...] = (
    (errors.EvaluationTimeoutError, "timeout"),
    (errors.EvaluationError, "execution"),
    (errors.QueryError, "bad_data"),
    (errors.OverloadedError, "unavailable"),
    (errors.IntakeError, "bad_data"),
)

T = TypeVar("T")
Handler = Callable[[Request], Awaitable[Response]]


class Success(msgspec.Struct, frozen=True, omit_defaults=True):
    """`data` is as Prometheus has it for the operation."""

    data: Any
    status: str
    warnings: list[str] = []


class Failure(msgspec.Struct, frozen=True):
    """`errorType`: bad_data, execution, timeout, unavailable or internal."""

    status: str
    errorType: str  # noqa: N815 - Prometheus' name
    error: str


class Parameters:
    """What was asked, from the address and, of POST, from the form."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self._values.setdefault(name, []).append(value)

    @classmethod
    async def of(cls, request: Request) -> "Parameters":
        """Raises TooLargeError, UnsupportedError."""
        pairs = list(request.query_params.multi_items())
        if request.method == "POST":
            pairs += parse_qsl(await _form(request), keep_blank_values=True)
        return cls(pairs)

    def all(self, name: str) -> list[str]:
        return self._values.get(name, [])

    def text(self, name: str) -> str:
        """Raises ExpressionError when it is missing."""
        if not self.all(name):
            raise ExpressionError(f'invalid parameter "{name}": it is missing')
        return self.all(name)[0]

    def time(self, name: str, otherwise: int | None = None) -> int:
        """Milliseconds. Raises ExpressionError."""
        if otherwise is not None and not self.all(name):
            return otherwise
        return syntax.time_of(self.text(name), name)

    @property
    def span(self) -> Span | None:
        """`start` to `end`; None where neither is given."""
        if not self.all("start") and not self.all("end"):
            return None
        return Span(self.time("start", 0), self.time("end", _now()))

    @property
    def limit(self) -> int | None:
        """How many entries are wanted at most. Raises ExpressionError."""
        text = next(iter(self.all("limit")), "0")
        if not text.isascii() or not text.isdigit():
            raise ExpressionError('invalid parameter "limit": it is a whole number')
        return int(text) or None


class Prometheus:
    """The handlers. One question at a time: evaluation is Python, and a place of the store stays free."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._threads = Threads(running=1, waiting=64, around=services.free)

    async def query(self, request: Request) -> Response:
        """An expression at one time."""

        async def answer(asked: Parameters) -> Success:
            query, moment = asked.text("query"), asked.time("time", _now())
            _refuse_lookback(asked)
            found = await self._ask(lambda: self._services.runner.promql.instant(query, moment))
            return _limited(found, asked.limit, instant=True)

        return await _answered(request, answer)

    async def query_range(self, request: Request) -> Response:
        """An expression at every step of a range."""

        async def answer(asked: Parameters) -> Success:
            query, start, end = asked.text("query"), asked.time("start"), asked.time("end")
            step = syntax.duration_of(asked.text("step"), "step")
            _refuse_lookback(asked)
            found = await self._ask(lambda: self._services.runner.promql.range(query, start, end, step))
            return _limited(found, asked.limit, instant=False)

        return await _answered(request, answer)

    async def series(self, request: Request) -> Response:
        """The labels of all series that match."""

        async def answer(asked: Parameters) -> Success:
            asked.text("match[]")
            span = asked.span
            found = await self._ask(lambda: self._services.runner.promql.series(asked.all("match[]"), span))
            return _cut(found, asked.limit)

        return await _answered(request, answer)

    async def labels(self, request: Request) -> Response:
        """The names of all labels."""

        async def answer(asked: Parameters) -> Success:
            span, promql = asked.span, self._services.runner.promql
            return _cut(await self._ask(lambda: promql.label_names(asked.all("match[]"), span)), asked.limit)

        return await _answered(request, answer)

    async def label_values(self, request: Request) -> Response:
        """The values of one label."""
        name = str(request.path_params["name"])

        async def answer(asked: Parameters) -> Success:
            span, promql = asked.span, self._services.runner.promql
            found = await self._ask(lambda: promql.label_values(name, asked.all("match[]"), span))
            return _cut(found, asked.limit)

        return await _answered(request, answer)

    async def metadata(self, request: Request) -> Response:
        """Type and description of every metric."""

        async def answer(asked: Parameters) -> Success:
            found = await self._ask(self._services.runner.promql.metadata)
            names = asked.all("metric") or sorted(found)
            return Success({name: found[name] for name in names[: asked.limit] if name in found}, "success")

        return await _answered(request, answer)

    async def build_info(self, request: Request) -> Response:
        """Tells Grafana what it may ask."""

        async def answer(_: Parameters) -> Success:
            version = self._services.status().version
            names = {"version": VERSION, "revision": f"blackhole-{version}", "branch": "", "buildUser": ""}
            return Success({**names, "buildDate": "", "goVersion": ""}, "success")

        return await _answered(request, answer)

    async def _ask(self, question: Callable[[], T]) -> T:
        return await self._threads.call(question)


async def _answered(request: Request, answer: Callable[[Parameters], Awaitable[Success]]) -> Response:
    """The answer as JSON, or the error as Prometheus words it; the unexpected is left to the application."""
    try:
        body: Success | Failure = await answer(await Parameters.of(request))
        status = 200
    except BlackholeError as error:
        kind = next((word for known, word in _KINDS if isinstance(error, known)), "internal")
        body, status = Failure("error", kind, str(error)), problem(error).status
    return Response(msgspec.json.encode(body), status, _NO_STORE, media_type="application/json")


async def _form(request: Request) -> str:
    media_type = request.headers.get("content-type", FORM).partition(";")[0].strip().lower()
    if media_type != FORM:
        raise UnsupportedError(f"POST takes a form here: send `Content-Type: {FORM}`")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise TooLargeError(f"the body is over {MAX_BODY} bytes: ask for less at once")
    return body.decode("utf-8", "replace")


def _now() -> int:
    return round(time.time() * 1000)


def _refuse_lookback(asked: Parameters) -> None:
    if asked.all("lookback_delta"):
        raise ExpressionError("lookback_delta is not supported: it is 5m")


def _limited(found: Result, limit: int | None, *, instant: bool) -> Success:
    if found.kind in {"scalar", "string"}:
        moment, value = found.series[0][1][0]
        return _result(found.kind, [moment, found.text if found.kind == "string" else number_text(value)])
    series: list[Mapping[str, Any]] = []
    for labels, points in found.series[:limit]:
        texts = [(moment, number_text(value)) for moment, value in points]
        single = instant and found.kind == "vector"
        series.append(
            {"metric": labels, "value": texts[0]} if single else {"metric": labels, "values": texts}
        )
    return _result(found.kind, series, cut=len(series) < len(found.series))


def _result(kind: str, result: object, *, cut: bool = False) -> Success:
    return Success({"resultType": kind, "result": result}, "success", _warnings(cut))


def _cut(found: list[Any], limit: int | None) -> Success:
    return Success(found[:limit], "success", _warnings(limit is not None and len(found) > limit))


def _warnings(cut: bool) -> list[str]:
    return ["results truncated due to limit"] if cut else []
