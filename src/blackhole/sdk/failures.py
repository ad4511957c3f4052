"""Turns any exception into one of a small set of words, so that no message leaves a service."""

from typing import Final

ERROR_TYPES: Final = (
    "cancelled",
    "conflict",
    "connection",
    "denied",
    "internal",
    "invalid",
    "not_found",
    "overloaded",
    "timeout",
    "unauthenticated",
    "unavailable",
    "unimplemented",
)

_STATUS_WORDS: Final = {
    "CANCELLED": "cancelled",
    "INVALID_ARGUMENT": "invalid",
    "FAILED_PRECONDITION": "invalid",
    "OUT_OF_RANGE": "invalid",
    "DEADLINE_EXCEEDED": "timeout",
    "NOT_FOUND": "not_found",
    "ALREADY_EXISTS": "conflict",
    "ABORTED": "conflict",
    "PERMISSION_DENIED": "denied",
    "UNAUTHENTICATED": "unauthenticated",
    "RESOURCE_EXHAUSTED": "overloaded",
    "UNIMPLEMENTED": "unimplemented",
    "UNAVAILABLE": "unavailable",
}

# The first class that fits decides, so the narrow ones stand before their parents.
_EXCEPTION_WORDS: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (TimeoutError, "timeout"),
    (ConnectionError, "connection"),
    (PermissionError, "denied"),
    (FileNotFoundError, "not_found"),
    (FileExistsError, "conflict"),
    (NotImplementedError, "unimplemented"),
    (MemoryError, "overloaded"),
    (LookupError, "not_found"),
    (ValueError, "invalid"),
    (TypeError, "invalid"),
)


def classify_error(error: BaseException) -> str:
    """One of `ERROR_TYPES`. gRPC errors are told by their status code, others by their class."""
    if (status := status_name(_code_of(error))) is not None:
        return classify_status(status)
    if type(error).__name__ in {"CancelledError", "Cancelled"}:
        return "cancelled"
    for kind, word in _EXCEPTION_WORDS:
        if isinstance(error, kind):
            return word
    return "timeout" if type(error).__name__ == "TooSlowError" else "internal"


def classify_status(status: str) -> str:
    """One of `ERROR_TYPES` for the name of a gRPC status code."""
    return _STATUS_WORDS.get(status, "internal")


def classify_http(status: int) -> str:
    """One of `ERROR_TYPES` for an HTTP status of 500 and above."""
    return {501: "unimplemented", 503: "unavailable", 504: "timeout"}.get(status, "internal")


def status_name(code: object) -> str | None:
    """The name of a gRPC status code given as the enumeration, or None when it is no such thing."""
    name = getattr(code, "name", None)
    return name if isinstance(name, str) and name.isupper() else None


def _code_of(error: BaseException) -> object:
    code = getattr(error, "code", None)
    if not callable(code):
        return None
    try:
        return code()
    except Exception:  # noqa: BLE001  (a foreign exception's method; its failure says nothing)
        return None
