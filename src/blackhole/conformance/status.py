"""Turns the bytes of a google.rpc.Status into its message, and into whether it asks for a retry."""

from blackhole.conformance.wire import MalformedError, fields, octets

RETRY_INFO = b"type.googleapis.com/google.rpc.RetryInfo"


def status_message(body: bytes) -> str:
    """Raises MalformedError, TypeError or UnicodeDecodeError."""
    message = ""
    for field in fields(body):
        if field.number == 1 and not isinstance(field.value, int):
            raise MalformedError("the code is no number")
        if field.number == 2:  # noqa: PLR2004
            message = octets(field.value).decode()
    return message


def retry_info(details: bytes) -> bool:
    """Whether a serialized google.rpc.Status holds RetryInfo."""
    try:
        return any(
            inner.value == RETRY_INFO
            for field in fields(details)
            if field.number == 3 and isinstance(field.value, bytes)  # noqa: PLR2004
            for inner in fields(field.value)
        )
    except MalformedError:
        return False
