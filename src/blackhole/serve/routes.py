"""Puts the HTTP side together: one table of endpoints makes both the routes and their description."""

from collections.abc import Iterator, Sequence

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute

from blackhole.catalogue.allow import Allowed, Permission
from blackhole.errors import BlackholeError
from blackhole.model.erasure import BackupAnswer, Forget, Forgotten
from blackhole.privacy.explain import Explanation
from blackhole.query.language import Answer, Query, SqlAnswer
from blackhole.query.privacy import MAX_ROWS
from blackhole.query.privacy_answers import BudgetAnswer, LedgerPage
from blackhole.query.reports import HealthReport, ServicesReport
from blackhole.serve import exposition, openapi, problems
from blackhole.serve.access import OwnOrigins, Tokens
from blackhole.serve.api import (
    MOST_FINDINGS,
    AlertsAnswer,
    Api,
    BackupQuestion,
    InsightsAnswer,
    Login,
    MetricsAnswer,
    SqlQuestion,
    State,
    StatusAnswer,
)
from blackhole.serve.boards import Board, BoardsAnswer
from blackhole.serve.door import AccessMiddleware
from blackhole.serve.live import Live
from blackhole.serve.openapi import Endpoint
from blackhole.serve.page import Page
from blackhole.serve.prometheus import Prometheus
from blackhole.serve.services import Services
from blackhole.serve.vectors import QueryFailure, Success

STREAM = "/analytics/stream"
DESCRIPTION = "/openapi.json"
_BASE = "/api/analytics"
_PROMETHEUS = "/api/v1"
_HANDLED: tuple[type[Exception], ...] = (BlackholeError, HTTPException, Exception)


def build(services: Services, live: Live | None = None, page: Page | None = None) -> Starlette:
    """The ASGI application. Raises ConfigError when the token file cannot be used."""
    live = live or Live(services)
    page = page or Page()
    tokens = Tokens.read(services.config.api.token_file)
    api = Api(services, tokens, lambda: live.readers, live.forget)
    table = endpoints(api, Prometheus(services), page)
    version = services.status().version
    description = openapi.document(table, version=version, token_needed=tokens.asked_for)
    return Starlette(
        routes=_routes(table, description, live, page),
        middleware=[Middleware(AccessMiddleware, place=OwnOrigins(services.config.api), tokens=tokens)],
        exception_handlers=dict.fromkeys(_HANDLED, problems.handle),
    )


def endpoints(api: Api, prometheus: Prometheus, page: Page) -> tuple[Endpoint, ...]:
    """Every operation, in the order in which the description lists them."""
    newest = {"limit": f"At most so many, the newest first, up to {MOST_FINDINGS}"}
    return (
        Endpoint("POST", f"{_BASE}/query", "Values of one metric over time", api.query, Query, Answer),
        Endpoint("POST", f"{_BASE}/sql", "A read-only SQL question", api.sql, SqlQuestion, SqlAnswer),
        Endpoint("GET", f"{_BASE}/metrics", "What is known and what came", api.metrics, None, MetricsAnswer),
        Endpoint(
            "POST", f"{_BASE}/catalogue/allow", "Collect metrics from here on", api.allow, Permission, Allowed
        ),
        Endpoint("POST", f"{_BASE}/forget", "Erase what is stored", api.forget, Forget, Forgotten),
        Endpoint("POST", f"{_BASE}/backup", "Copy the database", api.backup, BackupQuestion, BackupAnswer),
        Endpoint("GET", f"{_BASE}/health", "How each service is doing", api.health, None, HealthReport),
        Endpoint(
            "GET",
            f"{_BASE}/services",
            "What each service did in a range",
            api.services,
            None,
            ServicesReport,
            parameters=("start_time", "end_time"),
        ),
        Endpoint("GET", f"{_BASE}/status", "How this process is doing", api.status, None, StatusAnswer),
        Endpoint("GET", f"{_BASE}/insights", "What was found", api.insights, None, InsightsAnswer, newest),
        Endpoint("GET", f"{_BASE}/alerts", "Alerts that were raised", api.alerts, None, AlertsAnswer, newest),
        *_privacy_endpoints(api),
        *_board_endpoints(api),
        Endpoint("POST", "/login", "Exchange a token for a session cookie", api.login, Login),
        Endpoint("GET", "/healthz", "The process is alive", api.alive, None, State),
        Endpoint("GET", "/readyz", "Data is accepted", api.ready, None, State),
        Endpoint("GET", "/metrics", "Prometheus text", api.prometheus, None, exposition.CONTENT_TYPE),
        *_of_prometheus(prometheus),
        Endpoint("GET", "/", "The dashboard", page.index, None, "text/html"),
    )


def _of_prometheus(api: Prometheus) -> Iterator[Endpoint]:
    """As Prometheus has them, for Grafana; what may be long may be asked with POST."""
    known = ("match[]", "start", "end", "limit")
    both = (
        ("query", "PromQL at one time", api.query, ("query!", "time", "limit")),
        (
            "query_range",
            "PromQL over a range",
            api.query_range,
            ("query!", "start!", "end!", "step!", "limit"),
        ),
        ("series", "Series that match", api.series, ("match[]!", *known[1:])),
        ("labels", "Names of labels", api.labels, known),
    )
    reading = (
        ("label/{name}/values", "Values of a label", api.label_values, known),
        ("metadata", "Types and descriptions of metrics", api.metadata, ("metric", "limit")),
        ("status/buildinfo", "What this server can answer", api.build_info, ()),
    )
    for method, paths in (("GET", both), ("POST", both), ("GET", reading)):
        for path, summary, handler, parameters in paths:
            full = f"{_PROMETHEUS}/{path}"
            yield Endpoint(
                method, full, summary, handler, None, Success, parameters=parameters, error=QueryFailure
            )


def _privacy_endpoints(api: Api) -> tuple[Endpoint, ...]:
    base = f"{_BASE}/privacy"
    pages = {
        "before": "Only rows below this sequence",
        "limit": f"At most so many rows, up to {MAX_ROWS}; 100 where it is not given",
    }
    return (
        Endpoint("GET", f"{base}/budget", "What is left", api.privacy_budget, None, BudgetAnswer),
        Endpoint("GET", f"{base}/ledger", "What was spent", api.privacy_ledger, None, LedgerPage, pages),
        Endpoint("GET", f"{base}/explain/{{metric}}", "What is promised", api.explain, None, Explanation),
    )


def _board_endpoints(api: Api) -> tuple[Endpoint, ...]:
    one = f"{_BASE}/boards/{{name}}"
    return (
        Endpoint("GET", f"{_BASE}/boards", "The saved boards", api.boards, None, BoardsAnswer),
        Endpoint("GET", one, "A saved board", api.board, None, Board),
        Endpoint("PUT", one, "Save a board", api.save_board, Board),
        Endpoint("DELETE", one, "Delete a board", api.delete_board),
    )


def _routes(
    table: Sequence[Endpoint], description: openapi.Schema, live: Live, page: Page
) -> list[BaseRoute]:
    encoded = msgspec.json.encode(description)

    async def describe(_request: Request) -> Response:
        return Response(encoded, headers={"cache-control": "no-cache"}, media_type="application/json")

    return [
        # The name of a metric may hold slashes.
        *(Route(e.path.replace("}", ":path}"), e.handler, methods=[e.method]) for e in table),
        Route(DESCRIPTION, describe, methods=["GET"]),
        WebSocketRoute(STREAM, live.serve),
        Mount("/assets", page.assets),
    ]
