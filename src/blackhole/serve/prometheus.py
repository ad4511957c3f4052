"""Turns requests of Prometheus' HTTP API into questions of PromQL, and their answers into its JSON."""

import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from blackhole import errors
from blackhole.errors import BlackholeError, ExpressionError, TooLargeError, UnsupportedError
from blackhole.promql import syntax
from blackhole.promql.discovery import SearchRange
from blackhole.serve.document import ChunkedJson, ResponseBudget
from blackhole.serve.numbers import whole_number
from blackhole.serve.problems import problem
from blackhole.serve.services import Services
from blackhole.serve.threads import Threads
from blackhole.serve.vectors import QueryFailure, Success, listed, pieces

# The release of Prometheus whose semantics the answers have; Grafana decides by it what it may ask.
VERSION = "3.0.0"
MAX_BODY = 64 * 1024
MOST_WAITING = 12 * 2**20
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
PrometheusHandler = Callable[[Request], Awaitable[Response]]


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
        if otherwise is not None and not any(self.all(name)[:1]):
            return otherwise
        return syntax.time_of(self.text(name), name)

    @property
    def span(self) -> SearchRange | None:
        """`start` to `end`; None where neither is given."""
        if not self.all("start") and not self.all("end"):
            return None
        return SearchRange(self.time("start", 0), self.time("end", _now()))

    @property
    def limit(self) -> int | None:
        """How many entries are wanted at most. Raises ExpressionError."""
        text = next(iter(self.all("limit")), "") or "0"
        found = whole_number(text)
        if found is None:
            raise ExpressionError('invalid parameter "limit": it is a whole number')
        return found or None


class Prometheus:
    """The handlers. One question at a time: evaluation is Python, and a place of the store stays free."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._threads = Threads(running=1, waiting=64, around=services.free)
        self._room = ResponseBudget(MOST_WAITING)

    async def query(self, request: Request) -> Response:
        """An expression at one time."""

        async def answer(asked: Parameters) -> Response:
            query, moment, limit = asked.text("query"), asked.time("time", _now()), asked.limit
            _check_limits(asked)
            ask = self._services.runner.promql.instant
            return self._sent(
                await self._ask(request, lambda: pieces(ask(query, moment), limit, instant=True))
            )

        return await _answered(request, answer)

    async def query_range(self, request: Request) -> Response:
        """An expression at every step of a range."""

        async def answer(asked: Parameters) -> Response:
            query, limit = asked.text("query"), asked.limit
            start, end = asked.time("start"), asked.time("end")
            step = syntax.duration_of(asked.text("step"), "step")
            _check_limits(asked)
            ask = self._services.runner.promql.range
            return self._sent(
                await self._ask(request, lambda: pieces(ask(query, start, end, step), limit, instant=False))
            )

        return await _answered(request, answer)

    async def series(self, request: Request) -> Response:
        """The labels of all series that match."""

        async def answer(asked: Parameters) -> Response:
            asked.text("match[]")
            span = asked.span
            found = await self._ask(
                request, lambda: self._services.runner.promql.series(asked.all("match[]"), span)
            )
            return _listed(found, asked.limit)

        return await _answered(request, answer)

    async def labels(self, request: Request) -> Response:
        """The names of all labels."""

        async def answer(asked: Parameters) -> Response:
            span, promql = asked.span, self._services.runner.promql
            return _listed(
                await self._ask(request, lambda: promql.label_names(asked.all("match[]"), span)), asked.limit
            )

        return await _answered(request, answer)

    async def label_values(self, request: Request) -> Response:
        """The values of one label."""
        name = str(request.path_params["name"])

        async def answer(asked: Parameters) -> Response:
            span, promql = asked.span, self._services.runner.promql
            found = await self._ask(request, lambda: promql.label_values(name, asked.all("match[]"), span))
            return _listed(found, asked.limit)

        return await _answered(request, answer)

    async def metadata(self, request: Request) -> Response:
        """Type and description of every metric."""

        async def answer(asked: Parameters) -> Response:
            found = await self._ask(request, self._services.runner.promql.metadata)
            names = asked.all("metric") or sorted(found)
            known = {name: found[name] for name in names[: asked.limit] if name in found}
            return _json(Success(known, "success"))

        return await _answered(request, answer)

    async def build_info(self, request: Request) -> Response:
        """Tells Grafana what it may ask."""

        async def answer(_: Parameters) -> Response:
            version = self._services.status().version
            names = {"version": VERSION, "revision": f"blackhole-{version}", "branch": "", "buildUser": ""}
            return _json(Success({**names, "buildDate": "", "goVersion": ""}, "success"))

        return await _answered(request, answer)

    def _sent(self, document: list[bytes]) -> Response:
        return ChunkedJson(document, self._room, headers=_NO_STORE)

    async def _ask(self, request: Request, question: Callable[[], T]) -> T:
        return await self._threads.call(question, request.receive)


async def _answered(request: Request, answer: Callable[[Parameters], Awaitable[Response]]) -> Response:
    """The answer, or the error as Prometheus words it; the unexpected is left to the application."""
    try:
        return await answer(await Parameters.of(request))
    except BlackholeError as error:
        kind = next((word for known, word in _KINDS if isinstance(error, known)), "internal")
        return _json(QueryFailure("error", kind, str(error)), problem(error).status)


def _listed(found: list[Any], limit: int | None) -> Response:
    return _json(listed(found, limit))


def _json(body: Success | QueryFailure, status: int = 200) -> Response:
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


def _check_limits(asked: Parameters) -> None:
    """A longer or shorter timeout than ours changes nothing, but has to be one. Raises ExpressionError."""
    if any(asked.all("timeout")[:1]):
        syntax.duration_of(asked.text("timeout"), "timeout")
    if asked.all("lookback_delta"):
        raise ExpressionError("lookback_delta is not supported: it is 5m")
