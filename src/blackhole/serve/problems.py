"""Turns errors into problem documents (RFC 9457); the one place where they get an HTTP status."""

import logging
from http import HTTPStatus
from math import ceil

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import Response

from blackhole import errors
from blackhole.runtime.logs import place

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"


class MisdirectedError(errors.BlackholeError):
    """The Host header names another host than this one."""


class ForeignOriginError(errors.BlackholeError):
    """A page of another origin asks, and it is not in `api.allowed_origins`."""


STATUSES: dict[type[errors.BlackholeError], HTTPStatus] = {
    errors.BlackholeError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.UsageError: HTTPStatus.BAD_REQUEST,
    errors.ConfigError: HTTPStatus.BAD_REQUEST,
    errors.CatalogueError: HTTPStatus.BAD_REQUEST,
    errors.UnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.PrivacyError: HTTPStatus.FORBIDDEN,
    errors.StoreError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.PreemptedError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.QueriesPreemptedError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.QueryError: HTTPStatus.BAD_REQUEST,
    errors.UnknownMetricError: HTTPStatus.NOT_FOUND,
    errors.ForbiddenError: HTTPStatus.FORBIDDEN,
    errors.PrivacyQueryError: HTTPStatus.BAD_REQUEST,
    errors.ExpressionError: HTTPStatus.BAD_REQUEST,
    errors.EvaluationError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.EvaluationTimeoutError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.IntakeError: HTTPStatus.BAD_REQUEST,
    errors.UndecodableError: HTTPStatus.BAD_REQUEST,
    errors.TooLargeError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.UnsupportedError: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.UnauthenticatedError: HTTPStatus.UNAUTHORIZED,
    errors.OverloadedError: HTTPStatus.SERVICE_UNAVAILABLE,
    MisdirectedError: HTTPStatus.MISDIRECTED_REQUEST,
    ForeignOriginError: HTTPStatus.FORBIDDEN,
}


class Problem(msgspec.Struct, frozen=True):
    """RFC 9457: `detail` is the one line of the error: what, where, what to do."""

    type: str
    title: str
    status: int
    detail: str


def problem(error: BaseException) -> Problem:
    """The problem that an error is. What is not ours tells nothing of itself: it might hold data."""
    if isinstance(error, errors.BlackholeError):
        kind = next(base for base in type(error).__mro__ if base in STATUSES)
        status = STATUSES[kind]
        slug = "".join("-" + c.lower() if c.isupper() else c for c in kind.__name__.removesuffix("Error"))
        return Problem(f"urn:blackhole:problem:{slug.strip('-')}", status.phrase, status, str(error))
    if isinstance(error, HTTPException):
        status = HTTPStatus(error.status_code)
        return Problem("about:blank", status.phrase, status, error.detail)
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    detail = f"an unexpected {type(error).__name__}: see the log of the service, and report it"
    return Problem("about:blank", status.phrase, status, detail)


def response(error: BaseException) -> Response:
    """The answer for an error, with the headers that its status asks for."""
    document = problem(error)
    headers = {"cache-control": "no-store"}
    if isinstance(error, errors.OverloadedError):
        headers["retry-after"] = str(max(1, ceil(error.retry_after)))
    elif document.status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["retry-after"] = "1"
    if document.status == HTTPStatus.UNAUTHORIZED:
        headers["www-authenticate"] = 'Bearer realm="blackhole"'
    if isinstance(error, HTTPException):
        headers.update(error.headers or {})
    body = msgspec.json.encode(document)
    return Response(body, document.status, headers, media_type=MEDIA_TYPE)


async def handle(request: HTTPConnection, error: Exception) -> Response:
    """The exception handler of the application. What is unexpected is logged by its place, never its text."""
    if not isinstance(error, errors.BlackholeError | HTTPException):
        # The route's own path: what was asked for may name somebody.
        route = getattr(request.scope.get("route"), "path", "a request")
        log.error("%s failed: unexpected %s", route, place(error))
    return response(error)
