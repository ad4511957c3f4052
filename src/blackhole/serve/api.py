"""Turns HTTP requests into calls of the query layer, and its answers into JSON."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import anyio
import anyio.to_thread
import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from blackhole.catalogue.allow import Permission
from blackhole.errors import QueryError, TooLargeError, UnauthenticatedError, UnsupportedError
from blackhole.model.erasure import Forget
from blackhole.query.language import parse
from blackhole.query.reports import HealthVerdict, MetricInfo, OutageReport
from blackhole.runtime.turned_away import Sender
from blackhole.serve import exposition
from blackhole.serve.access import COOKIE, SESSION_SECONDS, Tokens
from blackhole.serve.boards import Board
from blackhole.serve.document import ChunkedJson, ResponseBudget
from blackhole.serve.numbers import whole_number
from blackhole.serve.services import Services, Status
from blackhole.serve.threads import Threads

MAX_BODY = 64 * 1024
_NO_STORE = {"cache-control": "no-store"}
MOST_FINDINGS = 200
_FINDINGS = (
    "SELECT id, insight_type, title, description, severity, metrics, generated_at, expires_at FROM insights"
    " WHERE (insight_type = 'alert') = {alerts} ORDER BY generated_at DESC, id DESC LIMIT {limit}"
)

S = TypeVar("S", bound=msgspec.Struct)


class SqlQuestion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sql: str
    max_rows: int = 1000


class BackupQuestion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An empty directory on this machine that belongs to the user of the service; its whole path."""

    directory: str


class Login(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    token: str


class Refused(msgspec.Struct, frozen=True):
    """What was not taken: `count` is null where the metric is guarded.

    `allows`: the type that is taken once the metric is allowed by name; null where that mends nothing.
    """

    metric: str
    reason: str
    remedy: str
    count: int | None = None
    allows: str | None = None


class PrivacySettings(msgspec.Struct, frozen=True):
    """What the owner set; durations in seconds."""

    differential_privacy: bool
    k_anonymity: int
    sensitive_window: float
    release_window: float
    privacy_budget: float
    retention_period: float
    network_sharing: bool


class StatusAnswer(Status, frozen=True, kw_only=True):
    """`accepted` counts points, spans and log records; `requests` export requests; both by signal."""

    ready: bool
    verdict: HealthVerdict
    outages: list[OutageReport]
    accepted: dict[str, int]
    requests: dict[str, int]
    commits: int
    commit_seconds: float
    refused: list[Refused]
    turned_away: list[Sender]
    privacy: PrivacySettings


class MetricsAnswer(msgspec.Struct, frozen=True):
    metrics: list[MetricInfo]
    refused: list[Refused]


class Finding(msgspec.Struct, frozen=True):
    """A row of the `insights` table."""

    id: int
    insight_type: str
    title: str
    description: str | None
    severity: str | None
    metrics: Any
    generated_at: Any
    expires_at: Any


class InsightsAnswer(msgspec.Struct, frozen=True):
    insights: list[Finding]


class AlertsAnswer(msgspec.Struct, frozen=True):
    alerts: list[Finding]


class State(msgspec.Struct, frozen=True):
    status: str


class Api:
    """The handlers. Questions run in threads, at most two at once, since the store takes no more."""

    def __init__(
        self,
        services: Services,
        tokens: Tokens,
        readers: Callable[[], int],
        forgotten: Callable[[], None] = lambda: None,
    ) -> None:
        """`readers`: of the stream, how many; `forgotten` is called when values were erased."""
        self._services = services
        self._tokens = tokens
        self._readers = readers
        self._forgotten = forgotten
        self._threads = Threads(running=2, waiting=16, around=services.free)
        # A statement may take 10 s: only one at a time, so that other questions have a place.
        self._one_statement = anyio.Semaphore(1)
        self._one_backup = anyio.Semaphore(1)
        self._room = ResponseBudget()

    async def query(self, request: Request) -> Response:
        question = parse(await _body(request))
        ask = self._services.runner.query_document
        return self._sent(await self._threads.call(lambda: ask(question), request.receive))

    async def sql(self, request: Request) -> Response:
        question = await _read(request, SqlQuestion)
        ask = self._services.runner.sql_document
        async with self._one_statement:
            pieces = await self._threads.call(lambda: ask(question.sql, question.max_rows), request.receive)
        return self._sent(pieces)

    async def health(self, _request: Request) -> Response:
        return _json(await self._threads.call(self._services.runner.health))

    async def services(self, request: Request) -> Response:
        start, end = (request.query_params.get(name) for name in ("start_time", "end_time"))
        ask = self._services.runner.services
        return _json(await self._threads.call(lambda: ask(start, end), request.receive))

    async def metrics(self, _request: Request) -> Response:
        known = await self._threads.call(self._services.runner.metrics)
        return _json(MetricsAnswer(list(known), self._refused()))

    async def allow(self, request: Request) -> Response:
        """On the event loop, as everything that changes what is judged."""
        return _json(self._services.allow(await _read(request, Permission)))

    async def forget(self, request: Request) -> Response:
        """Not undone when the client goes away: then the file is rewritten all the same."""
        what = await _read(request, Forget)
        with anyio.CancelScope(shield=True):
            answer = await self._services.forget(what)
            if not what.dry_run:
                self._forgotten()
        return _json(answer)

    async def backup(self, request: Request) -> Response:
        question = await _read(request, BackupQuestion)
        async with self._one_backup:
            copied = await anyio.to_thread.run_sync(self._services.back_up, question.directory)
        return _json(copied)

    async def status(self, _request: Request) -> Response:
        status = self._services.status()
        statistics = self._services.statistics()
        config = self._services.config
        health = self._services.runner.newest_health
        answer = StatusAnswer(
            **msgspec.structs.asdict(status),
            ready=self._services.ready(),
            verdict=health.verdict,
            outages=health.outages,
            accepted=dict(statistics["accepted"]),
            requests=dict(statistics["requests"]),
            commits=statistics["commits"],
            commit_seconds=statistics["commit_seconds"],
            refused=self._refused(),
            turned_away=self._services.away.snapshot(),
            privacy=PrivacySettings(
                differential_privacy=config.differential_privacy,
                k_anonymity=config.k_anonymity,
                sensitive_window=float(config.sensitive_window),
                release_window=float(config.release_window),
                privacy_budget=config.privacy_budget,
                retention_period=float(config.retention_period),
                network_sharing=config.network_sharing,
            ),
        )
        return _json(answer)

    async def insights(self, request: Request) -> Response:
        return _json(InsightsAnswer(await self._findings("false", request)))

    async def alerts(self, request: Request) -> Response:
        return _json(AlertsAnswer(await self._findings("true", request)))

    async def privacy_budget(self, _request: Request) -> Response:
        return _json(await self._threads.call(self._services.runner.privacy_budget))

    async def privacy_ledger(self, request: Request) -> Response:
        before, limit = _number(request, "before", None), _number(request, "limit", 100)
        read = self._services.runner.privacy_ledger
        return _json(await self._threads.call(lambda: read(before, 100 if limit is None else limit)))

    async def explain(self, request: Request) -> Response:
        metric = str(request.path_params["metric"])
        return _json(await self._threads.call(lambda: self._services.runner.explain(metric)))

    async def boards(self, _request: Request) -> Response:
        return _json(await self._threads.call(self._services.boards.list))

    async def board(self, request: Request) -> Response:
        name = str(request.path_params["name"])
        found = await self._threads.call(lambda: self._services.boards.get(name))
        if found is None:
            raise _no_board()
        return _json(found)

    async def save_board(self, request: Request) -> Response:
        name, board = str(request.path_params["name"]), await _read(request, Board)
        await self._threads.call(lambda: self._services.boards.put(name, board))
        return Response(status_code=204, headers=_NO_STORE)

    async def delete_board(self, request: Request) -> Response:
        name = str(request.path_params["name"])
        if not await self._threads.call(lambda: self._services.boards.delete(name)):
            raise _no_board()
        return Response(status_code=204, headers=_NO_STORE)

    async def alive(self, _request: Request) -> Response:
        return _json(State("alive"))

    async def ready(self, _request: Request) -> Response:
        if not self._services.ready():
            raise HTTPException(503, "not accepting data yet, or no longer", {"retry-after": "1"})
        return _json(State("ready"))

    async def prometheus(self, _request: Request) -> Response:
        page = await self._threads.call(self._services.runner.scrape)
        text = exposition.render(self._services.status(), self._services.statistics(), self._readers(), page)
        return Response(text, headers={**_NO_STORE, "content-type": exposition.CONTENT_TYPE})

    async def login(self, request: Request) -> Response:
        """Exchanges a token for a cookie, which the dashboard's page cannot read."""
        given = await _read(request, Login)
        if self._tokens.asked_for and not self._tokens.accepts(given.token.strip()):
            raise UnauthenticatedError("not a token of this service: look into the file api.token_file")
        response = Response(status_code=204, headers=_NO_STORE)
        response.set_cookie(
            COOKIE,
            self._tokens.cookie(),
            max_age=SESSION_SECONDS,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return response

    def _sent(self, pieces: list[bytes]) -> Response:
        return ChunkedJson(pieces, self._room, headers=_NO_STORE)

    def _refused(self) -> list[Refused]:
        return [Refused(**entry) for entry in self._services.statistics()["refused"]]

    async def _findings(self, alerts: str, request: Request) -> list[Finding]:
        limit = _number(request, "limit", MOST_FINDINGS)
        if limit is None or not 1 <= limit <= MOST_FINDINGS:
            raise QueryError(f"limit is from 1 to {MOST_FINDINGS}")
        sql = _FINDINGS.format(alerts=alerts, limit=limit)
        answer = await self._threads.call(lambda: self._services.runner.sql(sql))
        return [_finding(row) for row in answer.rows]


def _finding(row: Sequence[Any]) -> Finding:
    finding = Finding(*row)
    if isinstance(finding.metrics, str):
        return msgspec.structs.replace(finding, metrics=msgspec.json.decode(finding.metrics))
    return finding


def _no_board() -> HTTPException:
    return HTTPException(404, "no board of this name is saved: GET /api/analytics/boards lists them")


async def _read(request: Request, kind: type[S]) -> S:
    """The body as `kind`. Raises UnsupportedError, TooLargeError or QueryError."""
    try:
        return msgspec.json.decode(await _body(request), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise QueryError(f"the body is not as /openapi.json says: {error}") from None


def _number(request: Request, name: str, default: int | None) -> int | None:
    """A whole number of the query string. Raises QueryError."""
    text = request.query_params.get(name)
    if not text:
        return default
    found = whole_number(text)
    if found is None:
        raise QueryError(f"`{name}` is a whole number")
    return found


async def _body(request: Request) -> bytes:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise UnsupportedError("this takes JSON: send `Content-Type: application/json`")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise TooLargeError(f"the body is over {MAX_BODY} bytes: ask for less at once")
    return body


def _json(answer: msgspec.Struct) -> Response:
    return Response(msgspec.json.encode(answer), headers=_NO_STORE, media_type="application/json")
