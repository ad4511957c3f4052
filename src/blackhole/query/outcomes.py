"""Turns the attributes of a request into whether the service failed it, and how.

Only the server's own failures count: HTTP 5xx, the gRPC statuses that OpenTelemetry names for servers, spans
with status ERROR. What a client did wrong (4xx, NOT_FOUND) is an answer like any other. None: not said.
"""

import re

from blackhole.model.series import Attributes

# Micrometer says `status`, Prometheus' clients `code` or `status`.
_HTTP_STATUS = ("http.response.status_code", "http.status_code", "status", "status_code", "code")
_RPC_STATUS = (
    "rpc.response.status_code",
    "rpc.grpc.status_code",
    "rpc.connect_rpc.error_code",
    "grpc.status",
    "grpc_code",
)
_SPAN_STATUS = ("status.code", "otel.status_code")
STATUS_KEYS = (
    *_HTTP_STATUS,
    *_RPC_STATUS,
    *_SPAN_STATUS,
    "error.type",
    "error_type",
    "outcome",
    "success",
)

_SERVER_ERROR, _CLIENT_ERROR, _LEAST_STATUS, _MOST_STATUS = 500, 400, 100, 599
# By number; those that are failures of the server: semantic conventions for gRPC, "Server" column.
_GRPC = (
    *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS"),
    *("PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE"),
    *("UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"),
)
_GRPC_FAILURES = frozenset(
    ("UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS")
)
# grpc-prometheus writes `DeadlineExceeded`, Connect `deadline_exceeded`.
_GRPC_NAMES = {name.replace("_", ""): name for name in _GRPC}
_OUTCOMES = {
    **dict.fromkeys(("SERVER_ERROR", "FAILURE", "FAILED", "ERROR"), True),
    **dict.fromkeys(("SUCCESS", "OK", "REDIRECTION", "INFORMATIONAL", "CLIENT_ERROR"), False),
}
_STATUS_CLASS = re.compile(r"([1-5])xx", re.IGNORECASE)


def text(attributes: Attributes, *keys: str) -> str:
    """The first of these attributes that is there, as a person writes it; else nothing."""
    for key in keys:
        value = attributes.get(key)
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, float) and value.is_integer():
            return str(int(value))
        if value is not None and value != "":
            return str(value)
    return ""


def of_http(attributes: Attributes) -> bool | None:
    status = _http_status(attributes)
    if status is not None and status >= _CLIENT_ERROR:
        return status >= _SERVER_ERROR
    kind = text(attributes, "error.type")
    if kind:
        # The error of an answer without a status, or of one that broke after its head was sent.
        return not _is_status(kind) or int(kind) >= _SERVER_ERROR
    if status is not None:
        return False
    return _OUTCOMES.get(text(attributes, "outcome").upper(), _of_success(attributes))


def of_rpc(attributes: Attributes) -> bool | None:
    status = _grpc_status(attributes)
    if status is not None and status != "OK":
        return status in _GRPC_FAILURES
    if text(attributes, "error.type") or text(attributes, "rpc.connect_rpc.error_code"):
        return True
    if status is not None or text(attributes, *_RPC_STATUS):
        return False
    return _of_success(attributes)


def of_rpc_call(attributes: Attributes) -> bool | None:
    """By the convention what succeeded has no `error.type`; so one without any mark says so."""
    return of_rpc(attributes) or False


def of_message(attributes: Attributes) -> bool | None:
    """As of RPCs: what has no `error.type` succeeded."""
    return text(attributes, "error.type") != ""


def of_span(attributes: Attributes) -> bool | None:
    status = text(attributes, *_SPAN_STATUS).upper().removeprefix("STATUS_CODE_")
    return status in {"ERROR", "2"} if status else None


def of_own(attributes: Attributes) -> bool | None:
    """What a service counts itself may be marked in any of these ways."""
    marked = _of_success(attributes)
    if marked is not None:
        return marked
    if text(attributes, *_RPC_STATUS):
        return of_rpc(attributes)
    found = of_http(attributes)
    return _OUTCOMES.get(text(attributes, "status").upper()) if found is None else found


def nothing_known(attributes: Attributes) -> bool | None:
    del attributes
    return None


def kind_of(attributes: Attributes) -> str:
    """What a failure is called: `500`, `UNAVAILABLE`, `TimeoutError`, else `error`."""
    kind = text(attributes, "error_type", "error.type")
    if kind and kind != "_OTHER":
        return kind
    grpc = _grpc_status(attributes)
    status = text(attributes, *_HTTP_STATUS)
    if grpc is not None and grpc != "OK":
        return grpc
    return status if _http_status(attributes) is not None else kind or "error"


def _of_success(attributes: Attributes) -> bool | None:
    return {"true": False, "false": True}.get(text(attributes, "success").lower())


def _is_status(value: str) -> bool:
    return value.isascii() and value.isdigit() and _LEAST_STATUS <= int(value) <= _MOST_STATUS


def _http_status(attributes: Attributes) -> int | None:
    for key in _HTTP_STATUS:
        value = text(attributes, key)
        if _is_status(value):
            return int(value)
        if found := _STATUS_CLASS.fullmatch(value):
            return 100 * int(found[1])
    return None


def _grpc_status(attributes: Attributes) -> str | None:
    """The name of the gRPC status, from its number or from any way to write it."""
    value = text(attributes, *_RPC_STATUS)
    if value.isascii() and value.isdigit():
        return _GRPC[int(value)] if int(value) < len(_GRPC) else None
    return _GRPC_NAMES.get(value.upper().replace("_", ""))
